"""What lies in the place of a file that helper, broker and jit open, or on the way to it: somebody else's link, a pipe, a
device, a folder, another's file, one that everybody can write, one without an end, another's folder above. It is refused,
at once and with a sentence that names it. The tables below are held against the code's own: a key that is new is red here
until it is known whether it names a file."""

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import threading

import pathways
from lab import BROKER_CONF, HELPER_CONF, HELPER_STATE, LabCase, read, write
from namespace import die_with_parent
from pathways import ON_THE_WAY, WAYS, planted

LONGEST = 20  # seconds that a program may take to say no
# What a sentence says is wrong, and what is to be done.
REFUSAL = (r"regular file: move|chown |chmod |name the file itself|bytes, more than|something is there|must be|keep that file|keep it|"
           r"and no symbolic link: move")
AWS_KEYS = "[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = secret\n"
NAMED = "/etc/jit-broker/named"


class PathsCase(LabCase):
    def told(self, *command, **how):
        """(exit status, what it said). Whoever waits for a pipe's other end does not end in time."""
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, stdin=subprocess.DEVNULL, cwd="/",
                                  preexec_fn=die_with_parent, **how)
        except subprocess.TimeoutExpired as late:
            raise AssertionError(f"{command} did not end: {late.stdout} {late.stderr}") from None
        return done.returncode, done.stdout + done.stderr

    def assert_each_is_refused(self, path, *command, ways=WAYS + ON_THE_WAY, lines=1, statuses=(1, 78), **how):
        """In that many lines, each about it or about what is on the way to it."""
        names = rf"(?s){re.escape(path)}.*({REFUSAL})"
        for way in ways:
            with self.subTest((path, way.__name__)), planted(path, way, self.group):
                status, text = self.told(*command, **how)
                self.assertIn(status, statuses, text)
                about = os.path.dirname(path) if way is pathways.another_persons_link else path
                self.assertRegex(text, names.replace(re.escape(path), re.escape(about)))
                self.assertEqual(text.count("\n"), lines, text)


