"""`jit doctor` on hosts that are set up wrongly, each in one way, with real sudo, sshd and PAM configuration: it names
the fault, the fix that it tells makes the finding go away, and a sound host has none above a note."""

import contextlib
import datetime
import glob
import json
import os
import pwd
import re
import subprocess
import time

import brokerlib
from badserver import BadServer, http
from lab import EXAMPLES, HELPER_CONF, NOPASSWD, Lab, LabCase, read, write

GATED = ("sudo", "sudo-i", "sshd", "su", "polkit-1")
WAIT = "timeout=90"
SSHD = "/etc/ssh/sshd_config"
SSHD_SOUND = "UsePAM yes\nKbdInteractiveAuthentication yes\nLoginGraceTime 120\n"


def path_of(service):
    return f"/etc/pam.d/{service}"


def example(service):
    """A service as its example has it; both lines wait shorter than sshd's LoginGraceTime."""
    text = read(f"{EXAMPLES}/{service}.example")
    return re.sub(r"^((?:account|session)  required  pam_jit\.so.*)$", rf"\1 {WAIT}", text, flags=re.M)


def line_of(path, text):
    return next(number for number, line in enumerate(read(path).splitlines(), 1) if re.search(text, line))


class Doctor(LabCase):
    helper_conf = {("service " + name, "role"): "admin" for name in (*GATED, "su-l")} | {("helper", "break_glass_group"): "glass"}

    @classmethod
    def setUpClass(cls):
        Lab.here()
        subprocess.run(["groupadd", "-f", "glass"], check=True)
        os.makedirs("/run/lab/other-ca", exist_ok=True)
        brokerlib.make_tls("/run/lab/other-ca")
        subprocess.run(["ssh-keygen", "-A"], check=True, capture_output=True)
        super().setUpClass()

    def setUp(self):
        """A sound host."""
        for service in GATED:
            write(path_of(service), example(service))
        write(SSHD, SSHD_SOUND)
        self.lab.set_sudoers(NOPASSWD)
        self.lab.set_api_key(self.lab.api_key)
        self.lab.configure(helper=self.helper_conf)

    def doctor(self, *options):
        done = subprocess.run(["/usr/bin/jit", "doctor", "--json", *options], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stderr, "")
        return done.returncode, json.loads(done.stdout)

    def findings(self, above="note"):
        """{code: finding} of those above a note, or of all; the exit status must fit."""
        status, report = self.doctor()
        severities = {finding["severity"] for finding in report["findings"]}
        self.assertEqual(status, 2 if "error" in severities else 1 if "warning" in severities else 0)
        return {finding["code"]: finding for finding in report["findings"] if finding["severity"] != above}

    def outcomes(self, service):
        report = self.doctor("--service", service)[1]
        return next(door for door in report["services"] if door["service"] == service)["outcomes"]

    def assert_found(self, code, severity, service=None, file=None, line=None):
        """That finding above a note and no other."""
        found = self.findings()
        self.assertEqual(list(found), [code], found)
        finding = found[code]
        want = {"severity": severity, "service": service, "file": file, "line": line}
        self.assertEqual({name: finding.get(name) for name in want}, want, finding)
        self.assertTrue(finding["what"] and finding["fix"], finding)
        return finding

    def assert_sound(self):
        self.assertEqual(self.findings(), {})

    @contextlib.contextmanager
    def changed(self, service, old, new):
        """The service's file with a part of it replaced, and as it was afterwards."""
        text = read(path_of(service))
        changed, count = re.subn(old, new, text, flags=re.M)
        self.assertGreater(count, 0, text)
        write(path_of(service), changed)
        try:
            yield path_of(service)
        finally:
            write(path_of(service), text)

    def point_helper_at(self, **keys):
        changes = {("helper", name): value for name, value in keys.items()}
        self.lab.stop_helper()
        self.lab.configure(helper={**self.helper_conf, **changes})
        self.lab.start_helper()

    def be_sound_again(self):
        self.point_helper_at()
        self.assert_sound()


