"""A person's login session: a shell on a terminal of its own, in a new audit session and with a session keyring of its
own, as login and sshd make them. What a person would see is what a test reads."""

import ctypes
import itertools
import os
import pwd
import re
import time

import pexpect

import container

KEYCTL_JOIN_SESSION_KEYRING = 1
SYS_KEYCTL = {"x86_64": 250, "aarch64": 219}[os.uname().machine]
NO_AUDIT_SESSION = 4294967295
_serial = itertools.count(1)


def log_in(user, audit_session=True, keys_error=None):
    """This process, still root, becomes a login session's first process, as login and sshd would make it; its standard
    input is a terminal of its own, which is given to the user. With keys_error it lives in a container, where that is
    what the kernel's keys answer."""
    account = pwd.getpwnam(user)
    if audit_session and os.path.exists("/proc/self/loginuid"):  # a kernel without audit has none
        with open("/proc/self/loginuid", "w", encoding="ascii") as loginuid:
            loginuid.write(str(account.pw_uid))
    os.chown(os.ttyname(0), account.pw_uid, -1)  # by its name: of what is no terminal there is none, and it stays whose it is
    if keys_error:
        container.refuse_keys(keys_error)
    os.initgroups(user, account.pw_gid)
    os.setresgid(*[account.pw_gid] * 3)
    os.setresuid(*[account.pw_uid] * 3)
    if not keys_error and ctypes.CDLL(None, use_errno=True).syscall(SYS_KEYCTL, KEYCTL_JOIN_SESSION_KEYRING, None) < 0:
        raise OSError(ctypes.get_errno(), "KEYCTL_JOIN_SESSION_KEYRING")


def login_environment(user):
    return {"HOME": pwd.getpwnam(user).pw_dir, "USER": user, "LOGNAME": user, "SHELL": "/bin/bash", "LANG": "C.UTF-8",
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}


class Terminal:
    """Use as a context manager, or call close(). Times are seconds."""

    def __init__(self, user, log_dir, audit_session=True, environment=None, columns=120, keys_error=None):
        self.user = user
        self.account = pwd.getpwnam(user)
        self.log = os.path.join(log_dir, f"terminal-{next(_serial)}-{user}.log")
        env = {**login_environment(user), "TERM": "dumb", "PS1": f"{user}:$?$ ", **(environment or {})}
        self.prompt = re.escape(user) + r":(\d+)\$ "
        self._transcript = open(self.log, "w", encoding="utf-8", newline="")
        self._began = 0
        self.child = pexpect.spawn("/bin/bash", ["--norc", "--noprofile", "--noediting", "-i"], env=env,
                                   encoding="utf-8", codec_errors="replace", timeout=15, cwd=self.account.pw_dir,
                                   dimensions=(40, columns),
                                   preexec_fn=lambda: log_in(user, audit_session, keys_error))
        self.child.logfile_read = self._transcript
        self.child.delaybeforesend = None
        self.child.delayafterclose = self.child.delayafterterminate = 0.05
        self.child.expect(self.prompt)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.child.child_fd >= 0:
            self.child.close(force=True)
        else:
            self.child.ptyproc.terminate(force=True)
        self._transcript.close()

    @property
    def pid(self):
        """Of the shell, the session's leader."""
        return self.child.pid

    def audit_session(self):
        with open(f"/proc/{self.pid}/sessionid", encoding="ascii") as file:
            number = int(file.read())
        return None if number == NO_AUDIT_SESSION else number

    def start(self, command):
        """Types a command and Enter; does not wait for its end."""
        self._began = self._transcript.tell()
        self.child.sendline(command)
        self.child.expect_exact(command + "\r\n")

    def type(self, text):
        """Types an answer and Enter."""
        self.child.sendline(text)

    def expect(self, pattern, timeout=15):
        """Waits until the terminal shows the pattern; returns the match."""
        found = self.child.expect([pattern, self.prompt, pexpect.TIMEOUT, pexpect.EOF], timeout=timeout)
        if found == 0:
            return self.child.match
        what = ["", "the command ended", f"nothing more came within {timeout} s", "the terminal closed"][found]
        raise AssertionError(f"expected on the terminal: {pattern!r}\n{what}; it shows: {self.child.before!r}")

    def finish(self, timeout=15):
        """Waits for the prompt: (exit status, what the terminal showed since the last match)."""
        found = self.child.expect([self.prompt, pexpect.TIMEOUT, pexpect.EOF], timeout=timeout)
        text = (self.child.before or "") if isinstance(self.child.before, str) else ""
        if found:
            what = ["", f"the command did not end within {timeout} s", "the terminal closed"][found]
            raise AssertionError(f"{what}; it shows: {text!r}")
        return int(self.child.match.group(1)), text.replace("\r\n", "\n")

    def run(self, command, timeout=15):
        """Types a command and waits for its end: (exit status, output)."""
        self.start(command)
        return self.finish(timeout)

    def transcript(self):
        """What a person has seen since the last command was typed, the command and its exit status included."""
        self._transcript.flush()
        with open(self.log, encoding="utf-8", newline="") as file:
            file.seek(self._began)
            text = file.read().replace("\r\n", "\n")
        return "$ " + re.sub(self.prompt, r"[exit status \1]\n", text)

    def interrupt(self):
        """Ctrl-C."""
        self.child.sendintr()

    def hang_up(self):
        """Closes the terminal's window: the kernel tells the session."""
        self.child.ptyproc.fileobj.close()
        self.child.child_fd = -1


def wait_until(what, condition, timeout=5.0, step=0.02):
    """Polls for something that no event tells of; AssertionError names what is missing."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"within {timeout} s: {what}")
        time.sleep(step)
