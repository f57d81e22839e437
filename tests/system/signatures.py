"""Signatures of calls to an API that asks for AWS_IAM: made again by botocore and compared."""

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


def _again(imds, url, method, headers, body):
    """What botocore makes of the call with the headers that were signed."""
    signed = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    keys = next(keys for keys in imds.given if keys["Token"] == headers["x-amz-security-token"])
    place, _, query = url.partition("?")
    again = botocore.awsrequest.AWSRequest(method, place, data=body, headers={name: headers[name] for name in signed},
                                           params=urllib.parse.parse_qsl(query))
    again.context["timestamp"] = headers["x-amz-date"]
    signer = botocore.auth.SigV4Auth(
        botocore.credentials.Credentials(keys["AccessKeyId"], keys["SecretAccessKey"]), "execute-api", REGION)
    canonical = signer.canonical_request(again)
    scope = f"Credential={keys['AccessKeyId']}/{headers['x-amz-date'][:8]}/{REGION}/execute-api/aws4_request"
    return scope, signed, signer.signature(signer.string_to_sign(again, canonical), again)


def is_good(imds, url, method, headers, body):
    """Was the call (headers in lower case) signed as botocore signs it, with credentials of that metadata service?"""
    try:
        scope, signed, signature = _again(imds, url, method, headers, body)
        return scope in headers["authorization"] and headers["authorization"].endswith(f"Signature={signature}") and \
            {"host", "x-amz-date", "x-amz-security-token"} <= set(signed)
    except (KeyError, StopIteration, IndexError):
        return False
