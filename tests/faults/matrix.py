"""The matrix itself: what becomes of each phase with each fault of each victim. docs/reliability.md shows it as tables,
and the tests of a cell hold both to what happens."""

PHASES = {"wait": "account wait", "open": "open", "renewal": "renewal", "close": "close", "approve": "approve"}
FAULTS = {"refuse": "refuse", "hang": "hang", "slow": "slow", "garbage": "garbage", "cut": "cut mid-answer",
          "disk_full": "disk full", "descriptors": "out of descriptors", "memory": "out of memory",
          "clock_forward": "clock a day forward", "clock_back": "clock a day back", "kill": "kill -9",
          "stop": "SIGSTOP for 30 s"}
VICTIMS = {"broker": "the broker", "helper": "jit-helper", "sts": "STS", "store": "the store, a file",
           "table": "the store, a table of DynamoDB"}


class Cell:
    """`came`: what becomes of it. `says`: a piece of what somebody reads then, or one of several. Where a moment more or
    less, or what exactly is short, decides what becomes of it: one Cell | another."""

    def __init__(self, came, says=""):
        self.options = [(came, (says,) if isinstance(says, str) else says)]

    def __or__(self, other):
        both = Cell("")
        both.options = self.options + other.options
        return both

    def fits(self, came, said):
        return any(came == option and any(words in said for words in says) for option, says in self.options)


def row(wait, opened, renewal, close, approve):
    return {"wait": wait, "open": opened, "renewal": renewal, "close": close, "approve": approve}


# What becomes of the phases, in words of phases.py: who asks while the fault is there; who waited already.
WELL = Cell("filed; allowed")
ALLOWED, RENEWED, CLOSED, APPROVED = Cell("allowed"), Cell("renewed"), Cell("closed"), Cell("approved; allowed")


def turned_away(says, other="allowed"):
    return Cell(f"refused; {other}", says)


def held_back(says):
    return Cell("held back", says)


def undecided(says):
    return Cell("not approved; refused", says)


def unheard(says):
    return Cell("approved; refused", says)


def no_broker(person, program, approver=None):
    """A broker that cannot be asked: a grant that was given goes on, without new credentials."""
    return row(turned_away(person), ALLOWED, held_back(program), CLOSED, undecided(approver or program))


def no_helper(person, program, waits="allowed"):
    """Without a helper nobody gets in, whatever the broker says."""
    return row(turned_away(person, waits), Cell("refused", person), held_back(program), CLOSED, unheard(person))


def no_store(person, approver):
    return row(turned_away(person), ALLOWED, held_back(person), CLOSED, undecided(approver))


def no_sts(says):
    """Only credentials come from there."""
    return row(WELL, ALLOWED, held_back(says), CLOSED, APPROVED)


UNHARMED = row(WELL, ALLOWED, RENEWED, CLOSED, APPROVED)
SILENT = "jit-helper has not answered in time"
LATE = "did not answer in time"
ELSEWHERE = "only the broker keeps something on a disk: its store, below"
SHORTAGE = ("jit-helper is out of descriptors", SILENT)
BROKE_OFF = "broke the connection off"
NO_MEMORY = ("Out of memory", "out of memory", "malloc failure")
GONE = "jit-helper went away before it had answered"
OF_A_FILE = "a file has none; the broker's own are above"

ROWS = {
    "broker": {
        "refuse": no_broker("cannot reach the broker at", "connection refused"),
        "hang": no_broker(LATE, LATE),
        "slow": no_broker(LATE, LATE),
        "garbage": no_broker("makes no sense", "makes no sense"),
        "cut": no_broker("broke the connection off", "broke", "broke off before a whole HTTP answer came"),
        "disk_full": ELSEWHERE,
        # What comes on a connection that was open is answered.
        "descriptors": row(turned_away(LATE) | WELL, ALLOWED, held_back("Too many open files"), CLOSED, undecided(LATE)),
        "memory": row(turned_away((LATE, BROKE_OFF, "HTTP status 503")) | WELL, ALLOWED,
                      held_back((LATE, BROKE_OFF, "out of memory")) | RENEWED, CLOSED, undecided("cannot be asked")),
        "clock_forward": row(Cell("filed; refused", "nobody decided within"), ALLOWED, Cell("over", "has ended"), CLOSED,
                             undecided("EXPIRED already")),
        "clock_back": row(WELL, ALLOWED, held_back("check the broker's clock"), CLOSED, APPROVED),
        "kill": no_broker("cannot reach the broker at", "connection refused"),
        "stop": no_broker(LATE, LATE),
    },
    "helper": {
        "refuse": no_helper("jit-helper is not running", "cannot reach jit-helper"),
        "hang": no_helper(SILENT, "jit-helper did not answer"),
        "slow": no_helper(SILENT, "makes no sense"),
        "garbage": no_helper("do not understand each other", "jit-helper did not answer"),
        "cut": no_helper("do not understand each other", "jit-helper did not answer"),
        "disk_full": UNHARMED,
        # Who leaves gives some back.
        "descriptors": row(turned_away(SHORTAGE), Cell("refused", SHORTAGE), held_back("jit-helper did not answer"), CLOSED,
                           unheard(SHORTAGE) | APPROVED),
        "memory": row(WELL | turned_away(NO_MEMORY), ALLOWED | Cell("refused", NO_MEMORY), held_back(NO_MEMORY) | RENEWED,
                      CLOSED, APPROVED | unheard(NO_MEMORY)),
        "clock_forward": UNHARMED,
        "clock_back": UNHARMED,
        "kill": row(turned_away(GONE, "refused"), Cell("refused", "jit-helper is not running"),
                    held_back("cannot reach jit-helper"), CLOSED, unheard(GONE)),
        # A host that says nothing for 30 s is gone for the broker, which withdraws what waits there.
        "stop": {**no_helper(SILENT, "jit-helper did not answer"),
                 "wait": turned_away(SILENT) | turned_away(SILENT, "refused")},
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
        "clock_forward": no_sts("check the broker's clock"),
        "clock_back": no_sts("check the broker's clock"),
        "kill": no_sts("STS cannot be asked: connection refused"),
        "stop": no_sts("STS cannot be asked: it did not answer in time"),
    },
    "store": {
        "refuse": no_store("disk I/O error", "nothing was changed"),
        "hang": row(turned_away(LATE), ALLOWED, held_back(LATE), CLOSED, undecided("database is locked")),
        "slow": UNHARMED,
        "garbage": no_store("store", "cannot read its store"),
        "cut": no_store("disk I/O error", "nothing was changed"),
        "disk_full": no_store("database or disk is full", "nothing was changed"),
        **dict.fromkeys(("descriptors", "memory"), OF_A_FILE),
        **dict.fromkeys(("clock_forward", "clock_back"), "a file has no clock; the broker's is above"),
        **dict.fromkeys(("kill", "stop"), "a file is no process; the broker is above"),
    },
    "table": {
        "refuse": no_store("store", "store"),
        "hang": no_store("store", "store"),
        "slow": no_store("store", "store"),
        "garbage": no_store("store", "store"),
        "cut": no_store("store", "store"),
        "disk_full": no_store("store", "store"),
        "descriptors": no_store("store", "store"),
        "memory": no_store("store", "store"),
        "clock_forward": no_store("store", "store"),
        "clock_back": no_store("store", "store"),
        "kill": "DynamoDB loses nothing when a node of its dies; its callers see connections that end, above",
        "stop": no_store("store", "store"),
    },
}
CELLS = {(victim, fault, phase): cell for victim, rows in ROWS.items() for fault, cells in rows.items()
         if not isinstance(cells, str) for phase, cell in cells.items()}
