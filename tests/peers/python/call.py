"""Calls an API with boto3: the client of AWS whose own service is `execute-api`.

Reads one JSON object: `root` (a file of the certificate that is trusted), `region`, and `calls`, each with
`endpoint` (what stands before `/@connections`), `access_key_id`, `secret`, `token` (or null), `operation`
(`get`, `post`, `delete`, or `url` for a presigned URL of `get`), `id` (what the path ends in), `data` (of
`post`) and `body_is_signed`. Says for each which `status` was answered, or the `url`.

botocore leaves bodies unsigned only where the service says so, and this one does not: the header that says
it is added in front of the signature instead.
"""

import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


def client(asked, call):
    client = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=call["endpoint"],
        region_name=asked["region"],
        aws_access_key_id=call["access_key_id"],
        aws_secret_access_key=call["secret"],
        aws_session_token=call["token"],
        verify=asked["root"],
        config=Config(retries={"total_max_attempts": 1}),
    )
    if not call["body_is_signed"]:
        client.meta.events.register("before-sign", leave_body_open)
    return client


def leave_body_open(request, **_):
    request.headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"


def called(client, call):
    of = {"ConnectionId": call["id"]}
    if call["operation"] == "url":
        return {"url": client.generate_presigned_url("get_connection", Params=of, ExpiresIn=60)}
    calls = {
        "get": lambda: client.get_connection(**of),
        "post": lambda: client.post_to_connection(**of, Data=call["data"].encode()),
        "delete": lambda: client.delete_connection(**of),
    }
    try:
        answer = calls[call["operation"]]()
    except ClientError as error:
        answer = error.response
    return {"status": answer["ResponseMetadata"]["HTTPStatusCode"]}


asked = json.load(sys.stdin)
print(json.dumps([called(client(asked, call), call) for call in asked["calls"]]))
