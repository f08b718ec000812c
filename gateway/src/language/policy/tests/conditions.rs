use super::Met::{Doubt, No, Yes};
use super::*;

/// One operator on one key.
#[track_caller]
fn check(operator: &str, key: &str, values: Json, found: Found<'static>, expected: Met) {
    let shown = format!("{operator} {key} {values} on {found:?}");
    let facts = Facts::default().with(key, found);
    let members = json!({"Condition": {operator: {key: values}}});
    assert_eq!(
        met(&members, METHOD, Caller::Anonymous, &facts),
        expected,
        "{shown}"
    );
}

/// One operator on a text.
#[track_caller]
fn check_text(operator: &str, values: Json, text: &'static str, expected: Met) {
    check(operator, "aws:UserAgent", values, one(text), expected);
}

#[test]
fn texts() {
    check_text("StringEquals", json!("a*"), "a*", Yes);
    check_text("StringEquals", json!("a*"), "ab", No);
    check_text("StringEquals", json!(["x", "ab"]), "ab", Yes);
    check_text("StringEquals", json!("ab"), "AB", No);
    check_text("StringNotEquals", json!(["x", "ab"]), "ab", No);
    check_text("StringNotEquals", json!(["x", "y"]), "ab", Yes);
    check_text("StringEqualsIgnoreCase", json!("aB"), "Ab", Yes);
    check_text("StringEqualsIgnoreCase", json!("a*"), "Ab", No);
    check_text("StringNotEqualsIgnoreCase", json!("aB"), "Ab", No);
    check_text("StringNotEqualsIgnoreCase", json!("aC"), "Ab", Yes);
    check_text("StringLike", json!(["x", "a?c*"]), "abcdef", Yes);
    check_text("StringLike", json!("a?c"), "ac", No);
    check_text("StringLike", json!("A*"), "abc", No);
    check_text("StringNotLike", json!(["x", "a*"]), "abc", No);
    check_text("StringNotLike", json!("b*"), "abc", Yes);
    check_text("StringEquals", json!(7), "7", Yes);
    check_text("StringEquals", json!(""), "", Yes);
}

#[test]
fn texts_of_what_is_none() {
    let flag = Found::One(Value::Flag(true));
    check(
        "StringEquals",
        "aws:SecureTransport",
        json!(true),
        flag,
        Yes,
    );
    check(
        "StringLike",
        "aws:SourceIp",
        json!("192.0.2.*"),
        address("::ffff:192.0.2.7"),
        Yes,
    );
    let time = Found::One(Value::Time(Timestamp::from_unix_seconds(1_769_862_615)));
    let date = json!("2026-01-31T12:*");
    check("StringLike", "aws:CurrentTime", date, time.clone(), Yes);
    check(
        "StringLike",
        "aws:EpochTime",
        json!("17698626??"),
        time,
        Yes,
    );
    let age = Found::One(Value::Number(300.into()));
    check(
        "StringEquals",
        "aws:MultiFactorAuthAge",
        json!("300"),
        age,
        Yes,
    );
}

#[test]
fn numbers() {
    let age = |n: i64| Found::One(Value::Number(n.into()));
    let check = |operator, values, n, expected| {
        check(operator, "aws:MultiFactorAuthAge", values, age(n), expected);
    };
    check("NumericEquals", json!(["1", 300]), 300, Yes);
    check("NumericEquals", json!(300.5), 300, No);
    check("NumericNotEquals", json!("300"), 300, No);
    check("NumericNotEquals", json!(["1", "2"]), 300, Yes);
    check("NumericLessThan", json!("300"), 299, Yes);
    check("NumericLessThan", json!("300"), 300, No);
    check("NumericLessThanEquals", json!("300"), 300, Yes);
    check("NumericLessThanEquals", json!("300"), 301, No);
    check("NumericGreaterThan", json!("300"), 301, Yes);
    check("NumericGreaterThan", json!("300"), 300, No);
    check("NumericGreaterThanEquals", json!("300"), 300, Yes);
    check("NumericGreaterThanEquals", json!("300"), 299, No);
}

#[test]
fn dates() {
    let at = "2026-01-31T12:00:00Z".parse::<Timestamp>().unwrap();
    let check = |operator, date: &str, expected| {
        let found = Found::One(Value::Time(at));
        check(operator, "aws:CurrentTime", json!(date), found, expected);
    };
    check("DateEquals", "1769860800", Yes);
    check("DateEquals", "2026-01-31T13:00:00+01:00", Yes);
    check("DateEquals", "2026-01-31", No);
    check("DateNotEquals", "2026-01-31T12:00:00Z", No);
    check("DateNotEquals", "2026-01-31", Yes);
    check("DateLessThan", "2026-02-01", Yes);
    check("DateLessThan", "2026-01-31T12:00:00Z", No);
    check("DateLessThanEquals", "2026-01-31T12:00:00Z", Yes);
    check("DateLessThanEquals", "2026-01-31", No);
    check("DateGreaterThan", "2026-01-31", Yes);
    check("DateGreaterThan", "2026-01-31T12:00:00Z", No);
    check("DateGreaterThanEquals", "2026-01-31T12:00:00Z", Yes);
    check("DateGreaterThanEquals", "2026-02-01", No);
}

