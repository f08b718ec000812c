use serde_json::{Value as Json, json};

use super::*;

mod conditions;
mod documents;
mod examples;
mod model;
mod statements;

pub(super) const METHOD: &str =
    "arn:aws:execute-api:us-east-1:111122223333:a1b2c3d4e5/prod/GET/pets/7";

const USER: Caller<'static> = Caller::Known(Identity {
    account: "111122223333",
    arn: "arn:aws:iam::111122223333:user/ann",
    session: None,
});

/// What a made request holds.
#[derive(Debug, Clone, Default)]
struct Facts(Vec<(Key, Found<'static>)>);

impl Facts {
    fn with(mut self, key: &str, found: Found<'static>) -> Self {
        self.0.push((key.parse().unwrap(), found));
        self
    }
}

impl Context for Facts {
    fn find(&self, key: &Key) -> Found<'_> {
        let name = key.to_string();
        let found = self
            .0
            .iter()
            .find(|(held, _)| held.to_string().eq_ignore_ascii_case(&name));
        found.map_or(Found::Absent, |(_, found)| found.clone())
    }
}

fn scope() -> ApiScope {
    ApiScope {
        partition: "aws".to_owned(),
        region: "us-east-1".to_owned(),
        account: "111122223333".to_owned(),
        api_id: "a1b2c3d4e5".to_owned(),
    }
}

fn one(text: &'static str) -> Found<'static> {
    Found::One(Value::Text(text.into()))
}

fn many(texts: &[&'static str]) -> Found<'static> {
    Found::Many(texts.iter().map(|&text| Value::Text(text.into())).collect())
}

fn address(text: &str) -> Found<'static> {
    Found::One(Value::Address(text.parse().unwrap()))
}

/// A policy of the made API.
#[track_caller]
fn policy(document: &Json) -> Policy {
    match Policy::parse(document, Form::Resource(&scope())) {
        Ok(policy) => policy,
        Err(errors) => panic!("{errors:#?}"),
    }
}

/// A statement of `effect` about everything, with members added or replaced.
fn statement(effect: &str, members: &Json) -> Json {
    let mut statement = json!({
        "Effect": effect,
        "Principal": "*",
        "Action": "execute-api:Invoke",
        "Resource": "execute-api:/*",
    });
    let written = statement.as_object_mut().unwrap();
    for (name, value) in members.as_object().unwrap() {
        written.remove(name.strip_prefix("Not").unwrap_or(name));
        written.insert(name.clone(), value.clone());
    }
    statement
}

fn document(statements: &Json) -> Json {
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn decide(policy: &Policy, resource: &str, caller: Caller<'_>, facts: &Facts) -> Decision {
    let request = Request {
        action: "execute-api:Invoke",
        resource: Arn::parse(resource).unwrap(),
        caller,
        context: facts,
    };
    evaluate(policy, &request).decision
}

/// Whether a statement's members are met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Met {
    Yes,
    No,
    /// Not enough for an `Allow`, and enough for a `Deny`.
    Doubt,
}

/// What an `Allow` and a `Deny` with `members` make of a request.
#[track_caller]
fn met(members: &Json, resource: &str, caller: Caller<'_>, facts: &Facts) -> Met {
    let one_of = |effect| {
        let policy = policy(&document(&statement(effect, members)));
        decide(&policy, resource, caller, facts)
    };
    match (one_of("Allow"), one_of("Deny")) {
        (Decision::Allow, Decision::ExplicitDeny) => Met::Yes,
        (Decision::ImplicitDeny, Decision::ImplicitDeny) => Met::No,
        (Decision::ImplicitDeny, Decision::ExplicitDeny) => Met::Doubt,
        other => panic!("{other:?}"),
    }
}
