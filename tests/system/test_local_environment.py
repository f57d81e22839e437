"""An environment that means harm: of whoever calls sudo and jit, who sets it as they please, and of helper and broker,
whose operator may have it from a login shell with a proxy. Nothing of it changes who is asked, what is said, or where
anything is sent or written."""

import json
import os
import re
import socket
import subprocess
import threading
import unittest.mock

from lab import LabCase, read, write

TRAPS = "/run/lab/traps"
TURKISH = "tr_TR.UTF-8"  # where "," stands in a number, and an i has another capital
SPY = """#include <fcntl.h>
__attribute__((constructor)) static void spy(void) { open("%s/preloaded", O_CREAT | O_WRONLY, 0666); }
"""
LIMITS = ("ulimit -n 4", "ulimit -n 8", "ulimit -f 0", "ulimit -v 60000", "ulimit -s 64", "ulimit -l 0", "ulimit -i 0", "ulimit -u 1",
          "exec </dev/null", "exec <&-", "exec 2>&-", "exec <&- >&- 2>&-")
NAMES = ("", "-x", "sudoedit ", "root allowed\\n<86>forged", "\\033[2J")


class Trap:
    """Where nobody is to connect: proxies and the like lead there."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(16)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.caught = 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer = self.listener.accept()[0]
            except OSError:
                return
            self.caught += 1
            peer.close()


class EnvironmentCase(LabCase):
    @classmethod
    def setUpClass(cls):
        cls.trap = Trap()
        cls.addClassCleanup(cls.trap.listener.close)
        os.makedirs(f"{TRAPS}/home/.aws", exist_ok=True)
        os.chmod(TRAPS, 0o777)
        write(f"{TRAPS}/spy.c", SPY % TRAPS)
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", f"{TRAPS}/spy.so", f"{TRAPS}/spy.c"], check=True, timeout=60)
        cls.make_turkish()
        write(f"{TRAPS}/openssl.cnf", "openssl_conf = start\n[start]\nssl_conf = ssl\n[ssl]\nsystem_default = wrong\n[wrong]\n"
              "MinProtocol = TLSv1.3\nMaxProtocol = TLSv1.1\nCipherString = NULL\n")
        write(f"{TRAPS}/home/.curlrc", f"proxy = {cls.trap.url}\ninsecure\n")
        write(f"{TRAPS}/home/.netrc", "default login op2 password wrong\n", 0o600)
        write(f"{TRAPS}/empty.pem", "")
        cls.hostile = {name: cls.trap.url for proxy in ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy")
                       for name in (proxy, proxy.upper())}
        cls.hostile.update({
            "no_proxy": "", "NO_PROXY": "", "CURL_CA_BUNDLE": f"{TRAPS}/empty.pem", "SSL_CERT_FILE": f"{TRAPS}/empty.pem",
            "SSL_CERT_DIR": TRAPS, "SSLKEYLOGFILE": f"{TRAPS}/keys", "OPENSSL_CONF": f"{TRAPS}/openssl.cnf", "CURL_HOME": f"{TRAPS}/home",
            "HOME": f"{TRAPS}/home", "TZ": "XXX-14:59", "LC_ALL": TURKISH, "LANGUAGE": "../../..", "TMPDIR": "/nonexistent",
            "MALLOC_PERTURB_": "165", "GCONV_PATH": TRAPS, "LOCPATH": f"{TRAPS}/locale", "NLSPATH": f"{TRAPS}/%N", "RES_OPTIONS": "attempts:0",
            "HOSTALIASES": f"{TRAPS}/aliases", "LOCALDOMAIN": "evil.example", "AWS_ENDPOINT_URL": cls.trap.url,
            "AWS_ACCESS_KEY_ID": "AKIAFORGED", "AWS_SECRET_ACCESS_KEY": "forged", "JOURNAL_STREAM": "1:1", "NOTIFY_SOCKET": f"{TRAPS}/n",
            "MALLOC_TRACE": f"{TRAPS}/malloc", "RESOLV_HOST_CONF": "/etc/shadow", "SQLITE_TMPDIR": TRAPS, "XDG_CONFIG_HOME": TRAPS})
        write(f"{TRAPS}/aliases", "broker.example evil.example\nbroker evil.example\n")
        cls.kept = set(os.listdir(TRAPS))
        super().setUpClass()

    @classmethod
    def make_turkish(cls):
        """It is there where LOCPATH is passed over too, as in sudo."""
        os.makedirs(f"{TRAPS}/locale", exist_ok=True)
        subprocess.run(["localedef", "--no-archive", "-i", "tr_TR", "-f", "UTF-8", f"{TRAPS}/locale/{TURKISH}"], check=True, timeout=60)
        subprocess.run(["mount", "--bind", f"{TRAPS}/locale", "/usr/lib/locale"], check=True, timeout=10)
        cls.addClassCleanup(subprocess.run, ["umount", "/usr/lib/locale"], check=True, timeout=10)
        number = subprocess.run(["locale", "decimal_point"], env={"LC_ALL": TURKISH}, capture_output=True, text=True, timeout=10, check=True)
        assert number.stdout == ",\n", number

    def assert_nothing_was_trapped(self):
        self.assertEqual(self.trap.caught, 0, "a proxy was asked")
        self.assertEqual(set(os.listdir(TRAPS)), self.kept, "a file was written")
        self.assertNotIn("/etc/shadow", read(self.lab.log("jit-helper")))


class Daemons(EnvironmentCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lab.stop()
        # A library of the broker's reads OpenSSL's configuration before its main(): that one is its operator's.
        broker = {name: value for name, value in cls.hostile.items() if name != "OPENSSL_CONF"}
        with unittest.mock.patch.dict(os.environ, broker):
            cls.lab.broker.start()
        with unittest.mock.patch.dict(os.environ, cls.hostile):
            cls.lab.start_helper()

    def test_helper_and_broker_do_as_without_it(self):
        terminal = self.open_terminal()
        _, text = self.run_approved(terminal, "sudo jit credentials")
        self.assertEqual(json.loads(re.search(r"^\{.*\}$", text, re.M)[0])["Version"], 1)
        self.assertRegex(terminal.run("jit status")[1], r"left|until|for")
        self.assert_nothing_was_trapped()


class Callers(EnvironmentCase):
    def words(self):
        return {**self.hostile, "LD_PRELOAD": f"{TRAPS}/spy.so", "LD_LIBRARY_PATH": TRAPS, "LD_AUDIT": f"{TRAPS}/spy.so",
                "GLIBC_TUNABLES": "glibc.malloc.check=3"}

    def test_sudo_asks_as_without_it(self):
        terminal = self.open_terminal()
        terminal.run(f"LD_PRELOAD={TRAPS}/spy.so id")
        os.unlink(f"{TRAPS}/preloaded")  # so it would have told
        exports = " ".join(f"{name}='{value}'" for name, value in self.words().items())
        request = self.ask(terminal, f"env {exports} sudo id")
        told = self.lab.request(request[0])
        self.assertEqual((told["requester"], told["command"], told["host"]), ("op1", "/usr/bin/id", "web-1"))
        self.approve(request)
        status, text = terminal.finish()
        self.assertEqual(status, 0, text)
        self.assertIn("uid=0(root)", text)
        self.assert_nothing_was_trapped()

    def test_jit_does_as_without_it(self):
        """For op1, and for root in an elevated session. What loads a library into it is left out: it is nobody's but its
        caller's, and has no more rights."""
        hostile = "env " + " ".join(f"{name}='{value}'" for name, value in self.hostile.items())
        terminal = self.open_terminal()
        short, text = self.run_approved(terminal, f"sudo {hostile} jit credentials")
        given = json.loads(re.search(r"^\{.*\}$", text, re.M)[0])
        self.assertEqual((given["Version"], given["AccessKeyId"] != "AKIAFORGED"), (1, True))
        asks = f"sudo {hostile} jit exec -- sh -c 'echo \"<$AWS_ACCESS_KEY_ID>\"'"
        status, text = terminal.run(asks)
        self.assertEqual((status, f"<{given['AccessKeyId']}>" in text), (0, True), text)
        status, text = terminal.run(f"{hostile} jit status")
        self.assertEqual((status, short in text, "admin" in text), (0, True, True), text)
        status, text = terminal.run(f"{hostile} jit request --role admin --for 10m --reason 'disk full'")
        self.assertEqual(status, 10, text)  # it waits for a decision
        self.assertEqual([(asked["requester"], asked["host"]) for asked in self.lab.pending()], [("op1", "web-1")])
        status, text = terminal.run(f"{hostile} jit end")
        self.assertEqual(status, 0, text)
        self.lab.wait_for_status(short, "ENDED")
        self.assert_nothing_was_trapped()

    def test_no_limit_missing_descriptor_or_program_name_lets_anybody_by(self):
        """Refused, or asked for like any other, and nobody approves it."""
        self.lab.set_pam(account="timeout=3")
        self.addCleanup(self.lab.set_pam)
        hows = [f"{how}; exec sudo" for how in LIMITS] + [f"exec -a $'{name}' sudo" for name in NAMES]
        write("/run/lab/hows.sh", "".join(f"({how} -n touch {TRAPS}/reached-{nth} >/dev/null 2>&1) & pids=\"$pids $!\"\n"
                                          for nth, how in enumerate(hows)) +
              "for pid in $pids; do wait $pid; echo \"ended $?\"; done\n")
        status, text = self.open_terminal().run("bash /run/lab/hows.sh", timeout=30)
        ends = re.findall(r"ended (\d+)", text)
        self.assertEqual((len(ends), "0" in ends), (len(hows), False), text)
        self.assertEqual([name for name in os.listdir(TRAPS) if name.startswith("reached")], [])
        self.assertNotRegex(read(self.lab.log("syslog")), r"(?m)^<86>forged")
        self.assertIn("uid=0", self.run_approved(self.open_terminal("op2"))[1])
