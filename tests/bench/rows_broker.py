"""What the broker reaches, with TLS and a store on the disk, and how that grows with those who wait and what there is."""

import contextlib
import os
import shutil
import sqlite3
import subprocess

from brokerlib import PUBLIC_KEY, Api, make_broker, new_secret
from places import OUT, TOOLS
from report import median
from terminal import wait_until
from test_load import CONF, PER_HOST, Waiters

AT_ONCE = 8  # hosts that keep the broker busy
SIZES = (1, 10, 100, 1000, 10000)
# Keeps each row as a change has left it, with the number of the change's audit record.
RECORD = """CREATE TABLE written AS SELECT 0 AS seq, 0 AS filed, * FROM request WHERE 0;
CREATE TRIGGER written_filing AFTER INSERT ON request BEGIN INSERT INTO written SELECT NULL, 1, * FROM request WHERE id=NEW.id; END;
CREATE TRIGGER written_change AFTER UPDATE ON request BEGIN INSERT INTO written SELECT NULL, 0, * FROM request WHERE id=NEW.id; END;
CREATE TRIGGER written_audit AFTER INSERT ON audit BEGIN
 UPDATE written SET seq=NEW.seq WHERE rowid=(SELECT max(rowid) FROM written); END;"""
GROWTH = f"{OUT}/growth.dat"
WAKES = 3
SAMPLES = 200  # requests that are measured where so many others are there
PLOT = f"""set terminal svg size 1100,460 background "white" font "sans,13"
set output "{OUT}/growth.svg"
set logscale xy
set format x "%.0f"
set grid
set key left top reverse Left
set multiplot layout 1,2
set xlabel "hosts' calls that wait"
set ylabel "milliseconds"
set title "While so many wait"
set yrange [0.5:2000]
plot "{GROWTH}" using 1:3 with linespoints lw 2 title "a listing, new connection", \\
 "" using 1:4 with linespoints lw 2 title "a filing, kept connection", \\
 "" using 1:5 with linespoints lw 2 title "all know of decisions on all hosts"
set xlabel "requests and live grants in the store"
set title "With so many in the store, 8 hosts at once"
set yrange [1:1000]
plot "{GROWTH}" using 1:6 with linespoints lw 2 title "filing, approval and issue: median", \\
 "" using 1:7 with linespoints lw 2 title "99th percentile"
"""


class Place:
    """A broker of its own in a folder on the disk, with so many hosts' keys, and an approver's token."""

    def __init__(self, name, hosts, prepare=None):
        self.folder = f"{OUT}/{name}"
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self.broker = make_broker(self.folder, CONF.replace("[person op1]", "code = off\n[person op1]", 1))
        self.keys = [new_secret(self.broker, "key", "add", f"web-{i}") for i in range(hosts)]
        self.token = new_secret(self.broker, "token", "add", "appr1")
        with open(f"{self.folder}/keys", "w", encoding="ascii") as file:
            file.write("\n".join(self.keys) + "\n")
        shutil.copy(f"{self.folder}/broker.db", f"{self.folder}/empty.db")
        if prepare:
            with contextlib.closing(sqlite3.connect(f"{self.folder}/broker.db")) as store:
                store.executescript(prepare)
        self.broker.start()

    def flow(self, count, hosts=AT_ONCE):
        """Filing, approval and issue, so many times: seconds, and the median and 99th percentile in ms."""
        done = subprocess.run([f"{TOOLS}/flow", str(self.broker.port), f"{self.folder}/ca.pem", f"{self.folder}/keys",
                               self.token, str(count), str(min(count, hosts))], capture_output=True, text=True,
                              timeout=600, check=False)
        if done.returncode:
            raise AssertionError(f"flow: {done.stderr}")
        return [float(word) for word in done.stdout.split()]

    def raw(self, recorded):
        """What was recorded at another place, written by SQLite alone into this one's empty store: changes, seconds."""
        self.broker.stop()
        done = subprocess.run([f"{TOOLS}/rawstore", f"{recorded.folder}/broker.db", f"{self.folder}/empty.db"],
                              capture_output=True, text=True, timeout=600, check=False)
        if done.returncode:
            raise AssertionError(done.stderr)
        changes, seconds = done.stdout.split()
        return int(changes), float(seconds)

    def private_bytes(self):
        with open(f"/proc/{self.broker.process.pid}/smaps_rollup", encoding="ascii") as file:
            return 1024 * sum(int(line.split()[1]) for line in file if line.startswith(("Private_Dirty:", "Private_Clean:")))

    def gauge(self, name):
        api = Api(self.broker.port, f"{self.folder}/ca.pem")
        lines = api.get("/metrics").body.decode().splitlines()
        api.close()
        return next(float(line.split()[-1]) for line in lines if line.startswith(name + " "))