#[test]
fn the_time_is_a_date_and_a_number() {
    let now = Found::One(Value::Time(Timestamp::from_unix_seconds(1_769_860_800)));
    check(
        "DateLessThan",
        "aws:EpochTime",
        json!("2026-02-01"),
        now.clone(),
        Yes,
    );
    check(
        "NumericLessThan",
        "aws:EpochTime",
        json!(1_769_860_801),
        now,
        Yes,
    );
}

#[test]
fn flags_bytes_addresses_and_names() {
    let tls = |on| Found::One(Value::Flag(on));
    check(
        "Bool",
        "aws:SecureTransport",
        json!("false"),
        tls(false),
        Yes,
    );
    check("Bool", "aws:SecureTransport", json!(true), tls(false), No);
    check(
        "Bool",
        "aws:SecureTransport",
        json!(["true", "False"]),
        tls(false),
        Yes,
    );
    check_text("BinaryEquals", json!(["AAAA", "YWJj"]), "abc", Yes);
    check_text("BinaryEquals", json!("YWJj"), "abcd", No);

    let ranges = json!(["203.0.113.0/24", "198.51.100.7", "2001:db8::/32"]);
    let source = "aws:SourceIp";
    check(
        "IpAddress",
        source,
        ranges.clone(),
        address("203.0.113.9"),
        Yes,
    );
    check(
        "IpAddress",
        source,
        ranges.clone(),
        address("198.51.100.7"),
        Yes,
    );
    check(
        "IpAddress",
        source,
        ranges.clone(),
        address("198.51.100.8"),
        No,
    );
    check(
        "IpAddress",
        source,
        ranges.clone(),
        address("2001:db8::1"),
        Yes,
    );
    check("IpAddress", source, ranges.clone(), one("203.0.113.9"), Yes);
    check(
        "NotIpAddress",
        source,
        ranges.clone(),
        address("203.0.113.9"),
        No,
    );
    check("NotIpAddress", source, ranges, address("192.0.2.1"), Yes);

    let arn = "aws:PrincipalArn";
    let roles = json!("arn:aws:iam::*:role/team-?/*");
    let role = one("arn:aws:iam::111122223333:role/team-a/x/deploy");
    for operator in ["ArnEquals", "ArnLike"] {
        check(operator, arn, roles.clone(), role.clone(), Yes);
        check(
            operator,
            arn,
            roles.clone(),
            one("arn:aws:iam::1:user/team-a/x"),
            No,
        );
        // A `*` stays within its section.
        let posing = one("arn:aws:iam::1:user/x:role/team-a/x");
        check(operator, arn, roles.clone(), posing, No);
    }
    for operator in ["ArnNotEquals", "ArnNotLike"] {
        check(operator, arn, roles.clone(), role.clone(), No);
        check(
            operator,
            arn,
            roles.clone(),
            one("arn:aws:iam::1:user/x"),
            Yes,
        );
    }
}

#[test]
fn an_absent_key_holds_for_negations_and_if_exists() {
    let rows = [
        ("String", "aws:UserAgent", json!("a")),
        ("Numeric", "aws:MultiFactorAuthAge", json!("1")),
        ("Date", "aws:TokenIssueTime", json!("2026-01-31")),
    ];
    for (family, key, value) in &rows {
        for (comparison, expected) in [("Equals", No), ("NotEquals", Yes)] {
            let operator = format!("{family}{comparison}");
            check(&operator, key, value.clone(), Found::Absent, expected);
            let lenient = format!("{operator}IfExists");
            check(&lenient, key, value.clone(), Found::Absent, Yes);
        }
    }
    for (family, key, value) in rows.iter().skip(1) {
        for order in [
            "LessThan",
            "LessThanEquals",
            "GreaterThan",
            "GreaterThanEquals",
        ] {
            let operator = format!("{family}{order}");
            check(&operator, key, value.clone(), Found::Absent, No);
            let lenient = format!("{operator}IfExists");
            check(&lenient, key, value.clone(), Found::Absent, Yes);
        }
    }
    let arn = json!("arn:aws:iam::1:user/x");
    for (operator, key, value, expected) in [
        ("StringEqualsIgnoreCase", "aws:UserAgent", json!("a"), No),
        (
            "StringNotEqualsIgnoreCase",
            "aws:UserAgent",
            json!("a"),
            Yes,
        ),
        ("StringLike", "aws:UserAgent", json!("*"), No),
        ("StringNotLike", "aws:UserAgent", json!("*"), Yes),
        ("Bool", "aws:MultiFactorAuthPresent", json!("false"), No),
        ("BinaryEquals", "aws:UserAgent", json!(""), No),
        ("IpAddress", "aws:VpcSourceIp", json!("0.0.0.0/0"), No),
        ("NotIpAddress", "aws:VpcSourceIp", json!("0.0.0.0/0"), Yes),
        ("ArnEquals", "aws:SourceArn", arn.clone(), No),
        ("ArnLike", "aws:SourceArn", arn.clone(), No),
        ("ArnNotEquals", "aws:SourceArn", arn.clone(), Yes),
        ("ArnNotLike", "aws:SourceArn", arn, Yes),
    ] {
        check(operator, key, value.clone(), Found::Absent, expected);
        let lenient = format!("{operator}IfExists");
        check(&lenient, key, value, Found::Absent, Yes);
    }
}

