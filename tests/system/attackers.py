"""People of the host who mean harm: what they do goes on in processes of their own, as themselves and in a login
session of their own, for as long as a test lasts."""

import contextlib
import os
import resource
import socket
import struct

import frames
from lab import read
from namespace import die_with_parent

HALF = [b"", b"P", b"PJ", b"PJ\x01", b"PJ\x02\x20", b"QJ\x01\x20", frames.frame(32) + b"\x14", frames.frame(32) + b"\x14\xff",
        frames.frame(32) + b"\x14\xff\xff", frames.frame(32) + b"\x14\x00\x20" + bytes(31), frames.frame(33) + b"\x00" * 7,
        bytes(4), b"\xff" * 16384, b"PJ\x01\x21" + b"\x14\x00\x00" * 5000, bytes(16385), bytes(65536)]


def harmful(user, work):
    """A process of that person that does work() over and over, and has done so: its pid. It ends by frames.end()."""
    def over_and_over(done):
        frames.log_in_here(user)
        os.setresuid(*[frames.uid_of(user)] * 3)
        die_with_parent()  # which a change of user forgets
        while True:
            work()
            done()
    return frames.forked(over_and_over, "the attacker could not begin")


def many_silent():
    """More connections of the module's than the helper serves at a time."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
    return [frames.Module() for _ in range(1300)]


def connection(path=frames.SESSION_SOCKET):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.settimeout(frames.GENEROUS)
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    return sock


def half_frames(path=frames.SESSION_SOCKET):
    """One connection for each, left or closed, read or not."""
    held = []
    for nth, packet in enumerate(HALF):
        with contextlib.suppress(OSError):
            sock = connection(path)
            held.append(sock)
            sock.send(packet)
            if nth % 3 == 0:
                sock.recv(16384)
            elif nth % 3 == 1:
                held.pop().close()
    for sock in held:
        sock.close()


def send_lingering(path, kind, packet):
    """Sends along, twice, a TCP socket whose last close waits for a minute, and lets go of it by ending, which does not
    wait: its other end, which is to be kept, and reads nothing."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        pid = os.fork()
        if pid == 0:
            try:
                sock = socket.create_connection(listener.getsockname())
                _send_lingering(sock, path, kind, packet)
            except OSError:
                pass  # Linux 6.16 and later let it not even be sent
            finally:
                os._exit(0)
        reader = listener.accept()[0]
        os.waitpid(pid, 0)
    return reader


def _send_lingering(sock, path, kind, packet):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.send(bytes(65536))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 60))
    with socket.socket(socket.AF_UNIX, kind) as to:
        to.connect(path)
        for _ in range(2):
            socket.send_fds(to, [packet], [sock.fileno()])


class Helper:
    """What the helper holds, as /proc says."""

    def __init__(self, lab):
        self.pid = lab.helper.pid

    def descriptors(self):
        return len(self.files())

    def files(self):
        """What its descriptors are, but for its connections to the broker, which stay open for a while, those that broke off too."""
        local = {f"socket:[{line.split()[6]}]" for line in read(f"/proc/{self.pid}/net/unix").splitlines()[1:]}
        names = []
        for fd in os.listdir(f"/proc/{self.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                names.append(os.readlink(f"/proc/{self.pid}/fd/{fd}"))
        return [name for name in names if not name.startswith("socket:") or name in local]

    def memory_kb(self):
        return next(int(line.split()[1]) for line in read(f"/proc/{self.pid}/status").splitlines()
                    if line.startswith("VmRSS"))
