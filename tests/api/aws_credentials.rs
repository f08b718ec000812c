//! What calls of AWS are signed with.

use std::sync::Arc;

use bytes::Bytes;
use gateway::aws::CallError;
use gateway::aws::credentials::{Environment, NoCredentials, Provider, Source, TIMEOUT};
use gateway::aws::invoke::{self, Failure};
use gateway::clock::Clock;
use gateway::model::{AwsService, CredentialSource, FunctionName};
use gateway_tests::aws::{Caller, plan};
use gateway_tests::gateway::Gateway;
use gateway_tests::lambda::Lambda;
use gateway_tests::metadata::{CONTAINER_TOKEN, Metadata};
use gateway_tests::metrics::Metrics;
use gateway_tests::setup::Setup;
use gateway_tests::upstream::{Upstream, reply};
use gateway_tests::wait::until;
use http::StatusCode;
use serde_json::json;
use tokio::task::LocalSet;

/// What provides the credentials that these variables lead to.
fn provider(source: &CredentialSource, variables: &[(&'static str, &str)]) -> Arc<Provider> {
    let source = Source::find(source, &Environment::of(variables)).unwrap();
    let plan = source.url().map(|url| plan(&url.origin));
    Arc::new(Provider::new(source, plan, Clock::system()))
}

/// Calls a function that there is not, which is signed like any other.
async fn call(caller: &Caller) -> Result<StatusCode, Failure> {
    let function = FunctionName::parse("nobody").unwrap();
    let event = Bytes::from_static(b"{}");
    let answer = invoke::invoke(&caller.client, &function, event, caller.calling()).await?;
    Ok(answer.status())
}

/// The ids of the keys that signed, each once, in their order.
fn keys(lambda: &Lambda) -> Vec<String> {
    let asked = lambda.asked();
    let mut keys: Vec<String> = asked
        .iter()
        .map(|request| {
            let claim = request.headers["authorization"].to_str().unwrap();
            let (_, key) = claim.split_once("Credential=").unwrap();
            assert_eq!(request.headers["x-amz-security-token"], "token");
            key.split('/').next().unwrap().to_owned()
        })
        .collect();
    keys.dedup();
    keys
}

#[tokio::test]
async fn keys_are_renewed_before_their_end_and_the_last_ones_sign_until_theirs() {
    let (metadata, lambda) = (Metadata::start().await, Lambda::start().await);
    metadata.give("AKIDONE", 4);
    let variables = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*metadata.url())];
    let provider = provider(&CredentialSource::InstanceMetadata, &variables);
    let caller = Caller::new(AwsService::Lambda, &lambda.url(), &provider);
    let tasks = LocalSet::new();
    tasks.spawn_local(Arc::clone(&provider).refresh());
    let test = async {
        provider.first_answer().await;
        metadata.give("AKIDTWO", 4);
        until("the second key", || async {
            let called = call(&caller).await;
            assert!(matches!(called, Ok(StatusCode::NOT_FOUND)), "{called:?}");
            (keys(&lambda).len() == 2).then_some(())
        })
        .await;
        metadata.go_down();
        until("the end of the second key", || async {
            match call(&caller).await {
                Ok(StatusCode::NOT_FOUND) => None,
                Err(Failure::Call(CallError::Credentials(NoCredentials::Ended))) => Some(()),
                other => panic!("{other:?}"),
            }
        })
        .await;
        assert_eq!(keys(&lambda), ["AKIDONE", "AKIDTWO"]);
        assert!(provider.failures() > 0);
    };
    tasks.run_until(test).await;
    let asked = metadata.asked();
    let first: Vec<&str> = asked.iter().take(3).map(String::as_str).collect();
    let expected = [
        "PUT /latest/api/token",
        "GET /latest/meta-data/iam/security-credentials/",
        "GET /latest/meta-data/iam/security-credentials/worker",
    ];
    assert_eq!(first, expected);
}

#[tokio::test]
async fn a_container_shows_its_token() {
    let (metadata, lambda) = (Metadata::start().await, Lambda::start().await);
    metadata.give("AKIDCONTAINER", 3600);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, format!("{CONTAINER_TOKEN}\n")).unwrap();
    let (url, file) = (metadata.container_url(), file.to_str().unwrap());
    for (variable, value, key) in [
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file, true),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", CONTAINER_TOKEN, true),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "another", false),
    ] {
        let variables = [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*url),
            (variable, value),
        ];
        let provider = provider(&CredentialSource::Auto, &variables);
        let caller = Caller::new(AwsService::Lambda, &lambda.url(), &provider);
        let tasks = LocalSet::new();
        tasks.spawn_local(Arc::clone(&provider).refresh());
        tasks.run_until(provider.first_answer()).await;
        let called = tasks.run_until(call(&caller)).await;
        if key {
            assert!(matches!(called, Ok(StatusCode::NOT_FOUND)), "{called:?}");
        } else {
            let none = CallError::Credentials(NoCredentials::NotYet);
            assert_eq!(
                called.unwrap_err().to_string(),
                Failure::Call(none).to_string()
            );
        }
    }
    assert_eq!(keys(&lambda), ["AKIDCONTAINER"]);
}

