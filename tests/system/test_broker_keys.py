"""Hosts' keys at the broker, as API Gateway has them: two while they are changed, usage plans with its answers to the
letter, and keys that are good with a client certificate alone."""

import os
import re
import shutil
import signal
import socket
import sqlite3

import brokerlib
from brokerlib import new_secret
from terminal import wait_until
from test_broker_api import CONF, FILING, BrokerCase

TOO_FAST = (429, b'{"message":"Too Many Requests"}')
USED_UP = (429, b'{"message":"Limit Exceeded"}')
FORBIDDEN = (403, b'{"message":"Forbidden"}')
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def said(answer):
    return answer.status, answer.body


class KeyTest(BrokerCase):
    """key rotate."""

    def listed(self, what="key"):
        """{id: (owner, last use, state)}"""
        rows = [re.split(r"  +", line.strip()) for line in self.broker.admin(what, "list").stdout.splitlines()[1:]]
        return {row[0]: (row[1], row[3], row[4]) for row in rows}

    def test_a_rotated_key_works_beside_the_old_one_and_the_old_stops_when_it_is_revoked(self):
        old = new_secret(self.broker, "key", "add", "web-2")
        rotated = self.broker.admin("key", "rotate", "web-2")
        new, old_id = rotated.stdout.strip(), old.split("_")[1]
        self.assertRegex(new, r"^jitk_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$")
        self.assertIn(f"jit-broker key revoke {old_id}", rotated.stderr)
        with_old, with_new = self.api(key=old), self.api(key=new)
        for api in (with_old, with_new):
            self.assertEqual(api.get("/changes").json["host"], "web-2")
        self.assertEqual([self.listed()[key.split("_")[1]][2] for key in (old, new)], ["older", "newer"])
        self.broker.admin("key", "revoke", old_id)
        self.assertEqual(said(with_old.get("/requests")), FORBIDDEN)  # on the connection that it came with before
        self.assertEqual(with_new.get("/requests").status, 200)
        self.assertEqual(self.listed()[new.split("_")[1]][2], "valid")
        self.assertRegex(self.listed()[old_id][2], rf"^revoked {TIME}$")

    def test_a_third_key_is_refused_and_the_older_one_is_named(self):
        first = new_secret(self.broker, "key", "add", "web-3").split("_")[1]
        second = new_secret(self.broker, "key", "rotate", "web-3").split("_")[1]
        for command in ("add", "rotate"):
            done = self.broker.admin("key", command, "web-3", check=False)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(f"web-3 has two valid keys already; revoke the older one first: jit-broker key revoke {first}",
                          done.stderr)
        self.broker.admin("key", "revoke", first)
        new_secret(self.broker, "key", "rotate", "web-3")
        self.assertIn(f"key revoke {second}", self.broker.admin("key", "add", "web-3", check=False).stderr)

    def test_a_host_without_a_key_has_none_to_rotate(self):
        done = self.broker.admin("key", "rotate", "web-4", check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("web-4 has no valid key yet; make its first one: jit-broker key add web-4", done.stderr)

    def test_a_last_use_is_shown_within_seconds_and_survives_a_restart(self):
        key = new_secret(self.broker, "key", "add", "web-5")
        key_id, token_id = key.split("_")[1], self.tokens["appr2"].split("_")[1]
        self.assertEqual(self.listed()[key_id][1], "never")
        self.api(key=key).get("/requests")
        self.api(token=self.tokens["appr2"]).get("/requests")
        self.api(key=key[:-4] + "AAAA").get("/requests")
        used = wait_until("its use is written", lambda: self.listed()[key_id][1] != "never" and self.listed()[key_id][1])
        self.assertRegex(used, rf"^{TIME}$")
        self.assertRegex(self.listed("token")[token_id][1], rf"^{TIME}$")
        self.broker.stop()
        self.broker.start()
        self.assertEqual(self.listed()[key_id][1], used)


PLANS = CONF + """
[host burst]
usage_plan = burst
[host day]
usage_plan = day
[host other-day]
usage_plan = day
[host reloaded]
usage_plan = reloaded
[host kept]
usage_plan = kept
[host few]
usage_plan = few
[host fast]
usage_plan = fast
[usage_plan burst]
rate = 1
burst = 5
[usage_plan day]
quota = 6
[usage_plan reloaded]
quota = 7
[usage_plan kept]
quota = 1000
[usage_plan few]
pending = 2
[usage_plan fast]
rate = 1
burst = 5
"""


class PlanTest(BrokerCase):
    conf = PLANS.replace("hosts = web-*", "hosts = *")

    def setUp(self):
        super().setUp()
        self.keys = {}

    def of(self, host):
        if host not in self.keys:
            self.keys[host] = new_secret(self.broker, "key", "add", host)
            self.addCleanup(self.broker.admin, "key", "revoke", self.keys[host].split("_")[1])
        return self.api(key=self.keys[host])

    def counted(self, kind):
        text = self.api().get("/metrics").body.decode()
        return int(re.search(rf'^jit_broker_calls_refused_total\{{kind="{kind}"\}} (\d+)$', text, re.M)[1])

    def test_over_the_burst_it_is_too_many_requests_and_the_rate_brings_new_ones(self):
        host, before = self.of("burst"), self.counted("rate")
        answers = [host.get("/requests") for _ in range(9)]
        refused = [answer for answer in answers if answer.status != 200]
        self.assertEqual([answer.status for answer in answers[:5]], [200] * 5)
        self.assertGreaterEqual(len(refused), 2)  # one or two may have come back meanwhile
        for answer in refused:
            self.assertEqual((*said(answer), answer.headers["retry-after"]), (*TOO_FAST, "1"))
        self.assertEqual(self.counted("rate"), before + len(refused))
        self.assertEqual(self.log().count("host burst calls faster than its usage plan burst allows (1 a second, 5 at once)"), 1)
        wait_until("a call passes again", lambda: host.get("/requests").status == 200)
        # A second key of the same host brings no second bucket.
        second = new_secret(self.broker, "key", "rotate", "burst")
        self.addCleanup(self.broker.admin, "key", "revoke", second.split("_")[1])
        self.assertIn(TOO_FAST, [said(self.api(key=second).get("/requests")) for _ in range(3)])
        self.assertEqual(self.of("web-9").get("/requests").status, 200)  # another host has its own

    def test_over_the_quota_it_is_limit_exceeded_also_after_a_reload_and_a_restart(self):
        host, before = self.of("day"), self.counted("quota")
        self.assertEqual([host.get("/requests").status for _ in range(6)], [200] * 6)
        for path in ("/requests", "/changes?after=0&wait=20", "/hosts"):
            answer = host.get(path)
            self.assertEqual(said(answer), USED_UP, path)
            self.assertTrue(1 <= int(answer.headers["retry-after"]) <= 86400)
        self.assertEqual(said(host.post("/request-access", FILING)), USED_UP)
        self.assertEqual(self.counted("quota"), before + 4)
        self.assertEqual(self.of("other-day").get("/requests").status, 200)
        self.broker.process.send_signal(signal.SIGHUP)
        wait_until("it is read anew", lambda: "read anew" in self.log())
        self.assertEqual(said(host.get("/requests")), USED_UP)
        self.broker.stop()
        self.broker.start()
        self.assertEqual(said(self.of("day").get("/requests")), USED_UP)
        self.assertEqual(self.of("other-day").get("/requests").status, 200)

    def test_a_kill_loses_seconds_of_counts_and_a_call_waits_for_no_write(self):
        host = self.of("kept")
        writes = self.changes_of_the_store()
        self.assertEqual([host.get("/requests").status for _ in range(50)], [200] * 50)
        self.assertLessEqual(self.changes_of_the_store() - writes, 1)
        wait_until("they are written", lambda: self.calls_of("kept") == 50)
        host.get("/requests")
        self.broker.stop(kill=True)
        self.broker.start()
        self.assertEqual(self.of("kept").get("/requests").status, 200)
        wait_until("it counts on", lambda: self.calls_of("kept") in (51, 52))

    def query(self, sql, *values):
        with sqlite3.connect(f"file:{self.folder}/broker.db?mode=ro", uri=True) as database:
            return database.execute(sql, values).fetchone()

    def calls_of(self, host):
        return (self.query("SELECT calls FROM calls WHERE host=?", host) or [0])[0]

    def changes_of_the_store(self):
        """How long the store's log of writes is, in pages' worth: what is only read makes it no longer."""
        return os.stat(f"{self.folder}/broker.db-wal").st_size // 8192

    def test_a_reload_changes_the_terms_for_the_next_call(self):
        host = self.of("reloaded")
        while host.get("/requests").status == 200:
            pass
        with open(self.broker.conf, encoding="utf-8") as file:
            text = file.read()
        self.addCleanup(self._restart_with, text)
        with open(self.broker.conf, "w", encoding="utf-8") as file:
            file.write(text.replace("quota = 7", "quota = 9"))
        self.broker.process.send_signal(signal.SIGHUP)
        wait_until("it is read anew", lambda: host.get("/requests").status == 200)
        self.assertEqual([host.get("/requests").status for _ in range(2)], [200, 429])

    def test_a_host_has_so_many_requests_pending_as_its_plan_says(self):
        host = self.of("few")
        first, second = (host.post("/request-access", {**FILING, "requester": name}) for name in ("op1", "op2"))
        self.assertEqual((first.status, second.status), (200, 200), first.body)
        answer = host.post("/request-access", FILING)
        self.assertEqual((answer.status, answer.json["error"], answer.headers["retry-after"]), (429, "limit.waiting", "1"))
        self.assertEqual(answer.json["message"], "host few has 2 requests waiting already; wait until some are decided")
        self.file()  # another host's requests are not in its way
        host.post(f"/requests/{first.json['requestId']}/cancel")
        self.assertEqual(host.post("/request-access", FILING).status, 200)

    def test_a_host_that_calls_too_fast_earns_no_connections_with_that(self):
        self.of("fast")
        self.reconfigure("issuer = demo\n", "issuer = demo\nmax_connections = 64\n")
        honest = self.api(key=self.key)
        self.assertEqual(honest.get("/requests").status, 200)
        connected = honest.connection.sock
        answers = [self.api(key=self.keys["fast"]).get("/requests").status for _ in range(80)]
        self.assertIn(429, answers)
        self.assertEqual(honest.get("/requests").status, 200)
        self.assertIs(honest.connection.sock, connected)

    def test_one_requester_leaves_room_for_another_on_the_same_host(self):
        self.reconfigure("issuer = demo\n", "issuer = demo\nwaiting_per_requester = 2\n")
        self.file()
        self.file()
        answer = self.host.post("/request-access", FILING)
        self.assertEqual((answer.status, answer.json["error"]), (429, "limit.waiting"))
        self.assertIn("op1 has 2 requests waiting on web-1 already", answer.json["message"])
        self.file(requester="op2")


CERTIFIED = CONF.replace("issuer = demo\n", "issuer = demo\ntls_client_ca = FOLDER/hosts/ca.pem\n") + """
[host sealed]
client_certificate = sealed.host.example
"""


class CertificateTest(BrokerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hosts = cls.certificate("hosts", None)
        for name, names, use, days in (("sealed", ["SEALED.host.example"], "clientAuth", 30),
                                       ("another", ["another.host.example"], "clientAuth", 30),
                                       ("below", ["x.sealed.host.example", "*.host.example"], "clientAuth", 30),
                                       ("over", ["sealed.host.example"], "clientAuth", -1),
                                       ("server", ["sealed.host.example"], "serverAuth", 30)):
            cls.certificate(name, cls.hosts, names, use, days)
        os.mkdir(f"{cls.folder}/common")  # the name stands in its subject, where it is nobody's
        brokerlib.make_certificate(cls.hosts, f"{cls.folder}/common", [], ["192.0.2.1"], "clientAuth",
                                   name="sealed.host.example")
        stranger = cls.certificate("strange-ca", None)
        cls.certificate("stranger", stranger, ["sealed.host.example"])
        cls.broker.stop()
        with open(cls.broker.conf, encoding="utf-8") as file:
            text = file.read().replace(CONF, CERTIFIED.replace("FOLDER", cls.folder))
        with open(cls.broker.conf, "w", encoding="utf-8") as file:
            file.write(text)
        cls.broker.start()
        cls.sealed = new_secret(cls.broker, "key", "add", "sealed")

    @classmethod
    def certificate(cls, name, ca, names=(), use="clientAuth", days=30):
        folder = f"{cls.folder}/{name}"
        os.mkdir(folder)
        if ca:
            brokerlib.make_certificate(ca, folder, names, [], use, days)
        else:
            brokerlib.make_tls(folder)
        return folder

    def call(self, certificate=None, key=None):
        return self.api(key=key or self.sealed, certificate=certificate and f"{self.folder}/{certificate}").get("/requests")

    def test_its_key_opens_with_its_certificate(self):
        self.assertEqual(self.call("sealed").status, 200)

    def test_without_it_or_with_another_hosts_the_key_is_a_wrong_one(self):
        for certificate, why in ((None, "no client certificate came with it"),
                                 ("another", "its client certificate is not of sealed.host.example"),
                                 ("below", "its client certificate is not of sealed.host.example"),
                                 ("common", "its client certificate is not of sealed.host.example")):
            with self.subTest(certificate):
                line = f"the key of host sealed was used from 127.0.0.1, but {why} ({self.broker.conf}:"
                before = self.log().count(line)
                self.assertEqual(said(self.call(certificate)), FORBIDDEN)
                # One such line a second stands in the log.
                wait_until("it is logged", lambda: self.call(certificate).status == 403 and self.log().count(line) > before)

    def test_a_bad_certificate_is_none_and_the_log_says_what_is_wrong_with_it(self):
        for certificate, why in (("over", "certificate has expired"), ("server", "un(suitable|supported) certificate purpose"),
                                 ("stranger", "unable to get (local )?issuer certificate|self-signed certificate")):
            line = rf"the key of host sealed was used from 127\.0\.0\.1, but its client certificate is not good: ({why}) "
            with self.subTest(certificate):
                wait_until("it is logged", lambda: said(self.call(certificate)) == FORBIDDEN and re.search(line, self.log()))
                self.assertEqual(said(self.call(certificate)), FORBIDDEN)
                self.assertEqual(self.call(certificate, self.key).status, 200, "a host whose key needs none")

    def test_others_go_on_without_one_or_with_any(self):
        for certificate in (None, "another", "sealed"):
            self.assertEqual(self.call(certificate, self.key).status, 200)
        self.assertEqual(self.approver.get("/requests").status, 200)
        self.assertEqual(self.api().get("/healthz").status, 200)

    def test_a_certificate_whose_ca_is_taken_away_counts_no_more_on_a_connection_that_is_there(self):
        host = self.api(key=self.sealed, certificate=f"{self.folder}/sealed")
        self.assertEqual(host.get("/requests").status, 200)
        with open(self.broker.conf, encoding="utf-8") as file:
            text = file.read()
        self.addCleanup(self._restart_with, text)
        with open(self.broker.conf, "w", encoding="utf-8") as file:
            file.write(text.replace(f"{self.folder}/hosts/ca.pem", f"{self.folder}/strange-ca/ca.pem"))
        self.broker.process.send_signal(signal.SIGHUP)
        wait_until("it counts no more", lambda: said(host.get("/requests")) == FORBIDDEN)
        self.assertIn("its client certificate is not good: ", self.log())
        self.assertEqual(self.call("stranger").status, 200)

    def test_a_host_that_is_bound_while_it_is_connected_is_greeted_anew_and_asked_for_its_certificate(self):
        with open(self.broker.conf, encoding="utf-8") as file:
            text = file.read()
        self.addCleanup(self._restart_with, text)
        self._restart_with(re.sub(r"tls_client_ca = .*\n|\[host sealed\]\n|client_certificate = .*\n", "", text))
        host = self.api(key=self.sealed, certificate=f"{self.folder}/sealed")
        self.assertEqual(host.get("/requests").status, 200)
        with open(self.broker.conf, "w", encoding="utf-8") as file:
            file.write(text)
        self.broker.process.send_signal(signal.SIGHUP)
        wait_until("its key is bound", lambda: host.get("/requests").status == 403)
        self.assertEqual(host.get("/requests").status, 200)

    def test_a_host_whose_certificate_comes_with_an_intermediate_ca_may_come_back(self):
        between = f"{self.folder}/between"
        os.mkdir(between)
        brokerlib.make_intermediate(self.hosts, between)
        own = self.certificate("far", between, ["sealed.host.example"])
        with open(f"{own}/tls.crt", "ab") as chain, open(f"{between}/ca.pem", "rb") as above:
            shutil.copyfileobj(above, chain)
        context = brokerlib.trusting(self.ca)
        context.load_cert_chain(f"{own}/tls.crt", f"{own}/tls.key")
        session = None
        for _ in range(3):
            host = self.api(key=self.sealed)
            connected = socket.create_connection(("127.0.0.1", self.broker.port), 10)
            host.connection.sock = context.wrap_socket(connected, server_hostname="127.0.0.1", session=session)
            self.assertEqual(host.get("/requests").status, 200)
            session = host.connection.sock.session

    def test_a_ca_that_cannot_be_read_keeps_the_old_one(self):
        with open(self.broker.conf, encoding="utf-8") as file:
            text = file.read()
        self.addCleanup(self._restart_with, text)
        with open(self.broker.conf, "w", encoding="utf-8") as file:
            file.write(text.replace(f"{self.folder}/hosts/ca.pem", self.broker.conf))
        self.broker.process.send_signal(signal.SIGHUP)
        wait_until("it says so", lambda: "tls_client_ca: " in self.log())
        self.assertEqual(self.call("sealed").status, 200)


del BrokerCase
