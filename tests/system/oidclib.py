"""An identity provider for tests, another site than the broker's, and a browser without a window that walks through both.

The broker is https://localhost:PORT, the provider https://127.0.0.1:PORT: a name and a bare address are different sites to
every browser, so what passes between them is cross-site, cookies and referrers included."""

import functools
import html
import html.parser
import http.client
import json
import os
import re
import shutil
import subprocess
import unittest
import urllib.parse

import npm
from brokerlib import free_port, trusting, wait_for_port
from namespace import die_with_parent

HERE = os.path.dirname(os.path.abspath(__file__))
NODE = "/usr/bin/node"
ANSWER = "/sign-in/oidc/answer"
CLIENT = {"client_id": "jit-broker", "client_secret": "the secret of a client: +/%&=", "response_types": ["code"],
          "grant_types": ["authorization_code"], "id_token_signed_response_alg": "ES256"}


@functools.cache
def make_key(alg):
    """A private key as oidc-provider takes it, made by its own JOSE library."""
    text = ("import {generateKeyPair, exportJWK} from 'jose';"
            f"const {{privateKey}} = await generateKeyPair('{alg}', {{extractable: true}});"
            f"console.log(JSON.stringify({{...await exportJWK(privateKey), kid: 'of {alg}', use: 'sig', alg: '{alg}'}}));")
    made = subprocess.run([NODE, "--input-type=module", "-e", text], cwd=npm.packages(), check=True, timeout=30,
                          capture_output=True, text=True)
    return json.loads(made.stdout)


class Provider:
    """`folder` holds tls.crt, tls.key and ca.pem (brokerlib.make_tls); client: changes to CLIENT; accounts by login;
    methods: how it lets clients prove themselves; algorithms: for each it has a key."""

    def __init__(self, folder, redirect, accounts, client=None, methods=None, algorithms=("ES256", "RS256")):
        if not shutil.which(NODE):
            raise unittest.SkipTest(f"{NODE} is not installed")
        self.packages, self.folder, self.port = npm.packages(), folder, free_port()
        self.issuer = f"https://127.0.0.1:{self.port}"
        self.client = {**CLIENT, "redirect_uris": [redirect], **(client or {})}
        self.accounts, self.keys = accounts, [make_key(alg) for alg in algorithms]
        self.methods = methods or ["client_secret_basic", "client_secret_post", "none"]
        self.log, self.process = f"{folder}/provider.log", None

    def start(self):
        path = f"{self.folder}/provider.json"
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"clients": [self.client], "keys": self.keys, "methods": self.methods,
                       "accounts": self.accounts}, file)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [NODE, f"{HERE}/oidc_provider.mjs", self.packages, str(self.port), f"{self.folder}/tls.crt",
                 f"{self.folder}/tls.key", path], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=die_with_parent)
        wait_for_port("127.0.0.1", self.port, self.process, self.log)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


class _Form(html.parser.HTMLParser):
    """The first form of a page, and its links."""

    def __init__(self, text):
        super().__init__()
        self.action, self.fields, self.links = None, {}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form" and self.action is None:
            self.action = attrs.get("action")
        elif tag == "input" and "name" in attrs:
            self.fields[attrs["name"]] = attrs.get("value") or ""
        elif tag == "a":
            self.links.append(attrs.get("href"))


class Page:
    def __init__(self, url, response):
        self.url, self.status = url, response.status
        self.headers = response.getheaders()
        self.source = response.read().decode()
        self.text = html.unescape(self.source)

    def header(self, name):
        """All values of it, a line each; None."""
        values = [value for one, value in self.headers if one.lower() == name.lower()]
        return "\n".join(values) if values else None

    def form(self):
        return _Form(self.source)


class Browser:
    """Keeps cookies by host as browsers do, __Host- ones only where they are what the prefix promises."""

    def __init__(self, ca):
        self.context, self.cookies = trusting(ca), {}

    def _keep(self, host, line):
        pair, *attributes = [part.strip() for part in line.split(";")]
        name, value = pair.split("=", 1)
        attributes = {part.split("=")[0].lower(): part.partition("=")[2] for part in attributes}
        if name.startswith("__Host-") and not ("secure" in attributes and attributes.get("path") == "/"
                                               and "domain" not in attributes):
            raise AssertionError(f"no browser keeps this cookie: {line}")
        if attributes.get("max-age") == "0" or not value:
            self.cookies.get(host, {}).pop(name, None)
        else:
            self.cookies.setdefault(host, {})[name] = value

    def once(self, method, url, fields=None, headers=None):
        """One request, whatever the answer."""
        parts = urllib.parse.urlsplit(url)
        headers = dict(headers or {})
        cookies = self.cookies.get(parts.hostname, {})
        if cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        body = None
        if fields is not None:
            body = urllib.parse.urlencode(fields)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=20, context=self.context)
        try:
            connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), body, headers)
            page = Page(url, connection.getresponse())
        finally:
            connection.close()
        for name, value in page.headers:
            if name.lower() == "set-cookie":
                self._keep(parts.hostname, value)
        return page

    def go(self, method, url, fields=None, until=None):
        """Follows redirects, but not to an address that begins with `until`: then the page is the redirect."""
        for _ in range(12):
            page = self.once(method, url, fields)
            if page.status not in (302, 303, 307):
                return page
            method, fields, url = "GET", None, urllib.parse.urljoin(url, page.header("location"))
            if until and url.startswith(until):
                return page
        raise AssertionError(f"it redirects without end: {url}")

    def get(self, url, until=None):
        return self.go("GET", url, None, until)

    def submit(self, page, until=None, **fields):
        form = page.form()
        return self.go("POST", urllib.parse.urljoin(page.url, form.action), {**form.fields, **fields}, until)

    def sign_in(self, start, login, until=None):
        """Through the provider's login and consent, to wherever that leads."""
        page = self.get(start, until)
        if re.search(r'name="login"', page.text):
            page = self.submit(page, until, login=login, password="any")
        if re.search(r'value="consent"', page.text):
            page = self.submit(page, until)
        return page
