"""The session's credentials in the hands of real AWS tools: /usr/bin/aws, botocore and the AWS SDK for JavaScript. How often
they ask for credentials, what of the person's own configuration stays in force, and what a person reads when there are
none."""

import json
import os
import re
import signal
import time
import unittest

import npm
from lab import EXAMPLES, Lab, read, write
from stscase import FULL, HERE, StsCase, lines_in
from terminal import wait_until

prepare = npm.prepare

RUNS = "/run/lab/runs"
COUNTED = "/run/lab/counted"
CALLS = 8
NODE = "/usr/bin/node"


def packages():
    if not os.path.exists(NODE):
        raise unittest.SkipTest(f"{NODE} is not installed")
    return npm.packages()


class ToolsCase(StsCase):
    def client(self, kind, path, calls, every):
        """The command of a program that makes calls with one client."""
        if kind == "js":
            return f"{NODE} {HERE}/aws_client.mjs {packages()} {self.peer.endpoint} {path} {calls} {every}"
        return f"/usr/bin/python3 {HERE}/aws_client.py {self.peer.endpoint} {path} {calls} {every}"

    def configured(self, terminal, what, before="", after=""):
        """The value and where it comes from, by `aws configure list`."""
        _, text = terminal.run(f"{before} /usr/bin/aws {after} configure list")
        line = next(line.split() for line in text.splitlines() if line.strip().startswith(what))
        return line[1], line[2]

    def issued(self, short):
        full, count, after = self.lab.request(short)["requestId"], 0, 0
        while True:
            page = self.lab.ask_broker(f"/audit?after={after}", self.lab.tokens["appr1"])
            if not page["records"]:
                return count
            count += sum(record["action"] == "credentials.issued" and record.get("requestId") == full
                         for record in page["records"])
            after = page["next"]


