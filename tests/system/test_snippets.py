"""What stands in etc/ for sudoers.d, sshd_config.d and pam.d: the programs that read it find no fault, `jit doctor`
finds a host in order that has it, Debian's own configuration and nothing else, and the doors are gated on it."""

import json
import os
import shutil
import subprocess

import sshlab
from doors import role, service
from lab import EXAMPLES, PASSWORD, WAITING, Lab, LabCase, read, write
from namespace import HOSTNAME, TREE
from sshdoors import SHOWN

SUDOERS = "/etc/sudoers"
SSHD = "/etc/ssh/sshd_config"
GATED = ("sudo", "sudo-i", "sshd", "su", "polkit-1")
# Fedora's, of which the order of the phases depends: `sufficient` in an included file.
SYSTEM_AUTH = """auth        required      pam_env.so
auth        sufficient    pam_unix.so nullok
auth        required      pam_deny.so
account     required      pam_unix.so
account     sufficient    pam_localuser.so
account     sufficient    pam_usertype.so issystem
account     required      pam_permit.so
password    sufficient    pam_unix.so nullok
password    required      pam_deny.so
session     optional      pam_keyinit.so revoke
session     required      pam_limits.so
session     [success=1 default=ignore] pam_succeed_if.so service in crond quiet use_uid
session     required      pam_unix.so
"""
SUDO_I = """auth       include      sudo
account    include      sudo
password   include      sudo
session    optional     pam_keyinit.so force revoke
session    include      sudo
"""


def snippet(name):
    return f"{EXAMPLES}/{name}"


def output(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: exit status {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


class Snippets(LabCase):
    broker_conf = role("ssh", services="sshd", targets="self")
    helper_conf = {("helper", "break_glass_group"): "glass", **service("sshd", role="ssh")}

    @classmethod
    def setUpClass(cls):
        Lab.here()
        for group in ("glass", "operators"):
            subprocess.run(["groupadd", "-f", group], check=True)
        subprocess.run(["gpasswd", "-a", "op1", "operators"], check=True, capture_output=True)
        subprocess.run(["ssh-keygen", "-A"], check=True, capture_output=True)
        super().setUpClass()
        sshlab.make_keys(cls.lab, "op1")

    def setUp(self):
        """The host as its distribution has it, and the snippets."""
        shutil.copy("/usr/share/openssh/sshd_config", SSHD)
        self.put("sshd_config.d/pam-jit.conf", "/etc/ssh/sshd_config.d/pam-jit.conf")
        write(SUDOERS, "Defaults env_reset, !lecture\nroot ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n", 0o440)
        self.put("sudoers.d/pam-jit", "/etc/sudoers.d/pam-jit", 0o440)
        for name in GATED:
            self.put(f"{name}.example", f"/etc/pam.d/{name}")

    def put(self, name, path, mode=0o644):
        write(path, read(snippet(name)), mode)

    def findings(self):
        """{code: severity} of those above a note."""
        done = subprocess.run(["/usr/bin/jit", "doctor", "--json"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stderr, "")
        return {finding["code"]: (finding.get("service"), finding["what"]) for finding in json.loads(done.stdout)["findings"]
                if finding["severity"] != "note"}

    def test_every_snippet_of_the_tree_is_installed(self):
        for folder, place in (("sudoers.d", "sudoers.d/"), ("sshd_config.d", "sshd_config.d/"), ("pam.d", ""),
                              ("pam.d/fedora", "fedora/")):
            at = os.path.join(TREE, "etc", folder)
            for name in os.listdir(at):
                if os.path.isfile(os.path.join(at, name)):
                    self.assertEqual(read(snippet(place + name)), read(os.path.join(at, name)))

    def test_visudo_and_sshd_find_no_fault(self):
        self.assertIn("/etc/sudoers.d/pam-jit: parsed OK", output("visudo", "-c"))
        os.makedirs("/run/sshd", exist_ok=True)
        self.assertEqual(output("/usr/sbin/sshd", "-t", "-f", SSHD), "")

    def test_what_sshds_snippet_says_counts_before_the_distributions_file(self):
        os.makedirs("/run/sshd", exist_ok=True)
        effective = output("/usr/sbin/sshd", "-T", "-f", SSHD).splitlines()
        said = [line.split(None, 1) for line in read(snippet("sshd_config.d/pam-jit.conf")).splitlines()
                if line and not line.startswith("#")]
        self.assertGreater(len(said), 5)
        for keyword, value in said:
            self.assertIn(f"{keyword.lower()} {value}", effective)

    def test_jit_doctor_finds_the_host_in_order(self):
        self.assertEqual(self.findings(), {})

    def test_jit_doctor_finds_the_host_out_of_order_without_them(self):
        os.unlink("/etc/ssh/sshd_config.d/pam-jit.conf")
        self.assertEqual(list(self.findings()), ["sshd.grace"])

    def test_an_operator_gives_the_password_and_waits_for_approval(self):
        terminal = self.open_terminal()
        terminal.start("sudo -k id -un")
        terminal.expect("password for op1: ")
        terminal.type(PASSWORD)
        shown = terminal.expect(WAITING)
        self.approve((shown[1], shown[2]))
        status, text = terminal.finish()
        self.assertEqual((status, text.split()[-1]), (0, "root"))

    def test_ssh_asks_for_the_password_and_waits_for_approval(self):
        server = sshlab.Sshd(self.lab).start()
        self.addCleanup(server.stop)
        client = server.shell(HOSTNAME, "echo in:$LOGNAME")
        self.addCleanup(client.close, force=True)
        client.expect("Password: ")
        client.sendline(PASSWORD)
        client.expect("[Rr]eason[^\n]*: ")
        client.sendline("disk full")
        client.expect(SHOWN)
        request = client.match.group(1), client.match.group(2)
        client.expect("Enter[^\n]*: ")
        client.sendline("")
        self.approve(request)
        client.expect("in:op1")

    def test_fedoras_stacks_are_gated(self):
        for name in ("system-auth", "password-auth"):
            write(f"/etc/pam.d/{name}", SYSTEM_AUTH)
            self.addCleanup(os.unlink, f"/etc/pam.d/{name}")
        write("/etc/pam.d/postlogin", "session optional pam_umask.so silent\n")
        self.addCleanup(os.unlink, "/etc/pam.d/postlogin")
        for name in ("sudo", "sshd"):
            self.put(f"fedora/{name}.example", f"/etc/pam.d/{name}")
        write("/etc/pam.d/sudo-i", SUDO_I)
        self.assertEqual(self.findings(), {})
        text = read("/etc/pam.d/sudo")
        line = "account  required  pam_jit.so app=sudo\n"
        write("/etc/pam.d/sudo", text.replace(line, "").replace("password ", line + "password ", 1))
        self.assertIn("gate.skipped", self.findings())
