//! Functions of AWS Lambda as authorizers: how they are called, and every outcome.

use gateway_tests::client::Client;
use gateway_tests::function::{Function, allowing, returned, statement};
use gateway_tests::gateway::Gateway;
use gateway_tests::lambda::{INVOCATION, Lambda};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::function_authorizers::{ask, setup as at_a_url};

const FUNCTION: &str = "arn:aws:lambda:eu-west-2:111122223333:function:who";

/// As [`at_a_url`], with the function `who` of the service at `endpoint` for both authorizers, which the
/// REST API names by its name and the HTTP API by its ARN.
async fn setup(upstream: &Upstream, endpoint: &str) -> Setup {
    let unused = Function::start(|_| allowing("*")).await;
    at_a_url(upstream, &unused)
        .set(
            &["aws"],
            json!({"region": "eu-west-1", "endpoints": {"lambda": endpoint}}),
        )
        .set(
            &["authorizers", "rest", "function"],
            json!({"lambda": "who"}),
        )
        .set(
            &["authorizers", "http", "function"],
            json!({"lambda": FUNCTION}),
        )
        .environment("AWS_ACCESS_KEY_ID", "AKIDGATEWAY")
        .environment("AWS_SECRET_ACCESS_KEY", "only-the-gateway-knows")
        .environment("AWS_SESSION_TOKEN", "its-session")
}

fn allowed() -> Value {
    returned(&json!([statement("Allow", "*")]))
}

/// A gateway that calls the functions of a service.
pub(crate) struct Site {
    pub(crate) gateway: Gateway,
    pub(crate) client: Client,
    /// The service, whose function `who` lets everybody in unless it is told otherwise.
    pub(crate) lambda: Lambda,
    _backend: Upstream,
}

impl Site {
    /// Starts what `further` makes of [`setup`].
    pub(crate) async fn start(further: impl FnOnce(Setup) -> Setup) -> Self {
        let (backend, lambda) = (Upstream::echo().await, Lambda::start().await);
        lambda.returning("who", &allowed());
        let setup = setup(&backend, &lambda.url()).await;
        let gateway = Gateway::start(further(setup)).await;
        let client = Client::http1(gateway.address().await).await;
        Self {
            gateway,
            client,
            lambda,
            _backend: backend,
        }
    }

    /// The configuration as it is by now.
    pub(crate) async fn reload(&self) {
        let answer = self.gateway.reload().await;
        assert_eq!(answer["answer"], "done", "{answer}");
    }
}

#[tokio::test]
async fn a_function_is_invoked_with_a_signature_in_its_region() {
    let (upstream, lambda) = (Upstream::echo().await, Lambda::start().await);
    lambda.returning("who", &allowed());
    let gateway = Gateway::start(setup(&upstream, &lambda.url()).await).await;
    let client = Client::http1(gateway.address().await).await;
    for (host, region, name) in [
        ("rest.test", "eu-west-1", "who"),
        (
            "http.test",
            "eu-west-2",
            "arn%3Aaws%3Alambda%3Aeu-west-2%3A111122223333%3Afunction%3Awho",
        ),
    ] {
        let answer = ask(&client, host, "/prod/a", "Bearer a").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let asked = lambda.asked().pop().unwrap();
        let path = format!("/2015-03-31/functions/{name}/invocations");
        assert_eq!(asked.target, path);
        let header = |name: &str| asked.headers[name].to_str().unwrap();
        let signed = header("authorization");
        let scope = format!("/{region}/lambda/aws4_request,");
        assert!(
            signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIDGATEWAY/"),
            "{signed}"
        );
        assert!(signed.contains(&scope), "{signed}");
        assert_eq!(header("x-amz-security-token"), "its-session");
        assert_eq!(header("x-amz-invocation-type"), "RequestResponse");
        let event = asked.event();
        let told = match host {
            "rest.test" => &event["authorizationToken"],
            _ => &event["identitySource"][0],
        };
        assert_eq!(told, "Bearer a");
        let is_it = |record: &Value| record["host"] == host;
        let record = gateway.record("who was let in", is_it).await;
        assert_eq!(record["subject"], "user-7");
    }
    assert_eq!(lambda.asked().len(), 2);
}

