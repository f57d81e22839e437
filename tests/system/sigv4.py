"""AWS's Signature Version 4 in plain Python, for peers that check what they are sent: POST without a query."""

import hashlib
import hmac
import re


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature(secret, region, service, method, path, headers, body):
    """The signature that `headers` should have, by the list of signed headers in its Authorization."""
    low = {name.lower(): value.strip() for name, value in headers.items()}
    signed = re.search(r"SignedHeaders=([^,]+)", low["authorization"])[1]
    names = signed.split(";")
    assert {"host", "x-amz-date"} <= set(names) and names == sorted(names), signed
    lines = "".join(f"{name}:{low[name]}\n" for name in names)
    canonical = "\n".join([method, path, "", lines, signed, hashlib.sha256(body).hexdigest()])
    day = low["x-amz-date"][:8]
    scope = f"{day}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", low["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = _hmac(_hmac(_hmac(_hmac(b"AWS4" + secret.encode(), day), region), service), "aws4_request")
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