#[tokio::test]
async fn an_instance_that_answers_oddly_has_no_credentials() {
    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    let elsewhere = Metadata::start().await;
    elsewhere.give("AKIDELSEWHERE", 3600);
    let redirect = elsewhere.url();
    for odd in [
        "token",
        "token-text",
        "roles",
        "role",
        "document",
        "size",
        "redirect",
        "ended",
    ] {
        let target = redirect.clone();
        let server = Upstream::http(move |request| {
            let path = request.uri().path().to_owned();
            let target = format!("{target}{path}");
            async move {
                let answer = match path.as_str() {
                    "/latest/api/token" if odd == "token" => reply(403, "no"),
                    "/latest/api/token" if odd == "token-text" => reply(200, "a\nb"),
                    "/latest/api/token" => reply(200, "session"),
                    ROLES if odd == "roles" => reply(404, ""),
                    ROLES if odd == "role" => reply(200, "../../user-data"),
                    ROLES => reply(200, "role"),
                    _ if odd == "size" => reply(200, " ".repeat(65 * 1024)),
                    _ if odd == "document" => reply(200, "{}"),
                    _ => reply(
                        200,
                        json!({"AccessKeyId": "AKIDENDED", "SecretAccessKey": "s",
                        "Token": "t", "Expiration": "2020-01-02T03:04:05Z"})
                        .to_string(),
                    ),
                };
                if odd != "redirect" {
                    return answer;
                }
                let mut answer = reply(307, "");
                answer
                    .headers_mut()
                    .insert("location", target.parse().unwrap());
                answer
            }
        });
        let server = server.await;
        let url = format!("http://{}", server.address);
        let variables = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*url)];
        let provider = provider(&CredentialSource::InstanceMetadata, &variables);
        let tasks = LocalSet::new();
        tasks.spawn_local(Arc::clone(&provider).refresh());
        tasks.run_until(provider.first_answer()).await;
        assert_eq!(provider.current(0), Err(NoCredentials::NotYet), "{odd}");
        assert_eq!((provider.questions(), provider.failures()), (1, 1), "{odd}");
    }
    assert_eq!(elsewhere.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let server = Upstream::raw(|stream| async move {
        // Held open until the client has left.
        let mut bytes = Vec::new();
        let mut stream = stream;
        drop(tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut bytes).await);
    });
    let server = server.await;
    let url = format!("http://{}", server.address);
    let variables = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", &*url)];
    let provider = provider(&CredentialSource::InstanceMetadata, &variables);
    let tasks = LocalSet::new();
    tasks.spawn_local(Arc::clone(&provider).refresh());
    let start = tokio::time::Instant::now();
    tasks.run_until(provider.first_answer()).await;
    assert!(start.elapsed() >= TIMEOUT);
    assert_eq!(provider.failures(), 1);
}

#[tokio::test]
async fn a_gateway_asks_before_it_is_ready_and_again_before_the_end() {
    let metadata = Metadata::start().await;
    metadata.give("AKIDONE", 6);
    let setup = Setup::saying("hello")
        .set(&["aws"], json!({"region": "eu-west-1"}))
        .environment("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.url())
        .environment("HOME", "/nonexistent");
    let gateway = Gateway::start(setup).await;
    assert_eq!(metadata.asked().len(), 3);
    until("the next question", || async {
        (metadata.asked().len() >= 6).then_some(())
    })
    .await;
    metadata.go_down();
    let warned = gateway.errors.find("a failed question", |line| {
        line.contains("credentials of AWS not renewed")
            .then(|| line.to_owned())
    });
    let warned = warned.await;
    assert!(warned.contains("usable=true"), "{warned}");
    let failed = r#"gateway_aws_credential_fetches_total{outcome="failed"}"#;
    let is_counted = |metrics: &Metrics| metrics.get(failed) >= 1.0;
    gateway.metrics_when("the failure", is_counted).await;
    // A reload from which they come as before asks nothing.
    let reloaded = gateway.reload().await;
    assert_eq!(reloaded["answer"], "done", "{reloaded}");
}

#[tokio::test]
async fn credentials_that_are_set_up_wrongly_keep_it_from_starting() {
    let setup = Setup::saying("hello").set(
        &["aws"],
        json!({"region": "eu-west-1", "credentials": {"source": "environment"}}),
    );
    let setup = setup
        .environment("AWS_ACCESS_KEY_ID", "AKIDONE")
        .environment("AWS_SECRET_ACCESS_KEY", "");
    let mut gateway = Gateway::spawn(setup);
    let said = gateway.errors.find("the refusal", |line| {
        line.contains("aws.credentials").then(|| line.to_owned())
    });
    let said = said.await;
    assert!(
        said.contains("`AWS_SECRET_ACCESS_KEY` is not set"),
        "{said}"
    );
    assert!(!gateway.ended().await.success());
}
