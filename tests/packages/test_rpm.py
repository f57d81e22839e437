"""The RPM packages: built with the macros of RHEL 9 and of Fedora, installed, upgraded and removed in a root of their own
where their scriptlets run, and an SELinux module that opens one way and no other.

What SELinux enforces, and what systemd and dnf of those distributions do, a Debian machine cannot show (docs/rpm.md)."""

import glob
import hashlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
import unittest

from namespace import TREE

MODULE = "usr/lib64/security/pam_jit.so"
HAND_WRITTEN = "account required pam_jit.so app=sudo\n"
MANIFEST = os.path.join(TREE, "packaging/rpm/manifest")
# Each adds its name and arguments to a file: they stand for programs that need a booted Fedora.
STAND_INS = ["sbin/semodule", "sbin/selinuxenabled", "sbin/load_policy", "sbin/fixfiles",
             "lib/systemd/systemd-update-helper"]
NEEDED = {"rpmbuild": "rpm", "rpmlint": "rpmlint", "checkmodule": "checkpolicy", "semodule_package": "semodule-utils"}


def run(*command, check=True, **how):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=900, env=env, check=False, **how)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout[-4000:]}")
    return done


def missing():
    names = [package for program, package in NEEDED.items() if not shutil.which(program)]
    return names + ([] if os.path.exists("/usr/share/selinux/devel/Makefile") else ["selinux-policy-dev"])


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def setUpModule():
    if missing():
        raise unittest.SkipTest(f"not installed: {' '.join(missing())} (./setup installs them)")


class Build:
    """`make rpm` into folders of its own, each kind once: {package: path}."""

    folder = None
    made = {}

    @classmethod
    def packages(cls, macros="rhel9", version=None, again=""):
        key = (macros, version, again)
        if key not in cls.made:
            cls.folder = cls.folder or tempfile.mkdtemp(prefix="rpm-", dir="/var/tmp")
            top = os.path.join(cls.folder, "-".join(filter(None, [macros, version, again])))
            run("make", "--no-print-directory", "-C", TREE, "rpm", f"RPM_MACROS={macros}", f"RPM_TOP={top}/top",
                f"PACKAGES_DIR={top}/out", *([f"VERSION={version}"] if version else []))
            cls.made[key] = {re.sub(r"-\d.*", ".src" if path.endswith(".src.rpm") else "", os.path.basename(path)): path
                             for path in glob.glob(f"{top}/out/*.rpm")}
        return cls.made[key]

    @classmethod
    def spec(cls, macros):
        return os.path.join(os.path.dirname(cls.packages(macros)["pam_jit"]), "../top/SPECS/pam_jit.spec")


def query(package, form):
    return run("rpm", "-qp", "--qf", form, package).stdout


