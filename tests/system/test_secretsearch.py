"""The search that finds no secret in what is kept of the form on AWS finds those that are there: each is planted on purpose,
in each form and in each kind of place."""

import base64
import copy
import http.client
import json
import secrets
import tempfile
import unittest
import urllib.error
import urllib.parse

import awslib
import npm
from brokerlib import make_broker, trusting
from cloud import Cloud
from dynamo import Between, Dynamo
from secretsearch import assert_none_is_in

prepare = npm.prepare

FORMS = {
    "plain": lambda secret: secret,
    "base64 at its start": lambda secret: in_base64(b"", secret),
    "base64 behind one byte": lambda secret: in_base64(b"x", secret),
    "base64 behind two bytes": lambda secret: in_base64(b"xy", secret),
    "base64 of URLs": lambda secret: in_base64(b"", secret).replace("+", "-").replace("/", "_"),
    "JSON-escaped": lambda secret: json.dumps(secret)[1:-1].replace("/", "\\/"),
    "JSON-escaped by numbers": lambda secret: secret.replace("/", "\\u002f").replace("+", "\\u002B"),
    "URL-encoded": lambda secret: urllib.parse.quote(secret, safe=""),
    "JSON-escaped, URL-encoded": lambda secret: urllib.parse.quote(secret.replace("/", "\\/"), safe=""),
    "hex": lambda secret: secret.encode().hex(),
    "hex in capitals": lambda secret: secret.encode().hex().upper(),
}


def in_base64(before, secret):
    return base64.b64encode(before + secret.encode() + b"~~more").decode()


def new_secret():
    """As AWS makes them: with what JSON and URLs escape."""
    return base64.b64encode(b"\xff\xef\xbe" + secrets.token_bytes(27) + b"\xfb\xff\xbf").decode()


class SearchTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.cloud = cls.enterClassContext(Cloud(cls.folder))
        cls.dynamo = cls.enterClassContext(Dynamo(cls.folder))
        cls.relay = Between(cls.dynamo.port, [])
        cls.addClassCleanup(cls.relay.server_close)
        cls.addClassCleanup(cls.relay.shutdown)
        made = make_broker(cls.folder, awslib.conf(cls.cloud))
        awslib.move_to_table(made, cls.dynamo, cls.relay)
        awslib.name_in_environment(cls.cloud, made)
        cls.door = awslib.FrontDoor(cls.cloud, cls.folder, f"{cls.folder}/ca.pem", {"the-hosts-key": "HostPlan"})
        cls.addClassCleanup(cls.door.close)

    def tell_workflow(self, text):
        self.assertEqual(self.cloud.call("SendTaskSuccess", taskToken="none", output=f'{{"requestId":"{text}"}}')[0], 400)

    def ask_function(self, text):
        self.assertEqual(self.cloud.ask("AssumeJITRole", {"step": "none", "sealedCredentials": text})[0], "error")

    def log(self, text):
        with open(f"{self.folder}/planted.log", "a", encoding="ascii") as file:
            file.write(f"{text}\n")

    def put_item(self, text):
        self.dynamo.call("PutItem", TableName=awslib.TABLE, Item={
            "requestId": {"S": f"planted-{secrets.token_hex(8)}"}, "doc": {"S": text}})

    def ask_table(self, text):
        """What comes into no item."""
        through = copy.copy(self.dynamo)
        through.endpoint = self.relay.url
        self.assertEqual(through.call("GetItem", TableName=awslib.TABLE, Key={"requestId": {"S": text}}), {})

    def call_door(self, text):
        call = http.client.HTTPSConnection("127.0.0.1", self.door.port, context=trusting(f"{self.folder}/ca.pem"), timeout=20)
        call.request("GET", f"/prod/{text}")
        self.assertEqual(call.getresponse().status, 403)
        call.close()

    def test_a_secret_is_found_in_each_form_and_in_each_kind_of_place(self):
        plant = {"the record of workflows": self.tell_workflow, "what functions were asked and said": self.ask_function,
                 f"{self.folder}/planted.log": self.log, "the table": self.put_item,
                 "what the table was asked": self.ask_table, "what the doors were asked": self.call_door,
                 "what the doors refused": lambda text: self.door.refuse(502, "no", text)}
        planted = {(place, form): new_secret() for place in plant for form in FORMS}
        for (place, form), secret in planted.items():
            plant[place](FORMS[form](secret))
        places = awslib.recorded(self.cloud, f"{self.folder}/*.log", **awslib.of_table(self.dynamo, self.relay),
                                 **awslib.of_doors(self.door))
        self.assertLessEqual(set(plant), set(places))
        for (place, form), secret in planted.items():
            with self.subTest(place=place, form=form):
                with self.assertRaisesRegex(AssertionError, f"^secret 1 of 2 stands in {place}$"):
                    assert_none_is_in(places, [new_secret(), secret])
        assert_none_is_in(places, [new_secret() for _ in range(10)])


if __name__ == "__main__":
    unittest.main()
