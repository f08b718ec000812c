use super::*;

/// What is wrong with `document`, one line each.
#[track_caller]
fn check_as(form: Form<'_>, document: &Json, expected: &[&str]) {
    let errors = Policy::parse(document, form).err().unwrap_or_default();
    let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(shown, expected);
}

#[track_caller]
fn check(document: &Json, expected: &[&str]) {
    check_as(Form::Resource(&scope()), document, expected);
}

/// What is wrong with the members of a statement.
#[track_caller]
fn check_members(members: Json, expected: &[&str]) {
    check(&document(&json!([statement("Deny", &members)])), expected);
}

/// What is wrong with a condition.
#[track_caller]
fn check_condition(condition: Json, expected: &[&str]) {
    check_members(json!({"Condition": condition}), expected);
}

#[test]
fn a_document_has_a_version_and_statements() {
    let fine = statement("Allow", &json!({"Sid": "one"}));
    check(&json!({"Statement": fine}), &[]);
    check(
        &json!({"Version": "2008-10-17", "Id": "x", "Statement": [fine]}),
        &[],
    );
    check(&json!([]), &["the document: this has to be an object"]);
    check(
        &json!({}),
        &["the document: `Statement` is missing: add it"],
    );
    check(
        &json!({"Version": "2012", "Id": 7, "Statement": []}),
        &[
            "Version: there is no version `2012`: write `2012-10-17`",
            "Id: this has to be a string",
            "Statement: `Statement` has nothing in it: write what it has to hold, or take out what needs it",
        ],
    );
    check(
        &json!({"statement": fine, "Statement": ["x"]}),
        &[
            "the document: there is no `statement` here: take it out, or write one of `Version`, `Id`, `Statement`",
            "Statement[0]: this has to be a statement, which is an object",
        ],
    );
}

#[test]
fn everything_wrong_is_found_in_one_go() {
    check(
        &json!({"Statement": [
            {"Effect": "allow", "Principal": "me", "Action": ["Invoke", 7], "Resource": "prod/*"},
            {"Principal": "*", "Action": "*", "NotAction": "*", "Condition": {}},
        ]}),
        &[
            "Statement[0].Effect: `allow` is no effect: write `Allow` or `Deny`",
            "Statement[0].Principal: `me` is not a principal: write `*`, or `{\"AWS\": ..}` with accounts and ARNs",
            "Statement[0].Action[0]: `Invoke` is not an action: write `execute-api:Invoke` or `*`",
            "Statement[0].Action[1]: this has to be a string",
            "Statement[0].Resource: `prod/*` is not a resource: write `*`, `execute-api:/stage/METHOD/path` or an ARN",
            "Statement[1]: `Effect` is missing: add it",
            "Statement[1]: `Action` and `NotAction` exclude each other: keep one",
            "Statement[1]: `Resource` is missing, and so is `NotResource`: write one of them",
            "Statement[1].Condition: `Condition` has nothing in it: write what it has to hold, or take out what needs it",
        ],
    );
}

#[test]
fn principals_are_names_that_are_whole() {
    let form = "is not a principal: write `*`, an account's 12 digits, or the ARN of a user, role or session";
    for name in [
        "me",
        "1111",
        "arn:aws:iam::111122223333:group/all",
        "arn:aws:iam::111122223333:user/",
        "arn:aws:iam::1111:user/ann",
        "arn:aws:iam:us-east-1:111122223333:user/ann",
        "arn:aws:sts::111122223333:user/ann",
        "arn:aws:sts::111122223333:root",
    ] {
        check_members(
            json!({"Principal": {"AWS": [name]}}),
            &[&format!("Statement[0].Principal.AWS[0]: `{name}` {form}")],
        );
    }
    check_members(
        json!({"Principal": {"AWS": "arn:aws:iam::111122223333:user/*"}}),
        &[
            "Statement[0].Principal.AWS: `arn:aws:iam::111122223333:user/*` has a wildcard or a variable, which principals cannot have: write `*` and a condition `ArnLike` on `aws:PrincipalArn`",
        ],
    );
    check_members(
        json!({"Principal": {"aws": "*"}}),
        &[
            "Statement[0].Principal: there is no `aws` here: take it out, or write one of `AWS`, `Service`, `Federated`, `CanonicalUser`",
        ],
    );
    check_members(
        json!({"Principal": {}}),
        &[
            "Statement[0].Principal: `Principal` has nothing in it: write what it has to hold, or take out what needs it",
        ],
    );
    check_members(
        json!({"Principal": {"AWS": [], "Service": ""}}),
        &[
            "Statement[0].Principal.AWS: `AWS` has nothing in it: write what it has to hold, or take out what needs it",
            "Statement[0].Principal.Service: a name of a principal is empty: write it",
        ],
    );
    check_members(
        json!({"NotPrincipal": "*"}),
        &[
            "Statement[0].NotPrincipal: `NotPrincipal` with `*` spares everybody, so this would never apply: name who is spared",
        ],
    );
    check_members(
        json!({"Effect": "Allow", "NotPrincipal": {"AWS": "111122223333"}}),
        &[
            "Statement[0].NotPrincipal: `NotPrincipal` cannot stand with `Allow`: write `Principal`, and a `Deny` for the others",
        ],
    );
}