def throughput(_, report, size):
    """Filing, approval and issue, against the same rows written by SQLite alone, with a transaction for each change."""
    count = max(20, size(1000))
    shares, ours, raws = [], [], []
    recorded = Place("recorded", AT_ONCE, RECORD)
    recorded.flow(count)
    recorded.broker.stop()
    for _ in range(max(2, size(12))):
        place = Place("throughput", AT_ONCE)
        seconds, way, p99 = place.flow(count)
        changes, raw_seconds = place.raw(recorded)
        assert changes == 3 * count, f"{changes} changes were recorded of {count} requests"
        ours.append(count / seconds)
        raws.append(count / raw_seconds)
        shares.append(raw_seconds / seconds)
    report.add("throughput", shares, f"{median(ours):,.0f} and {median(raws):,.0f} requests a second of {changes / count:.1f} "
               f"changes; one takes {way:.1f} ms with {AT_ONCE} hosts at once, 99th percentile {p99:.1f}")


def wait_more(place, waiters, more, now):
    api = Api(place.broker.port, f"{place.folder}/ca.pem", key=place.keys[0])
    cursor = api.get("/changes").json["next"]
    api.close()
    waiters.ask(f"wait {more} {cursor}", 180)
    wait_until("all of them wait", lambda: place.gauge("jit_broker_waiters") >= now, 60)


def wake(place, waiters, hosts):
    """Seconds from the first decision until all know of one on their host, and until the last decision."""
    ids = []
    for key in place.keys[:hosts]:
        api = Api(place.broker.port, f"{place.folder}/ca.pem", key=key)
        ids.append(api.post("/request-access", {"requester": "op1", "role": "admin", "duration": 900, "service": "sudo",
                                                "reason": "bench", "publicKey": PUBLIC_KEY, "resume": True}).json["requestId"])
        api.close()
    with open(f"{place.folder}/ids", "w", encoding="ascii") as file:
        file.write("\n".join(ids) + "\n")
    answer = waiters.ask(f"wake {place.token} {place.folder}/ids", 120)
    return answer["seconds"], answer["deciding"]


def with_so_many_waiting(sizes, hosts, size):
    """A row of the table for each size, and of the last one what each wake took."""
    place = Place("growth", hosts)
    waiters = Waiters(place.folder, place.broker, place.keys)
    rows, now = [], 0
    waiters.ask("measure 200")  # what the first calls allocate is there
    before = place.private_bytes()
    for n in sizes:
        wait_more(place, waiters, n - now, n)
        now = n
        memory = (place.private_bytes() - before) / n
        found = waiters.ask(f"measure {max(20, size(300))}", 120)
        woken = [wake(place, waiters, min(n, hosts)) for _ in range(WAKES)]
        know = median([seconds for seconds, _ in woken])
        rows.append([n, memory, found["fresh"]["p50"], found["kept"]["p50"], 1000 * know])
    waiters.close()
    place.broker.stop()
    return rows, woken


def with_so_many_stored(n, samples):
    """Median and 99th percentile of a request's way, where so many others live."""
    place = Place("growth", AT_ONCE)
    place.flow(n)
    _, *way = place.flow(samples)
    place.broker.stop()
    return way


def growth(_, report, size):
    """1 to 10,000 that wait, and 1 to 10,000 requests: what each costs, and what anybody else notices of them."""
    sizes = [n for n in SIZES if n <= max(100, size(10000))]
    hosts = -(-sizes[-1] // PER_HOST)
    rows, woken = with_so_many_waiting(sizes, hosts, size)
    for row in rows:
        row += with_so_many_stored(row[0], max(20, size(SAMPLES)))
    with open(GROWTH, "w", encoding="ascii") as file:
        file.write("# count  bytes_each  listing_ms  filing_ms  all_know_ms  way_ms  way_p99_ms\n")
        file.writelines(" ".join(f"{value:g}" for value in row) + "\n" for row in rows)
    subprocess.run(["gnuplot"], input=PLOT, text=True, check=True, timeout=60)
    report.growth, most = rows, rows[-1]
    report.add("waiting", most[1] / 1000, f"of {most[0]:,}")
    report.add("woken", most[4] / 1000, f"of {WAKES} times {', '.join(f'{know:.2f}' for know, _ in woken)}; the {hosts} decisions alone "
               f"take {median([deciding for _, deciding in woken]):.2f}, one commit each; {rows[-2][0]:,} know after {rows[-2][4] / 1000:.2f}")


ROWS = {"throughput": throughput, "growth": growth}
