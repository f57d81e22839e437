"""Signatures of calls to AWS, made again by botocore and compared."""

import sys
import urllib.parse

try:
    sys.path.append("/usr/lib/python3/dist-packages")  # where Debian's packages lie, whichever python3 this is
    import botocore.auth
    import botocore.awsrequest
    import botocore.credentials
except ImportError:
    botocore = None

REGION = "eu-west-1"


def is_installed():
    return botocore is not None


def made_again(keys, service, url, method, headers, body):
    """What botocore makes of the call (headers in lower case) with the headers that were signed: (scope, their names,
    signature). `keys`: the access key's id and the secret."""
    signed = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    place, _, query = url.partition("?")
    again = botocore.awsrequest.AWSRequest(method, place, data=body, headers={name: headers[name] for name in signed},
                                           params=urllib.parse.parse_qsl(query))
    again.context["timestamp"] = headers["x-amz-date"]
    signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(*keys), service, REGION)
    canonical = signer.canonical_request(again)
    scope = f"Credential={keys[0]}/{headers['x-amz-date'][:8]}/{REGION}/{service}/aws4_request"
    return scope, signed, signer.signature(signer.string_to_sign(again, canonical), again)


def is_good(imds, url, method, headers, body):
    """Was the call (headers in lower case) signed as botocore signs it, with credentials of that metadata service?"""
    try:
        given = next(keys for keys in imds.given if keys["Token"] == headers["x-amz-security-token"])
        keys = given["AccessKeyId"], given["SecretAccessKey"]
        scope, signed, signature = made_again(keys, "execute-api", url, method, headers, body)
        return scope in headers["authorization"] and headers["authorization"].endswith(f"Signature={signature}") and \
            {"host", "x-amz-date", "x-amz-security-token"} <= set(signed)
    except (KeyError, StopIteration, IndexError):
        return False