class Windows(ToolsCase):
    """botocore asks again from 15 minutes before the end of what it has, the SDK for JavaScript from 5."""

    helper_conf = {("service sudo", "duration"): "1h", ("helper", "aws_credentials_file"): "/run/lab/aws-credentials"}
    out = "/run/lab/windows.jsonl"

    @classmethod
    def setUpClass(cls):
        Lab.here()
        write("/run/lab/aws-credentials", read(f"{EXAMPLES}/aws-credentials").replace("/usr/bin/jit credentials", COUNTED))
        write(COUNTED, f"#!/bin/sh\necho >>{RUNS}\nexec /usr/bin/jit credentials\n", 0o755)
        super().setUpClass()

    def elevate(self, lifetime):
        """elevated_shell(), with credentials that live that long."""
        self.lab.restart({**self.broker_conf, ("role admin", "credential_lifetime"): lifetime}, self.helper_conf)
        terminal, request = self.elevated_shell()
        wait_until("the first credentials are there", lambda: self.issued(request) == 1, 10)
        return terminal, request

    def runs_of(self, kind, terminal):
        """How often CALLS calls of one client ran credential_process; the broker is stopped meanwhile."""
        write(RUNS, "")
        broker = self.lab.broker.process
        broker.send_signal(signal.SIGSTOP)
        try:
            terminal.run(self.client(kind, self.out, CALLS, 0), 30)
        finally:
            broker.send_signal(signal.SIGCONT)
        lines = lines_in(self.out)
        self.assertEqual([line["said"] for line in lines], ["ok"] * CALLS)
        return len(read(RUNS).splitlines())

    def check(self, kind, expected):
        for lifetime, runs in expected.items():
            with self.subTest(lifetime):
                terminal, request = self.elevate(lifetime)
                self.assertIn(self.runs_of(kind, terminal), runs)
                self.assertEqual(self.issued(request), 1, "all was answered from the helper's memory")
                terminal.close()

    def test_botocore_asks_each_time_in_the_last_fifteen_minutes_and_the_broker_is_not_asked(self):
        self.check("py", {"10m": (CALLS, CALLS + 1), "20m": (1,)})

    def test_the_sdk_for_javascript_asks_each_time_in_the_last_five_minutes_and_the_broker_is_not_asked(self):
        packages()
        # It does not wait for the new ones: of two calls while a program still runs there is one run.
        self.check("js", {"4m": range(CALLS // 2, CALLS + 2), "10m": (1,)})

    def test_an_answer_takes_about_a_millisecond(self):
        """Beside a program that does nothing, one after the other: its start is what the answer costs most."""
        terminal, _ = self.elevate("10m")
        script = ("import os, statistics, time\n"
                  "def run(*argv):\n"
                  "    began = time.perf_counter()\n"
                  "    pid = os.posix_spawn(argv[0], argv, {}, file_actions=[(os.POSIX_SPAWN_OPEN, 1, '/dev/null', 1, 0)])\n"
                  "    assert os.waitpid(pid, 0)[1] == 0, argv\n"
                  "    return time.perf_counter() - began\n"
                  "pairs = [(run('/usr/bin/jit', 'credentials'), run('/usr/bin/true')) for _ in range(100)]\n"
                  "print('ms', *[round(1000 * statistics.median(times), 3) for times in zip(*pairs)])\n")
        write("/run/lab/spawn.py", script)
        status, text = terminal.run("/usr/bin/python3 /run/lab/spawn.py")
        self.assertEqual(status, 0, text)
        jit, nothing = (float(number) for number in text.split("ms ")[1].split())
        self.assertLess(jit - nothing, 5.0 if not os.environ.get("PAM_JIT_SAN") else 100.0)


class LongLived(ToolsCase):
    GRANT, LIFETIME = (40, 10) if FULL else (10, 4)
    helper_conf = {("service sudo", "duration"): f"{GRANT}s"}
    role_conf = {("role admin", "credential_lifetime"): f"{LIFETIME}s"}

    def test_a_client_of_the_sdk_for_javascript_goes_on_past_its_first_credentials_until_the_end(self):
        terminal, path = self.open_terminal(), "/run/lab/long-lived.jsonl"
        request = self.ask(terminal, "sudo " + self.client("js", path, 2 * (self.GRANT + 3), 0.5))
        self.approve(request)
        self.lab.wait_for_status(request[0], "EXPIRED", self.GRANT + 10)
        over = time.time()
        terminal.finish(20)
        lines = lines_in(path)
        during = [line for line in lines if line["at"] + line["took"] < over - 1]
        after = [line for line in lines if line["at"] > over]
        self.assertGreater(during[-1]["at"] - during[0]["at"], self.LIFETIME + 3)
        self.assertEqual([line for line in during if line["said"] != "ok"], [])
        self.assertTrue(after)
        self.assertEqual([line for line in after if line["said"] == "ok"], [])


CONFIG = """[default]
region = ap-south-1
output = json
aws_access_key_id = OWNKEYOFTHEPERSON000
aws_secret_access_key = nothing-that-works
[profile mine]
region = us-east-1
output = table
aws_access_key_id = {key}
aws_secret_access_key = {secret}
"""


class OwnConfiguration(ToolsCase):
    """~/.aws/config of whoever's HOME is in force: only the file of credentials is another one."""

    role_conf = {("role admin", "region"): None}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        text = CONFIG.format(key=cls.peer.access_key, secret=cls.peer.secret_key)
        for home in ("/root", "/home/op1"):
            write(f"{home}/.aws/config", text, 0o644)
            write(f"{home}/.aws/credentials", "[default]\naws_access_key_id = OTHERKEYOFTHEPERSON0\n"
                  "aws_secret_access_key = nothing-that-works-either\n", 0o644)

    def test_region_and_output_are_the_persons_and_the_credentials_the_sessions(self):
        terminal, _ = self.elevated_shell()
        for home in ("", "HOME=/home/op1"):
            with self.subTest(home):
                self.assertEqual(self.configured(terminal, "region", home), ("ap-south-1", "config-file"))
                self.assertEqual(self.configured(terminal, "access_key", home)[1], "custom-process")
                status, text = terminal.run(f"{home} AWS_PAGER= {self.s3} s3api list-buckets --query 'Buckets[].Name'")
                self.assertEqual((status, json.loads(text)), (0, ["reports"]))

    def test_a_profile_of_the_persons_own_wins_when_it_is_named(self):
        terminal, _ = self.elevated_shell()
        self.assertEqual(self.configured(terminal, "region", after="--profile mine"), ("us-east-1", "config-file"))
        self.assertEqual(terminal.run(f"{self.s3} --profile mine s3 mb s3://of-mine")[0], 0)
        self.assertNotEqual(terminal.run(f"{self.s3} --region us-east-1 s3 mb s3://of-the-role")[0], 0)
        self.assertEqual(terminal.run(f"{self.s3} --profile mine s3 rb s3://of-mine")[0], 0)

    def test_the_sessions_own_profile_can_be_named(self):
        """For a person whose [default] assumes a role or signs in: that would win over the session's credentials."""
        terminal, _ = self.elevated_shell()
        status, text = terminal.run(f"{self.s3} --profile jit s3 ls")
        self.assertEqual((status, "reports" in text), (0, True), text)


    def test_jit_exec_and_jit_env_go_before_a_profile(self):
        terminal, _ = self.elevated_shell()
        path, js = "/run/lab/exec.jsonl", self.client("js", "/run/lab/exec.jsonl", 1, 0)
        self.assertEqual(self.configured(terminal, "access_key", "AWS_PROFILE=mine jit exec --")[1], "env")
        terminal.run(f"AWS_PROFILE=mine jit exec -- {js}")
        self.assertEqual([line["said"] for line in lines_in(path)], ["ok"])
        status, text = terminal.run(f'export AWS_PROFILE=mine; eval "$(jit env)"; {self.s3} s3 ls')
        self.assertEqual((status, "reports" in text), (0, True), text)


class RegionOfTheRole(ToolsCase):
    role_conf = {("role admin", "region"): "eu-west-1"}

    def test_it_goes_before_the_configuration_and_after_what_is_said_in_the_session(self):
        terminal, _ = self.elevated_shell()
        write("/root/.aws/config", "[default]\nregion = ap-south-1\n[profile mine]\nregion = us-east-1\n")
        self.addCleanup(os.unlink, "/root/.aws/config")
        rows = {("", ""): "eu-west-1", ("", "--profile mine"): "eu-west-1", ("AWS_REGION=ca-west-1", ""): "ca-west-1",
                ("env -u AWS_REGION -u AWS_DEFAULT_REGION", ""): "ap-south-1"}
        for (before, after), region in rows.items():
            with self.subTest(before + after):
                self.assertEqual(self.configured(terminal, "region", before, after)[0], region)
        status, _ = terminal.run(f"{self.s3} --region sa-east-1 --debug s3 ls 2>&1 | grep -q sa-east-1/s3/aws4_request")
        self.assertEqual(status, 0)


NO_ELEVATION = "jit: this process is not in an elevated session; run it under sudo, su or ssh with an approval"
OVER = "jit: the time of this elevated session is over; ask again"


class Failures(ToolsCase):
    """What a person reads who has no credentials: /usr/bin/aws passes on what jit says, and so does fromProcess of the SDK
    for JavaScript; its default chain (as of 3.965) keeps the cause to itself."""

    session = "AWS_SHARED_CREDENTIALS_FILE=/etc/pam-jit/aws-credentials AWS_REGION=us-east-1 "

    def read_by_both(self, terminal, says, before="", js=True):
        packages()
        status, shown = terminal.run(f"{before}{self.s3} s3 ls", 30)
        # That a grant is over is told on its terminal too, whatever runs there.
        said = re.sub(r"(?m)^jit: request .*\n?", "", shown.replace("\r", "")).strip()
        self.assertEqual((status, said), (255, f"Error when retrieving credentials from custom-process: {says}"))
        for provider, text in () if not js else (("fromProcess", f"Command failed: /usr/bin/jit credentials\n{says}\n"),
                               ("fromNodeProviderChain", "Could not load credentials from any providers")):
            path = f"/tmp/{self.id().rsplit('.', 1)[-1]}-{provider}.jsonl"
            terminal.run(f"{before}{self.client('js', path, 1, 0)} {provider}", 30)
            self.assertEqual([line["said"] for line in lines_in(path)], [f"CredentialsProviderError: {text}"])

    def reconfigure(self, broker=None, helper=None):
        self.addCleanup(self.lab.restart, self.broker_conf, self.helper_conf)
        self.lab.restart({**self.broker_conf, **(broker or {})}, {**self.helper_conf, **(helper or {})})
        return self.elevated_shell()

    def test_outside_an_elevated_session(self):
        self.read_by_both(self.open_terminal(), NO_ELEVATION, self.session)

    def test_after_a_revoke(self):
        terminal, request = self.elevated_shell()
        self.lab.as_approver("appr1", "revoke", request, "--comment", "enough")
        wait_until("the host knows", lambda: terminal.run("jit credentials >/dev/null 2>&1")[0] == 3, 5)
        self.read_by_both(terminal, "jit: the elevation that this process belonged to has ended")

    def test_after_the_grants_time(self):
        terminal, request = self.reconfigure(helper={("service sudo", "duration"): "3s"})
        self.lab.wait_for_status(request, "EXPIRED", 6)
        self.read_by_both(terminal, OVER)

    def test_without_a_helper(self):
        terminal, _ = self.elevated_shell()
        self.lab.stop_helper()
        self.addCleanup(self.lab.start_helper)
        self.read_by_both(terminal, "jit: cannot reach jit-helper (Connection refused): is it running on this host?")

    def test_while_aws_gives_none(self):
        terminal, _ = self.reconfigure({("broker", "issuer"): "sts:http://127.0.0.1:1"})
        self.read_by_both(terminal, "jit: no credentials from the broker yet: AWS gave no credentials just now: STS "
                          "cannot be asked: connection refused; try again in a moment", js=FULL)

    def test_a_role_without_aws(self):
        terminal, _ = self.reconfigure({("role admin", "arn"): None})
        self.assertEqual(terminal.run("jit credentials"), (1, "jit: the role of this session has no AWS credentials\n"))
        status, text = terminal.run(f"{self.s3} s3 ls")
        self.assertEqual(status, 253)
        self.assertIn("Unable to locate credentials", text)
        self.assertEqual(terminal.run("echo $AWS_SHARED_CREDENTIALS_FILE$AWS_REGION"), (0, "\n"))
