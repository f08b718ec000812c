//! What callers who sign may do: the API's policy and their own make one decision.

use gateway_tests::client::{Answer, Client, get, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use gateway_tests::signing::{ACCOUNT, Signing, authorize, statement, user};
use gateway_tests::upstream::Upstream;
use serde_json::{Value, json};

const SECRET: &str = "a-secret";
const OTHER: &str = "444455556666";

/// A REST API `name`, by its host, with this resource policy.
fn with_api(setup: Setup, name: &str, policy: Option<Value>) -> Setup {
    let mut api = json!({
        "type": "rest", "id": name, "hosts": [format!("{name}.test")], "stages": {"prod": {}},
        "routes": {"ANY /{proxy+}": {"authorizer": "main", "integration": {"upstream": "main"}}},
    });
    if let Some(policy) = policy {
        api["policy"] = policy;
    }
    setup.set(&["apis", name], api)
}

fn policy(statement: Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statement})
}

fn resource(effect: &str, principal: Value, resource: &str) -> Value {
    let mut statement = statement(effect, resource);
    statement["Principal"] = principal;
    statement
}

async fn ask(client: &Client, api: &str, id: &str, path: &str) -> Answer {
    let asked = with(get(path), &[("host", &format!("{api}.test"))]);
    client
        .send(Signing::new(id, SECRET).header(asked, b""))
        .await
}

