"""Real sshd in the laboratory, and people who come in by it.

sshd takes its PAM service from its program's name: another name than `sshd` is a link to it, with a configuration and
a port of its own. Clients are plain ssh, scp, sftp and rsync of the user `who`, without agent and configuration."""

import os
import pwd
import shlex
import subprocess

import pexpect

import brokerlib
import container
from lab import EXAMPLES, read, write
from namespace import HOSTNAME, die_with_parent
from terminal import login_environment

# For those who wait for a client.
EOF, TIMEOUT = pexpect.EOF, pexpect.TIMEOUT

HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
KNOWN_HOSTS = "/run/lab/known_hosts"
PROGRAM = "/usr/sbin/sshd"
# The first word on a setting counts: the test's, the laboratory's, then the snippet's.
CONFIG = """{settings}Port {port}
ListenAddress 127.0.0.1
HostKey {key}
PidFile none
UseDNS no
PermitRootLogin yes
PrintMotd no
PrintLastLog no
MaxStartups 200
Subsystem sftp /usr/lib/openssh/sftp-server
Include {examples}/sshd_config.d/pam-jit.conf
"""


def make_keys(lab, *people):
    """The host's key and those of the people, who may log in with them as themselves."""
    if not os.path.exists(HOST_KEY):
        lab.as_root("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", HOST_KEY)
    write(KNOWN_HOSTS, f"{HOSTNAME} {read(HOST_KEY + '.pub')}")
    for name in people:
        home = pwd.getpwnam(name).pw_dir
        folder = f"{home}/.ssh"
        if os.path.exists(f"{folder}/id_ed25519"):
            continue
        lab.as_root("install", "-d", "-m", "0700", "-o", name, "-g", name, folder)
        lab.as_root("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", f"{folder}/id_ed25519")
        lab.as_root("chown", f"{name}:{name}", f"{folder}/id_ed25519")
        write(f"{folder}/authorized_keys", read(f"{folder}/id_ed25519.pub"), 0o600, name, name)
        write(f"{home}/.hushlogin", "")


class Sshd:
    """`settings` are lines of sshd_config, by keyword; those of the first methods stand for themselves:
    AuthenticationMethods publickey, keyboard-interactive or publickey,keyboard-interactive."""

    def __init__(self, lab, name="sshd", **settings):
        self.lab, self.name, self.port = lab, name, brokerlib.free_port()
        self.program = f"{os.path.dirname(PROGRAM)}/{name}"
        self.config = f"/etc/ssh/{name}_config"
        self.log = lab.log(name)
        if not os.path.exists(self.program):
            os.symlink(PROGRAM, self.program)
        lines = "".join(f"{key} {value}\n" for key, value in settings.items())
        write(self.config, CONFIG.format(settings=lines, port=self.port, key=HOST_KEY, examples=EXAMPLES))
        self.process = None

    def start(self, keys_error=None):
        """With keys_error in a container (container.py)."""

        def prepare():
            die_with_parent()
            if keys_error:
                container.refuse_keys(keys_error)

        command = [self.program, "-D", "-f", self.config, "-E", self.log]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=prepare, cwd="/")
        brokerlib.wait_for_port("127.0.0.1", self.port, self.process, self.log)
        return self

    def connections(self):
        """Pids of the processes that serve them."""
        return read(f"/proc/{self.process.pid}/task/{self.process.pid}/children").split()

    def stop(self):
        """The listener alone: its connections go on."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)

    def command(self, *words, program="ssh", options=(), who="op1"):
        """The command line of a client. `words` follow the options; HOSTNAME is this sshd."""
        key = f"{pwd.getpwnam(who).pw_dir}/.ssh/id_ed25519"
        plain = ["-F", "none", "-i", key]
        for option in ("IdentitiesOnly=yes", "IdentityAgent=none", f"UserKnownHostsFile={KNOWN_HOSTS}",
                       "GlobalKnownHostsFile=none", f"HostKeyAlias={HOSTNAME}", "HostName=127.0.0.1",
                       f"Port={self.port}", "CheckHostIP=no", *options):
            plain += ["-o", option]
        if program == "rsync":
            return ["rsync", "-e", shlex.join(["ssh", *plain]), *words]
        return [program, *plain, *words]

    def begin(self, *words, who="op1", **how):
        """Starts a client without a terminal, in a session of its own: the process, with its output in pipes."""
        pipe = subprocess.PIPE
        return subprocess.Popen(self.command(*words, who=who, **how), stdin=subprocess.DEVNULL, stdout=pipe,
                                stderr=pipe, user=who, group=who, extra_groups=[], env=login_environment(who),
                                cwd=pwd.getpwnam(who).pw_dir, start_new_session=True, umask=0o022)

    def run(self, *words, timeout=20, **how):
        """Runs it to its end: (exit status, bytes of its output, bytes of its errors)."""
        with self.begin(*words, **how) as client:
            try:
                out, err = client.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                client.kill()
                out, err = client.communicate()
                raise AssertionError(f"{how.get('program', 'ssh')} did not end within {timeout} s: "
                                     f"{out[-500:]!r} {err[-500:]!r}; log: {self.log}") from None
        return client.returncode, out, err

    def shell(self, *words, who="op1", **how):
        """The client on a terminal of its own: pexpect's child, whose `log` is a file with all that is shown."""
        account = pwd.getpwnam(who)

        def become():
            os.initgroups(who, account.pw_gid)
            os.setresgid(*[account.pw_gid] * 3)
            os.setresuid(*[account.pw_uid] * 3)

        command = self.command(*words, who=who, **how)
        return pexpect.spawn(command[0], command[1:], env={**login_environment(who), "TERM": "dumb"}, timeout=15,
                             encoding="utf-8", codec_errors="replace", cwd=account.pw_dir, dimensions=(40, 120),
                             preexec_fn=become)