class Spec(unittest.TestCase):
    """What can be seen without installing."""

    laboratory = True

    def test_the_packages_are_three_and_their_source(self):
        for macros in ("rhel9", "fedora"):
            self.assertEqual(set(Build.packages(macros)), {"pam_jit", "pam_jit-selinux", "jit-broker", "pam_jit.src"})

    def test_every_macro_is_one_that_the_distribution_has(self):
        for macros in ("rhel9", "fedora"):
            text = run("rpmspec", f"--load={TREE}/packaging/rpm/macros/macros.{macros}", "-P", Build.spec(macros)).stdout
            scripts = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
            left = set(re.findall(r"%[{]?[?!]*_?[a-z]\w+", scripts)) - {
                "%package", "%description", "%prep", "%build", "%install", "%pre", "%post", "%preun", "%postun",
                "%posttrans", "%check", "%files", "%license", "%doc", "%dir", "%attr", "%config", "%ghost", "%verify", "%changelog"}
            self.assertEqual(left, set(), macros)

    def test_accounts_are_made_before_files_on_rhel_9_and_by_rpm_itself_on_fedora(self):
        self.assertIn("useradd -r -g _jit ", query(Build.packages("rhel9")["pam_jit"], "%{PREIN}"))
        self.assertIn("useradd -r -g _jitbroker ", query(Build.packages("rhel9")["jit-broker"], "%{PREIN}"))
        self.assertNotIn("useradd", query(Build.packages("fedora")["pam_jit"], "%{PREIN}"))
        self.assertEqual(query(Build.packages("fedora")["jit-broker"], "%{PREIN}"), "(none)")

    def test_programs_go_where_the_distribution_keeps_them(self):
        for macros, folder in (("rhel9", "/usr/sbin"), ("fedora", "/usr/bin")):
            names = query(Build.packages(macros)["pam_jit"], "[%{FILENAMES}\n]").split()
            self.assertIn(f"{folder}/jit-helper", names)

    def test_sockets_are_not_restarted_by_an_upgrade(self):
        said = query(Build.packages()["pam_jit"], "%{POSTUN}")
        self.assertRegex(said, r"mark-restart-system-units jit-helper\.service ")
        self.assertNotIn(".socket", said)

    def test_every_program_has_its_manual_page(self):
        for package, program in (("pam_jit", "jit"), ("pam_jit", "jit-helper"), ("jit-broker", "jit-broker")):
            names = query(Build.packages()[package], "[%{FILENAMES}\n]")
            self.assertRegex(names, rf"(?m)/man[18]/{program}\.[18]\.gz$")

    def test_the_module_is_offered_to_nobody_as_a_library(self):
        self.assertNotIn("pam_jit.so", query(Build.packages()["pam_jit"], "[%{PROVIDES}\n]"))

    def test_the_policy_comes_along_where_the_targeted_one_is(self):
        for package in ("pam_jit", "jit-broker"):
            said = query(Build.packages()[package], "[%{REQUIRES}\n]")
            self.assertRegex(said, r"\(pam_jit-selinux = \S+ if selinux-policy-targeted\)")

    def test_rpmlint_finds_nothing(self):
        for macros in ("rhel9", "fedora"):
            said = run("rpmlint", "-c", f"{TREE}/packaging/rpm/rpmlint.toml", *Build.packages(macros).values(),
                       check=False).stdout
            self.assertRegex(said, r" 0 errors, 0 warnings, ", said)

    def test_two_builds_in_two_folders_are_the_same_bytes(self):
        digests = []
        for again in ("", "again"):
            digests.append({})
            for name, path in Build.packages(again=again).items():
                with open(path, "rb") as file:
                    digests[-1][name] = hashlib.sha256(file.read()).hexdigest()
        self.assertEqual(*digests)

    def test_files_are_those_of_the_manifest(self):
        """What is in each package, with its owner, mode and kind. To renew it: PAM_JIT_MANIFEST=write."""
        lines = []
        for name in ("pam_jit", "pam_jit-selinux", "jit-broker"):
            said = query(Build.packages()[name],
                         "[%{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILEFLAGS:fflags} %{FILENAMES}\n]")
            for line in said.splitlines():
                mode, owner, *flags, path = line.split()
                # Texts and examples come and go; build ids are of the day.
                if not re.match(r"/usr/share/(doc|licenses)/|/usr/lib/\.build-id|/usr/share/[^/]+/examples/", path):
                    lines.append(f"{name} {mode} {owner} {''.join(flags) or '-'} {path}\n")
        if os.environ.get("PAM_JIT_MANIFEST") == "write":
            write(MANIFEST, "".join(lines))
        self.assertEqual(read(MANIFEST).splitlines(), "".join(lines).splitlines())