#[tokio::test]
async fn an_http_api_lets_in_whom_the_signers_policies_allow() {
    let upstream = Upstream::echo().await;
    let here = "arn:aws:execute-api:test-1:111122223333:abc123/$default/GET/pets";
    let keys = json!({
        "PETS": user(ACCOUNT, SECRET, &[statement("Allow", here)]),
        "NOTHING": user(ACCOUNT, SECRET, &[]),
        "DENIED": user(ACCOUNT, SECRET, &[statement("Allow", "*"), statement("Deny", here)]),
        "ELSEWHERE": user(OTHER, SECRET, &[statement("Allow", "*")]),
    });
    let setup = authorize(Setup::new(), &keys)
        .upstream("main", upstream.address)
        .set(&["apis", "main", "id"], json!("abc123"))
        .route("$default", json!({"authorizer": "main"}));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for (id, path, status) in [
        ("PETS", "/pets", 200),
        ("PETS", "/others", 403),
        ("NOTHING", "/pets", 403),
        ("DENIED", "/pets", 403),
        ("DENIED", "/others", 200),
        // Such an API has no policy that could let other accounts in.
        ("ELSEWHERE", "/pets", 403),
    ] {
        let answer = client
            .send(Signing::new(id, SECRET).header(get(path), b""))
            .await;
        assert_eq!(answer.status, status, "{id} {path}");
        if status == 403 {
            assert_eq!(answer.text(), r#"{"message":"Forbidden"}"#);
        }
    }
}

#[tokio::test]
async fn policies_name_signers_and_ask_who_they_are() {
    let upstream = Upstream::echo().await;
    let conditional = |condition: Value| {
        let mut statement = statement("Allow", "*");
        statement["Condition"] = condition;
        statement
    };
    let session = |condition: Value, session: Value| {
        let mut key = user(ACCOUNT, SECRET, &[conditional(condition)]);
        key["principal"] = json!(format!("arn:aws:sts::{ACCOUNT}:assumed-role/reader/run"));
        key["session"] = session;
        key
    };
    let token = json!({"token": "t"});
    let mut tagged = user(
        ACCOUNT,
        SECRET,
        &[statement(
            "Allow",
            "arn:aws:execute-api:*:*:*/GET/${aws:username}/*",
        )],
    );
    tagged["tags"] = json!({"Team": "pets"});
    tagged["organization"] = json!({"id": "o-1", "paths": ["o-1/r-1/ou-1/"]});
    let all = json!({
        "StringEquals": {"aws:PrincipalTag/team": "pets", "aws:PrincipalAccount": ACCOUNT,
            "aws:userid": "AIDAANN", "aws:username": "ann", "aws:PrincipalType": "User",
            "aws:PrincipalOrgID": "o-1"},
        "ArnEquals": {"aws:PrincipalArn": format!("arn:aws:iam::{ACCOUNT}:user/team/ann")},
        "ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-1/r-1/*"},
        "Null": {"aws:TokenIssueTime": "true", "aws:MultiFactorAuthPresent": "true"},
    });
    let mut known = user(ACCOUNT, SECRET, &[conditional(all)]);
    known["tags"] = tagged["tags"].clone();
    known["organization"] = tagged["organization"].clone();
    let keys = json!({
        "TAGGED": tagged,
        "KNOWN": known,
        "FRESH": session(
            json!({"DateGreaterThan": {"aws:TokenIssueTime": "2026-01-01T00:00:00Z"},
                "Bool": {"aws:MultiFactorAuthPresent": "true"},
                "NumericLessThan": {"aws:MultiFactorAuthAge": "1000000000"},
                "StringEquals": {"aws:PrincipalType": "AssumedRole"}}),
            json!({"token": "t", "issued": "2026-01-02T00:00:00Z", "mfa_at": "2026-01-02T00:00:00Z"}),
        ),
        "PLAIN": session(json!({"Bool": {"aws:MultiFactorAuthPresent": "true"}}), token.clone()),
        "NOTHING": user(ACCOUNT, SECRET, &[]),
        "ROLE": {"secret": SECRET, "session": token,
            "principal": format!("arn:aws:sts::{ACCOUNT}:assumed-role/reader/run"),
            "role": format!("arn:aws:iam::{ACCOUNT}:role/deep/reader")},
    });
    let setup = authorize(Setup::new(), &keys).upstream("main", upstream.address);
    let setup = with_api(setup, "none", None);
    let by_name = json!({"AWS": [format!("arn:aws:iam::{ACCOUNT}:role/deep/reader")]});
    let named = policy(resource("Allow", by_name, "execute-api:/*"));
    let setup = with_api(setup, "named", Some(named));
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for (api, id, path, status) in [
        ("none", "TAGGED", "/prod/ann/7", 200),
        ("none", "TAGGED", "/prod/bob/7", 403),
        ("none", "KNOWN", "/prod/x", 200),
        ("none", "FRESH", "/prod/x", 200),
        ("none", "PLAIN", "/prod/x", 403),
        ("named", "ROLE", "/prod/x", 200),
        ("named", "NOTHING", "/prod/x", 403),
    ] {
        let asked = with(get(path), &[("host", &format!("{api}.test"))]);
        let mut signing = Signing::new(id, SECRET);
        if matches!(id, "FRESH" | "PLAIN" | "ROLE") {
            signing.token = Some("t".to_owned());
        }
        let answer = client.send(signing.header(asked, b"")).await;
        assert_eq!(answer.status, status, "{id} {path}: {}", answer.text());
    }
}

#[tokio::test]
async fn variables_know_the_signer() {
    let upstream = Upstream::echo().await;
    let names = ["accountId", "caller", "user", "userArn", "principalOrgId"];
    let fields = names.map(|name| format!("\"{name}\":\"$context.identity.{name}\""));
    let format = format!("{{{},\"id\":\"$context.requestId\"}}", fields.join(","));
    let mut key = user(ACCOUNT, SECRET, &[statement("Allow", "*")]);
    key["organization"] = json!({"id": "o-1"});
    let setup = authorize(Setup::new(), &json!({"ANN": key})).upstream("main", upstream.address);
    let setup = with_api(setup, "none", None).set(
        &["apis", "none", "stages", "prod", "access_log"],
        json!({"format": format}),
    );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let answer = ask(&client, "none", "ANN", "/prod/x").await;
    let id = answer.header("x-amzn-requestid").to_owned();
    let pick = |line: &str| line.contains(&id).then(|| line.to_owned());
    let line = gateway.log.find("the line", pick).await;
    let told: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        told,
        json!({
            "accountId": ACCOUNT, "caller": "AIDAANN", "user": "AIDAANN",
            "userArn": format!("arn:aws:iam::{ACCOUNT}:user/team/ann"), "principalOrgId": "o-1",
            "id": id,
        })
    );
}