class Sound(Doctor):
    def test_a_sound_host_has_nothing_above_a_note(self):
        self.assert_sound()
        status, report = self.doctor()
        self.assertEqual((status, report["version"]), (0, 1))
        states = {door["service"]: door["state"] for door in report["services"]}
        self.assertEqual({name: states[name] for name in (*GATED, "su-l", "login")},
                         {**dict.fromkeys(GATED, "gated"), "su-l": "gated", "login": "open"})
        self.assertEqual(report["host"]["keyrings"], "yes")

    def test_the_table_says_what_really_happens(self):
        table = self.outcomes("sudo")
        self.assertEqual((table["approved"], table["denied"], table["root"]), ("gets in", "refused", "passes, logged"))
        self.assertRegex(table["brokerDown"], "refused; members of glass")
        self.assertRegex(table["nopasswd"], "asked like anybody .sudoers has such rules")
        self.assertRegex(self.outcomes("sshd")["publickey"], "banner; the next connection passes once approved")
        with self.changed("sudo", "account  required  pam_jit", "account  optional  pam_jit"), \
                self.changed("sudo", "session  required  pam_jit.*", ""):
            table = self.outcomes("sudo")
            self.assertEqual({table[name] for name in ("denied", "brokerDown", "helperDown", "nonInteractive")}, {"GETS IN"})
            self.assertRegex(table["nopasswd"], "GETS IN")

    def test_the_table_agrees_with_sudo(self):
        """What the table says of a helper that is down, held against sudo itself."""
        self.lab.stop_helper()
        self.addCleanup(self.point_helper_at)
        for control, word, status in (("required", "refused", 1), ("optional", "GETS IN", 0)):
            with self.changed("sudo", "(account|session)  required  pam_jit", rf"\1  {control}  pam_jit"):
                self.assertRegex(self.outcomes("sudo")["helperDown"], word)
                self.assertEqual(self.open_terminal().run("sudo id")[0], status)

    def test_the_text_fits_80_columns_and_has_no_colour_in_a_pipe(self):
        with self.changed("sudo", "session  required  pam_jit.*", ""):
            done = subprocess.run(["/usr/bin/jit", "doctor"], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stdout, r"\Ajit doctor on web-1: 1 error, 0 warnings, ")
        self.assertRegex(done.stdout, r"ERROR  sudo  gate\.no_session\n    /etc/pam\.d/sudo:\d+\n")
        self.assertNotIn("\x1b", done.stdout)
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 80)

    def test_without_root_it_says_what_it_could_not_see(self):
        done = subprocess.run(["/usr/bin/jit", "doctor"], user="op1", group="op1", extra_groups=[], cwd="/",
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 69, done.stdout)
        self.assertIn("Not run as root", done.stdout)

    def test_wrong_usage_has_its_own_status(self):
        done = subprocess.run(["/usr/bin/jit", "doctor", "--frob"], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (64, ""))
        self.assertEqual(self.doctor("--service", "nosuch")[0], 69)

    def test_nothing_that_lies_about_makes_it_wait(self):
        """FIFOs, devices, huge files and names that are no names, where it looks."""
        places = ["/etc/pam.d/a-fifo", "/etc/sudoers.d/a-fifo", "/etc/pam.d/\x1b[31mred\n", "/etc/sudoers.d/\x1b[31mred",
                  "/etc/pam.d/huge", "/etc/sudoers.d/zzz"]
        self.addCleanup(lambda: [os.unlink(path) for path in places if os.path.lexists(path)])
        os.makedirs("/etc/sudoers.d", exist_ok=True)
        for path in places[:2]:
            os.mkfifo(path)
        for path in places[2:4]:
            write(path, "session required pam_jit.so\n" if "pam.d" in path else "# none\n")
        with open(places[4], "wb") as file:
            file.truncate(1 << 33)
        write(places[5], "Defaults !pam_session\n", 0o440)
        began = time.monotonic()
        done = subprocess.run(["/usr/bin/jit", "doctor"], capture_output=True, text=True, timeout=60)
        self.assertLess(time.monotonic() - began, 20)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertEqual(set(re.findall(r"[^\n -~]", done.stdout)), set())
        os.unlink(path_of("polkit-1"))
        os.mkfifo(path_of("polkit-1"))
        self.addCleanup(os.unlink, path_of("polkit-1"))
        self.assertEqual(self.findings()["pam.broken"]["service"], "polkit-1")

    def test_nothing_of_the_callers_decides_what_runs(self):
        os.makedirs("/run/lab/bin", exist_ok=True)
        for name in ("cvtsudoers", "sshd", "sudo", "ssh", "jit-helper", "sh"):
            write(f"/run/lab/bin/{name}", "#!/bin/sh\ntouch /run/lab/ran\n", 0o755)
        environment = {"PATH": "/run/lab/bin", "SUDOERS": "/nonexistent", "https_proxy": "http://127.0.0.1:1",
                       "SSL_CERT_FILE": "/nonexistent", "TERM": "xterm"}
        done = subprocess.run(["/usr/bin/jit", "doctor"], env=environment, cwd="/run/lab/bin", capture_output=True,
                              text=True, timeout=60)
        self.assertEqual((done.returncode, os.path.exists("/run/lab/ran")), (0, False), done.stdout)

    def test_it_changes_nothing(self):
        def state():
            paths = [os.path.join(folder, name) for top in ("/etc", "/run/pam-jit", "/run/sudo", "/var/lib/pam-jit")
                     for folder, folders, files in os.walk(top) for name in [*folders, *files]]
            found = {path: os.lstat(path) for path in paths}
            files = {path: (of.st_ino, of.st_mode, of.st_uid, of.st_gid, of.st_size, of.st_mtime_ns, of.st_ctime_ns)
                     for path, of in found.items()}
            return files, self.lab.filed()

        before = state()
        self.doctor()
        self.assertEqual(state(), before)


