"""What bills of materials share: SPDX 2.3, as JSON."""

import datetime
import os
import re

TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dependencies")
LICENCE = "Apache-2.0"
COPYRIGHT = "The pam_jit authors"


def identifier(kind, name):
    return f"SPDXRef-{kind}-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def dependencies():
    """[(library's file, project, licence, home page, {programs})], as the table has them."""
    found = []
    with open(TABLE, encoding="utf-8") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                *what, programs = [word.strip() for word in line.split("|")]
                found.append((*what, set(programs.split())))
    return found


def package(spdx_id, name, licence, **more):
    return {"SPDXID": spdx_id, "name": name, "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
            "licenseConcluded": licence, "licenseDeclared": licence, "copyrightText": "NOASSERTION", **more}


def document(name, version, digest, epoch, described, packages, relations):
    """`relations` are (one, kind, other)."""
    created = datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": name,
        "documentNamespace": f"https://spdx.org/spdxdocs/{name}-{digest}",
        "creationInfo": {"created": created, "creators": [f"Tool: pam_jit-sbom-{version}"]},
        "documentDescribes": [described], "packages": packages,
        "relationships": [{"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
                          for one, kind, other in [("SPDXRef-DOCUMENT", "DESCRIBES", described), *relations]],
    }
