"""Signs requests with botocore, as tools do that are given a whole URL or the parts of one.

Reads a list of requests as JSON: `method`, `url`, `params` (pairs, or null for those of the URL), `headers`
(pairs), `body`, `service`, `region`, `access_key_id`, `secret`, `token` (or null), `expires` (seconds of a
presigned URL, or null for a signature in the header), `payload` (what is sent as the hash, or null). Says
for each with which `url` and `headers` it is to be sent.
"""

import json
import sys

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def signed(asked):
    request = AWSRequest(
        method=asked["method"],
        url=asked["url"],
        data=asked["body"].encode(),
        params=[tuple(pair) for pair in asked["params"] or []],
    )
    for name, value in asked["headers"]:
        request.headers.add_header(name, value)
    if asked["payload"]:
        request.headers["X-Amz-Content-SHA256"] = asked["payload"]
    credentials = Credentials(asked["access_key_id"], asked["secret"], asked["token"])
    if asked["expires"]:
        auth = SigV4QueryAuth(credentials, asked["service"], asked["region"], asked["expires"])
    else:
        auth = SigV4Auth(credentials, asked["service"], asked["region"])
    auth.add_auth(request)
    # As it goes out: parameters become a part of the URL.
    prepared = request.prepare()
    return {"url": prepared.url, "headers": list(request.headers.items())}


print(json.dumps([signed(asked) for asked in json.load(sys.stdin)]))
