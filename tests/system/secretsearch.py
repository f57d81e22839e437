"""The search for secrets in what was recorded: as they are, in base64 and in hex, each as JSON and URLs may write it."""

import base64
import re
import urllib.parse

SHORTEST = 16


def _forms(secret):
    plain = secret.encode("ascii")
    assert len(plain) >= SHORTEST and not set(secret) & set("\\% "), "this is no secret that can be searched for"
    forms = {plain, plain.hex().encode(), plain.hex().upper().encode()}
    for before in range(3):
        # Groups of three bytes. What is of the first and the last one depends on what stands beside the secret.
        groups = plain[before:]
        groups = groups[:len(groups) // 3 * 3]
        forms |= {base64.b64encode(groups), base64.urlsafe_b64encode(groups)}
    return forms


def _readings(text):
    """The text, and the text without the escapes of JSON and of URLs, however deep a text lay in another."""
    plainer = re.sub(rb"\\+u00([0-9A-Fa-f]{2})", lambda found: bytes.fromhex(found[1].decode()), text).replace(b"\\", b"")
    return text, urllib.parse.unquote_to_bytes(plainer).replace(b"\\", b"")


def assert_none_is_in(seen, secrets):
    """None of them stands in any place of {where: bytes}."""
    forms = [_forms(secret) for secret in secrets]
    for where, text in seen.items():
        readings = _readings(text)
        for at, of_it in enumerate(forms):
            if any(form in reading for form in of_it for reading in readings):
                raise AssertionError(f"secret {at} of {len(forms)} stands in {where}")
