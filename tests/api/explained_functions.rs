//! `gateway explain METHOD URL` where a function of AWS Lambda decides.

use gateway_tests::command::{ask as command, told};
use serde_json::{Value, json};

use crate::function_authorizers::ask;
use crate::function_lambda::Site;

/// Both types of API, whose functions' results are remembered.
async fn start() -> Site {
    Site::start(|setup| {
        ["rest", "http"].into_iter().fold(setup, |setup, name| {
            setup.set(&["authorizers", name, "result_ttl"], json!("5m"))
        })
    })
    .await
}

/// What is said of the authorizer, and the reason of the refusal.
async fn explain(site: &Site, host: &str, calls: bool) -> (String, Value) {
    let order = json!({
        "do": "explain", "listener": null, "client": "127.0.0.1", "method": "GET",
        "url": format!("http://{host}/prod/a"), "headers": [["authorization", "Bearer a"]],
        "calls": calls,
    });
    let answer = site.gateway.admin(&order.to_string()).await;
    let steps = answer["steps"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer}"));
    let said = steps.iter().find(|step| step["step"] == "authorizer");
    let said = said.unwrap_or_else(|| panic!("{answer}"))["said"].as_str();
    (said.unwrap().to_owned(), answer["reason"].clone())
}

fn calls_of(site: &Site) -> usize {
    site.lambda.asked().len()
}

#[tokio::test]
async fn a_function_is_called_only_where_that_is_wanted_and_what_it_said_is_told() {
    let site = start().await;
    let mut calls = 0;
    for (host, name) in [("rest.test", "rest"), ("http.test", "http")] {
        let refused = (
            format!("refuses it: authorizer `{name}`"),
            json!("not_asked"),
        );
        let passes = format!("lets it pass: authorizer `{name}`, caller `user-7`");
        assert_eq!(explain(&site, host, false).await, refused);
        assert_eq!(calls_of(&site), calls, "nobody was asked");
        for _ in 0..2 {
            assert_eq!(
                explain(&site, host, true).await,
                (passes.clone(), Value::Null)
            );
            calls += 1;
            assert_eq!(calls_of(&site), calls);
            // What is only explained is remembered by nobody.
            assert_eq!(explain(&site, host, false).await, refused);
        }
        assert_eq!(
            ask(&site.client, host, "/prod/a", "Bearer a").await.status,
            200
        );
        calls += 1;
        for may_call in [false, true] {
            let remembered = (format!("{passes}, remembered"), Value::Null);
            assert_eq!(explain(&site, host, may_call).await, remembered);
        }
        assert_eq!(calls_of(&site), calls, "its result was at hand");
    }
    let records = site.gateway.all_records().await;
    assert_eq!(
        records.len(),
        2,
        "what nobody sent is in no log: {records:?}"
    );
}

#[tokio::test]
async fn a_function_that_says_no_or_fails_is_told() {
    let site = start().await;
    let error = |said: &str| json!({"errorType": "Exception", "errorMessage": said});
    for (said, reason) in [
        ("Unauthorized", "function_unauthorized"),
        ("the token is none of ours", "function_error"),
    ] {
        site.lambda.raising("who", &error(said));
        for (host, name) in [("rest.test", "rest"), ("http.test", "http")] {
            let refused = format!("refuses it: authorizer `{name}`");
            assert_eq!(explain(&site, host, true).await, (refused, json!(reason)));
        }
    }
    assert_eq!(calls_of(&site), 4);
}

#[tokio::test]
async fn the_command_calls_a_function_with_call_alone() {
    let site = start().await;
    let url = "http://rest.test/prod/a";
    let words = ["explain", "GET", url, "--header", "authorization: Bearer a"];
    let refused = told(&command(&site.gateway, &words).await);
    assert!(
        refused.contains("\n- authorizer   refuses it: authorizer `rest`\n")
            && refused.contains("refused with 401, not_asked"),
        "{refused}"
    );
    assert_eq!(calls_of(&site), 0);
    let words = [&words[..], &["--call"]].concat();
    let passed = told(&command(&site.gateway, &words).await);
    assert!(
        passed.contains("\n+ authorizer   lets it pass: authorizer `rest`, caller `user-7`\n")
            && passed.ends_with("\nlet in"),
        "{passed}"
    );
    assert_eq!(calls_of(&site), 1);
}
