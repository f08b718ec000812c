//! Functions of AWS Lambda that only deployments still name: how they are called is what the
//! configuration says now, and as long as a stage needs one it has to say so.

use gateway_tests::client::Client;
use gateway_tests::command::{ask as command, told};
use gateway_tests::gateway::Gateway;
use gateway_tests::lambda::Lambda;
use gateway_tests::setup::mock;
use serde_json::json;

use crate::function_authorizers::ask;
use crate::function_lambda::Site;

/// A gateway whose stage `beta` serves what it began with, whatever the file says: a function
/// whose results are remembered.
async fn start() -> Site {
    Site::start(|mut setup| {
        // All that calls AWS is the authorizer of the REST API.
        for section in ["apis", "authorizers"] {
            setup.remove(&[section, "http"]);
        }
        let held = ["apis", "rest", "stages", "beta", "auto_deploy"];
        setup
            .set(&["authorizers", "rest", "result_ttl"], json!("5m"))
            .set(&held, json!(false))
    })
    .await
}

/// The file has a function no more, and the stages that follow it ask nobody.
fn name_nobody(site: &mut Site) {
    let setup = site.gateway.setup();
    setup.remove(&["authorizers"]);
    setup.change(&["apis", "rest", "routes"], json!({"GET /a": mock("open")}));
}

async fn status_of(site: &Site, stage: &str) -> u16 {
    let path = format!("/{stage}/a");
    let answer = ask(&site.client, "rest.test", &path, "Bearer a").await;
    answer.status
}

#[tokio::test]
async fn a_reload_without_the_section_aws_is_refused_while_a_stage_calls_a_function() {
    let mut site = start().await;
    name_nobody(&mut site);
    site.reload().await;
    assert_eq!(
        (
            status_of(&site, "prod").await,
            status_of(&site, "beta").await
        ),
        (200, 200)
    );
    assert_eq!(site.lambda.asked().len(), 1, "of `beta`");

    let aws = json!({"region": "eu-west-1", "endpoints": {"lambda": site.lambda.url()}});
    site.gateway.setup().remove(&["aws"]);
    let answer = site.gateway.reload().await;
    assert_eq!(answer["answer"], "refused", "{answer}");
    let message = answer["message"].as_str().unwrap();
    for said in [
        "deployment 1 of `rest`",
        "authorizers.rest.function.lambda: this is asked of AWS, and nothing says how that is called: \
         write the section `aws` with a `region`",
        "apis.rest.stages.beta: it serves deployment 1, which this configuration does not fit: put \
         back what that needs, or have it serve another one with `gateway rollback rest --stage beta \
         --to <number>`",
    ] {
        assert!(message.contains(said), "{message}\nlacks\n{said}");
    }
    assert_eq!(
        (
            status_of(&site, "prod").await,
            status_of(&site, "beta").await
        ),
        (200, 200)
    );
    assert_eq!(
        site.lambda.asked().len(),
        1,
        "what it said stays remembered"
    );

    // Nor does one start with it.
    let mut gateway = Gateway::spawn(site.gateway.kill().await);
    let refused = |line: &str| line.contains("write the section `aws`").then_some(());
    gateway.errors.find("the refusal", refused).await;
    assert!(!gateway.ended().await.success());

    // The section leads back, and so does another deployment.
    let mut setup = std::mem::take(gateway.setup());
    setup.change(&["aws"], aws);
    site.gateway = Gateway::start(setup).await;
    site.client = Client::http1(site.gateway.address().await).await;
    assert_eq!(status_of(&site, "beta").await, 200);
    assert_eq!(site.lambda.asked().len(), 2);
    let rollback = ["rollback", "rest", "--stage", "beta", "--to", "2"];
    drop(told(&command(&site.gateway, &rollback).await));
    site.gateway.setup().remove(&["aws"]);
    site.reload().await;
    assert_eq!(
        (
            status_of(&site, "prod").await,
            status_of(&site, "beta").await
        ),
        (200, 200)
    );
    assert_eq!(site.lambda.asked().len(), 2, "nobody needs it any more");
}

#[tokio::test]
async fn a_function_of_a_deployment_is_called_where_the_configuration_says_now() {
    let mut site = start().await;
    name_nobody(&mut site);
    site.reload().await;
    for _ in 0..2 {
        assert_eq!(status_of(&site, "beta").await, 200);
    }
    assert_eq!(site.lambda.asked().len(), 1);

    // Elsewhere it is another function, of which nothing is known.
    let other = Lambda::start().await;
    other.raising(
        "who",
        &json!({"errorType": "Exception", "errorMessage": "Unauthorized"}),
    );
    let aws = json!({"region": "eu-west-3", "endpoints": {"lambda": other.url()}});
    site.gateway.setup().change(&["aws"], aws);
    site.reload().await;
    assert_eq!(status_of(&site, "beta").await, 401);
    assert_eq!((site.lambda.asked().len(), other.asked().len()), (1, 1));
    let signed = other.asked().pop().unwrap().headers;
    let signed = signed["authorization"].to_str().unwrap();
    assert!(
        signed.contains("/eu-west-3/lambda/aws4_request"),
        "{signed}"
    );
    assert_eq!(status_of(&site, "prod").await, 200, "it asks nobody");
}
