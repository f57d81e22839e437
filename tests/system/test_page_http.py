"""The page without a browser: whose word counts on the proxy's socket, what a form must carry before anything changes, and
what every answer says to protect its reader."""

import glob
import html
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

import brokerlib
from signing_proxy import Behind
from terminal import wait_until

CONF = """issuer = demo
proxy_socket = {folder}/proxy.sock
proxy_user = root
session_idle = 10m
waiting_per_requester = 100
[role admin]
services = sudo
requesters = op1
hosts = *
targets = root
approvers = appr1 appr2
use_within = 10m
reason = optional
[role two]
services = sudo
requesters = op1 appr1
hosts = *
targets = root
approvers = appr1 appr2
approvals = 2
code = off
reason = optional
[person op1]
remote_user = op1@example.com
[person appr1]
remote_user = appr1@example.com appr1
[person appr2]
remote_user = appr2@example.com
[person team]
shared = yes
"""
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}


class Reader:
    """A browser without a script behind the proxy (or, with `port`, without a proxy)."""

    def __init__(self, broker, name="appr1@example.com", port=None, cookie=None):
        self.broker, self.name, self.port, self.cookie = broker, name, port, cookie

    def ask(self, method, path, body=None, headers=None):
        folder = os.path.dirname(self.broker.conf)
        connection = (brokerlib.Api(self.port, f"{folder}/ca.pem").connection if self.port
                      else Behind(f"{folder}/proxy.sock"))
        sent = {"Host": "broker.example", **(headers or {})}
        if self.name:
            sent["X-Remote-User"] = self.name
        if self.cookie:
            sent["Cookie"] = self.cookie
        connection.request(method, path, body, sent)
        answer = brokerlib.Answer(connection.getresponse())
        connection.close()
        answer.text = answer.body.decode()
        return answer

    def get(self, path="/", **headers):
        return self.ask("GET", path, None, headers)

    def sign_in(self):
        answer = self.get()
        assert answer.status == 303, answer.status
        self.cookie = answer.headers["set-cookie"].split(";")[0]
        return self

    def csrf(self):
        return re.search(r'name="csrf" value="([0-9a-f]{64})"', self.get().text)[1]

    def post(self, path, headers=None, **fields):
        return self.ask("POST", path, urllib.parse.urlencode(fields), FORM if headers is None else headers)


class PageHttp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("the proxy's account is root here")
        cls.folder = tempfile.mkdtemp(prefix="jit-page-")
        os.chmod(cls.folder, 0o711)
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.broker = brokerlib.make_broker(cls.folder, CONF.format(folder=cls.folder))
        cls.key = brokerlib.new_secret(cls.broker, "key", "add", "web-1")
        cls.broker.start()
        cls.addClassCleanup(cls.broker.stop)

    def file(self, role="admin", **fields):
        api = brokerlib.Api(self.broker.port, f"{self.folder}/ca.pem", key=self.key)
        answer = api.post("/request-access", {"requester": "op1", "role": role, "duration": 600, "service": "sudo",
                                              "target": "root", "publicKey": brokerlib.PUBLIC_KEY, "resume": True, **fields})
        api.close()
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def status(self, request):
        api = brokerlib.Api(self.broker.port, f"{self.folder}/ca.pem", key=self.key)
        answer = api.get(f"/requests/{request['requestId']}").json
        api.close()
        return answer["status"]

    def reader(self, name="appr1@example.com"):
        return Reader(self.broker, name).sign_in()