/// Of each function the status, what `x-amzn-errortype` says, the reason, and words of the detail.
const OUTCOMES: [(&str, u16, &str, &str, &str); 11] = [
    (
        "denies",
        403,
        "AccessDeniedException",
        "caller_policy_denied",
        "",
    ),
    (
        "unknown",
        401,
        "UnauthorizedException",
        "function_unauthorized",
        "",
    ),
    ("nearly", 500, CONFIGURATION, "function_error", ""),
    (
        "raises",
        500,
        CONFIGURATION,
        "function_error",
        "`ValueError`",
    ),
    (
        "dies",
        500,
        CONFIGURATION,
        "function_error",
        "`Runtime.ExitError`",
    ),
    ("text", 500, CONFIGURATION, "function_answer", "no object"),
    (
        "missing",
        500,
        CONFIGURATION,
        "function_refused",
        "ResourceNotFoundException",
    ),
    (
        "forbidden",
        500,
        CONFIGURATION,
        "function_refused",
        "status 403 Forbidden, AccessDeniedException",
    ),
    (
        "large",
        500,
        CONFIGURATION,
        "function_refused",
        "RequestTooLargeException",
    ),
    (
        "busy",
        500,
        FAILURE,
        "function_unreachable",
        "TooManyRequestsException",
    ),
    (
        "broken",
        500,
        FAILURE,
        "function_unreachable",
        "ServiceException",
    ),
];
const CONFIGURATION: &str = "AuthorizerConfigurationException";
const FAILURE: &str = "AuthorizerFailureException";

fn outcomes(lambda: &Lambda) {
    let error = |kind: &str, said: &str| json!({"errorType": kind, "errorMessage": said});
    lambda.returning("denies", &returned(&json!([statement("Deny", "*")])));
    lambda.raising("unknown", &error("Exception", "Unauthorized"));
    lambda.raising("nearly", &error("Exception", "Unauthorized\n"));
    lambda.raising("raises", &error("ValueError", "the token is none of ours"));
    lambda.raising(
        "dies",
        &error("Runtime.ExitError", "RequestId: 1 Error: none of ours"),
    );
    lambda.returning("text", &json!("allow"));
    lambda.refuse("forbidden", 403, "AccessDeniedException");
    lambda.refuse("large", 413, "RequestTooLargeException");
    lambda.refuse("busy", 429, "TooManyRequestsException");
    lambda.refuse("broken", 500, "ServiceException");
}

#[tokio::test]
async fn every_outcome_of_an_invocation_has_its_answer() {
    let (upstream, lambda) = (Upstream::echo().await, Lambda::start().await);
    outcomes(&lambda);
    let mut setup = setup(&upstream, &lambda.url()).await;
    let routed =
        |authorizer: &str| json!({"authorizer": authorizer, "integration": {"upstream": "main"}});
    for (name, ..) in OUTCOMES {
        for (api, event) in [("rest", "token"), ("http", "request")] {
            let authorizer = format!("{api}-{name}");
            let settings = json!({
                "type": "function", "function": {"lambda": name}, "event": event, "result_ttl": "0s",
                "identity_sources": ["$request.header.Authorization"],
            });
            setup.change(&["authorizers", &authorizer], settings);
            let route = format!("GET /{name}");
            setup.change(&["apis", api, "routes", &route], routed(&authorizer));
        }
    }
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for (name, status, kind, reason, words) in OUTCOMES {
        let path = format!("/prod/{name}");
        let answer = ask(&client, "rest.test", &path, "secret-token").await;
        assert_eq!(answer.status, status, "{name}");
        assert_eq!(answer.header("x-amzn-errortype"), kind, "{name}");
        let answer = ask(&client, "http.test", &path, "secret-token").await;
        assert_eq!(answer.status, status, "{name}");
        for host in ["rest.test", "http.test"] {
            let is_it = |record: &Value| record["path"] == *path && record["host"] == host;
            let record = gateway.record(name, is_it).await;
            assert_eq!(record["reason"], reason, "{record}");
            let detail = record["detail"].as_str().unwrap_or_default();
            assert!(detail.contains(words), "{record}");
            // What a function says of a token stays between the two.
            assert!(!record.to_string().contains("none of ours"), "{record}");
        }
    }
    assert_eq!(upstream.seen().requests, 0);
}

