"""Asks `jit credentials` again and again, as an AWS tool would, and writes a JSON line for each answer.

  watch_credentials.py FILE EVERY SECONDS     at: epoch seconds when it was asked, took: seconds"""

import json
import subprocess
import sys
import time


def ask():
    at = time.time()
    done = subprocess.run(["/usr/bin/jit", "credentials"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    line = {"at": at, "took": time.time() - at, "status": done.returncode, "said": done.stderr.strip()}
    if done.returncode == 0:
        document = json.loads(done.stdout)
        line |= {"key": document["AccessKeyId"], "expiration": document["Expiration"]}
    return line


def main(path, every, seconds):
    end = time.monotonic() + float(seconds)
    with open(path, "w", encoding="ascii") as file:
        while time.monotonic() < end:
            file.write(json.dumps(ask()) + "\n")
            file.flush()
            time.sleep(float(every))


if __name__ == "__main__":
    main(*sys.argv[1:])