class Stacks(Doctor):
    def test_an_auth_only_gate(self):
        with self.changed("sudo", "^account  required  pam_jit", "auth  required  pam_jit"), \
                self.changed("sudo", "^session  required  pam_jit.*", ""):
            found = self.findings()
            self.assertEqual(set(found), {"gate.auth_only", "gate.no_session"})
            self.assertEqual(found["gate.auth_only"]["line"], line_of(path_of("sudo"), "^auth.*pam_jit"))
            self.assertEqual(self.outcomes("sudo")["denied"], "GETS IN")
        self.assert_sound()

    def test_a_missing_session_line(self):
        with self.changed("sudo", "^session  required  pam_jit.*", "") as path:
            self.assert_found("gate.no_session", "error", "sudo", path, line_of(path, "^account.*pam_jit"))
        self.assert_sound()

    def test_a_missing_account_line(self):
        with self.changed("su", "^account  required  pam_jit.*", "") as path:
            _, report = self.doctor("--service", "su")
            found = {finding["code"]: finding for finding in report["findings"] if finding["severity"] == "error"}
            self.assertEqual(found["gate.no_account"]["line"], line_of(path, "^session.*pam_jit"))
        self.assert_sound()

    def test_the_session_line_before_pam_keyinit(self):
        text = example("sshd")
        ours = re.search(r"^session  required  pam_jit.*\n", text, re.M)[0]
        write(path_of("sshd"), text.replace(ours, "").replace("session    optional     pam_keyinit", ours +
                                                                  "session    optional     pam_keyinit"))
        self.assert_found("gate.keyinit_order", "warning", "sshd", path_of("sshd"),
                          line_of(path_of("sshd"), "^session.*pam_jit"))
        write(path_of("sshd"), text)
        self.assert_sound()

    def test_the_session_line_of_sudo_behind_one_that_may_fail(self):
        text = read(path_of("sudo"))
        ours = re.search(r"^session  required  pam_jit.*\n", text, re.M)[0]
        write(path_of("sudo"), text.replace(ours, "") + ours)
        self.assert_found("gate.session_late", "warning", "sudo", path_of("sudo"),
                          line_of(path_of("sudo"), "^session.*pam_jit"))
        for first, sound in (("optional", True), ("required", False)):
            line = f"session {first} pam_keyinit.so revoke\n"
            write(path_of("sudo"), text.replace(ours, line + ours))
            self.assertEqual(list(self.findings()), [] if sound else ["gate.session_late"])
        write(path_of("sudo"), text)
        self.assert_sound()

    def test_controls_that_fail_open(self):
        for control in ("sufficient", "optional", "[default=ignore]", "[success=ok authinfo_unavail=ignore default=bad]"):
            for phase in ("account", "session"):
                with self.subTest(f"{phase} {control}"), \
                        self.changed("sudo", f"^{phase}  required  pam_jit", f"{phase}  {control}  pam_jit") as path:
                    found = self.findings()
                    self.assertEqual(found["gate.fail_open"]["line"], line_of(path, f"^{phase}.*pam_jit"))
                    self.assertEqual(found["gate.fail_open"]["severity"], "error")
                    self.assertIn(control.strip("[]"), found["gate.fail_open"]["what"])
        self.assert_sound()

    def test_an_earlier_line_that_skips_ours_wherever_it_is_included_from(self):
        write("/etc/pam.d/local-account", "account sufficient pam_localuser.so\n")
        self.addCleanup(os.unlink, "/etc/pam.d/local-account")
        for include, found in (("@include local-account", True), ("account include local-account", True),
                               ("account substack local-account", False)):
            with self.subTest(include), self.changed("sudo", "^@include common-account", include):
                if found:
                    self.assert_found("gate.skipped", "error", "sudo", "/etc/pam.d/local-account", 1)
                else:
                    self.assert_sound()

    def test_arguments_that_the_module_refuses(self):
        with self.changed("sudo", "^account  required  pam_jit.so", "account  required  pam_jit.so rolle=admin") as path:
            found = self.findings()
            self.assertEqual(found["gate.args"]["line"], line_of(path, "rolle"))
            self.assertIn("rolle", found["gate.args"]["what"])
        self.assert_sound()

    def test_an_ungated_polkit(self):
        os.unlink(path_of("polkit-1"))
        self.assert_found("service.bypass", "error", "polkit-1", "/usr/lib/pam.d/polkit-1")
        write(path_of("polkit-1"), read(f"{EXAMPLES}/polkit-1.example"))  # as told
        self.assert_sound()

    def test_an_ungated_sudo_i(self):
        write(path_of("sudo-i"), "@include common-account\n@include common-session\n")
        self.assert_found("service.bypass", "error", "sudo-i", path_of("sudo-i"))

    def test_a_service_without_a_section_is_in_order(self):
        text = read(HELPER_CONF)
        write(HELPER_CONF, text.replace("[service su]\n", "[service su-other]\n"))
        self.addCleanup(write, HELPER_CONF, text)
        self.assert_sound()

    def test_an_include_that_is_not_there(self):
        with self.changed("sudo", "^@include common-auth", "@include common-nowhere") as path:
            self.assert_found("pam.broken", "error", "sudo", path, line_of(path, "common-nowhere"))


