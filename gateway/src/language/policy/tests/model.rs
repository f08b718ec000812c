//! `evaluate` against a model that follows the sentences of the guide one by one, without sharing
//! any code with it.

use std::net::Ipv4Addr;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

#[derive(Debug, Clone)]
struct ModelStatement {
    allow: bool,
    principal: &'static str,
    resource: (bool, Vec<&'static str>),
    conditions: Vec<ModelCondition>,
}

#[derive(Debug, Clone)]
struct ModelCondition {
    quantifier: &'static str,
    base: &'static str,
    if_exists: bool,
    key: &'static str,
    values: Vec<&'static str>,
}

/// Values of a key: absent, one, or several. Every text is also an address or none.
type ModelFacts = Vec<(&'static str, Option<Vec<&'static str>>)>;

const USER_AGENT: &str = "aws:UserAgent";
const ORG_PATHS: &str = "aws:PrincipalOrgPaths";
const SOURCE: &str = "aws:SourceIp";
const TAG: &str = "aws:PrincipalTag/age";

const TEXTS: [&str; 6] = ["a", "ab", "b", "a*", "?", ""];
const TEXT_OPERATORS: [&str; 5] = [
    "StringEquals",
    "StringNotEquals",
    "StringLike",
    "StringNotLike",
    "Null",
];
const RANGES: [&str; 3] = ["10.0.0.0/16", "10.0.0.0/8", "10.1.0.1"];
const ADDRESSES: [&str; 3] = ["10.0.0.1", "10.1.0.1", "elsewhere"];
const NUMBERS: [&str; 3] = ["1", "2", "old"];

fn any_condition() -> impl Strategy<Value = ModelCondition> {
    let of =
        |key: &'static str, bases: &'static [&'static str], values: &'static [&'static str]| {
            (Just(key), select(bases), vec(select(values), 1..3))
        };
    let keyed = prop_oneof![
        of(USER_AGENT, &TEXT_OPERATORS, &TEXTS),
        of(ORG_PATHS, &TEXT_OPERATORS, &TEXTS),
        of(SOURCE, &["IpAddress", "NotIpAddress", "Null"], &RANGES),
        of(
            TAG,
            &["NumericEquals", "NumericNotEquals", "NumericLessThan"],
            &["1", "2"]
        ),
    ];
    let quantifiers = select(&["", "ForAllValues:", "ForAnyValue:"][..]);
    (keyed, quantifiers, any::<bool>()).prop_map(|((key, base, values), quantifier, if_exists)| {
        let null = base == "Null";
        let quantifier = match (null, key, quantifier) {
            (true, _, _) => "",
            // Without one it is refused.
            (false, ORG_PATHS, "") => "ForAnyValue:",
            (false, _, quantifier) => quantifier,
        };
        ModelCondition {
            quantifier,
            base,
            if_exists: if_exists && !null,
            key,
            values: if null {
                vec![["true", "false"][values.len() - 1]]
            } else {
                values
            },
        }
    })
}

fn any_statement() -> impl Strategy<Value = ModelStatement> {
    let principals = [
        "*",
        "111122223333",
        "444455556666",
        "arn:aws:iam::111122223333:user/ann",
    ];
    let resources = [
        "/*",
        "/prod/*",
        "/prod/GET/pets",
        "/*/POST/*",
        "/prod/?ET/*",
    ];
    (
        any::<bool>(),
        select(principals.to_vec()),
        any::<bool>(),
        vec(select(resources.to_vec()), 1..3),
        vec(any_condition(), 0..3),
    )
        .prop_map(
            |(allow, principal, only, resources, conditions)| ModelStatement {
                allow,
                principal,
                resource: (only, resources),
                conditions,
            },
        )
}

fn any_facts() -> impl Strategy<Value = ModelFacts> {
    let found = |key, values: &'static [&'static str]| {
        let values = prop_oneof![Just(None), vec(select(values), 0..3).prop_map(Some)];
        values.prop_map(move |values| (key, values))
    };
    (
        found(USER_AGENT, &TEXTS),
        found(ORG_PATHS, &TEXTS),
        found(SOURCE, &ADDRESSES),
        found(TAG, &NUMBERS),
    )
        .prop_map(|(a, b, c, d)| vec![a, b, c, d])
}

fn written(statement: &ModelStatement) -> Json {
    let (only, resources) = &statement.resource;
    let resources: Vec<String> = resources
        .iter()
        .map(|r| format!("execute-api:{r}"))
        .collect();
    let mut members = json!({
        "Principal": if statement.principal == "*" { json!("*") } else { json!({"AWS": statement.principal}) },
        if *only { "Resource" } else { "NotResource" }: resources,
    });
    for condition in &statement.conditions {
        let suffix = if condition.if_exists { "IfExists" } else { "" };
        let operator = format!("{}{}{suffix}", condition.quantifier, condition.base);
        members["Condition"][operator][condition.key] = json!(condition.values);
    }
    super::statement(if statement.allow { "Allow" } else { "Deny" }, &members)
}

fn held(facts: &ModelFacts) -> Facts {
    let mut held = Facts::default();
    for (key, values) in facts {
        match values.as_deref() {
            None => {}
            Some([only]) => held = held.with(key, one(only)),
            Some(several) => held = held.with(key, many(several)),
        }
    }
    held
}

/// Whether `text` is what `pattern` describes.
fn like(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', after @ ..], _) => {
            like(after, text) || (!text.is_empty() && like(pattern, &text[1..]))
        }
        ([b'?', after @ ..], [_, rest @ ..]) => like(after, rest),
        ([p, after @ ..], [t, rest @ ..]) => p == t && like(after, rest),
        _ => false,
    }
}