class Root:
    """A root folder with an /etc, /var and /run of its own over this machine's programs, and an rpm database."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="root-", dir="/run")
        os.chmod(self.path, 0o755)
        for name in ("usr", "proc", "dev"):
            os.mkdir(self.at(name))
            run("mount", "--rbind", f"/{name}", self.at(name))
        for name in ("bin", "sbin", "lib", "lib64"):
            if os.path.islink(f"/{name}"):
                os.symlink(f"usr/{name}", self.at(name))
        for name in ("etc/pam.d", "var/lib/rpm", "var/log", "var/lib/rpm-state", "run", "tmp", "root"):
            os.makedirs(self.at(name))
        for name in ("group", "passwd"):
            write(self.at(f"etc/{name}"), "".join(re.findall(r"(?m)^(?:root|daemon|bin|mail|tty|nogroup):.*\n",
                                                             read(f"/etc/{name}"))))
        for name in ("login.defs", "nsswitch.conf", "ld.so.cache", "default/useradd"):
            if os.path.exists(f"/etc/{name}"):
                write(self.at(f"etc/{name}"), "")
                shutil.copy(f"/etc/{name}", self.at(f"etc/{name}"))
        shutil.copytree("/etc/alternatives", self.at("etc/alternatives"), symlinks=True)  # awk
        for name in ("shadow", "gshadow"):
            write(self.at(f"etc/{name}"), "", 0o600)
        write(self.at("etc/selinux/config"), "SELINUXTYPE=targeted\n")
        write(self.at("etc/selinux/targeted/contexts/files/file_contexts"), "")
        self.write_sudo(HAND_WRITTEN)
        for name in STAND_INS:
            path = self.at(f"usr/{name}")
            if os.path.islink(path):
                os.unlink(path)
            write(path, f'#!/bin/sh\necho "{os.path.basename(name)} $*" >>/var/log/calls\n', 0o755)
        self.rpm("--initdb")

    def at(self, name):
        return os.path.join(self.path, name)

    def write_sudo(self, line):
        self.sudo = "auth required pam_unix.so\naccount required pam_unix.so\n"
        write(self.at("etc/pam.d/sudo"), self.sudo + line)

    def rpm(self, *arguments, check=True):
        return run("rpm", "--root", self.path, "--dbpath", "/var/lib/rpm", *arguments, check=check)

    def install(self, packages, how="-i", check=True):
        return self.rpm(how, "--nodeps", *packages, check=check)

    def calls(self):
        path = self.at("var/log/calls")
        said = read(path).splitlines() if os.path.exists(path) else []
        write(path, "")
        return said

    def owner(self, name):
        status = os.stat(self.at(name))
        names = [{line.split(":")[2]: line.split(":")[0] for line in read(self.at(f"etc/{file}")).splitlines()}
                 for file in ("passwd", "group")]
        return (f"{stat.S_IMODE(status.st_mode):04o} {names[0].get(str(status.st_uid), status.st_uid)}:"
                f"{names[1].get(str(status.st_gid), status.st_gid)}")

    def remove(self):
        for name in ("usr", "proc", "dev"):
            run("umount", "--recursive", "--lazy", self.at(name))
        shutil.rmtree(self.path)


def binary(packages):
    return [path for name, path in packages.items() if not name.endswith(".src")]


class RootCase(unittest.TestCase):
    laboratory = True

    @classmethod
    def setUpClass(cls):
        cls.root = Root()
        cls.addClassCleanup(cls.root.remove)

    def assert_line_is_out(self):
        self.assertEqual(read(self.root.at("etc/pam.d/sudo")), self.root.sudo + "# pam_jit removed: " + HAND_WRITTEN)


class Installed(RootCase):
    """Version 0.0.9 is there and then this one over it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.root.install(binary(Build.packages(version="0.0.9")))
        cls.first = cls.root.calls()
        write(cls.root.at("etc/pam-jit/jit-helper.conf"), "[helper]\n", 0o640)
        with open(cls.root.at("etc/pam-jit/aws-credentials"), "a", encoding="utf-8") as file:
            file.write("# changed here\n")
        said = cls.root.install(binary(Build.packages()), "-U").stdout
        cls.upgrade = [line for line in said.splitlines() if not line.startswith("rpm: ")]  # Debian's rpm on itself
        cls.second = cls.root.calls()

    def test_files_are_as_the_package_says(self):
        for package in ("pam_jit", "jit-broker"):
            said = self.root.rpm("-V", "--nodeps", package, check=False).stdout.splitlines()
            # The one that was changed above; and what tmpfiles or systemd makes.
            self.assertEqual([line for line in said if "/etc/pam-jit/aws-credentials" not in line], [])

    def test_folders_belong_to_the_accounts(self):
        for name, owner in (("etc/pam-jit", "0755 root:root"), ("var/lib/pam-jit", "0700 _jit:_jit"),
                            ("etc/pam-jit/aws-credentials", "0644 root:root"),
                            ("etc/jit-broker", "0750 root:_jitbroker"),
                            ("var/lib/jit-broker", "0700 _jitbroker:_jitbroker"),
                            ("run/pam-jit", "0755 root:root"), (MODULE, "0644 root:root")):
            self.assertEqual(self.root.owner(name), owner, name)

    def test_accounts_cannot_log_in(self):
        for line in read(self.root.at("etc/passwd")).splitlines():
            if line.startswith("_jit"):
                self.assertTrue(line.endswith("/nologin"), line)
        self.assertRegex(read(self.root.at("etc/passwd")), r"(?m)^_jit:x:\d+:\d+:just-in-time privilege helper:/nonexistent:")

    def test_nothing_raises_privileges_or_can_be_written_by_others(self):
        names = self.root.rpm("-qla").stdout.split()
        self.assertIn("/" + MODULE, names)
        for name in names:
            path = self.root.at(name[1:])
            if os.path.lexists(path) and not os.path.islink(path):
                mode = os.lstat(path).st_mode
                self.assertEqual(mode & (stat.S_ISUID | stat.S_ISGID | 0o022), 0, name)
                self.assertNotIn("security.capability", os.listxattr(path), name)

    def test_installing_gates_nothing_by_itself(self):
        self.assertEqual(read(self.root.at("etc/pam.d/sudo")), self.root.sudo + HAND_WRITTEN)
        self.assertEqual([name for name in self.root.rpm("-qla").stdout.split() if name.startswith("/etc/pam.d")], [])

    def test_units_are_offered_to_the_distributions_presets(self):
        self.assertIn("systemd-update-helper install-system-units jit-helper.socket jit-helper-session.socket "
                      "jit-helper.service", self.first)
        self.assertIn("systemd-update-helper install-system-units jit-broker.service", self.first)

    def test_an_upgrade_restarts_the_services_and_no_socket(self):
        restarts = [line for line in self.second if "systemd-update-helper" in line]
        self.assertEqual(sorted(restarts), ["systemd-update-helper mark-restart-system-units jit-broker.service",
                                            "systemd-update-helper mark-restart-system-units jit-helper.service"])

    def test_an_upgrade_keeps_what_the_administrator_wrote(self):
        self.assertEqual(read(self.root.at("etc/pam-jit/jit-helper.conf")), "[helper]\n")
        self.assertTrue(read(self.root.at("etc/pam-jit/aws-credentials")).endswith("# changed here\n"))

    def test_an_upgrade_says_nothing(self):
        self.assertEqual(self.upgrade, [])

    def test_the_policy_module_is_loaded_with_the_priority_of_packages(self):
        module = "/usr/share/selinux/packages/targeted/pam_jit.pp.bz2"
        for calls in (self.first, self.second):
            self.assertIn(f"semodule -n -s targeted -X 200 -i {module}", calls)
            self.assertIn("load_policy ", calls)
            self.assertTrue(any(line.startswith("fixfiles -C ") for line in calls), calls)


