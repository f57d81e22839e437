"""A headless Chromium, spoken to by the DevTools protocol through two pipes: no driver, no port, no other package.

What a person would do is done as they would do it: keys and clicks are sent to the browser, not to the script."""

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from namespace import die_with_parent
from terminal import wait_until

AWAY = 100  # from which descriptor on nobody else has one
LIMIT = 15  # seconds that a page may take for anything
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
         "--disable-default-apps", "--hide-scrollbars", "--force-color-profile=srgb", "--remote-debugging-pipe",
         "--ignore-certificate-errors", "--password-store=basic", "--lang=en"]


def find():
    """The browser's path; SkipTest where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path:
            return path
    raise unittest.SkipTest("chromium is not installed")


class Browser:
    """One process; close() ends it. new_person() gives a browser of its own, as another person has one."""

    def __init__(self, log):
        program = find()
        self.home = tempfile.mkdtemp(prefix="chromium-")
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()

        def prepare():
            die_with_parent()
            # Both away from 3 and 4 first, and to where neither of them is.
            ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, AWAY) for end in (to_browser, from_browser)]
            for number, end in enumerate(ends, 3):
                os.dup2(end, number)

        with open(log, "ab") as out:
            self.process = subprocess.Popen([program, *FLAGS, f"--user-data-dir={self.home}", "about:blank"],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=out, close_fds=False,
                                            preexec_fn=prepare, start_new_session=True,
                                            env={"PATH": "/usr/bin:/bin", "HOME": self.home, "LANG": "C.UTF-8"})
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._last = 0
        self.events = []

    def _end(self):
        """Its status; of one that does not end by itself, SIGKILL's."""
        try:
            return self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait(5)

    def close(self):
        os.close(self._out)
        self._end()
        os.close(self._in)
        shutil.rmtree(self.home, ignore_errors=True)

    def _receive(self, deadline):
        while b"\0" not in self._buffer:
            if not select.select([self._in], [], [], max(0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"the browser did not answer within {LIMIT} s")
            data = os.read(self._in, 1 << 20)
            if not data:
                raise AssertionError(f"the browser ended with {self._end()}")
            self._buffer += data
        text, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, session=None, **parameters):
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + LIMIT
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == self._last:
                if "error" in answer:
                    raise AssertionError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    def new_person(self):
        return Person(self, self.call("Target.createBrowserContext")["browserContextId"])


class Person:
    """Cookies and tabs of one person."""

    def __init__(self, browser, context):
        self.browser, self.context = browser, context

    def tab(self, url=None):
        tab = Tab(self.browser, self.context)
        if url:
            tab.open(url)
        return tab


class Tab:
    def __init__(self, browser, context):
        self.browser = browser
        self.target = browser.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Runtime.enable")
        self.look()

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)

    def look(self, width=1280, height=900, phone=False, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2 if phone else 1,
                  mobile=phone)
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def without_script(self):
        self.call("Emulation.setScriptExecutionDisabled", value=True)

    def open(self, url):
        self.run("window.old = true")
        self.call("Page.navigate", url=url)
        self.wait_for_page()

    def wait_for_page(self):
        """Another document than the one that was there, all of it."""
        self.wait("document.readyState === 'complete' && !window.old && location.protocol !== 'about:'", "a new page")

    def run(self, expression):
        """What the expression is, a promise's value."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise AssertionError(f"{expression}: {done['exceptionDetails']['exception'].get('description')}")
        return done["result"].get("value")

    def wait(self, expression, what=None, timeout=LIMIT):
        def holds():
            try:
                return self.run(expression)
            except AssertionError as error:  # between two documents there is none
                if "context" in str(error) or "navigated" in str(error):
                    return None
                raise

        try:
            return wait_until(what or expression, holds, timeout, 0.03)
        except AssertionError as error:
            raise AssertionError(f"{error}; the page at {self.run('location.href')} says: {self.text()!r}") from None

    def text(self, selector="body"):
        return self.run(f"(document.querySelector({json.dumps(selector)}) || {{innerText: null}}).innerText")

    def click(self, selector):
        """The mouse's button, in the middle of it."""
        place = self.run(f"(() => {{ const e = document.querySelector({json.dumps(selector)}); if (!e) return null;"
                         "e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
                         "return [b.x + b.width / 2, b.y + b.height / 2]; })()")
        assert place, f"{selector} is not on the page: {self.text()!r}"
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def send(self, selector):
        """Clicks on what leads to another page, and waits for it."""
        self.run("window.old = true")
        self.click(selector)
        self.wait_for_page()

    def type(self, selector, text):
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self.call("Input.insertText", text=text)

    def key(self, name, code, text=""):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code,
                      **({"text": text} if text and kind == "keyDown" else {}))

    def screenshot(self, path):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))
