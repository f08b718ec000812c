use super::Met::{Doubt, No, Yes};
use super::*;

#[track_caller]
fn check_resource(member: &str, written: Json, resource: &str, expected: Met) {
    let shown = format!("{member} {written} on {resource}");
    let facts = Facts::default().with("aws:username", one("ann"));
    let found = met(
        &json!({member: written}),
        resource,
        Caller::Anonymous,
        &facts,
    );
    assert_eq!(found, expected, "{shown}");
}

#[test]
fn resources_are_methods_of_the_api() {
    let check = |written: &str, expected| {
        check_resource("Resource", json!(written), METHOD, expected);
    };
    check("*", Yes);
    check("execute-api:/*", Yes);
    check("execute-api:/prod/*", Yes);
    check("execute-api:/test/*", No);
    check("execute-api:/prod/GET/pets/?", Yes);
    check("execute-api:/prod/GET/pets", No);
    check("execute-api:/prod/GET/pets/7", Yes);
    check("execute-api:/PROD/GET/pets/7", No);
    check("execute-api:/*/GET/*", Yes);
    check("execute-api:/*/pets/*", Yes);
    check(
        "arn:aws:execute-api:us-east-1:111122223333:a1b2c3d4e5/*",
        Yes,
    );
    check("arn:aws:execute-api:us-east-1:111122223333:other/*", No);
    check("arn:aws:execute-api:*:*:*", Yes);
    check("arn:aws:execute-api:eu-*:*:*", No);
    check("arn:aws:execute-api:*", Yes);
    check("arn:aws:execute-api:us-*", Yes);
    check("arn:aws:execute-api:us-east-1:1111*", Yes);
    check("arn:aws:execute-api:us-east-1:2*", No);
    check("arn:aws:*", Yes);
    check("execute-api:/prod/GET/${aws:username}/*", No);
    check("execute-api:/prod/GET/${aws:Referer}/*", Doubt);
    check("execute-api:/prod/${aws:Referer, 'GET'}/*", Yes);
}

#[test]
fn a_path_cannot_pose_as_an_account() {
    let posing = "arn:aws:execute-api:us-east-1:1:evil/s/GET/:111122223333:a1b2c3d4e5/prod";
    let pattern = json!("arn:aws:execute-api:*:111122223333:a1b2c3d4e5/*");
    check_resource("Resource", pattern, posing, No);
    let colons = METHOD.to_owned() + ":1:2";
    check_resource(
        "Resource",
        json!("execute-api:/prod/GET/pets/7:*:2"),
        &colons,
        Yes,
    );
}

#[test]
fn other_resources_and_actions_are_meant_by_not() {
    let check = |written, expected| check_resource("NotResource", written, METHOD, expected);
    check(json!("execute-api:/prod/*"), No);
    check(json!(["execute-api:/test/*", "execute-api:/dev/*"]), Yes);
    check(json!(["execute-api:/test/*", "execute-api:/prod/*"]), No);
    check(json!("execute-api:/prod/${aws:Referer}/*"), Doubt);
    check_resource("NotAction", json!("execute-api:Inv*"), METHOD, No);
    check_resource(
        "NotAction",
        json!(["s3:*", "execute-api:InvalidateCache"]),
        METHOD,
        Yes,
    );
    check_resource("Action", json!("execute-api:InvalidateCache"), METHOD, No);
    check_resource(
        "Action",
        json!(["execute-api:InvalidateCache", "*"]),
        METHOD,
        Yes,
    );
}

const ROLE: Caller<'static> = Caller::Known(Identity {
    account: "111122223333",
    arn: "arn:aws:iam::111122223333:role/ops/deploy",
    session: Some("arn:aws:sts::111122223333:assumed-role/deploy/night"),
});

const STRANGER: Caller<'static> = Caller::Known(Identity {
    account: "444455556666",
    arn: "arn:aws:iam::444455556666:user/bob",
    session: None,
});