/// `None` is what cannot be told.
fn matches_one(base: &str, found: &str, written: &str) -> Option<bool> {
    Some(match base.replace("Not", "").as_str() {
        "StringEquals" => found == written,
        "StringLike" => like(written.as_bytes(), found.as_bytes()),
        "NumericEquals" => found.parse::<i32>().ok()? == written.parse::<i32>().unwrap(),
        "NumericLessThan" => found.parse::<i32>().ok()? < written.parse::<i32>().unwrap(),
        "IpAddress" => {
            let (network, length) = written.split_once('/').unwrap_or((written, "32"));
            let bits = |text: &str| text.parse::<Ipv4Addr>().ok().map(u32::from);
            let behind = 32 - length.parse::<u32>().unwrap();
            bits(found)? >> behind == bits(network)? >> behind
        }
        other => panic!("{other}"),
    })
}

fn holds(condition: &ModelCondition, facts: &ModelFacts) -> Option<bool> {
    let found = facts.iter().find(|(key, _)| *key == condition.key).unwrap();
    let values = found.1.clone().unwrap_or_default();
    let negated = condition.base.contains("Not");
    if condition.base == "Null" {
        return Some(values.is_empty() == (condition.values == ["true"]));
    }
    let accepts = |value: &&str| {
        let mut matched = false;
        for written in &condition.values {
            matched |= matches_one(condition.base, value, written)?;
        }
        Some(matched != negated)
    };
    let is_set = !condition.quantifier.is_empty();
    let nothing = is_set && values.iter().all(|value| value.is_empty());
    let accepted: Vec<Option<bool>> = values.iter().map(accepts).collect();
    match condition.quantifier {
        "" if values.is_empty() => Some(negated || condition.if_exists),
        "" if values.len() > 1 => None,
        "" => accepted[0],
        "ForAllValues:" if nothing => Some(true),
        "ForAllValues:" if accepted.contains(&Some(false)) => Some(false),
        "ForAllValues:" if accepted.contains(&None) => None,
        "ForAllValues:" => Some(true),
        "ForAnyValue:" if values.is_empty() && condition.if_exists => None,
        "ForAnyValue:" if nothing => Some(false),
        "ForAnyValue:" if accepted.contains(&Some(true)) => Some(true),
        "ForAnyValue:" if accepted.contains(&None) => None,
        "ForAnyValue:" => Some(false),
        other => panic!("{other}"),
    }
}

fn applies(statement: &ModelStatement, path: &str, caller: &str, facts: &ModelFacts) -> bool {
    let asked = match (statement.principal, caller) {
        ("*", _) => true,
        (_, "nobody") => false,
        (principal, "ann") => principal.contains("111122223333"),
        (principal, _) => principal == "444455556666",
    };
    let (only, resources) = &statement.resource;
    let listed = resources
        .iter()
        .any(|pattern| like(pattern.as_bytes(), path.as_bytes()));
    let conditions: Vec<Option<bool>> = statement
        .conditions
        .iter()
        .map(|condition| holds(condition, facts))
        .collect();
    let possible = asked && listed == *only && !conditions.contains(&Some(false));
    // In doubt, a `Deny` applies and an `Allow` does not.
    possible && (!statement.allow || !conditions.contains(&None))
}

/// Two conditions of one operator on one key are one condition, of which the document keeps the
/// later.
fn without_doubles(mut statement: ModelStatement) -> ModelStatement {
    let name = |c: &ModelCondition| (c.quantifier, c.base, c.if_exists, c.key);
    let all = statement.conditions.clone();
    let mut index = 0;
    statement.conditions.retain(|condition| {
        index += 1;
        !all[index..]
            .iter()
            .any(|later| name(later) == name(condition))
    });
    statement
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn evaluation_equals_a_naive_model(
        statements in vec(any_statement().prop_map(without_doubles), 1..4),
        facts in any_facts(),
        caller in select(vec!["nobody", "ann", "bob"]),
        path in select(vec!["/prod/GET/pets", "/prod/POST/pets/1", "/test/GET/"]),
    ) {
        let document = document(&statements.iter().map(written).collect());
        let known = |account, arn| Caller::Known(Identity { account, arn, session: None });
        let asks = match caller {
            "nobody" => Caller::Anonymous,
            "ann" => known("111122223333", "arn:aws:iam::111122223333:user/ann"),
            _ => known("444455556666", "arn:aws:iam::444455556666:user/bob"),
        };
        let resource = format!("arn:aws:execute-api:us-east-1:111122223333:a1b2c3d4e5{path}");
        let found = decide(&policy(&document), &resource, asks, &held(&facts));

        let apply = |allow| statements.iter()
            .filter(|statement| statement.allow == allow)
            .any(|statement| applies(statement, path, caller, &facts));
        let expected = match (apply(false), apply(true)) {
            (true, _) => Decision::ExplicitDeny,
            (false, true) => Decision::Allow,
            (false, false) => Decision::ImplicitDeny,
        };
        prop_assert_eq!(found, expected, "{}", document);
    }
}
