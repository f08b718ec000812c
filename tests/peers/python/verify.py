"""Verifies signatures of version 4 with botocore.

Reads one request as JSON: `method`, `url`, `headers` (pairs), `body` (Base64), `service`, `region`,
`access_key_id`, `secret`. Says `verified`, or what botocore makes of the request.
"""

import base64
import json
import sys
from urllib.parse import parse_qsl, urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def main():
    sent = json.load(sys.stdin)
    headers = {name.lower(): value for name, value in sent["headers"]}
    claim = headers["authorization"].removeprefix("AWS4-HMAC-SHA256 ")
    claim = dict(part.split("=", 1) for part in claim.split(", "))
    signed = claim["SignedHeaders"].split(";")
    url = urlsplit(sent["url"])
    request = AWSRequest(
        method=sent["method"],
        url=f"{url.scheme}://{url.netloc}{url.path}",
        params=dict(parse_qsl(url.query, keep_blank_values=True)),
        data=base64.b64decode(sent["body"]),
        headers={name: headers[name] for name in signed},
    )
    request.context["timestamp"] = headers["x-amz-date"]
    credentials = Credentials(sent["access_key_id"], sent["secret"])
    auth = SigV4Auth(credentials, sent["service"], sent["region"])
    canonical = auth.canonical_request(request)
    expected = auth.signature(auth.string_to_sign(request, canonical), request)
    scope = f"{sent['access_key_id']}/{auth.credential_scope(request)}"
    if claim["Signature"] == expected and claim["Credential"] == scope:
        print("verified")
    else:
        print(f"{claim} is not {scope} {expected} of\n{canonical}")


main()
