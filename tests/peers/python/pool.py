"""Serves a user pool of Cognito with moto, on HTTPS, and signs a user in by name and password.

Arguments: certificate chain, its key, and the root that has signed it. Says on one line where the pool
is, what it is called, which app has signed in, and the tokens; serves until its input ends.
"""

import json
import sys
from threading import Thread

import boto3
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    create_backend_app,
)
from werkzeug.serving import make_server

REGION = "eu-west-1"
PASSWORD = "Only-this-test-kn0ws!"

chain, key, root = sys.argv[1:]
server = make_server(
    "127.0.0.1",
    0,
    DomainDispatcherApplication(create_backend_app),
    threaded=True,
    ssl_context=(chain, key),
)
Thread(target=server.serve_forever, daemon=True).start()
url = f"https://127.0.0.1:{server.server_port}"
cognito = boto3.client(
    "cognito-idp",
    endpoint_url=url,
    verify=root,
    region_name=REGION,
    aws_access_key_id="setup",
    aws_secret_access_key="setup",
)


def signed_in(name):
    """A pool of this name with a user who has signed in."""
    pool = cognito.create_user_pool(PoolName=name)["UserPool"]
    client = cognito.create_user_pool_client(
        UserPoolId=pool["Id"],
        ClientName="app",
        ReadAttributes=["email"],
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
    )["UserPoolClient"]
    cognito.admin_create_user(
        UserPoolId=pool["Id"],
        Username="ann",
        UserAttributes=[{"Name": "email", "Value": "ann@example.com"}],
        MessageAction="SUPPRESS",
    )
    cognito.admin_set_user_password(
        UserPoolId=pool["Id"], Username="ann", Password=PASSWORD, Permanent=True
    )
    for group in ["keepers", "vets"]:
        cognito.create_group(UserPoolId=pool["Id"], GroupName=group)
        cognito.admin_add_user_to_group(
            UserPoolId=pool["Id"], Username="ann", GroupName=group
        )
    result = cognito.initiate_auth(
        ClientId=client["ClientId"],
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "ann", "PASSWORD": PASSWORD},
    )["AuthenticationResult"]
    return {
        "arn": pool["Arn"],
        "client": client["ClientId"],
        "id": result["IdToken"],
        "access": result["AccessToken"],
    }


said = {"url": url, "own": signed_in("own"), "other": signed_in("other")}
print(json.dumps(said), flush=True)
sys.stdin.read()