#[test]
fn principals_are_everybody_accounts_and_names() {
    let check = |principal: Json, caller, expected| {
        let members = json!({"Principal": principal});
        let found = met(&members, METHOD, caller, &Facts::default());
        assert_eq!(found, expected, "{principal} {caller:?}");
    };
    for everybody in [
        json!("*"),
        json!({"AWS": "*"}),
        json!({"AWS": ["444455556666", "*"]}),
    ] {
        for caller in [Caller::Anonymous, USER, ROLE, STRANGER] {
            check(everybody.clone(), caller, Yes);
        }
    }
    for account in ["111122223333", "arn:aws:iam::111122223333:root"] {
        let account = json!({"AWS": account});
        check(account.clone(), USER, Yes);
        check(account.clone(), ROLE, Yes);
        check(account.clone(), STRANGER, No);
        check(account, Caller::Anonymous, No);
    }
    let user = json!({"AWS": ["arn:aws:iam::111122223333:user/ann"]});
    check(user.clone(), USER, Yes);
    check(user.clone(), ROLE, No);
    check(user, Caller::Anonymous, No);
    check(
        json!({"AWS": "arn:aws:iam::111122223333:role/ops/deploy"}),
        ROLE,
        Yes,
    );
    let session = json!({"AWS": "arn:aws:sts::111122223333:assumed-role/deploy/night"});
    check(session, ROLE, Yes);
    let session = json!({"AWS": "arn:aws:sts::111122223333:assumed-role/deploy/day"});
    check(session, ROLE, No);
    for foreign in [
        json!({"Service": "apigateway.amazonaws.com"}),
        json!({"Federated": "accounts.example.com"}),
        json!({"CanonicalUser": "79a59df900b949e5"}),
        json!({"Service": "*"}),
    ] {
        for caller in [Caller::Anonymous, USER, ROLE] {
            check(foreign.clone(), caller, No);
        }
    }
}

#[test]
fn not_principal_denies_all_who_are_not_listed_by_every_name() {
    let check = |listed: &[&str], caller, expected| {
        let members = json!({"NotPrincipal": {"AWS": listed}});
        let policy = policy(&document(&statement("Deny", &members)));
        let found = decide(&policy, METHOD, caller, &Facts::default());
        assert_eq!(found, expected, "{listed:?} {caller:?}");
    };
    const ACCOUNT: &str = "arn:aws:iam::111122223333:root";
    const ANN: &str = "arn:aws:iam::111122223333:user/ann";
    const DEPLOY: &str = "arn:aws:iam::111122223333:role/ops/deploy";
    const NIGHT: &str = "arn:aws:sts::111122223333:assumed-role/deploy/night";
    let (denied, spared) = (Decision::ExplicitDeny, Decision::ImplicitDeny);
    check(&[ACCOUNT, ANN], USER, spared);
    check(&["111122223333", ANN], USER, spared);
    check(&[ANN], USER, denied);
    check(&[ACCOUNT], USER, denied);
    check(&[ACCOUNT, ANN], ROLE, denied);
    check(&[ACCOUNT, ANN], STRANGER, denied);
    check(&[ACCOUNT, ANN], Caller::Anonymous, denied);
    check(&[ACCOUNT, DEPLOY, NIGHT], ROLE, spared);
    check(&[ACCOUNT, DEPLOY], ROLE, denied);
    let root = Caller::Known(Identity {
        account: "111122223333",
        arn: ACCOUNT,
        session: None,
    });
    check(&[ACCOUNT], root, spared);
}

#[test]
fn one_deny_wins_in_any_order() {
    let allow = statement("Allow", &json!({}));
    let deny = statement("Deny", &json!({}));
    let other = statement("Deny", &json!({"Resource": "execute-api:/test/*"}));
    let check = |statements: Json, expected| {
        let policy = policy(&document(&statements));
        let found = decide(&policy, METHOD, Caller::Anonymous, &Facts::default());
        assert_eq!(found, expected);
    };
    check(json!([allow, deny]), Decision::ExplicitDeny);
    check(json!([deny, allow]), Decision::ExplicitDeny);
    check(json!([other, allow]), Decision::Allow);
    check(json!([other]), Decision::ImplicitDeny);
}

