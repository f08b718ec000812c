//! The policies of the guide's page of examples, with other names.

use super::*;

#[track_caller]
fn check(policy: &Policy, caller: Caller<'_>, facts: &Facts, expected: Decision) {
    assert_eq!(
        decide(policy, METHOD, caller, facts),
        expected,
        "{caller:?} {facts:?}"
    );
}

fn from(source: &str) -> Facts {
    Facts::default().with("aws:SourceIp", address(source))
}

#[test]
fn only_some_ranges_are_allowed() {
    let policy = policy(&document(&json!(statement(
        "Allow",
        &json!({"Condition": {"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "2001:db8::/32"]}}})
    ))));
    check(
        &policy,
        Caller::Anonymous,
        &from("192.0.2.80"),
        Decision::Allow,
    );
    check(
        &policy,
        Caller::Anonymous,
        &from("2001:db8::80"),
        Decision::Allow,
    );
    check(
        &policy,
        Caller::Anonymous,
        &from("198.51.100.1"),
        Decision::ImplicitDeny,
    );
}

#[test]
fn some_ranges_are_denied() {
    let policy = policy(&document(&json!([
        statement("Allow", &json!({})),
        statement(
            "Deny",
            &json!({"Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}})
        ),
    ])));
    check(
        &policy,
        Caller::Anonymous,
        &from("192.0.2.80"),
        Decision::ExplicitDeny,
    );
    check(
        &policy,
        Caller::Anonymous,
        &from("198.51.100.1"),
        Decision::Allow,
    );
    assert_eq!(offloads(&policy, &scope()).len(), 1);
}

#[test]
fn all_but_some_ranges_are_denied() {
    let policy = policy(&document(&json!([
        statement("Allow", &json!({})),
        statement(
            "Deny",
            &json!({"Condition": {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}})
        ),
    ])));
    check(
        &policy,
        Caller::Anonymous,
        &from("192.0.2.80"),
        Decision::Allow,
    );
    check(
        &policy,
        Caller::Anonymous,
        &from("198.51.100.1"),
        Decision::ExplicitDeny,
    );
    check(
        &policy,
        Caller::Anonymous,
        &Facts::default(),
        Decision::ExplicitDeny,
    );
    assert_eq!(offloads(&policy, &scope()), []);
}

#[test]
fn everybody_comes_through_one_vpc_endpoint() {
    let condition = json!({"StringNotEquals": {"aws:SourceVpce": "vpce-0a1b2c3d"}});
    let policy = policy(&document(&json!([
        statement("Deny", &json!({"Condition": condition})),
        statement("Allow", &json!({})),
    ])));
    let through = |endpoint| Facts::default().with("aws:SourceVpce", one(endpoint));
    check(
        &policy,
        Caller::Anonymous,
        &through("vpce-0a1b2c3d"),
        Decision::Allow,
    );
    check(
        &policy,
        Caller::Anonymous,
        &through("vpce-99999999"),
        Decision::ExplicitDeny,
    );
    check(
        &policy,
        Caller::Anonymous,
        &Facts::default(),
        Decision::ExplicitDeny,
    );
}

#[test]
fn one_account_and_one_role_are_allowed() {
    let policy = policy(&document(&json!(statement(
        "Allow",
        &json!({"Principal": {"AWS": [
            "444455556666",
            "arn:aws:iam::111122223333:role/reader",
        ]}, "Resource": "execute-api:/prod/GET/pets/*"})
    ))));
    let known = |account, arn| {
        Caller::Known(Identity {
            account,
            arn,
            session: None,
        })
    };
    let none = Facts::default();
    let bob = known("444455556666", "arn:aws:iam::444455556666:user/bob");
    check(&policy, bob, &none, Decision::Allow);
    let reader = known("111122223333", "arn:aws:iam::111122223333:role/reader");
    check(&policy, reader, &none, Decision::Allow);
    check(&policy, USER, &none, Decision::ImplicitDeny);
    check(&policy, Caller::Anonymous, &none, Decision::ImplicitDeny);
}

#[test]
fn callers_need_tls_and_office_hours() {
    let policy = policy(&document(&json!([
        statement(
            "Allow",
            &json!({"Condition": {
                "DateGreaterThanEquals": {"aws:CurrentTime": "2026-01-31T08:00:00Z"},
                "DateLessThan": {"aws:CurrentTime": "2026-01-31T18:00:00Z"},
            }})
        ),
        statement(
            "Deny",
            &json!({"Condition": {"Bool": {"aws:SecureTransport": "false"}}})
        ),
    ])));
    let at = |time: &str, tls| {
        Facts::default()
            .with(
                "aws:CurrentTime",
                Found::One(Value::Time(time.parse().unwrap())),
            )
            .with("aws:SecureTransport", Found::One(Value::Flag(tls)))
    };
    check(
        &policy,
        USER,
        &at("2026-01-31T08:00:00Z", true),
        Decision::Allow,
    );
    check(
        &policy,
        USER,
        &at("2026-01-31T18:00:00Z", true),
        Decision::ImplicitDeny,
    );
    check(
        &policy,
        USER,
        &at("2026-01-31T09:00:00Z", false),
        Decision::ExplicitDeny,
    );
}
