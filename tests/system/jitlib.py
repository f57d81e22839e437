"""`jit` alone: started with a session token that this process has put into a keyring, against a helper that is played
frame by frame (docs/protocol-helper.md)."""

import ctypes
import os
import pwd
import socket
import struct
import subprocess
import tempfile
import threading

import container
from namespace import TREE, die_with_parent
from terminal import KEYCTL_JOIN_SESSION_KEYRING, SYS_KEYCTL

SYS_ADD_KEY = {"x86_64": 248, "aarch64": 217}[os.uname().machine]
KEY_SPEC_SESSION_KEYRING = -3
JIT = os.path.join(TREE, "build", "san" if os.environ.get("PAM_JIT_SAN") else "", "jit")
TOKEN = bytes(range(32))
CREDENTIALS, STATUS, END, REQUEST, FOLLOW, DOCUMENT, FAULT = 32, 33, 34, 35, 36, 48, 49
TAGS = {"ROLE": 10, "REASON": 11, "TICKET": 12, "WAIT": 14, "GRANT": 15, "TEXT": 16, "TOKEN": 20, "JSON": 22, "EXIT": 23,
        "DURATION": 29, "HOST": 30}
NAMES = {tag: name for name, tag in TAGS.items()}
NUMBERS = ("WAIT", "EXIT", "DURATION")


def frame(kind, *fields):
    """A frame of (name, value) pairs."""
    body = b"PJ\x01" + bytes([kind])
    for name, value in fields:
        value = struct.pack(">I", value) if isinstance(value, int) else value.encode()
        body += bytes([TAGS[name]]) + struct.pack(">H", len(value)) + value
    return body


def document(text):
    return frame(DOCUMENT, ("JSON", text))


def fault(text, status):
    return frame(FAULT, ("TEXT", text), ("EXIT", status))


def parse(packet):
    """(type, [(name, value)]) of a frame."""
    fields, at = [], 4
    while at < len(packet):
        length = struct.unpack_from(">H", packet, at + 1)[0]
        name, value = NAMES[packet[at]], packet[at + 3:at + 3 + length]
        fields.append((name, struct.unpack(">I", value)[0] if name in NUMBERS else
                       value if name == "TOKEN" else value.decode()))
        at += 3 + length
    return packet[3], fields


class PlayedHelper:
    """Answers each connection with answer(kind, fields), or closes it where that is None. `asked` has what came."""

    def __init__(self, answer):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "session.sock")
        self.asked = []
        self.answer = answer
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(self.path)
        os.chmod(self.folder.name, 0o755)
        os.chmod(self.path, 0o666)
        self.listener.listen(8)
        self.server = threading.Thread(target=self._serve, daemon=True)
        self.server.start()

    def _serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(peer,), daemon=True).start()

    def _talk(self, peer):
        with peer:
            packet = peer.recv(16384)
            if not packet:
                return
            said = parse(packet)
            self.asked.append(said)
            answer = self.answer(*said)
            if answer is not None:
                try:
                    peer.send(answer)
                except OSError:
                    pass  # it did not wait

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.server.join()
        self.listener.close()
        self.folder.cleanup()


def join_keyring(token):
    libc = ctypes.CDLL(None, use_errno=True)
    die_with_parent()
    if libc.syscall(SYS_KEYCTL, KEYCTL_JOIN_SESSION_KEYRING, None) < 0:
        raise OSError(ctypes.get_errno(), "KEYCTL_JOIN_SESSION_KEYRING")
    if token and libc.syscall(SYS_ADD_KEY, b"user", b"pam_jit:token", token, len(token), KEY_SPEC_SESSION_KEYRING) < 0:
        raise OSError(ctypes.get_errno(), "add_key")


def start(*arguments, token=TOKEN, environment=None, user=None, keyctl_error=None, program=JIT, **more):
    """The token is root's, as the module's is, whoever runs jit."""
    def prepare():
        join_keyring(token)
        if keyctl_error:
            container.refuse_keys(keyctl_error)
        if user:
            os.setresuid(*[pwd.getpwnam(user).pw_uid] * 3)

    env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent", **(environment or {})}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    return subprocess.Popen([program, *arguments], env=env, text=True, preexec_fn=prepare, **pipes)


def run(*arguments, timeout=20, **how):
    """(exit status, standard output, standard error)"""
    child = start(*arguments, **how)
    try:
        out, err = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        raise AssertionError(f"jit {' '.join(arguments)} did not end within {timeout} s") from None
    return child.returncode, out, err