class Removed(RootCase):
    def setUp(self):
        self.root.write_sudo(HAND_WRITTEN)
        self.root.install(binary(Build.packages()))
        self.addCleanup(self.root.rpm, "-e", "--nodeps", "--noscripts", "--allmatches", "pam_jit", check=False)
        self.root.calls()

    def erase(self, check=True):
        return self.root.rpm("-e", "--nodeps", "pam_jit", "pam_jit-selinux", "jit-broker", check=check)

    def test_lines_that_somebody_wrote_are_commented_out_and_named(self):
        said = self.erase().stdout
        self.assert_line_is_out()
        self.assertIn("/etc/pam.d/sudo", said)

    def test_lines_are_commented_out_too_where_the_program_cannot_run(self):
        write(self.root.at("usr/sbin/jit-helper"), "#!/bin/sh\nexit 1\n", 0o755)
        said = self.erase().stdout
        self.assert_line_is_out()
        self.assertIn("'jit-helper pam disable --all' failed; the lines are commented out without it.", said)

    def test_the_package_stays_where_a_line_cannot_be_taken_out(self):
        run("mount", "--bind", self.root.at("etc/pam.d"), self.root.at("etc/pam.d"))
        self.addCleanup(run, "umount", self.root.at("etc/pam.d"))
        run("mount", "-o", "remount,bind,ro", self.root.at("etc/pam.d"))
        done = self.erase(check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"/etc/pam\.d/sudo .*by hand")
        self.assertTrue(os.path.exists(self.root.at(MODULE)))

    def test_units_and_policy_go_and_what_people_made_stays(self):
        write(self.root.at("etc/pam-jit/jit-helper.conf"), "[helper]\n", 0o640)
        write(self.root.at("var/lib/jit-broker/broker.db"), "chain", 0o600)
        self.erase()
        calls = self.root.calls()
        self.assertIn("systemd-update-helper remove-system-units jit-helper.socket jit-helper-session.socket "
                      "jit-helper.service", calls)
        self.assertIn("semodule -n -X 200 -s targeted -r pam_jit", calls)
        self.assertFalse(os.path.exists(self.root.at(MODULE)))
        self.assertEqual(read(self.root.at("etc/pam-jit/jit-helper.conf")), "[helper]\n")
        self.assertEqual(read(self.root.at("var/lib/jit-broker/broker.db")), "chain")


