//! A REST API's resource policy lets in whom it allows, whatever else holds.

use gateway_tests::authority::Authority;
use gateway_tests::client::{Client, HOST_NAME, get, request, whole, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{self, Key, claims};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use http::Method;
use serde_json::{Value, json};

fn setup(upstream: &Upstream, statements: Value) -> Setup {
    let setup = Setup::forwarding(upstream.address);
    let policy = json!({"Version": "2012-10-17", "Statement": statements});
    let file = setup.file("policy.json", &policy.to_string());
    setup
        .set(
            &["gateway"],
            json!({"account": "111122223333", "region": "test-1"}),
        )
        .set(&["apis", "main", "type"], json!("rest"))
        .set(&["apis", "main", "id"], json!("abc123"))
        .set(&["apis", "main", "stages"], json!({"prod": {}, "beta": {}}))
        .set(&["apis", "main", "policy_file"], json!(file))
        .set(&["apis", "main", "routes"], json!({}))
        .route("ANY /{proxy+}", json!({}))
        .listener("trusted_proxies", json!(["127.0.0.1"]))
}

async fn start(setup: Setup) -> (Gateway, Client) {
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    (gateway, client)
}

fn allow(resource: &str) -> Value {
    json!({"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": resource})
}

fn deny(resource: &str) -> Value {
    json!({"Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke", "Resource": resource})
}

#[tokio::test]
async fn resources_are_allowed_and_denied_by_stage_method_and_path() {
    let upstream = Upstream::echo().await;
    let statements = json!([
        allow("execute-api:/prod/*"),
        deny("execute-api:/*/*/admin/*"),
        deny("execute-api:/prod/DELETE/*"),
    ]);
    let (gateway, client) = start(setup(&upstream, statements)).await;
    let arn = "arn:aws:execute-api:test-1:********3333:abc123";
    for (method, path, denied) in [
        (Method::GET, "/prod/pets", None),
        (
            Method::GET,
            "/beta/pets",
            Some(format!("{arn}/beta/GET/pets")),
        ),
        (
            Method::GET,
            "/prod/admin/x",
            Some(format!("{arn}/prod/GET/admin/x with an explicit deny")),
        ),
        (
            Method::GET,
            "//prod/%61dmin/x/",
            Some(format!("{arn}/prod/GET/admin/x with an explicit deny")),
        ),
        // What a backend might take for the denied path is denied.
        (
            Method::GET,
            "/prod/admin%2Fx",
            Some(format!("{arn}/prod/GET/admin%2Fx with an explicit deny")),
        ),
        (
            Method::GET,
            "/prod/admin;v=1/x",
            Some(format!("{arn}/prod/GET/admin;v=1/x with an explicit deny")),
        ),
        (
            Method::DELETE,
            "/prod/pets",
            Some(format!("{arn}/prod/DELETE/pets with an explicit deny")),
        ),
    ] {
        let answer = client.send(request(method.clone(), path, whole(""))).await;
        match denied {
            None => assert_eq!(answer.status, 200, "{method} {path}"),
            Some(end) => {
                assert_eq!(answer.status, 403, "{method} {path}");
                let message = format!(
                    "User: anonymous is not authorized to perform: execute-api:Invoke on \
                     resource: {end}"
                );
                assert_eq!(answer.json(), json!({"Message": message}));
                assert_eq!(answer.header("x-amzn-errortype"), "AccessDeniedException");
            }
        }
    }
    gateway.reason("policy_denied").await;
    let answer = client.get(&format!("/prod/{}", "x".repeat(1_600))).await;
    assert_eq!(answer.status, 414);
    assert_eq!(answer.text(), r#"{"message":"Request URI too long"}"#);
}

#[tokio::test]
async fn conditions_are_about_the_client_and_not_about_its_proxy() {
    let upstream = Upstream::echo().await;
    let mut inside = allow("execute-api:/*");
    inside["Condition"] = json!({
        "IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "2001:db8::/32"]},
        "StringLike": {"aws:UserAgent": "good*"},
        "Bool": {"aws:SecureTransport": "false"},
        "DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"},
    });
    let (_gateway, client) = start(setup(&upstream, json!([inside]))).await;
    for (client_address, agent, status) in [
        ("192.0.2.7", "good/1", 200),
        ("2001:db8::7", "good/1", 200),
        ("192.0.3.7", "good/1", 403),
        ("192.0.2.7", "bad/1", 403),
    ] {
        let headers = [("x-forwarded-for", client_address), ("user-agent", agent)];
        let answer = client.send(with(get("/prod/x"), &headers)).await;
        assert_eq!(answer.status, status, "{client_address} {agent}");
    }
    // What is not there does not match.
    let headers = [("x-forwarded-for", "192.0.2.7")];
    let answer = client.send(with(get("/prod/x"), &headers)).await;
    assert_eq!(answer.status, 403);
}

#[tokio::test]
async fn conditions_are_about_referers_and_tls() {
    let upstream = Upstream::echo().await;
    let on = |path: &str, condition: Value| {
        let mut statement = allow(&format!("execute-api:/prod/GET/{path}"));
        statement["Condition"] = condition;
        statement
    };
    let statements = json!([
        on("secure", json!({"Bool": {"aws:SecureTransport": "true"}})),
        on("plain", json!({"Bool": {"aws:SecureTransport": "false"}})),
        on(
            "referred",
            json!({"StringLike": {"aws:Referer": "https://good.test/*"}})
        ),
    ]);
    let setup = setup(&upstream, statements);
    let authority = Authority::new();
    let certificate = authority.write_certificate(setup.directory(), "api", &[HOST_NAME]);
    let setup = setup.set(
        &["listeners", "tls"],
        json!({"address": "127.0.0.1:0", "tls": {"certificates": [certificate]}}),
    );
    let (gateway, plain) = start(setup).await;
    let address = gateway.listener("tls").await;
    let secure = Client::tls(address, &authority.client(&["http/1.1"])).await;
    for (client, path, status) in [
        (&secure, "/prod/secure", 200),
        (&secure, "/prod/plain", 403),
        (&plain, "/prod/secure", 403),
        (&plain, "/prod/plain", 200),
    ] {
        assert_eq!(client.get(path).await.status, status, "{path}");
    }
    for (referer, status) in [
        (Some("https://good.test/a"), 200),
        (Some("https://evil.test/https://good.test/a"), 403),
        (None, 403),
    ] {
        let headers: Vec<_> = referer.map(|it| ("referer", it)).into_iter().collect();
        let answer = plain.get_with("/prod/referred", &headers).await;
        assert_eq!(answer.status, status, "{referer:?}");
    }
}

#[tokio::test]
async fn a_policy_for_a_name_shuts_out_the_anonymous() {
    let upstream = Upstream::echo().await;
    for (principal, status) in [
        (json!("*"), 200),
        (json!({"AWS": "*"}), 200),
        (json!({"AWS": ["111122223333", "*"]}), 200),
        (json!({"AWS": "111122223333"}), 403),
        (json!({"AWS": "arn:aws:iam::111122223333:user/alice"}), 403),
    ] {
        let mut statement = allow("execute-api:/*");
        statement["Principal"] = principal.clone();
        let (_gateway, client) = start(setup(&upstream, json!([statement]))).await;
        assert_eq!(client.get("/prod/x").await.status, status, "{principal}");
    }
}

/// Keys that only signed requests and private networks have.
#[tokio::test]
async fn keys_that_nobody_has_are_absent() {
    let upstream = Upstream::echo().await;
    for key in [
        "aws:TokenIssueTime",
        "aws:MultiFactorAuthPresent",
        "aws:MultiFactorAuthAge",
        "aws:PrincipalAccount",
        "aws:PrincipalArn",
        "aws:PrincipalType",
        "aws:userid",
        "aws:username",
        "aws:PrincipalOrgID",
        "aws:PrincipalOrgPaths",
        "aws:PrincipalTag/team",
        "aws:SourceArn",
        "aws:VpcSourceIp",
        "aws:SourceVpc",
        "aws:SourceVpce",
    ] {
        for (is_absent, status) in [("true", 200), ("false", 403)] {
            let mut statement = allow("execute-api:/*");
            statement["Condition"] = json!({"Null": {key: is_absent}});
            let (_gateway, client) = start(setup(&upstream, json!([statement]))).await;
            assert_eq!(client.get("/prod/x").await.status, status, "{key}");
        }
    }
}

#[tokio::test]
async fn a_token_is_judged_before_the_policy_and_does_not_stand_in_for_it() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("policy");
    let statements = json!([allow("execute-api:/prod/GET/open")]);
    let setup = issuer::authorize(setup(&upstream, statements), &[&key])
        .route("ANY /{proxy+}", json!({"authorizer": "main"}));
    let (_gateway, client) = start(setup).await;
    let bearer = format!("Bearer {}", key.token(&claims(Value::Null)));
    for (path, token, status) in [
        ("/prod/open", Some(&bearer), 200),
        ("/prod/closed", Some(&bearer), 403),
        ("/prod/open", None, 401),
        // Who calls is found out first.
        ("/prod/closed", None, 401),
    ] {
        let headers: Vec<_> = token
            .map(|token| ("authorization", token.as_str()))
            .into_iter()
            .collect();
        let answer = client.send(with(get(path), &headers)).await;
        assert_eq!(answer.status, status, "{path} {}", token.is_some());
        if status == 401 {
            assert_eq!(answer.text(), r#"{"message":"Unauthorized"}"#);
            assert_eq!(answer.header("x-amzn-errortype"), "UnauthorizedException");
        }
    }
}

#[tokio::test]
async fn a_policy_that_changes_is_in_force_with_the_reload() {
    let upstream = Upstream::echo().await;
    let (mut gateway, client) = start(setup(&upstream, json!([allow("execute-api:/*")]))).await;
    assert_eq!(client.get("/prod/x").await.status, 200);
    let denied = json!({"Statement": [allow("execute-api:/*"), deny("execute-api:/prod/GET/x")]});
    drop(gateway.setup().file("policy.json", &denied.to_string()));
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(client.get("/prod/x").await.status, 403);
    assert_eq!(client.get("/prod/y").await.status, 200);
    // One that cannot be understood changes nothing.
    let broken = r#"{"Statement": [{"Effect": "Alow"}]}"#;
    drop(gateway.setup().file("policy.json", broken));
    let answer = gateway.reload().await;
    let complaint = answer.to_string();
    assert!(complaint.contains("policy.json:1:"), "{complaint}");
    assert_eq!(client.get("/prod/x").await.status, 403);
}