#[test]
fn if_exists_judges_a_key_that_is_there() {
    check_text("StringEqualsIfExists", json!("a"), "b", No);
    check_text("StringEqualsIfExists", json!("a"), "a", Yes);
    check_text("StringNotEqualsIfExists", json!("a"), "a", No);
    check_text("StringNotEqualsIfExists", json!("a"), "b", Yes);
}

#[test]
fn null_asks_whether_a_key_is_absent() {
    let key = "aws:TokenIssueTime";
    let time = Found::One(Value::Time(Timestamp::from_unix_seconds(0)));
    check("Null", key, json!("true"), Found::Absent, Yes);
    check("Null", key, json!(true), time.clone(), No);
    check("Null", key, json!("false"), Found::Absent, No);
    check("Null", key, json!("false"), time, Yes);
    check(
        "Null",
        key,
        json!("false"),
        Found::One(Value::Unreadable),
        Yes,
    );
    check("Null", key, json!("false"), Found::Many(Vec::new()), No);
    check("Null", key, json!(["true", "false"]), Found::Absent, Yes);
}

#[test]
fn sets_have_to_match_whole_or_in_part() {
    let check = |operator, values, found, expected| {
        check(operator, "aws:PrincipalOrgPaths", values, found, expected);
    };
    let all = "ForAllValues:StringEquals";
    check(all, json!(["a", "b"]), many(&["a", "b", "a"]), Yes);
    check(all, json!(["a", "b"]), many(&["a", "c"]), No);
    check(all, json!("a"), many(&[]), Yes);
    check(all, json!("a"), Found::Absent, Yes);
    check(all, json!("a"), one(""), Yes);
    check(all, json!("a"), many(&["", "a"]), No);
    check(
        "ForAllValues:StringNotLike",
        json!(["a*", "b"]),
        many(&["c", "d"]),
        Yes,
    );
    check(
        "ForAllValues:StringNotLike",
        json!(["a*", "b"]),
        many(&["c", "ab"]),
        No,
    );
    check("ForAllValues:StringNotLike", json!("a"), Found::Absent, Yes);
    check(
        "ForAllValues:StringEqualsIfExists",
        json!("a"),
        Found::Absent,
        Yes,
    );
    check(
        "ForAllValues:StringEqualsIfExists",
        json!("a"),
        one("b"),
        No,
    );

    let any = "ForAnyValue:StringEquals";
    check(any, json!(["a", "b"]), many(&["x", "b"]), Yes);
    check(any, json!(["a", "b"]), many(&["x", "y"]), No);
    check(any, json!("a"), many(&[]), No);
    check(any, json!("a"), Found::Absent, No);
    check(any, json!(""), one(""), No);
    check(
        "ForAnyValue:StringNotEquals",
        json!(["a", "b"]),
        many(&["a", "c"]),
        Yes,
    );
    check(
        "ForAnyValue:StringNotEquals",
        json!(["a", "b"]),
        many(&["a", "b"]),
        No,
    );
    check("ForAnyValue:StringNotEquals", json!("a"), Found::Absent, No);
    check(
        "ForAnyValue:StringEqualsIfExists",
        json!("a"),
        Found::Absent,
        Doubt,
    );
    check(
        "ForAnyValue:StringEqualsIfExists",
        json!("a"),
        one("a"),
        Yes,
    );
}