class Foreign(RootCase):
    def test_another_programs_module_of_the_same_name_is_left_alone(self):
        write(self.root.at(MODULE), "another one")
        done = self.root.install([Build.packages()["pam_jit"]], check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("is another program's PAM module of the same name", done.stdout)
        self.assertEqual(read(self.root.at(MODULE)), "another one")
        self.assertNotEqual(self.root.rpm("-q", "pam_jit", check=False).returncode, 0)
        os.unlink(self.root.at(MODULE))


OURS = re.compile(r"jit_(helper|broker|pam|session)_\w+")
KEYS = {"create", "link", "read", "search", "setattr", "view", "write"}


class Policy(unittest.TestCase):
    """The SELinux module, compiled and read back as CIL: (source, target, class) -> permissions."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        for path in glob.glob(f"{TREE}/packaging/rpm/selinux/pam_jit.*"):
            if not path.endswith(".pp"):
                shutil.copy(path, folder.name)
        cls.said = run("make", "-f", "/usr/share/selinux/devel/Makefile", "pam_jit.pp", cwd=folder.name).stdout
        hll = next(path for path in ("/usr/libexec/selinux/hll/pp", "/usr/lib/selinux/hll/pp") if os.path.exists(path))
        cls.cil = run(hll, f"{folder.name}/pam_jit.pp").stdout
        cls.rules = {}
        for source, target, kind, permissions in re.findall(r"\(allow (\S+) (\S+) \((\S+) \(([^()]*)\)\)\)", cls.cil):
            cls.rules.setdefault((source, target, kind), set()).update(permissions.split())

    def of(self, source):
        return {(target, kind): what for (who, target, kind), what in self.rules.items() if who == source}

    def test_it_compiles_without_a_warning(self):
        self.assertNotRegex(self.said, r"(?i)warning|error")

    def test_login_programs_reach_the_gates_socket_and_session_keys_alone(self):
        for domain in ("sshd_t", "sshd_session_t", "local_login_t", "sudodomain", "su_domain_type", "policykit_auth_t",
                       "crond_t"):
            self.assertEqual(self.of(domain), {
                ("jit_helper_runtime_t", "dir"): {"getattr", "open", "search"},
                ("jit_pam_socket_t", "sock_file"): {"getattr", "write", "append", "open"},
                ("jit_helper_t", "unix_stream_socket"): {"connectto"},
                ("self", "key"): KEYS, ("userdomain", "key"): KEYS}, domain)

    def test_users_reach_the_session_socket_and_not_the_gates(self):
        reached = self.of("userdomain")
        self.assertIn(("jit_session_socket_t", "sock_file"), reached)
        self.assertNotIn(("jit_pam_socket_t", "sock_file"), reached)

    def test_nobody_else_reads_keys_configuration_state_or_store(self):
        kept = re.compile(r"jit_(helper_(etc|key|var_lib)|broker_(etc|key|var_lib))_t")
        for (source, target, kind), what in self.rules.items():
            if kept.fullmatch(target) and source not in ("jit_helper_t", "jit_broker_t"):
                self.assertEqual((source, target, kind, what),
                                 ("userdomain", "jit_helper_etc_t", "dir", {"getattr", "open", "search"}))
        self.assertFalse([rule for rule in self.rules if rule[0] == "jit_helper_t" and rule[1].startswith("jit_broker_")
                          and rule[1] != "jit_broker_port_t"])
        self.assertFalse([rule for rule in self.rules if rule[0] == "jit_broker_t" and rule[1].startswith("jit_helper_")])

    def test_the_daemons_have_the_capabilities_of_their_units(self):
        self.assertEqual(self.rules["jit_helper_t", "self", "capability"], {"kill"})
        self.assertEqual(self.rules["jit_broker_t", "self", "capability"], {"net_bind_service"})

    def test_the_helper_traces_nobody(self):
        self.assertFalse([rule for rule, what in self.rules.items() if rule[0].startswith("jit_") and "ptrace" in what])

    def test_every_file_of_the_packages_has_its_label(self):
        contexts = read(f"{TREE}/packaging/rpm/selinux/pam_jit.fc")
        for name in ("/usr/sbin/jit-helper", "/usr/bin/jit-helper", "/usr/sbin/jit-broker", "/usr/bin/jit-broker",
                     "/etc/pam-jit", "/etc/jit-broker", "/var/lib/pam-jit", "/var/lib/jit-broker", "/run/pam-jit",
                     "/var/run/pam-jit"):
            self.assertRegex(contexts, rf"(?m)^{name}[(\t]")
        for name in set(OURS.findall(contexts)):
            self.assertIn(name, self.cil)
