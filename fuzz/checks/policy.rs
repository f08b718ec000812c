//! Any policy: it is refused with reasons, or it judges; and one `Deny` more wins.

use gateway::language::policy::{
    ApiScope, Arn, Caller, Context, Decision, Form, Found, Key, Policy, PolicyError, Request,
    Value, evaluate,
};
use serde_json::json;

const METHOD: &str = "arn:aws:execute-api:us-east-1:111122223333:a1b2c3d4e5/prod/GET/pets/7";

/// A request that has a few keys and lacks the others.
#[derive(Debug)]
struct Facts;

impl Context for Facts {
    fn find(&self, key: &Key) -> Found<'_> {
        let text = |text: &'static str| Found::One(Value::Text(text.into()));
        match key.to_string().to_ascii_lowercase().as_str() {
            "aws:sourceip" => Found::One(Value::Address([192, 0, 2, 7].into())),
            "aws:useragent" => text("agent/1"),
            "aws:referer" => text("https://a.example/?x=*"),
            _ => Found::Absent,
        }
    }
}

fn parse(document: &serde_json::Value) -> Result<Policy, Vec<PolicyError>> {
    let scope = ApiScope {
        partition: "aws".to_owned(),
        region: "us-east-1".to_owned(),
        account: "111122223333".to_owned(),
        api_id: "a1b2c3d4e5".to_owned(),
    };
    Policy::parse(document, Form::Resource(&scope))
}

/// Panics where a policy is accepted and does not judge as it has to.
pub(super) fn check(bytes: &[u8]) {
    let Ok(document) = serde_json::from_slice::<serde_json::Value>(bytes) else {
        return;
    };
    let policy = match parse(&document) {
        Ok(policy) => policy,
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors {
                assert!(!error.to_string().is_empty());
            }
            return;
        }
    };
    let request = Request {
        action: "execute-api:Invoke",
        resource: Arn::parse(METHOD).expect("it is one"),
        caller: Caller::Anonymous,
        context: &Facts,
    };
    let decision = evaluate(&policy, &request).decision;
    assert_eq!(evaluate(&policy, &request).decision, decision);
    let mut denied = document;
    let deny = json!({
        "Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "execute-api:/*",
    });
    let statements = match denied["Statement"].take() {
        serde_json::Value::Array(mut statements) => {
            statements.push(deny);
            statements
        }
        one => vec![one, deny],
    };
    denied["Statement"] = statements.into();
    let denied = parse(&denied).expect("a statement more is as good");
    assert_eq!(evaluate(&denied, &request).decision, Decision::ExplicitDeny);
}
