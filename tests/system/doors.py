"""What the tests of the doors share: a host all of whose doors are gated, and a table of rows × cases, each of which is
one test with a golden transcript."""

import golden
from lab import WAITING, LabCase

SERVICES = ("sudo", "sudo-i", "su", "su-l", "login", "sshd", "polkit-1")
QUICK = 2  # seconds: how long a decision of the role `quick` may take
REASON = "disk full"
COMMENT = "not during the freeze"


def role(name, **keys):
    """A role of every door, as changes for Lab.configure()."""
    base = {"services": " ".join(SERVICES), "targets": "root op2 self", "requesters": "@operators", "hosts": "*",
            "approvers": "@oncall", "reason": "required", "region": "eu-west-1",
            "arn": "arn:aws:iam::123456789012:role/JIT-ElevatedAdminRole", **keys}
    return {(f"role {name}", key): value for key, value in base.items()}


ROLES = {**role("admin"), **role("quick", pending=f"{QUICK}s")}


def service(name, **keys):
    base = {"role": "admin", "duration": "15m", **keys}
    return {(f"service {name}", key): value for key, value in base.items()}


def table(rows, cases):
    """A decorator: for each row and case a test `test_ROW_CASE` that calls the class's method case_CASE(row, spec)."""

    def add(cls):
        for row, spec in rows.items():
            for case in spec.get("cases", cases):
                def test(self, row=row, case=case, spec=spec):
                    getattr(self, f"case_{case}")(row, spec)

                setattr(cls, f"test_{row}_{case}".replace("-", "_"), test)
        return cls

    return add


class DoorCase(LabCase):
    broker_conf = ROLES
    helper_conf = {key: value for name in SERVICES for key, value in service(name).items()}

    def check_golden(self, name, text, log=None):
        golden.check(self, name, text, log or self.lab.logs)

    def wait_shown(self, terminal):
        """(short id, code) of the request that the terminal shows."""
        shown = terminal.expect(WAITING)
        return shown[1], shown[2]

    def deny(self, request, name="appr1"):
        self.lab.as_approver(name, "deny", request[0], "--comment", COMMENT)
