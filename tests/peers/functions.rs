//! Authorizers whose functions are real handlers, in Python and for Node.js, as they are written for AWS
//! Lambda.

use gateway_tests::client::{Answer, Client};
use gateway_tests::gateway::Gateway;
use gateway_tests::lambda::Lambda;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use serde_json::{Value, json};

use crate::program;

/// Told of a token: who has it, by a policy.
const TOKEN_PYTHON: &str = r#"
def handler(event, context):
    token = event["authorizationToken"]
    if token == "unknown":
        raise Exception("Unauthorized")
    if token == "broken":
        raise KeyError("the token is broken")
    effect = "Allow" if token == "allow" else "Deny"
    return {
        "principalId": "user|a1b2c3d4",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}],
        },
        "context": {"language": "python", "level": 3, "is_staff": True},
    }
"#;

const TOKEN_NODE: &str = r#"
export const handler = (event, context, callback) => {
  switch (event.authorizationToken.toLowerCase()) {
    case "allow": return callback(null, policy("user|a1b2c3d4", "Allow", event.methodArn));
    case "deny": return callback(null, policy("user|a1b2c3d4", "Deny", event.methodArn));
    case "unknown": return callback("Unauthorized");
    default: return context.fail("the token is broken");
  }
};
const policy = (principalId, Effect, Resource) => ({
  principalId,
  policyDocument: { Version: "2012-10-17", Statement: [{ Action: "execute-api:Invoke", Effect, Resource }] },
  context: { language: "node", level: 3, is_staff: true },
});
"#;

/// Told of a request, in any form of it: who sends it, by a policy.
const REQUEST_PYTHON: &str = r#"
def handler(event, context):
    headers = {name.lower(): value for name, value in event["headers"].items()}
    token = headers["authorization"]
    if token == "unknown":
        raise Exception("Unauthorized")
    if token == "broken":
        raise KeyError("the token is broken")
    effect = "Allow" if token == "allow" else "Deny"
    resource = event.get("methodArn") or event["routeArn"]
    return {
        "principalId": "user|a1b2c3d4",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}],
        },
        "context": {"language": "python", "level": 3, "is_staff": event.get("version") is not None},
    }
"#;

const REQUEST_NODE: &str = r#"
export const handler = async (event) => {
  const named = Object.entries(event.headers).find(([name]) => name.toLowerCase() === "authorization");
  const token = named[1];
  if (token === "unknown") throw new Error("Unauthorized");
  if (token === "broken") throw new TypeError("the token is broken");
  return {
    principalId: "user|a1b2c3d4",
    policyDocument: { Version: "2012-10-17", Statement: [{
      Action: "execute-api:Invoke",
      Effect: token === "allow" ? "Allow" : "Deny",
      Resource: event.methodArn ?? event.routeArn,
    }] },
    context: { language: "node", level: 3, is_staff: true },
  };
};
"#;

/// Told of a request in the shorter form: yes or no.
const SIMPLE_PYTHON: &str = r#"
def handler(event, context):
    token = event["identitySource"][0]
    if token == "unknown":
        raise Exception("Unauthorized")
    if token == "broken":
        raise KeyError("the token is broken")
    return {"isAuthorized": token == "allow", "context": {"language": "python", "plan": {"level": 3}}}
"#;

const SIMPLE_NODE: &str = r#"
export const handler = async (event) => {
  const [token] = event.identitySource;
  if (token === "unknown") throw new Error("Unauthorized");
  if (token === "broken") throw new TypeError("the token is broken");
  return { isAuthorized: token === "allow", context: { language: "node", plan: { level: 3 } } };
};
"#;