class Sessions(PageHttp):
    def test_a_session_begins_for_whom_the_proxy_names_and_nobody_else(self):
        answer = Reader(self.broker).get()
        self.assertEqual((answer.status, answer.headers["location"]), (303, "/"))
        self.assertRegex(answer.headers["set-cookie"], r"^__Host-jit=jitk_[0-9a-f]{16}_[\w-]{43}; Path=/; Max-Age=43200; "
                                                       r"Secure; HttpOnly; SameSite=Lax$")
        for name in ("nobody@example.com", "op", "team", "appr1@example.com ", "APPR1", None):
            answer = Reader(self.broker, name).get()
            if name == "appr1@example.com ":  # a blank behind a header's value is none of it
                continue
            self.assertEqual((answer.status, answer.headers.get("set-cookie")), (403, None), name)

    def test_the_header_counts_for_nothing_on_the_brokers_own_address(self):
        answer = Reader(self.broker, port=self.broker.port).get("/r/R7KD-2M9Q")
        self.assertEqual((answer.status, answer.headers["location"]), (303, "/sign-in?to=%2Fr%2FR7KD-2M9Q"))
        stolen = Reader(self.broker, port=self.broker.port, cookie=self.reader().cookie).get()
        self.assertEqual((stolen.status, stolen.headers["location"]), (303, "/sign-in?to=%2F"))

    def test_a_session_is_good_for_its_own_person_alone(self):
        cookie = self.reader().cookie
        other = Reader(self.broker, "appr2@example.com", cookie=cookie).get()
        self.assertEqual(other.status, 303)
        self.assertNotEqual(other.headers["set-cookie"].split(";")[0], cookie)

    def test_another_account_than_the_proxys_is_not_spoken_with(self):
        code = ("import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
                "s.sendall(b'GET / HTTP/1.1\\r\\nHost: x\\r\\nX-Remote-User: appr1\\r\\n\\r\\n'); sys.exit(len(s.recv(1)))")
        run = lambda **who: subprocess.run([sys.executable, "-c", code, f"{self.folder}/proxy.sock"],  # noqa: E731
                                           capture_output=True, timeout=10, **who)
        self.assertEqual(run().returncode, 1)
        done = run(user="daemon", group="daemon", extra_groups=[])
        self.assertTrue(done.returncode == 0 or b"ConnectionResetError" in done.stderr or b"BrokenPipe" in done.stderr,
                        done.stderr)

    def test_the_api_is_not_served_to_the_proxy(self):
        for path in ("/requests", "/audit", "/changes"):
            self.assertEqual(self.reader().get(path).status, 404)

    def test_signing_out_ends_the_session_and_a_copied_cookie_opens_nothing(self):
        reader = self.reader()
        copied = Reader(self.broker, cookie=reader.cookie)
        self.assertEqual(copied.get().status, 200)
        answer = reader.post("/sign-out", csrf=reader.csrf())
        self.assertEqual((answer.status, answer.headers["location"]), (303, "/signed-out"))
        self.assertIn("__Host-jit=; Path=/; Max-Age=0", answer.headers["set-cookie"])
        self.assertEqual(copied.get().status, 303)
        self.assertEqual(copied.get("/live?at=%2F&seen=x&wait=1").status, 401)

    def test_sessions_are_listed_ended_and_survive_a_restart(self):
        first, second = self.reader("appr2@example.com"), self.reader()
        self.broker.stop()
        self.broker.start()
        self.assertEqual((first.get().status, second.get().status), (200, 200))
        self.assertRegex(self.broker.admin("sessions", "list").stdout, r"(?m)^[0-9a-f]{16}\s+appr2\s+proxy ")
        secret = first.cookie.split("_", 4)[-1]
        self.assertNotIn(secret, self.broker.admin("sessions", "list").stdout)
        files = glob.glob(f"{self.folder}/broker.db*")
        self.assertTrue(files)
        for path in files:
            with open(path, "rb") as file:
                self.assertNotIn(secret.encode(), file.read(), "it is stored hashed")
        self.broker.admin("sessions", "end", "appr2")
        self.assertEqual((first.get().status, second.get().status), (303, 200))
        log = self.broker.admin("audit", "show").stdout
        self.assertRegex(log, r'"action":"session.ended","actor":"admin"')
        self.assertTrue(self.broker.admin("audit", "verify").stdout.startswith("the audit chain is whole"))