#[tokio::test]
async fn a_function_that_never_ends_or_a_service_that_is_not_there_lets_nobody_in() {
    let (upstream, lambda) = (Upstream::echo().await, Lambda::start().await);
    lambda.endless("who");
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    for (endpoint, reason) in [
        (lambda.url(), "function_timeout"),
        (nowhere, "function_unreachable"),
    ] {
        let setup = setup(&upstream, &endpoint)
            .await
            .set(&["authorizers", "rest", "timeout"], json!("100ms"))
            .set(&["authorizers", "http", "timeout"], json!("100ms"));
        let gateway = Gateway::start(setup).await;
        let client = Client::http1(gateway.address().await).await;
        for host in ["rest.test", "http.test"] {
            let answer = ask(&client, host, "/prod/a", "Bearer a").await;
            assert_eq!(answer.status, 500, "{host}");
            let is_it = |record: &Value| record["reason"] == reason && record["host"] == host;
            gateway.record(reason, is_it).await;
        }
    }
    assert_eq!(upstream.seen().requests, 0);
}

/// Without anything to sign with nobody is called, and nobody is let in.
#[tokio::test]
async fn without_credentials_no_function_is_called() {
    let (upstream, lambda) = (Upstream::echo().await, Lambda::start().await);
    lambda.returning("who", &allowed());
    let nothing = Upstream::http(|_| async { gateway_tests::upstream::reply(404, "") }).await;
    let setup = setup(&upstream, &lambda.url())
        .await
        .set(
            &["aws", "credentials"],
            json!({"source": "instance_metadata"}),
        )
        .environment(
            "AWS_EC2_METADATA_SERVICE_ENDPOINT",
            &format!("http://{}", nothing.address),
        );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let answer = ask(&client, "rest.test", "/prod/a", "Bearer a").await;
    assert_eq!(
        (answer.status, answer.json()),
        (500, json!({"message": null}))
    );
    assert_eq!(answer.header("x-amzn-errortype"), CONFIGURATION);
    let answer = ask(&client, "http.test", "/prod/a", "Bearer a").await;
    let said = json!({"message": "Internal Server Error"});
    assert_eq!((answer.status, answer.json()), (500, said));
    for host in ["rest.test", "http.test"] {
        let is_it = |record: &Value| record["host"] == host;
        let record = gateway.record("what was not called", is_it).await;
        assert_eq!(record["reason"], "function_credentials");
        let detail = record["detail"].as_str().unwrap();
        assert!(detail.contains("no credentials of AWS yet"), "{detail}");
    }
    assert_eq!(lambda.asked().len(), 0);
    assert_eq!(upstream.seen().requests, 0);
}

/// How a call went is told to logs, as of functions at a URL.
#[tokio::test]
async fn how_an_invocation_went_is_told() {
    let (upstream, lambda) = (Upstream::echo().await, Lambda::start().await);
    lambda.returning("who", &allowed());
    let format = r#"{"request":"$context.requestId","id":"$context.authorizer.requestId","status":"$context.authorizer.integrationStatus","who":"$context.authorizer.principalId","took":"$context.authorizer.integrationLatency"}"#;
    let setup = setup(&upstream, &lambda.url()).await.set(
        &["apis", "rest", "stages", "prod", "access_log"],
        json!({"format": format}),
    );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let answer = ask(&client, "rest.test", "/prod/a", "Bearer a").await;
    assert_eq!(answer.status, 200);
    let is_it = |record: &Value| record["who"] == "user-7";
    let record = gateway.record("the invocation", is_it).await;
    assert_eq!(
        (&record["id"], &record["status"]),
        (&json!(INVOCATION), &json!("200"))
    );
    let took = record["took"].as_str().unwrap();
    assert!(took.parse::<u64>().is_ok(), "{took}");
}
