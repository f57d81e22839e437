#!/usr/bin/python3
"""A real STS and S3 on loopback: the object gateway of Ceph with one monitor and one store in memory.

It checks signatures, trust policies, role and session policies and expiry, which no imitation does. What differs from
AWS: role ARNs carry no account, there is no GetCallerIdentity, and session tags and SourceIdentity are taken unread.
Serving takes two seconds and 130 MB.

  with Sts(folder) as sts: sts.endpoint, sts.access_key, …       `sts.py FOLDER` serves until it is interrupted."""

import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid

from brokerlib import free_port
from namespace import die_with_parent

NEEDED = ["ceph-mon", "ceph-osd", "radosgw", "ceph", "radosgw-admin", "monmaptool"]
REGION = "default"
START_LIMIT = 60

CONFIGURATION = """
[global]
fsid = {fsid}
mon host = v1:127.0.0.1:{mon_port}
mon data = {dir}/mon
osd data = {dir}/osd
run dir = {dir}/run
admin socket = {dir}/run/$name.asok
log file = {dir}/log/$name.log
pid file = {dir}/run/$name.pid
auth cluster required = none
auth service required = none
auth client required = none
ms bind msgr2 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
paxos propose interval = 0.05
mon tick interval = 1
mon osd initial require min compat client = jewel
osd objectstore = memstore
memstore device bytes = 1073741824
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd class load list = *
osd class default list = *
osd class dir = {classes}
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{rgw_port}
rgw s3 auth use sts = true
rgw sts key = abcdefghijklmnop
rgw sts min session duration = 900
rgw dns name = 127.0.0.1
rgw enable usage log = false
rgw gc max objs = 1
rgw thread pool size = 32
"""


def why_not():
    missing = [program for program in NEEDED if not shutil.which(program)]
    return f"the STS peer is not installed ({', '.join(missing)})" if missing else None


class Sts:
    """access_key and secret_key belong to `broker`, the user that roles trust; region is what signatures name."""

    region = REGION
    access_key = "BROKERACCESSKEY00001"
    secret_key = "broker-secret-of-the-laboratory-00000001"

    def __init__(self, folder):
        self.folder = folder
        self.conf = os.path.join(folder, "ceph.conf")
        self.mon_port, self.rgw_port = free_port(), free_port()
        self.endpoint = f"http://127.0.0.1:{self.rgw_port}"
        self.processes = []

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        for name in ("mon", "osd", "log", "run"):
            os.makedirs(os.path.join(self.folder, name))
        classes = glob.glob("/usr/lib*/rados-classes") + glob.glob("/usr/lib/*/rados-classes")
        fsid = str(uuid.uuid4())
        with open(self.conf, "w", encoding="ascii") as file:
            file.write(CONFIGURATION.format(fsid=fsid, mon_port=self.mon_port, rgw_port=self.rgw_port, dir=self.folder,
                                            classes=classes[0]))
        self._start_monitor(fsid)
        self._start_store()
        self._daemon("radosgw", "-n", "client.rgw")
        self._wait_for("the gateway", self._answers)
        self._admin("user", "create", "--uid=broker", "--display-name=broker", f"--access-key={self.access_key}",
                    f"--secret-key={self.secret_key}")

    def _start_monitor(self, fsid):
        monmap = os.path.join(self.folder, "monmap")
        self._run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v1:127.0.0.1:{self.mon_port}]",
                  "--set-min-mon-release", "pacific", monmap)
        self._run("ceph-mon", "-i", "a", "--mkfs", "--monmap", monmap, "-c", self.conf)
        self._daemon("ceph-mon", "-i", "a")

    def _start_store(self):
        self._wait_for("the monitor", lambda: self._ceph("-s"))
        osd = str(uuid.uuid4())
        self._wait_for("the monitor", lambda: (self._ceph("osd", "new", osd) or "").strip() == "0")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd, "-c", self.conf)
        self._daemon("ceph-osd", "-i", "0")
        self._wait_for("the store", self._store_is_up, restarted=True)

    def _store_is_up(self):
        if self.processes[-1].poll() is not None:
            # Now and then it asks the monitor before it has learnt the cluster's id, and ends with "wrong fsid".
            self.processes.pop()
            self._daemon("ceph-osd", "-i", "0")
        return "1 up" in (self._ceph("osd", "stat") or "")

    def _log(self, name):
        return open(os.path.join(self.folder, "log", f"{name}.out"), "ab")

    def _run(self, *command):
        with self._log("setup") as log:
            subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True, timeout=START_LIMIT)

    def _daemon(self, *command):
        with self._log(command[0]) as log:
            self.processes.append(subprocess.Popen([*command, "-c", self.conf, "--foreground"], stdout=log, stderr=log,
                                                   stdin=subprocess.DEVNULL, preexec_fn=die_with_parent))

    def _ceph(self, *command):
        """Output, or None while the monitor does not answer."""
        try:
            done = subprocess.run(["ceph", "-c", self.conf, "--connect-timeout", "5", *command], capture_output=True,
                                  text=True, timeout=10)
        except subprocess.TimeoutExpired:
            return None
        return (done.stdout or " ") if done.returncode == 0 else None

    def _answers(self):
        try:
            with urllib.request.urlopen(self.endpoint, timeout=2):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def _wait_for(self, what, condition, restarted=False):
        deadline = time.monotonic() + START_LIMIT
        while not condition():
            dead = [p.args[0] for p in self.processes if p.poll() is not None]
            if (dead and not restarted) or time.monotonic() > deadline:
                raise AssertionError(f"the STS peer did not start: {what} is silent, {dead or 'nobody'} has ended; "
                                     f"logs: {self.folder}/log")
            time.sleep(0.1)

    def _admin(self, *command):
        done = subprocess.run(["radosgw-admin", "-c", self.conf, "-n", "client.rgw", "--admin-socket=", *command],
                              capture_output=True, text=True, timeout=START_LIMIT)
        if done.returncode:
            raise AssertionError(f"radosgw-admin {command}: {done.stderr}")
        return done.stdout

    def create_role(self, name, policy, user="broker"):
        """A role that the user may assume, with this permission policy (a dict). Returns its ARN."""
        trust = {"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": [f"arn:aws:iam:::user/{user}"]},
             "Action": ["sts:AssumeRole", "sts:TagSession"]}]}
        made = self._admin("role", "create", f"--role-name={name}", "--path=/",
                           f"--assume-role-policy-doc={json.dumps(trust, separators=(',', ':'))}")
        self._admin("role-policy", "put", f"--role-name={name}", "--policy-name=permissions",
                    f"--policy-doc={json.dumps(policy, separators=(',', ':'))}")
        return json.loads(made)["Arn"]

    def aws(self, *command, **environment):
        """/usr/bin/aws as the user `broker`, or with the credentials given: CompletedProcess."""
        env = {"PATH": "/usr/bin:/bin", "HOME": self.folder, "AWS_ACCESS_KEY_ID": self.access_key,
               "AWS_SECRET_ACCESS_KEY": self.secret_key, "AWS_DEFAULT_REGION": self.region,
               "AWS_EC2_METADATA_DISABLED": "true", **environment}
        return subprocess.run(["/usr/bin/aws", "--endpoint-url", self.endpoint, *command], capture_output=True,
                              text=True, env=env, timeout=60)

    def stop(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        self.processes = []


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Sts(sys.argv[1]) as peer:
        print(f"{peer.endpoint} {peer.access_key} {peer.secret_key}", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            pass