class Forms(PageHttp):
    def test_a_forged_or_foreign_form_changes_nothing(self):
        reader, request = self.reader(), self.file()
        csrf, path = reader.csrf(), f"/r/{request['shortId']}/approve"
        good = {"csrf": csrf, "code": request["code"]}
        plain = {"Content-Type": FORM["Content-Type"]}
        cases = [({**good, "csrf": ""}, FORM), ({**good, "csrf": "0" * 64}, FORM), ({"code": request["code"]}, FORM),
                 ({**good, "csrf": self.reader("appr2@example.com").csrf()}, FORM), (good, {**FORM, "Sec-Fetch-Site": "cross-site"}),
                 (good, {**FORM, "Sec-Fetch-Site": "same-site"}), (good, {**FORM, "Sec-Fetch-Site": "none"}), (good, plain),
                 (good, {**plain, "Origin": "https://evil.example"}), (good, {**plain, "Origin": "null"}),
                 (good, {**plain, "Origin": "http://broker.example"}), (good, {"Sec-Fetch-Site": "same-origin"}),
                 (good, {**FORM, "Content-Type": "text/plain"}), (good, {**FORM, "Content-Type": "application/json"})]
        for fields, headers in cases:
            self.assertEqual(reader.post(path, headers, **fields).status, 403, (fields, headers))
        self.assertEqual(reader.get(f"{path}?csrf={csrf}&code={request['code']}").status, 404)  # a link never decides
        self.assertEqual(reader.ask("POST", path, f"csrf={csrf}&code={request['code']}&code=00", FORM).status, 400)
        stranger = Reader(self.broker)
        self.assertEqual(stranger.post(path, **good).status, 401)
        self.assertEqual(self.status(request), "PENDING")
        answer = reader.post(path, {**plain, "Origin": "https://broker.example"}, **good)
        self.assertEqual((answer.status, self.status(request)), (303, "APPROVED"))

    def test_what_may_not_be_done_is_not_offered(self):
        own = self.file("two", requester="appr1")
        shown = self.reader().get(f"/r/{own['shortId']}")
        self.assertEqual(shown.status, 200)
        self.assertIn("This is your own request", shown.text)
        self.assertNotIn("class=\"decide\"", shown.text)
        self.assertNotIn(own["shortId"], self.reader().get().text)
        self.assertEqual(self.reader("op1@example.com").get(f"/r/{own['shortId']}").status, 404)
        asked = self.file()
        self.assertNotIn("class=\"decide\"", self.reader("op1@example.com").get(f"/r/{asked['shortId']}").text)

    def test_a_quorum_shows_how_far_it_is(self):
        request = self.file("two")
        path = f"/r/{request['shortId']}"
        first, second = self.reader(), self.reader("appr2@example.com")
        self.assertIn("0 of 2 approvals", first.get(path).text)
        first.post(f"{path}/approve", csrf=first.csrf(), back="one")
        shown = first.get(path).text
        self.assertIn("1 of 2 approvals", shown)
        self.assertIn("You have approved it", shown)
        self.assertNotIn("class=\"yes\"", shown)
        second.post(f"{path}/approve", csrf=second.csrf())
        shown = html.unescape(first.get(path).text)
        self.assertIn("Approved by <bdi>appr1 appr2</bdi>", shown)
        self.assertIn("/revoke", shown)
        first.post(f"{path}/revoke", csrf=first.csrf(), comment="no longer needed")
        self.assertEqual(self.status(request), "REVOKED")
        self.assertIn("no longer needed", first.get(path).text)

    def test_changes_are_so_many_a_minute(self):
        reader = self.reader()
        csrf = reader.csrf()
        answers = [reader.post("/r/R7KD-2M9Q/deny", csrf=csrf).status for _ in range(31)]
        self.assertEqual((set(answers[:30]), answers[30]), ({303}, 429))
        other = self.reader()
        self.assertEqual(other.post("/r/R7KD-2M9Q/deny", csrf=other.csrf()).status, 303)

    def test_history_is_searched_in_what_is_shown_and_paged(self):
        word = f"needle-{time.monotonic_ns()}"
        requests = [self.file(reason=f"{word} {i}", ticket="50%_off") for i in range(18)]
        reader = self.reader()
        for request in requests[:9]:
            reader.post(f"/r/{request['shortId']}/deny", csrf=reader.csrf())
        self.file("two", reason="something else")
        count = lambda text: len(re.findall('<tr><th scope="row"', text))  # noqa: E731
        self.assertEqual(count(reader.get(f"/history?q={word.upper()}&status=").text), 18)
        self.assertEqual(count(reader.get(f"/history?q={word}&status=DENIED").text), 9)
        self.assertEqual(count(reader.get("/history?q=50%25_o").text), 18)
        self.assertEqual(count(reader.get("/history?q=50__o").text), 0)
        self.assertEqual(count(reader.get(f"/history?q={requests[0]['requestId'][:13]}").text), 0)
        self.assertEqual(count(reader.get("/history?q=publicKey").text), 0)
        self.file("two", requester="appr1", reason=f"{word} of another")
        self.assertEqual(count(reader.get(f"/history?q={word}").text), 19)
        self.assertEqual(count(self.reader("op1@example.com").get(f"/history?q={word}").text), 18)
        for i in range(20):
            self.file(reason=f"page {i}")
        seen, path, pages = [], "/history?q=&status=", 0
        while path:
            pages += 1
            text = reader.get(path).text
            seen += re.findall(r'<a class="id" href="/r/([\w-]+)"', text)
            older = re.search(r'rel="next" href="([^"]+)"', text)
            path = html.unescape(older[1]) if older else None
        self.assertGreater(pages, 1)
        self.assertEqual(len(seen), len(set(seen)))
        self.assertLessEqual({request["shortId"] for request in requests}, set(seen))