class Sudoers(Doctor):
    def assert_setting(self, setting, code, line="Defaults {}"):
        self.lab.set_sudoers(line.format(setting) + "\n" + NOPASSWD)
        found = self.assert_found(code, "error", "sudo", "/etc/sudoers", line_of("/etc/sudoers", setting))
        self.lab.set_sudoers(NOPASSWD)
        self.assert_sound()
        return found["what"]

    def test_no_pam_session(self):
        self.assert_setting("!pam_session", "sudo.no_session")

    def test_no_account_management(self):
        self.assert_setting("!pam_acct_mgmt", "sudo.no_account")

    def test_for_one_user_alone(self):
        self.assertIn("for user op1", self.assert_setting("!pam_session", "sudo.no_session", "Defaults:op1 {}"))
        self.assertIn("for command", self.assert_setting("!pam_acct_mgmt", "sudo.no_account", "Defaults!/usr/bin/id {}"))

    def test_the_table_knows_it(self):
        self.lab.set_sudoers("Defaults !pam_acct_mgmt, !pam_session\n" + NOPASSWD)
        self.assertEqual(self.outcomes("sudo")["denied"], "GETS IN")
        self.assertEqual(self.open_terminal().run("sudo id")[0], 0)  # and so it is

    def test_another_service(self):
        self.lab.set_sudoers("Defaults pam_service=other\n" + NOPASSWD)
        self.assert_found("sudo.other_service", "error", "sudo", "/etc/sudoers")


class Sshd(Doctor):
    def test_a_login_grace_time_that_is_too_short(self):
        write(SSHD, SSHD_SOUND.replace("120", "20"))
        found = self.assert_found("sshd.grace", "warning", "sshd", SSHD)
        wanted = re.search(r"Set LoginGraceTime to (\d+)", found["fix"])[1]
        write(SSHD, SSHD_SOUND.replace("120", wanted))
        self.assert_sound()

    def test_sshd_without_pam(self):
        write(SSHD, SSHD_SOUND.replace("UsePAM yes", "UsePAM no"))
        self.assert_found("sshd.no_pam", "error", "sshd", SSHD)
        self.assertEqual(self.outcomes("sshd")["denied"], "GETS IN")

    def test_what_a_match_block_changes(self):
        write(SSHD, SSHD_SOUND + "Match User op1\n  AuthenticationMethods publickey\n")
        found = self.findings(above="")
        self.assertIn("Match User op1", found["sshd.silent"]["what"])


