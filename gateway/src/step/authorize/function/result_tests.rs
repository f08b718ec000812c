use serde_json::json;

use super::*;
use Expected::{Policy as OfPolicy, PolicyAndAnything, Simple};

const ARN: &str = "arn:aws:execute-api:eu-west-1:111122223333:a1b2c3/prod/GET/pets/*";

fn returned(changes: &Value) -> Value {
    let mut result = json!({
        "principalId": "user-7",
        "policyDocument": {"Version": "2012-10-17", "Statement": [
            {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": [ARN]}
        ]},
        "context": {"tenant": "t1", "level": 3, "beta": true},
        "usageIdentifierKey": "key-1",
    });
    for (name, value) in changes.as_object().unwrap() {
        if value == "absent" {
            result.as_object_mut().unwrap().remove(name);
        } else {
            result[name] = value.clone();
        }
    }
    result
}

fn read_value(value: &Value, expected: Expected) -> Result<FunctionCaller, Wrong> {
    read(value.to_string().as_bytes(), expected, false)
}

#[test]
fn a_policy_with_what_belongs_to_it_is_read() {
    let caller = read_value(&returned(&json!({})), OfPolicy).unwrap();
    assert_eq!(caller.principal.as_deref(), Some("user-7"));
    assert_eq!(caller.usage_key.as_deref(), Some("key-1"));
    assert_eq!(caller.property("level").as_deref(), Some("3"));
    assert_eq!(caller.policies().unwrap().len(), 1);
    let without = json!({"context": "absent", "usageIdentifierKey": null, "more": [1]});
    let caller = read_value(&returned(&without), OfPolicy).unwrap();
    assert!(caller.context.is_empty() && caller.usage_key.is_none());
}

#[test]
fn a_policy_without_version_is_of_the_newer_one() {
    let document = json!({"Statement": {
        "Action": "*", "Effect": "Allow", "Resource": "arn:aws:execute-api:*:*:*/${aws:nothing}"
    }});
    // Only the newer version has variables, which this is none of.
    let result = read_value(&returned(&json!({"policyDocument": document})), OfPolicy);
    assert!(matches!(result, Err(Wrong::Policy(_))), "{result:?}");
}

#[test]
fn what_is_not_of_its_form_authorizes_nobody() {
    let allow = |resource: &str| json!({"Statement": [{"Action": "*", "Effect": "Allow", "Resource": resource}]});
    let long = format!(
        "arn:aws:execute-api:eu-west-1:111122223333:a/{}",
        "x".repeat(512)
    );
    for (changes, expected) in [
        (
            json!({"principalId": "absent"}),
            "`principalId` of what it returned is not text",
        ),
        (
            json!({"principalId": 7}),
            "`principalId` of what it returned is not text",
        ),
        (
            json!({"policyDocument": "absent"}),
            "`policyDocument` of what it returned is not an object",
        ),
        (
            json!({"policyDocument": "{}"}),
            "`policyDocument` of what it returned is not an object",
        ),
        (
            json!({"policyDocument": {}}),
            "its `policyDocument` is none: ",
        ),
        (
            json!({"policyDocument": {"Version": "2020-01-01", "Statement": []}}),
            "its `policyDocument` is none: ",
        ),
        (
            json!({"policyDocument": allow("GET/pets")}),
            "its `policyDocument` is none: ",
        ),
        (
            json!({"policyDocument": allow(&long)}),
            "a resource of more than 512 characters",
        ),
        (
            json!({"context": ["a"]}),
            "`context` of what it returned is not an object",
        ),
        (
            json!({"context": {"a": {}}}),
            "the entry `a` of its `context` is neither",
        ),
        (
            json!({"context": {"a": null}}),
            "the entry `a` of its `context` is neither",
        ),
        (json!({"context": {"claims": "x"}}), "an entry `claims`"),
        (
            json!({"usageIdentifierKey": 7}),
            "`usageIdentifierKey` of what it returned is not text",
        ),
    ] {
        let error = read_value(&returned(&changes), OfPolicy)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{changes}: {error}");
    }
}

#[test]
fn what_is_no_object_authorizes_nobody() {
    for (bytes, expected) in [
        ("", "is no JSON"),
        ("null", "is no object"),
        ("[]", "is no object"),
        (r#""allow""#, "is no object"),
        ("{", "is no JSON"),
    ] {
        let error = read(bytes.as_bytes(), OfPolicy, false)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{bytes}: {error}");
    }
}

#[test]
fn the_newer_form_hands_on_any_context() {
    let changes = json!({"context": {"a": {"b": [1]}, "claims": {"sub": "x"}}});
    let caller = read_value(&returned(&changes), PolicyAndAnything).unwrap();
    assert_eq!(caller.property("a").as_deref(), Some(r#"{"b":[1]}"#));
}

#[test]
fn simple_responses_are_yes_or_no() {
    for answer in [true, false] {
        let result = json!({"isAuthorized": answer, "context": {"a": [1]}});
        let caller = read_value(&result, Simple).unwrap();
        assert!(matches!(caller.says, Said::Simply(said) if said == answer));
        assert_eq!(caller.property("a").as_deref(), Some("[1]"));
    }
    for result in [
        json!({}),
        json!({"isAuthorized": "true"}),
        json!({"isAuthorized": 1}),
        returned(&json!({})),
    ] {
        assert!(read_value(&result, Simple).is_err(), "{result}");
    }
    let both = returned(&json!({"isAuthorized": true, "policyDocument": "absent"}));
    assert!(read_value(&both, OfPolicy).is_err());
}

#[test]
fn errors_of_functions_are_told_from_results() {
    let thrown = json!({"errorMessage": "Unauthorized", "errorType": "Error", "trace": []});
    assert_eq!(
        read_value(&thrown, OfPolicy).unwrap_err(),
        Wrong::Unauthorized
    );
    let said = thrown.to_string();
    assert_eq!(
        read(said.as_bytes(), OfPolicy, true).unwrap_err(),
        Wrong::Unauthorized
    );
    for (message, kind, expected) in [
        ("unauthorized", "Error", "the function failed with `Error`"),
        (
            "Unauthorized ",
            "KeyError",
            "the function failed with `KeyError`",
        ),
        ("token abc is bad", "no name", "the function failed"),
    ] {
        let thrown = json!({"errorMessage": message, "errorType": kind});
        assert_eq!(
            read_value(&thrown, Simple).unwrap_err().to_string(),
            expected
        );
    }
    // Whoever ran it knows that it failed, whatever it left behind.
    for bytes in ["", "null", &returned(&json!({})).to_string()] {
        assert_eq!(
            read(bytes.as_bytes(), OfPolicy, true).unwrap_err(),
            Wrong::Failed(None),
            "{bytes}"
        );
    }
}