#[test]
fn policies_of_one_caller_add_up() {
    use Decision::{Allow, ExplicitDeny, ImplicitDeny};
    for (one, other, both) in [
        (Allow, Allow, Allow),
        (Allow, ImplicitDeny, Allow),
        (Allow, ExplicitDeny, ExplicitDeny),
        (ImplicitDeny, ImplicitDeny, ImplicitDeny),
        (ImplicitDeny, ExplicitDeny, ExplicitDeny),
        (ExplicitDeny, ExplicitDeny, ExplicitDeny),
    ] {
        assert_eq!(one.and(other), both);
        assert_eq!(other.and(one), both);
    }
}

#[test]
fn a_policy_of_the_caller_needs_no_principal() {
    let document = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow",
        "Action": ["execute-api:Invoke", "s3:GetObject"],
        "Resource": "arn:aws:execute-api:*:*:*/prod/GET/*",
    }});
    let policy = Policy::parse(&document, Form::Identity).unwrap();
    for caller in [Caller::Anonymous, USER] {
        let found = decide(&policy, METHOD, caller, &Facts::default());
        assert_eq!(found, Decision::Allow);
    }
}

#[test]
fn whole_ranges_may_be_denied_in_the_kernel() {
    let check = |members: Json, expected: Option<&[&str]>| {
        let document = document(&json!([
            statement("Allow", &json!({})),
            statement("Deny", &members),
        ]));
        let policy = policy(&document);
        let found = offloads(&policy, &scope());
        let sources = found.first().map(|offload| {
            assert_eq!(offload.statement, 1);
            let shown = offload.sources.iter().map(ToString::to_string);
            shown.collect::<Vec<_>>()
        });
        let sources = sources
            .as_ref()
            .map(|s| s.iter().map(String::as_str).collect());
        assert_eq!(sources, expected.map(<[&str]>::to_vec), "{members}");
    };
    let ranges = json!({"IpAddress": {"aws:sourceip": ["192.0.2.0/24", "2001:db8::1"]}});
    let sources = Some(["192.0.2.0/24", "2001:db8::1/128"].as_slice());
    for resource in [
        "*",
        "execute-api:/*",
        "arn:aws:execute-api:us-east-1:111122223333:a1b2c3d4e5/*",
        "arn:aws:execute-api:us-east-1:111122223333:a1b2c3d4e5*",
        "arn:aws:execute-api:*:*:*",
        "arn:aws:execute-api:*",
    ] {
        let members = json!({"Condition": ranges, "Resource": ["execute-api:/x/*", resource]});
        check(members, sources);
    }
    for resource in [
        "execute-api:/prod/*",
        "execute-api:/*/*",
        "execute-api:/*${aws:username, ''}",
        "arn:aws:execute-api:${aws:username, 'us-east-1'}:*:*",
        "arn:aws:execute-api:us-east-1:111122223333:other/*",
        "arn:aws:execute-api:eu-west-1:*:*",
    ] {
        check(json!({"Condition": ranges, "Resource": resource}), None);
    }
    check(json!({"Condition": ranges, "Action": "*"}), sources);
    check(
        json!({"Condition": ranges, "Action": "execute-api:InvalidateCache"}),
        None,
    );
    check(json!({"Condition": ranges, "NotAction": "s3:*"}), None);
    check(
        json!({"Condition": ranges, "NotResource": "execute-api:/x"}),
        None,
    );
    check(
        json!({"Condition": ranges, "Principal": {"AWS": "*"}}),
        sources,
    );
    check(
        json!({"Condition": ranges, "Principal": {"AWS": "111122223333"}}),
        None,
    );
    check(json!({"Condition": ranges, "Effect": "Allow"}), None);
    check(json!({}), None);
    for operator in [
        "NotIpAddress",
        "IpAddressIfExists",
        "ForAnyValue:IpAddress",
        "ForAllValues:IpAddress",
    ] {
        let condition = json!({operator: {"aws:SourceIp": "192.0.2.0/24"}});
        check(json!({"Condition": condition}), None);
    }
    let vpc = json!({"IpAddress": {"aws:VpcSourceIp": "192.0.2.0/24"}});
    check(json!({"Condition": vpc}), None);
    let two = json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}, "Bool": {"aws:SecureTransport": "true"}});
    check(json!({"Condition": two}), None);
}
