"""The matrix itself: what becomes of each phase with each fault of each victim. docs/reliability.md shows it as tables,
and the tests of a cell hold both to what happens."""

import collections

PHASES = {"wait": "account wait", "open": "open", "renewal": "renewal", "close": "close", "approve": "approve"}
FAULTS = {"refuse": "refuse", "hang": "hang", "slow": "slow", "garbage": "garbage", "cut": "cut mid-answer",
          "disk_full": "disk full", "descriptors": "out of descriptors", "memory": "out of memory",
          "clock_forward": "clock a day forward", "clock_back": "clock a day back", "kill": "kill -9",
          "stop": "SIGSTOP for 30 s"}
VICTIMS = {"broker": "the broker", "helper": "jit-helper", "sts": "STS", "store": "the store, a file",
           "table": "the store, a table of DynamoDB"}


Option = collections.namedtuple("Option", "came says other log")


class Cell:
    """`came`: what becomes of it. `says`: a piece of what somebody reads then, or one of several. `other`: so too, of what
    the other one reads where there are two: who waited already, who waits for the approval. `log`: so too, of the logs of
    broker and helper. `asked`: whether the phase asks the victim at all. Where a moment more or less, or what exactly is
    short, decides what becomes of it: one Cell | another."""

    def __init__(self, came, says="", log="", other=""):
        self.asked = True
        self.options = [Option(came, several(says), several(other), several(log))]

    def made_of(self, options, asked):
        cell = Cell("")
        cell.options, cell.asked = options, asked
        return cell

    def __or__(self, other):
        return self.made_of(self.options + other.options, self.asked)

    def not_asked(self):
        return self.made_of(self.options, False)

    def logged(self, log):
        """The same, and a log says so."""
        return self.made_of([option._replace(log=several(log)) for option in self.options], self.asked)

    def leaves_nobody_waiting(self):
        return all(option.came.endswith("; refused") for option in self.options)

    def fits(self, came, said, logged):
        """`said`: by one, by the other."""
        def holds(option):
            read = zip((option.says, option.other, option.log), (*said, logged))
            return came == option.came and all(any(words in text for words in pieces) for pieces, text in read)
        return any(map(holds, self.options))


def several(pieces):
    return (pieces,) if isinstance(pieces, str) else pieces


def row(wait, opened, renewal, close, approve):
    return {"wait": wait, "open": opened, "renewal": renewal, "close": close, "approve": approve}


# What becomes of the phases, in words of phases.py: who asks while the fault is there; who waited already. “told”: the
# broker knows that the grant began, or is over; “told late”: when the fault is gone.
WELL = Cell("filed; allowed")
ALLOWED, RENEWED, CLOSED, APPROVED = Cell("allowed; told"), Cell("renewed"), Cell("closed; told"), Cell("approved; allowed")
ALLOWED_LATE, CLOSED_LATE = Cell("allowed; told late"), Cell("closed; told late")


def turned_away(says, waited="allowed", other=""):
    return Cell(f"refused; {waited}", says, other=other)


def held_back(says):
    return Cell("held back", says)


def undecided(says, other=None):
    return Cell("not approved; refused", says, other=other or UNDECIDED)


def unheard(other):
    return Cell("approved; refused", other=other)


def all_logged(cells, log):
    return {phase: cell.logged(log) for phase, cell in cells.items()}


def no_broker(person, program, approver=None, waits=None):
    """A broker that cannot be asked: a grant that was given goes on, without new credentials. Who waits reads it where
    it is known by then, and not only that nothing comes."""
    return row(turned_away(person), ALLOWED_LATE.logged(program), held_back(program), CLOSED_LATE.logged(program),
               undecided(approver or program, waits))


def no_helper(person, program, waits="allowed"):
    """Without a helper nobody gets in, whatever the broker says. The session ends without asking it."""
    return row(turned_away(person, waits), Cell("refused", person), held_back(program), CLOSED.not_asked(), unheard(person))


def no_store(person, approver, log=""):
    """A store that cannot be used: as a broker that cannot be asked, and its log says why."""
    return row(turned_away(person).logged(log), ALLOWED_LATE.logged(log or person), held_back(person).logged(log),
               CLOSED_LATE.logged(log or person), undecided(approver).logged(log))


def no_table(log):
    """Who cannot do anything about it reads that the store cannot be used, and the broker's log says why."""
    return no_store("store", "store", log)


def no_sts(says):
    """Only credentials come from there, when a session begins. Of one that is over before STS has been waited for a log
    says so."""
    return row(WELL.not_asked(), ALLOWED.logged(says), held_back(says), CLOSED.not_asked(), APPROVED.logged(says))


UNHEARD = "no decision was heard within"
NOBODY = "nobody decided within"
UNDECIDED = (NOBODY, UNHEARD)
UNHARMED = row(WELL, ALLOWED, RENEWED, CLOSED, APPROVED)
SILENT = "jit-helper has not answered in time"
LATE = "did not answer in time"
ELSEWHERE = "only the broker keeps something on a disk: its store, below"
CROWDED = "no further connection can be taken: Too many open files"
BROKE_OFF = "broke the connection off"
NO_MEMORY = ("Out of memory", "out of memory", "Cannot allocate memory")
GONE = "jit-helper went away before it had answered"
OF_A_FILE = "a file has none; the broker's own are above"
BROKERS_CLOCK = "check the broker's clock"
NO_SPACE = "No space left on device"

