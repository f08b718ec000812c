"""Serves tables of DynamoDB with moto, to whom signs with the one key that may read them.

Says on one line where it is and what the key is, and serves until its input ends. moto judges
signatures with botocore, and what the key may do by the policy of its user.
"""

import json
import sys
import urllib.request

import boto3
from moto.server import ThreadedMotoServer

REGION = "eu-west-1"
ITEMS = [
    {"tenant": "one", "document": "permit(principal, action, resource);", "size": 36, "on": True},
    {
        "tenant": "red",
        "authorization": {
            "store": {"policies": 'permit (principal, action, resource == Path::"/red");'}
        },
    },
    {
        "tenant": "blue",
        "authorization": {
            "store": {"policies": ['permit (principal, action, resource == Path::"/blue");']}
        },
    },
    {"tenant": "two", "document": {"nested": ["a", None]}, "names": {"x", "y"}},
]


def agents(name, *actions):
    """A policy of this id that lets agents do this to tickets."""
    actions = ", ".join(f'Desk::Action::"{action} /tickets/{{id}}"' for action in actions)
    return f'@id("{name}") permit (principal in Desk::Role::"agent", action in [{actions}], resource);'


# What the example of many tenants calls a registry.
TENANTS = [
    {"tenant_id": tenant, "authorization": {"store": store}}
    for tenant, store in {
        "acme": {"policies": agents("acme", "GET", "DELETE")},
        "globex": {"policies": [agents("globex", "GET")]},
        "initech": "everybody",
    }.items()
]
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"}],
}

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
url = f"http://{host}:{port}"
access = {
    "endpoint_url": url,
    "region_name": REGION,
    "aws_access_key_id": "setup",
    "aws_secret_access_key": "setup",
}
for name, key, items in (("stores", "tenant", ITEMS), ("tenants", "tenant_id", TENANTS)):
    table = boto3.resource("dynamodb", **access).create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for item in items:
        table.put_item(Item=item)
iam = boto3.client("iam", **access)
iam.create_user(UserName="gateway")
iam.put_user_policy(
    UserName="gateway", PolicyName="reads", PolicyDocument=json.dumps(POLICY)
)
key = iam.create_access_key(UserName="gateway")["AccessKey"]
# From now on nobody does anything without a signature and a policy.
strict = urllib.request.Request(f"{url}/moto-api/reset-auth", data=b"0")
strict.add_header("content-type", "text/plain")
urllib.request.urlopen(strict)
said = {"url": url, "id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
print(json.dumps(said), flush=True)
sys.stdin.read()
