"""What we seal, npm jose opens; what it seals, we open; what is not ECDH-ES with A256GCM on P-256, we refuse."""

import base64
import json
import os
import subprocess
import tempfile
import unittest

import npm

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = os.path.join(TREE, "build/tests/interop/seal_tool")
ROUNDS = 25

prepare = npm.prepare


class Sealing(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.peer = subprocess.Popen(["node", os.path.join(TREE, "tests/interop/jose_peer.mjs"), npm.packages()],
                                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.end_peer)
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.key = os.path.join(cls.folder.name, "key.pem")
        cls.jwk = json.loads(cls.tool("key", cls.key))

    @classmethod
    def end_peer(cls):
        cls.peer.stdin.close()
        cls.peer.wait(10)
        cls.peer.stdout.close()

    @classmethod
    def tool(cls, *args, text=b""):
        return subprocess.run([TOOL, *args], input=text, stdout=subprocess.PIPE, check=True, timeout=20).stdout

    def ask(self, **question):
        self.peer.stdin.write(json.dumps(question) + "\n")
        self.peer.stdin.flush()
        return json.loads(self.peer.stdout.readline())

    def sealed_by_jose(self, text, alg="ECDH-ES", enc="A256GCM", jwk=None):
        said = self.ask(do="seal", jwk=jwk or self.jwk, alg=alg, enc=enc, text=base64.b64encode(text).decode())
        self.assertIn("jwe", said, said)
        return said["jwe"].encode()

    def test_jose_opens_what_we_seal(self):
        theirs = json.dumps(self.ask(do="key")["jwk"])
        for length in [0, 1, 15, 16, 17, 4096] + list(range(20, 20 + ROUNDS)):
            text = os.urandom(length)
            opened = self.ask(do="open", jwe=self.tool("seal", theirs, text=text).decode())
            self.assertNotIn("error", opened, f"{length} bytes")
            self.assertEqual(base64.b64decode(opened["text"]), text)
            self.assertEqual((opened["header"]["alg"], opened["header"]["enc"]), ("ECDH-ES", "A256GCM"))

    def test_we_open_what_jose_seals(self):
        for length in [0, 1, 15, 16, 17, 4096] + list(range(20, 20 + ROUNDS)):
            text = os.urandom(length)
            self.assertEqual(self.tool("open", self.key, text=self.sealed_by_jose(text)), text)

    def test_every_other_algorithm_is_refused(self):
        for alg, enc in (("ECDH-ES", "A128GCM"), ("ECDH-ES", "A256CBC-HS512"), ("ECDH-ES+A256KW", "A256GCM"),
                         ("ECDH-ES+A128KW", "A128GCM")):
            jwe = self.sealed_by_jose(b"secret", alg, enc)
            with self.subTest(alg=alg, enc=enc), self.assertRaises(subprocess.CalledProcessError):
                self.tool("open", self.key, text=jwe)

    def test_what_was_sealed_to_another_key_stays_closed(self):
        jwe = self.sealed_by_jose(b"secret", jwk=self.ask(do="key")["jwk"])
        with self.assertRaises(subprocess.CalledProcessError):
            self.tool("open", self.key, text=jwe)


if __name__ == "__main__":
    unittest.main()