/// Routes of both types of API, one for each handler and form in which it is told of requests.
fn setup(upstream: &Upstream, lambda: &Lambda) -> Setup {
    let mut setup = Setup::new()
        .upstream("main", upstream.address)
        .set(
            &["gateway"],
            json!({"account": "111122223333", "region": "test-1"}),
        )
        .set(
            &["aws"],
            json!({"region": "test-1", "endpoints": {"lambda": lambda.url()}}),
        )
        .environment("AWS_ACCESS_KEY_ID", "AKIDGATEWAY")
        .environment("AWS_SECRET_ACCESS_KEY", "only-the-gateway-knows")
        .set(
            &["apis", "rest"],
            json!({"type": "rest", "hosts": ["rest.test"], "stages": {"prod": {}}}),
        )
        .set(
            &["apis", "http"],
            json!({"type": "http", "hosts": ["http.test"], "stages": {"prod": {}}}),
        );
    for (api, form, function, settings) in [
        ("rest", "token", "token", json!({"event": "token"})),
        ("rest", "request", "request", json!({})),
        ("http", "v1", "request", json!({"payload_format": "1.0"})),
        ("http", "v2", "request", json!({})),
        (
            "http",
            "simple",
            "simple",
            json!({"simple_responses": true}),
        ),
    ] {
        for language in ["python", "node"] {
            let name = format!("{api}-{form}-{language}");
            let mut authorizer = json!({
                "type": "function", "function": {"lambda": format!("{function}-{language}")},
                "identity_sources": ["$request.header.Authorization"],
            });
            for (key, value) in settings.as_object().unwrap() {
                authorizer[key] = value.clone();
            }
            setup.change(&["authorizers", &name], authorizer);
            let mut route = json!({"authorizer": name, "integration": {"upstream": "main"}});
            // What the function says goes on to the backend.
            let parameters = match api {
                "rest" => json!(null),
                _ => json!({"overwrite:header.x-language": "$context.authorizer.language"}),
            };
            if !parameters.is_null() {
                route["integration"]["request_parameters"] = parameters;
            }
            let key = format!("GET /{form}/{language}");
            setup.change(&["apis", api, "routes", &key], route);
        }
    }
    setup
}

async fn ask(client: &Client, host: &str, path: &str, token: &str) -> Answer {
    let headers = [("host", host), ("authorization", token)];
    client.get_with(path, &headers).await
}

#[tokio::test]
async fn handlers_in_python_and_for_node_say_who_calls() {
    let (Some(_), Some(_)) = (program("python3"), program("node")) else {
        return;
    };
    let (upstream, lambda) = (Upstream::echo().await, Lambda::start().await);
    lambda.python("token-python", TOKEN_PYTHON);
    lambda.node("token-node", TOKEN_NODE);
    lambda.python("request-python", REQUEST_PYTHON);
    lambda.node("request-node", REQUEST_NODE);
    lambda.python("simple-python", SIMPLE_PYTHON);
    lambda.node("simple-node", SIMPLE_NODE);
    let gateway = Gateway::start(setup(&upstream, &lambda)).await;
    let client = Client::http1(gateway.address().await).await;
    for (host, form) in [
        ("rest.test", "token"),
        ("rest.test", "request"),
        ("http.test", "v1"),
        ("http.test", "v2"),
        ("http.test", "simple"),
    ] {
        for language in ["python", "node"] {
            let path = format!("/prod/{form}/{language}");
            for (token, status, reason) in [
                (
                    "deny",
                    403,
                    if form == "simple" {
                        "function_denied"
                    } else {
                        "caller_policy_denied"
                    },
                ),
                ("unknown", 401, "function_unauthorized"),
                ("broken", 500, "function_error"),
            ] {
                let answer = ask(&client, host, &path, token).await;
                assert_eq!(answer.status, status, "{path} {token} {}", answer.text());
                let is_it = |record: &Value| record["path"] == *path && record["reason"] == reason;
                let record = gateway.record(reason, is_it).await;
                assert!(
                    !record.to_string().contains("the token is broken"),
                    "{record}"
                );
            }
            let answer = ask(&client, host, &path, "allow").await;
            assert_eq!(answer.status, 200, "{path} {}", answer.text());
            if host == "http.test" {
                let seen = answer.json();
                assert_eq!(seen["headers"]["x-language"], language, "{path} {seen}");
            }
            let is_it = |record: &Value| record["path"] == *path && record["status"] == 200;
            let record = gateway.record("who was let in", is_it).await;
            let subject = if form == "simple" {
                Value::Null
            } else {
                json!("user|a1b2c3d4")
            };
            assert_eq!(record["subject"], subject, "{record}");
            // What was returned is remembered, denials too; failures and unknown callers are not.
            let calls = lambda.asked().len();
            assert_eq!(ask(&client, host, &path, "allow").await.status, 200);
            assert_eq!(ask(&client, host, &path, "deny").await.status, 403);
            assert_eq!(lambda.asked().len(), calls);
            assert_eq!(ask(&client, host, &path, "unknown").await.status, 401);
            assert_eq!(ask(&client, host, &path, "broken").await.status, 500);
            assert_eq!(lambda.asked().len(), calls + 2);
        }
    }
}