class Answers(PageHttp):
    def test_every_answer_protects_its_reader(self):
        reader = self.reader()
        asset = re.search(r'href="(/asset/[0-9a-f]{16}\.css)"', reader.get().text)[1]
        for path in ("/", "/history", "/r/R7KD-2M9Q", "/signed-out", asset):
            answer = reader.get(path)
            policy = answer.headers["content-security-policy"]
            self.assertTrue(policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'"), path)
            self.assertIn("frame-ancestors 'none'; base-uri 'none'", policy)
            self.assertNotIn("unsafe", policy)
            self.assertEqual((answer.headers["x-content-type-options"], answer.headers["referrer-policy"]),
                             ("nosniff", "no-referrer"))
            self.assertEqual("immutable" in answer.headers["cache-control"], path == asset)
        self.assertNotRegex(reader.get().text, r"(?i)<script(?! src=\"/asset/)|<style|\sstyle=|\son\w+=|https?://")
        direct = Reader(self.broker, None, port=self.broker.port).get("/sign-in")
        self.assertEqual(direct.headers["strict-transport-security"], "max-age=31536000")
        self.assertNotIn("strict-transport-security", reader.get().headers)

    def test_a_sentence_in_a_cookie_of_ours_is_text_too(self):
        reader = self.reader()
        reader.cookie += "; __Host-jit-said=+%3Cb%3Ehello%1b"
        shown = reader.get()
        self.assertIn("&lt;b&gt;hello?", shown.text)
        self.assertIn("__Host-jit-said=; Max-Age=0", shown.headers["set-cookie"])

    def test_a_header_that_decides_stands_there_once(self):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(f"{self.folder}/proxy.sock")
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Remote-User: appr2@example.com\r\nX-Remote-User: appr1\r\n\r\n")
            self.assertIn(b"400 Bad Request", sock.recv(4096))

    def open_pages(self, reader):
        """As many of one person as may wait; the broker has all of their calls."""
        token = re.search(r'data-seen="(\w+)"', reader.get().text)[1]
        pages = []
        for _ in range(16):
            page = socket.socket(socket.AF_UNIX)
            self.addCleanup(page.close)
            page.settimeout(5)
            page.connect(f"{self.folder}/proxy.sock")
            page.sendall(f"GET /live?at=%2F&seen={token}&wait=25 HTTP/1.1\r\nHost: x\r\nX-Remote-User: appr1\r\n"
                         f"Cookie: {reader.cookie}\r\n\r\n".encode())
            pages.append(page)
        wait_until("the 17th page of one person is put off", lambda: reader.get(
            f"/live?at=%2F&seen={token}&wait=1").status == 429, 5)
        return pages, token

    def test_a_stop_answers_open_pages_and_is_not_held_up_by_them(self):
        pages, _ = self.open_pages(self.reader())
        self.addCleanup(self.broker.start)
        began = time.monotonic()
        self.broker.process.terminate()
        for page in pages:
            answer = page.recv(65536)
            self.assertRegex(answer, rb"^HTTP/1\.1 200 ")
            self.assertIn(b"\r\nConnection: close\r\n", answer)
            page.close()
        self.assertEqual(self.broker.process.wait(10), 0)
        self.assertLess(time.monotonic() - began, 4, "a page waits for 25 s, and a stop for 8 at most")
        with open(self.broker.log, encoding="utf-8") as file:
            self.assertNotIn("answers under way", file.read())

    def test_open_pages_hear_of_what_changes_and_vanished_ones_are_forgotten(self):
        reader = self.reader()
        sockets, token = self.open_pages(reader)
        before = len(os.listdir(f"/proc/{self.broker.process.pid}/fd"))
        for sock in sockets[1:]:
            sock.close()
        wait_until("15 descriptors are given back", lambda: len(os.listdir(
            f"/proc/{self.broker.process.pid}/fd")) <= before - 15, 2)
        request = self.file()
        sockets[0].settimeout(3)
        answer = sockets[0].recv(65536).decode()
        sockets[0].close()
        self.assertIn("X-Jit-Seen: ", answer)
        self.assertNotIn(token, answer)
        self.assertIn(request["shortId"], reader.get().text)


if __name__ == "__main__":
    unittest.main()