#[test]
fn what_cannot_be_judged_permits_nothing() {
    let source = "aws:SourceIp";
    let range = json!("192.0.2.0/24");
    for operator in [
        "IpAddress",
        "NotIpAddress",
        "IpAddressIfExists",
        "NotIpAddressIfExists",
    ] {
        check(operator, source, range.clone(), one("elsewhere"), Doubt);
        check(
            operator,
            source,
            range.clone(),
            Found::One(Value::Unreadable),
            Doubt,
        );
    }
    let unreadable = || Found::One(Value::Unreadable);
    check(
        "StringEquals",
        "aws:UserAgent",
        json!("a"),
        unreadable(),
        Doubt,
    );
    check(
        "StringNotLike",
        "aws:UserAgent",
        json!("a"),
        unreadable(),
        Doubt,
    );
    check(
        "Bool",
        "aws:SecureTransport",
        json!("true"),
        one("yes"),
        Doubt,
    );
    check(
        "NumericLessThan",
        "aws:MultiFactorAuthAge",
        json!(1),
        one("old"),
        Doubt,
    );
    check(
        "DateLessThan",
        "aws:TokenIssueTime",
        json!("2026-01-31"),
        one("2026"),
        Doubt,
    );
    check(
        "ArnNotLike",
        "aws:SourceArn",
        json!("arn:a:b:c:d:e"),
        one("role"),
        Doubt,
    );
}

#[test]
fn several_values_need_an_operator_on_sets() {
    let agents = many(&["a", "a"]);
    check("StringEquals", "aws:UserAgent", json!("a"), agents, Doubt);
    let sources = many(&["192.0.2.1", "x"]);
    let range = json!("192.0.2.0/24");
    let set = "ForAllValues:IpAddress";
    check(set, "aws:SourceIp", range, sources, Doubt);
}

#[test]
fn what_settles_the_matter_leaves_no_doubt() {
    let facts = Facts::default()
        .with("aws:SourceIp", one("elsewhere"))
        .with("aws:UserAgent", one("a"));
    let check = |agent: &str, expected| {
        let members = json!({"Condition": {
            "IpAddress": {"aws:SourceIp": "192.0.2.0/24"},
            "StringEquals": {"aws:UserAgent": agent},
        }});
        assert_eq!(met(&members, METHOD, Caller::Anonymous, &facts), expected);
    };
    check("a", Doubt);
    check("b", No);
}

#[test]
fn every_key_of_every_operator_has_to_hold() {
    let facts = Facts::default()
        .with("aws:SourceIp", address("192.0.2.1"))
        .with("aws:VpcSourceIp", address("10.0.0.1"))
        .with("aws:UserAgent", one("a"));
    let check = |source, vpc, agent, expected| {
        let members = json!({"Condition": {
            "IpAddress": {"aws:SourceIp": source, "aws:VpcSourceIp": vpc},
            "StringEquals": {"aws:UserAgent": agent},
        }});
        assert_eq!(met(&members, METHOD, Caller::Anonymous, &facts), expected);
    };
    check("192.0.2.0/24", "10.0.0.0/8", "a", Yes);
    check("192.0.3.0/24", "10.0.0.0/8", "a", No);
    check("192.0.2.0/24", "11.0.0.0/8", "a", No);
    check("192.0.2.0/24", "10.0.0.0/8", "b", No);
}

#[test]
fn variables_stand_for_what_the_request_holds() {
    let facts = Facts::default()
        .with("aws:username", one("a*"))
        .with("aws:SourceIp", address("192.0.2.1"))
        .with("aws:PrincipalTag/Team", one("red"))
        .with("aws:PrincipalArn", one("arn:aws:iam::1:user/a*"));
    let check = |operator: &str, value: &str, text: &'static str, expected| {
        let facts = facts.clone().with("aws:UserAgent", one(text));
        let members = json!({"Condition": {operator: {"aws:UserAgent": value}}});
        let found = met(&members, METHOD, USER, &facts);
        assert_eq!(found, expected, "{operator} {value} {text}");
    };
    check("StringEquals", "x-${aws:username}", "x-a*", Yes);
    check("StringLike", "x-${AWS:UserName}", "x-a*", Yes);
    check("StringLike", "x-${aws:username}", "x-ab", No);
    check("StringLike", "*-${aws:SourceIp}", "x-192.0.2.1", Yes);
    check("StringEquals", "${aws:PrincipalTag/team}", "red", Yes);
    check("StringEquals", "${aws:Referer, 'none'}", "none", Yes);
    check("StringEquals", "${aws:username,'none'}", "none", No);
    check("StringEquals", "${aws:Referer, ''}", "", Yes);
    check("StringEquals", "${aws:Referer}", "x", Doubt);
    check("StringNotEquals", "${aws:Referer}", "x", Doubt);
    check("StringLike", "${*}${?}${$}{", "*?${", Yes);
    check("StringLike", "${*}", "x", No);
    check("StringEquals", "$5", "$5", Yes);

    let members = json!({"Condition": {"ArnLike":
        {"aws:PrincipalArn": "arn:aws:iam::*:user/${aws:username}"}}});
    assert_eq!(met(&members, METHOD, USER, &facts), Yes);
}
