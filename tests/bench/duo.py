"""tests/bench/duo.c, as the bench drives it: what pam_duo and a script with curl meet in place of their services."""

import select
import subprocess

from namespace import die_with_parent


class Service:
    """On 127.0.0.1:port, with the certificate in that folder. It decides at once until it is told to hold."""

    def __init__(self, program, folder):
        self.process = subprocess.Popen([program, f"{folder}/tls.crt", f"{folder}/tls.key"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        self.port = self.ask("port")

    def ask(self, command, seconds=60):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            raise AssertionError(f"duo: '{command}' was not answered within {seconds} s")
        answer = self.process.stdout.readline()
        if not answer:
            raise AssertionError(f"duo: it ended at '{command}'")
        return int(answer)

    def wait_for(self, many):
        """Until so many wait for the decision."""
        self.ask(f"wait {many}")

    def decide(self):
        """All that wait are told: when it began to (CLOCK_MONOTONIC, ns)."""
        return self.ask("decide")