class Helpers(PathsCase):
    group = "_jit"
    named = "/etc/pam-jit/named"
    files = {"api_key_file": "/etc/pam-jit/api.key", "ca_file": "/etc/pam-jit/broker-ca.pem",
             "tls_certificate": "/run/lab/secrets/tls.crt", "tls_key": "/run/lab/secrets/tls.key"}
    places = {"pam_socket", "session_socket", "state_dir", "spool_dir"}
    # Named to the session's programs (AWS_SHARED_CREDENTIALS_FILE) and opened by none of ours.
    passed_on = {"aws_credentials_file"}

    def setUp(self):
        self.lab.stop_helper()
        self.addCleanup(self.lab.configure)

    def test_every_key_that_names_a_file_is_in_these_tables(self):
        self.assertEqual(pathways.helper_keys(), set(self.files) | self.places | self.passed_on)

    def test_no_file_of_the_helpers_is_believed_that_another_could_change(self):
        """Each in a folder of its own."""
        of_key = {key: f"{self.named}/{key}/file" for key in self.files}
        for key, source in self.files.items():
            write(of_key[key], read(source), 0o640, "root", "_jit")
        self.lab.configure(helper={("helper", key): path for key, path in of_key.items()})
        status, text = self.told("/usr/sbin/jit-helper", "--check")
        self.assertEqual(status, 0, text)
        for path in of_key.values():
            self.assert_each_is_refused(path, "/usr/sbin/jit-helper", "--check")
        self.assert_each_is_refused(HELPER_CONF, "/usr/sbin/jit-helper", "--check", ways=WAYS)

    def test_roots_own_link_to_the_systems_cas_is_followed(self):
        os.symlink("/etc/pam-jit/broker-ca.pem", "/etc/pam-jit/link.pem")
        self.lab.configure(helper={("helper", "ca_file"): "/etc/pam-jit/link.pem"})
        self.assertEqual(self.told("/usr/sbin/jit-helper", "--check")[0], 0)

    def test_neither_its_folders_nor_its_sockets_are_in_anothers_hands(self):
        made = (pathways.folder,)  # a folder of root's is one
        for path, but in (("/run/pam-jit/state", ()), ("/run/pam-jit/pam.sock", ()), ("/run/pam-jit/session.sock", ()),
                          ("/run/pam-jit", made)):
            self.assert_each_is_refused(path, "/usr/sbin/jit-helper", ways=[way for way in WAYS if way not in but])
        for way in ON_THE_WAY:
            with self.subTest(way.__name__), planted("/run/pam-jit/state", way, self.group):
                status, text = self.told("/usr/sbin/jit-helper")
                self.assertEqual((status in (1, 78), text.count("\n")), (True, 1), text)
                self.assertRegex(text, rf"/run/pam-jit\b.*({REFUSAL})")

    def test_no_folder_is_made_or_given_away_where_another_could_put_one(self):
        for way in ON_THE_WAY:
            for key in ("state_dir", "spool_dir"):
                with self.subTest((key, way.__name__)), a_folder_above() as above:
                    self.lab.configure(helper={("helper", key): f"{above}/new", ("helper", "break_glass_group"): "root"})
                    with planted(f"{above}/new", way, self.group):
                        self.started_and_told(f"{above}.*({REFUSAL})")
                        self.assertFalse(os.path.exists(f"{above}/new"))

    def started_and_told(self, pattern):
        """Whether it goes on without or not."""
        helper = subprocess.Popen(["/usr/sbin/jit-helper"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, cwd="/", preexec_fn=die_with_parent)
        late = threading.Timer(LONGEST, helper.kill)
        late.start()
        said = []
        try:
            for line in helper.stdout:
                said.append(line)
                if re.search(pattern, line):
                    return
            self.fail(f"{pattern}: {said}")
        finally:
            late.cancel()
            helper.send_signal(signal.SIGTERM)
            helper.communicate(timeout=LONGEST)

    def test_a_spool_or_a_state_that_another_could_have_written_is_passed_over(self):
        """The host goes on; nobody breaks the glass there, and nothing of the state is taken up."""
        self.lab.configure(helper={("helper", "break_glass_group"): "root"})
        for way in WAYS:
            if way in (pathways.folder, pathways.endless, pathways.writable_by_all):
                continue
            with self.subTest(("spool", way.__name__)), planted("/var/lib/pam-jit", way, self.group):
                self.started_and_told(r"nobody can break glass: .*/var/lib/pam-jit")
        os.makedirs(os.path.dirname(HELPER_STATE), exist_ok=True)
        for way in WAYS:
            with self.subTest(("state", way.__name__)), planted(HELPER_STATE, way, self.group):
                self.started_and_told(rf"the state in {HELPER_STATE} is passed over: ")

    def test_the_doctor_waits_for_no_file(self):
        """It reads what others may have put there, changes nothing, and tells of each what it found."""
        self.lab.broker.stop()
        self.addCleanup(self.lab.broker.start)
        for path, code in (("/etc/pam.d/sudo", "service"), (HELPER_CONF, "helper"), ("/etc/pam-jit/api.key", "helper"),
                           ("/etc/pam-jit/broker-ca.pem", "helper"), ("/etc/ssh/sshd_config", "")):
            for way in (pathways.pipe, pathways.endless):
                with self.subTest((path, way.__name__)), planted(path, way, self.group):
                    status, text = self.told("/usr/bin/jit", "doctor", "--json")
                    self.assertEqual(status, 2, text)
                    self.assertIn(f'"code":"{code}', text.replace('": "', '":"'))


@contextlib.contextmanager
def a_folder_above():
    above = "/run/lab/above"
    os.mkdir(above, 0o755)
    try:
        yield above
    finally:
        shutil.rmtree(above)


class Brokers(PathsCase):
    group = "_jitbroker"
    certificates, key, secret = "/etc/jit-broker/tls.crt", "/etc/jit-broker/tls.key", "secret"
    files = {("broker", "tls_certificate"): certificates, ("broker", "tls_key"): key, ("broker", "tls_client_ca"): certificates,
             ("broker", "store_credentials"): AWS_KEYS, ("broker", "store_ca"): certificates,
             ("broker", "issuer_credentials"): AWS_KEYS, ("broker", "issuer_ca"): certificates,
             ("broker", "workflow_credentials"): AWS_KEYS, ("broker", "workflow_ca"): certificates,
             ("broker", "oidc_client_secret_file"): "a secret\n", ("broker", "oidc_ca"): certificates,
             ("broker", "mail_credentials"): "user\npassword\n", ("broker", "mail_ca"): certificates,
             ("broker", "ssm_credentials"): AWS_KEYS, ("broker", "ssm_ca"): certificates,
             ("webhook", "secret"): "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", ("webhook", "ca"): certificates}
    places = {("broker", "store"), ("broker", "proxy_socket")}
    no_files = {("broker", key) for key in (
        "store_region", "store_endpoint", "issuer", "issuer_region", "issue_function", "issue_workflow", "issue_endpoint",
        "workflow", "workflow_endpoint", "proxy_user", "auditors", "oidc_issuer", "oidc_client_id", "oidc_redirect",
        "oidc_scopes", "url", "mail_server", "mail_from", "ssm_path", "ssm_region", "ssm_endpoint")} | {
            ("role", key) for key in ("region", "arn", "external_id", "services", "requesters", "hosts", "targets", "approvers",
                                      "ticket")} | {
            ("group", "members"), ("person", "unix"), ("person", "remote_user"), ("person", "mail"), ("host", "may_request_for"),
            ("host", "usage_plan"), ("host", "client_certificate"), ("webhook", "url"), ("webhook", "events"),
            ("webhook", "roles"), ("mail", "to"), ("mail", "events"), ("mail", "roles")}
    used = {("broker", "store"): "dynamodb:jit", ("broker", "issuer"): "sts:https://sts.example/",
            ("broker", "oidc_issuer"): "https://login.example", ("broker", "oidc_client_id"): "jit",
            ("broker", "oidc_redirect"): "https://jit.example/sign-in/oidc/answer", ("broker", "mail_server"): "smtp://mail.example:25",
            ("broker", "mail_from"): "jit@example.com", ("webhook chat", "url"): "https://chat.example/hook"}

    def setUp(self):
        self.lab.broker.stop()
        self.addCleanup(self.lab.configure)

    def told_as_broker(self, *command):
        return self.told("/usr/sbin/jit-broker", *command, user="_jitbroker", group="_jitbroker", extra_groups=[])

    def assert_each_is_refused_to_the_broker(self, path, *command, **how):
        self.assert_each_is_refused(path, "/usr/sbin/jit-broker", *command, user="_jitbroker", group="_jitbroker",
                                    extra_groups=[], **how)

    def test_every_key_that_names_a_file_is_in_these_tables(self):
        self.assertEqual(pathways.broker_keys(), set(self.files) | self.places | self.no_files)

    def name_all(self):
        """{(section, key): path}: each key's file in a folder of its own, and all of them in use."""
        of_key = {(section, key): f"{NAMED}/{section}-{key}/file" for section, key in self.files}
        for key, source in self.files.items():
            write(of_key[key], read(source) if source[0] == "/" else source, 0o640, "root", "_jitbroker")
        changes = {("webhook chat" if section == "webhook" else section, key): path for (section, key), path in of_key.items()}
        self.lab.configure(broker={**self.used, **changes})
        return of_key

    def test_no_file_of_the_brokers_is_believed_that_another_could_change(self):
        of_key = self.name_all()
        status, text = self.told_as_broker("check")
        self.assertEqual(status, 0, text)
        for key, path in of_key.items():
            self.assert_each_is_refused_to_the_broker(path, "check")
        self.assert_each_is_refused_to_the_broker(BROKER_CONF, "check", ways=WAYS)

    def test_it_does_not_start_with_one(self):
        """Of those that it would first open when somebody calls; a secret is told, and whoever wants it is refused."""
        of_key = self.name_all()
        for key in ("store_ca", "issuer_ca", "workflow_ca", "oidc_ca", "mail_ca", "mail_credentials"):
            self.assert_each_is_refused_to_the_broker(of_key["broker", key], "serve", ways=(
                pathways.link_of_another, pathways.pipe, pathways.another_persons_folder), statuses=(78,))

    def test_its_store_and_its_socket_are_in_nobody_elses_hands(self):
        store = "/var/lib/jit-broker/broker.db"
        self.assert_each_is_refused_to_the_broker(store, "serve", ways=[way for way in WAYS if way is not pathways.endless])
        with planted(store, pathways.folder_writable_by_all, self.group):
            status, text = self.told_as_broker("serve")
            self.assertIn(status, (1, 78), text)
            self.assertRegex(text, r"/var/lib/jit-broker can be written by others, .* chmod go-w /var/lib/jit-broker\n$")
        os.makedirs("/run/lab/proxy", exist_ok=True)
        os.chown("/run/lab/proxy", pwd.getpwnam("_jitbroker").pw_uid, -1)
        self.lab.configure(broker={("broker", "proxy_socket"): "/run/lab/proxy/proxy.sock", ("broker", "proxy_user"): "daemon"})
        for way in (pathways.link_of_another, pathways.pipe, pathways.another_persons, *ON_THE_WAY):
            with self.subTest(way.__name__), planted("/run/lab/proxy/proxy.sock", way, self.group):
                status, text = self.told_as_broker("serve")
                self.assertEqual((status in (1, 78), text.count("\n")), (True, 1), text)
                self.assertIn("/run/lab/proxy", text)

    def test_an_anchor_is_of_who_verifies(self):
        self.lab.broker.start()
        self.addCleanup(self.lab.broker.stop)
        anchor = "/etc/jit-broker/anchors/file"
        write(anchor, self.told_as_broker("audit", "anchor")[1], 0o640, "root", "_jitbroker")
        status, text = self.told_as_broker("audit", "verify", "--anchor", anchor)
        self.assertEqual(status, 0, text)
        self.assert_each_is_refused_to_the_broker(anchor, "audit", "verify", "--anchor", anchor)


class Approvers(PathsCase):
    """What an approver has at home: no other person's word counts there either."""

    group = "appr1"

    def test_no_file_of_an_approvers_is_believed_that_another_could_change(self):
        home = pwd.getpwnam("appr1").pw_dir
        conf, token, ca = f"{home}/.config/jit-broker/client.conf", f"{home}/token/file", f"{home}/ca/file"
        before = read(conf)
        self.addCleanup(write, conf, before, 0o600, "appr1", "appr1")
        write(token, self.lab.tokens["appr1"] + "\n", 0o600, "appr1", "appr1")
        write(ca, read("/etc/pam-jit/broker-ca.pem"))
        write(conf, f"url = https://broker.example:8443\nca = {ca}\ntoken_file = {token}\n", 0o600, "appr1", "appr1")
        how = {"user": "appr1", "group": "appr1", "extra_groups": [], "env": {"HOME": home, "PATH": "/usr/bin:/bin"}}
        self.assertEqual(self.told("/usr/sbin/jit-broker", "list", **how)[0], 0)
        for path in (conf, token, ca):
            self.assert_each_is_refused(path, "/usr/sbin/jit-broker", "list", statuses=(2,), **how)