#[test]
fn resources_are_whole_names() {
    let sections = "has fewer than the six sections of an ARN, and a `*` fills one: write a `*` for each section";
    for written in [
        "arn:aws:execute-api:*:a1b2c3d4e5/*",
        "arn:*:execute-api:*",
        "arn:aws:execute-api",
    ] {
        check_members(
            json!({"Resource": written}),
            &[&format!("Statement[0].Resource: `{written}` {sections}")],
        );
    }
    check_members(
        json!({"Resource": ["*", "execute-api:/${aws:username"]}),
        &[
            "Statement[0].Resource[1]: a variable starts in `${aws:username` and does not end: close it with `}`, or write `${$}` for a `$`",
        ],
    );
}

#[test]
fn a_policy_of_the_caller_names_nobody() {
    let whole =
        json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "execute-api:/*"});
    check_as(
        Form::Identity,
        &json!({"Statement": whole}),
        &[
            "Statement.Principal: `Principal` has no place in a policy that belongs to its caller: take it out",
            "Statement.Resource: `execute-api:/*` names a resource of the policy's own API, but this policy belongs to none: write the whole ARN",
        ],
    );
}

#[test]
fn conditions_are_read_at_load() {
    check_condition(
        json!({"IpAddres": {"aws:SourceIp": "192.0.2.1"}}),
        &[
            "Statement[0].Condition.IpAddres: there is no condition operator `IpAddres`: write one as in `StringEquals`, `IpAddress`, `BoolIfExists` or `ForAnyValue:StringLike`",
        ],
    );
    for operator in [
        "stringEquals",
        "ForSomeValues:StringEquals",
        "IfExists",
        "StringEqualsIfExistsIfExists",
        "",
    ] {
        let found = Policy::parse(
            &document(&statement(
                "Deny",
                &json!({"Condition": {operator: {"aws:UserAgent": "x"}}}),
            )),
            Form::Resource(&scope()),
        );
        let problem = Problem::Operator(OperatorError::Unknown(operator.to_owned()));
        assert_eq!(
            found.unwrap_err().first().map(|e| e.problem.clone()),
            Some(problem)
        );
    }
    check_condition(
        json!({"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "192.0.2.1/24"]}}),
        &[
            r#"Statement[0].Condition.IpAddress."aws:SourceIp"[1]: `192.0.2.1/24` has bits set behind its length: did you mean `192.0.2.0/24`?"#,
        ],
    );
    check_condition(
        json!({"StringEquals": {"s3:prefix": "x", "aws:UserAgent": [["x"]]}}),
        &[
            r#"Statement[0].Condition.StringEquals."s3:prefix": there is no condition key `s3:prefix` for API Gateway: write one that its guide on resource policies lists"#,
            r#"Statement[0].Condition.StringEquals."aws:UserAgent"[0]: this has to be a string, a number or a boolean"#,
        ],
    );
    let empty = "has nothing in it: write what it has to hold, or take out what needs it";
    check_condition(
        json!({"Bool": {}, "StringEquals": {"aws:useragent": []}}),
        &[
            &format!("Statement[0].Condition.Bool: `Bool` {empty}"),
            &format!(
                r#"Statement[0].Condition.StringEquals."aws:useragent": `aws:UserAgent` {empty}"#
            ),
        ],
    );
}

#[test]
fn values_are_of_the_operators_kind() {
    for (operator, key, value, expected) in [
        (
            "Bool",
            "aws:SecureTransport",
            "yes",
            "`yes` is neither `true` nor `false`: write one",
        ),
        (
            "Null",
            "aws:UserAgent",
            "no",
            "`no` is neither `true` nor `false`: write one",
        ),
        (
            "BinaryEquals",
            "aws:UserAgent",
            "=",
            "`=` is not base64: encode it",
        ),
        (
            "ArnLike",
            "aws:SourceArn",
            "*",
            "`*` is not an ARN: write `arn:partition:service:region:account:resource`",
        ),
        (
            "ArnLike",
            "aws:SourceArn",
            "arn:aws:*",
            "`arn:aws:*` has fewer than the six sections of an ARN, and a `*` fills one: write a `*` for each section",
        ),
        (
            "NumericEquals",
            "aws:MultiFactorAuthAge",
            "x",
            "`x` is not a number: write digits, with a point if needed, 18 at most on each side",
        ),
        (
            "DateEquals",
            "aws:CurrentTime",
            "2026",
            "`2026` may be a year, a date or seconds since 1970: write `2026-01-31`",
        ),
    ] {
        check_condition(
            json!({operator: {key: value}}),
            &[&format!(
                r#"Statement[0].Condition.{operator}."{key}": {expected}"#
            )],
        );
    }
}

#[test]
fn operators_judge_only_what_they_can() {
    for (operator, key, expected) in [
        (
            "IpAddress",
            "aws:UserAgent",
            "`IpAddress` cannot judge `aws:UserAgent`, whose values are of another kind: write an operator of that kind",
        ),
        (
            "DateEquals",
            "aws:SourceIp",
            "`DateEquals` cannot judge `aws:SourceIp`, whose values are of another kind: write an operator of that kind",
        ),
        (
            "NullIfExists",
            "aws:SourceIp",
            "`NullIfExists` asks for a key's absence twice: write `Null` alone",
        ),
        (
            "StringLike",
            "aws:PrincipalOrgPaths",
            "`aws:PrincipalOrgPaths` has several values: write `ForAnyValue:StringLike` or `ForAllValues:StringLike`",
        ),
    ] {
        let condition = json!({operator: {key: "x"}});
        let errors = Policy::parse(
            &document(&statement("Deny", &json!({"Condition": condition}))),
            Form::Resource(&scope()),
        );
        let shown: Vec<String> = errors
            .unwrap_err()
            .iter()
            .map(|error| error.problem.to_string())
            .collect();
        assert_eq!(shown, [expected]);
    }
    for operator in [
        "IpAddress",
        "NumericLessThan",
        "Bool",
        "ArnLike",
        "DateLessThan",
    ] {
        let value = match operator {
            "IpAddress" => "192.0.2.0/24",
            "NumericLessThan" => "7",
            "Bool" => "true",
            "ArnLike" => "arn:aws:iam::*:role/x",
            _ => "2026-01-31",
        };
        check_condition(json!({operator: {"aws:PrincipalTag/team": value}}), &[]);
    }
}

#[test]
fn variables_are_of_the_newer_version() {
    let with = |version: Json, value: &str| {
        let members = json!({"Condition": {"StringEquals": {"aws:UserAgent": value}}});
        let mut document = json!({"Statement": statement("Deny", &members)});
        if version.is_string() {
            document["Version"] = version;
        }
        document
    };
    let place = r#"Statement.Condition.StringEquals."aws:UserAgent""#;
    let older = format!(
        "{place}: `${{` starts a variable only in a policy with `Version` `2012-10-17`: set that version"
    );
    check(&with(Json::Null, "${aws:username}"), &[&older]);
    check(&with(json!("2008-10-17"), "${*}"), &[&older]);
    check(&with(json!("2008-10-17"), "$*{}"), &[]);
    for (value, expected) in [
        (
            "${}",
            "there is no condition key `` for API Gateway: write one that its guide on resource policies lists",
        ),
        (
            "${ aws:username}",
            "there is no condition key ` aws:username` for API Gateway: write one that its guide on resource policies lists",
        ),
        (
            "${aws:PrincipalOrgPaths}",
            "`aws:PrincipalOrgPaths` has several values, and a variable stands for one: write a key that has one",
        ),
        (
            "${aws:username, nobody}",
            "`nobody` is not a default value: write it in single quotes, `${aws:username, 'nobody'}`",
        ),
        (
            "${aws:username, 'a'b'}",
            "`'a'b'` is not a default value: write it in single quotes, `${aws:username, 'nobody'}`",
        ),
        (
            "${aws:username, '}",
            "`'` is not a default value: write it in single quotes, `${aws:username, 'nobody'}`",
        ),
    ] {
        check(
            &with(json!("2012-10-17"), value),
            &[&format!("{place}: {expected}")],
        );
    }
}
