#!/usr/bin/python3
"""Hosts and an approver in one process: requests that are filed, approved, given credentials and ended, one after the
other on kept connections, so many at once.

  requests.py PORT CA.pem KEYS TOKEN COUNT THREADS    KEYS: a file with a host's API key a line

Writes a line of JSON for each request that was acknowledged from its filing to its end: its id, and milliseconds from
one to the other. A call that was not answered, or with 429 or 503, is made again, as a host does."""

import http.client
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

from brokerlib import PUBLIC_KEY, Api  # noqa: E402  (its folder has just been added)

TRIES = 100
PAUSE_S = 0.2
FILING = {"requester": "op1", "role": "admin", "duration": 900, "publicKey": PUBLIC_KEY, "loginUser": "op1",
          "service": "sudo", "tty": "/dev/pts/3", "target": "root", "command": "/usr/bin/id"}


class Caller:
    """A kept connection that is made again where it broke."""

    def __init__(self, **who):
        self.who, self.api, self.repeated = who, None, 0

    def post(self, path, body=None, headers=None, fine=(200,)):
        for _ in range(TRIES):
            try:
                self.api = self.api or Api(PORT, CA, **self.who)
                answer = self.api.post(path, body, headers)
                if answer.status not in (429, 503):
                    break
            except (OSError, http.client.HTTPException):
                self.api = None
            self.repeated += 1
            time.sleep(PAUSE_S)
        if answer.status not in fine:
            raise AssertionError(f"{path}: {answer.status} {answer.body[:300]}")
        return answer.json


def work(number, keys):
    global left
    host, approver = Caller(key=keys[number % len(keys)]), Caller(token=TOKEN)
    while True:
        with lock:
            left -= 1
            mine = left
        if mine < 0:
            break
        began = time.monotonic()
        request = host.post("/request-access", FILING, {"Idempotency-Key": f"{os.getpid()}-{mine}"})["requestId"]
        path = f"/requests/{request}"
        # An answer that was lost may leave the next try with 409: it is done.
        approver.post(f"{path}/approve", fine=(200, 409))
        issued = host.post(f"{path}/credentials", {"publicKey": PUBLIC_KEY})
        ended = host.post(f"{path}/end")
        if not issued.get("sealedCredentials") or ended["status"] != "ENDED":
            raise AssertionError(f"{path}: {issued}, {ended}")
        with lock:
            print(json.dumps({"id": request, "ms": round(1000 * (time.monotonic() - began), 1)}))
    with lock:
        repeated.append(host.repeated + approver.repeated)


if __name__ == "__main__":
    PORT, CA, TOKEN = int(sys.argv[1]), sys.argv[2], sys.argv[4]
    with open(sys.argv[3], encoding="ascii") as file:
        all_keys = file.read().split()
    lock, left, repeated = threading.Lock(), int(sys.argv[5]), []
    threads = [threading.Thread(target=work, args=(i, all_keys)) for i in range(int(sys.argv[6]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.exit(0 if len(repeated) == len(threads) else 1)