ROWS = {
    "broker": {
        "refuse": no_broker("cannot reach the broker at", "connection refused", waits="connection refused"),
        "hang": no_broker(LATE, LATE),
        "slow": no_broker(LATE, LATE),
        # Of what an end is answered nothing but its status matters.
        "garbage": {**no_broker("makes no sense", "makes no sense", waits="makes no sense"), "close": CLOSED},
        "cut": no_broker("broke the connection off", "broke", "broke off before a whole HTTP answer came", BROKE_OFF),
        "disk_full": ELSEWHERE,
        "descriptors": all_logged(no_broker(LATE, LATE), CROWDED),
        "memory": all_logged(row(turned_away((LATE, BROKE_OFF, "HTTP status 503")), ALLOWED_LATE,
                                 held_back((LATE, BROKE_OFF, "out of memory")), CLOSED_LATE, undecided("cannot be asked")),
                             "the broker is out of memory"),
        "clock_forward": all_logged(row(Cell("filed; refused", other=NOBODY),
                                        Cell("allowed; has ended there") | Cell("refused", "no approval that lives covers"),
                                        Cell("over", "has ended"), CLOSED, undecided("EXPIRED already", NOBODY)),
                                    "the wall clock was put forward"),
        "clock_back": all_logged(row(WELL, ALLOWED, held_back(BROKERS_CLOCK), CLOSED, APPROVED),
                                 "the wall clock was put back"),
        "kill": no_broker("cannot reach the broker at", "connection refused", waits="connection refused"),
        "stop": no_broker(LATE, LATE),
    },
    "helper": {
        "refuse": no_helper("jit-helper is not running", "cannot reach jit-helper"),
        "hang": no_helper(SILENT, "jit-helper did not answer"),
        "slow": no_helper(SILENT, "makes no sense"),
        "garbage": no_helper("do not understand each other", "jit-helper did not answer"),
        "cut": no_helper("do not understand each other", "jit-helper did not answer"),
        "disk_full": row(WELL.not_asked(), *(cell.logged(NO_SPACE) for cell in (ALLOWED, RENEWED, CLOSED, APPROVED))),
        # Who waits is not told of the approval, nor the broker of anything.
        "descriptors": row(turned_away(SILENT).logged(CROWDED), Cell("refused", SILENT, CROWDED),
                           held_back("jit-helper did not answer").logged(CROWDED),
                           CLOSED_LATE.logged("helper.json: Too many open files"),
                           unheard("no descriptor left")),
        "memory": row(turned_away(NO_MEMORY), Cell("refused", NO_MEMORY), held_back(NO_MEMORY), CLOSED_LATE.logged(NO_MEMORY),
                      unheard(UNDECIDED).logged(NO_MEMORY)),
        "clock_forward": UNHARMED,
        "clock_back": UNHARMED,
        "kill": row(turned_away("jit-helper is not running", "refused", GONE), Cell("refused", "jit-helper is not running"),
                    held_back("cannot reach jit-helper"), CLOSED_LATE.logged("goes on after a restart"), unheard(GONE)),
        # A host that says nothing for 30 s is gone for the broker, which withdraws what waits there.
        "stop": {**no_helper(SILENT, "jit-helper did not answer"), "close": CLOSED_LATE,
                 "wait": turned_away(SILENT) | turned_away(SILENT, "refused", "withdrawn")},
    },
    "sts": {
        "refuse": no_sts("STS cannot be asked: connection refused"),
        "hang": no_sts("STS cannot be asked: it did not answer in time"),
        "slow": no_sts("STS cannot be asked: it did not answer in time"),
        "garbage": no_sts("no AssumeRole document"),
        "cut": no_sts("STS cannot be asked"),
        "disk_full": no_sts("InternalFailure"),
        "descriptors": no_sts("ServiceUnavailable"),
        "memory": no_sts("Throttling"),
        "clock_forward": no_sts(BROKERS_CLOCK),
        "clock_back": no_sts(BROKERS_CLOCK),
        "kill": no_sts("STS cannot be asked: connection refused"),
        "stop": no_sts("STS cannot be asked: it did not answer in time"),
    },
    "store": {
        "refuse": no_store("disk I/O error", "nothing was changed"),
        "hang": row(turned_away(LATE), ALLOWED_LATE.logged(LATE), held_back(LATE), CLOSED_LATE.logged(LATE),
                    undecided("database is locked")),
        "slow": {**UNHARMED, "wait": WELL | turned_away(LATE)},
        "garbage": no_store("store", "cannot read its store", "database disk image is malformed"),
        "cut": no_store("disk I/O error", "nothing was changed"),
        "disk_full": no_store("database or disk is full", "nothing was changed"),
        **dict.fromkeys(("descriptors", "memory"), OF_A_FILE),
        **dict.fromkeys(("clock_forward", "clock_back"), "a file has no clock; the broker's is above"),
        **dict.fromkeys(("kill", "stop"), "a file is no process; the broker is above"),
    },
    "table": {
        "refuse": no_table("DynamoDB cannot be asked: connection refused"),
        "hang": no_table("DynamoDB cannot be asked: it did not answer in time"),
        "slow": no_table("DynamoDB cannot be asked: it did not answer in time"),
        "garbage": no_table("DynamoDB's answer makes no sense"),
        "cut": no_table("DynamoDB cannot be asked: the connection broke off"),
        "disk_full": no_table("DynamoDB refused it: InternalServerError"),
        "descriptors": no_table("DynamoDB refused it: ServiceUnavailable"),
        "memory": no_table("DynamoDB refused it: ProvisionedThroughputExceededException"),
        "clock_forward": no_table(BROKERS_CLOCK),
        "clock_back": no_table(BROKERS_CLOCK),
        "kill": no_table("DynamoDB cannot be asked: connection refused"),
        "stop": no_table("DynamoDB cannot be asked: it did not answer in time"),
    },
}
CELLS = {(victim, fault, phase): cell for victim, rows in ROWS.items() for fault, cells in rows.items()
         if not isinstance(cells, str) for phase, cell in cells.items()}