class Module(Doctor):
    def test_one_that_others_can_change(self):
        [path] = glob.glob("/usr/lib*/security/pam_jit.so") or glob.glob("/usr/lib/*/security/pam_jit.so")
        self.addCleanup(self.assert_sound)
        self.addCleanup(os.chmod, path, 0o644)
        self.addCleanup(os.chown, path, 0, 0)
        for owner, mode in ((0, 0o666), (0, 0o664), (pwd.getpwnam("op1").pw_uid, 0o644)):
            os.chown(path, owner, 0)
            os.chmod(path, mode)
            self.assert_found("module.writable", "error", None, path)

    def test_one_that_is_not_there(self):
        [path] = glob.glob("/usr/lib*/security/pam_jit.so") or glob.glob("/usr/lib/*/security/pam_jit.so")
        self.addCleanup(os.rename, f"{path}.away", path)
        os.rename(path, f"{path}.away")
        self.assertEqual(self.findings()["module.missing"]["severity"], "error")


class Broker(Doctor):
    def test_a_key_that_its_user_cannot_read(self):
        os.chown("/etc/pam-jit/api.key", 0, 0)
        self.assert_found("helper.key", "error", None, "/etc/pam-jit/api.key")
        self.lab.set_api_key(self.lab.api_key)
        self.assert_sound()

    def test_a_key_that_everybody_can_read(self):
        os.chmod("/etc/pam-jit/api.key", 0o644)
        self.assert_found("helper.key", "error", None, "/etc/pam-jit/api.key")
        os.chmod("/etc/pam-jit/api.key", 0o640)
        self.assert_sound()

    def test_a_key_that_the_broker_does_not_know(self):
        self.lab.set_api_key("jit_unknown")
        self.assert_found("broker.key", "error", None, "/etc/pam-jit/api.key")
        self.lab.set_api_key(self.lab.api_key)
        self.assert_sound()

    def test_a_wrong_ca(self):
        self.addCleanup(self.be_sound_again)
        write("/etc/pam-jit/other-ca.pem", read("/run/lab/other-ca/ca.pem"))
        self.point_helper_at(ca_file="/etc/pam-jit/other-ca.pem")
        self.assertIn("/etc/pam-jit/other-ca.pem", self.assert_found("broker.tls", "error")["fix"])

    def test_a_ca_that_is_not_there(self):
        self.lab.configure(helper={**self.helper_conf, ("helper", "ca_file"): "/etc/pam-jit/nowhere.pem"})
        self.assert_found("helper.ca", "error", None, "/etc/pam-jit/nowhere.pem")

    def test_a_broker_that_is_down(self):
        self.addCleanup(self.be_sound_again)
        self.point_helper_at(broker="https://broker.example:1")
        self.assertIn("refused", self.assert_found("broker.down", "error")["what"])

    def test_a_clock_that_is_off(self):
        """The broker's clock is injected: a small TLS server that answers with another Date."""
        self.addCleanup(self.be_sound_again)
        offset = 0

        def answer(connection):
            now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=offset)
            body = http(b'{"requests":[]}')
            date = now.strftime("Date: %a, %d %b %Y %H:%M:%S GMT\r\n").encode()
            connection.sendall(body.replace(b"Connection:", date + b"Connection:"))

        server = BadServer(answer, "/run/lab/secrets")
        self.addCleanup(server.close)
        self.point_helper_at(broker=f"https://broker.example:{server.port}")
        self.assert_sound()
        for offset, severity, word in ((60, "warning", "behind"), (-1000, "error", "before")):
            self.assertRegex(self.assert_found("broker.clock", severity)["what"], rf"\d+ s {word}")

    def test_a_configuration_that_is_wrong(self):
        text = read(HELPER_CONF)
        self.addCleanup(write, HELPER_CONF, text)
        write(HELPER_CONF, text + "[helper]\nnonsense = 1\n")
        self.assert_found("helper.conf", "error", None, HELPER_CONF, len(text.splitlines()) + 2)

    def test_a_helper_that_is_down(self):
        self.addCleanup(self.be_sound_again)
        self.lab.stop_helper()
        found = self.findings()
        self.assertEqual(set(found), {"helper.down", "helper.session_socket"})
        self.assertEqual(found["helper.down"]["severity"], "error")

    def test_a_folder_that_others_can_write(self):
        mode = os.stat("/run/pam-jit").st_mode
        self.addCleanup(os.chmod, "/run/pam-jit", mode)
        os.chmod("/run/pam-jit", 0o777)
        self.assert_found("helper.folder", "warning", None, "/run/pam-jit")
