"""Whom the daemons and the module meet instead: an STS that judges times by its own clock (a program of its own, so that
it can be killed and stopped), and a jit-helper that says the wrong thing."""

import contextlib
import datetime
import email.utils
import http.server
import os
import signal
import socket
import struct
import sys
import threading
import time

ISO = "%Y-%m-%dT%H:%M:%SZ"
SKEW = 900  # seconds that a signature's time may be off, at AWS
ISSUED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIA{number:016}</AccessKeyId><SecretAccessKey>issued-secret</SecretAccessKey>
<SessionToken>{token}</SessionToken><Expiration>{until}</Expiration></Credentials></AssumeRoleResult>
</AssumeRoleResponse>"""
TOKEN = "issued-token/" + 990 * "x"  # AWS's are as long
REFUSED = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>{code}</Code><Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"""


class Sts(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    issued = 0

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        signed = datetime.datetime.strptime(self.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
        now = time.time()
        if abs(signed.replace(tzinfo=datetime.timezone.utc).timestamp() - now) > SKEW:
            return self.say(403, REFUSED.format(code="RequestExpired", message="Request has expired"))
        Sts.issued += 1
        until = time.strftime(ISO, time.gmtime(now + 3600))
        return self.say(200, ISSUED.format(number=Sts.issued, token=TOKEN, until=until))

    def say(self, status, text):
        body = text.encode()
        self.send_response_only(status)
        self.send_header("Date", email.utils.formatdate(usegmt=True))
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Impostor:
    """Listens where jit-helper does, and answers each question the same wrong way; the real one's socket waits beside
    it. `frames(kind of the question)`: what is said; None stands for a second's silence, the end closes."""

    def __init__(self, path, frames, mode, listens=True):
        self.path, self.beside, self.frames = path, path + ".real", frames
        self.listens = listens
        self.misled = 0  # questions that were answered so
        self.stop = threading.Event()
        self.threads = []
        os.rename(path, self.beside)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.bind(path)
        os.chmod(path, mode)
        if listens:
            self.socket.listen(16)
            self.start(self.accept)
        else:
            os.utime(path, (0, 0))

    def met(self):
        """How many questions it has answered. Whom the kernel turned away at its socket is not told: that somebody
        came is, by the time of the last look at its file."""
        return self.misled or int(os.stat(self.path).st_atime > 0 and not self.listens)

    def start(self, work, *args):
        self.threads.append(threading.Thread(target=work, args=args, daemon=True))
        self.threads[-1].start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.start(self.talk, connection)

    def talk(self, connection):
        with contextlib.suppress(OSError), connection:
            question = connection.recv(16384)
            self.misled += bool(question)
            for said in self.frames(question[3]):
                if said is not None:
                    connection.send(said)
                elif self.stop.wait(1):
                    return

    def end(self):
        self.stop.set()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for thread in self.threads:
            thread.join(10)
        os.rename(self.beside, self.path)


def field(tag, value):
    value = struct.pack(">I", value) if isinstance(value, int) else value
    return bytes([tag]) + struct.pack(">H", len(value)) + value


def main(port):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Sts)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
