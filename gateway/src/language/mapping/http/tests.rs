use proptest::prelude::*;

use super::*;
use crate::language::mapping::{NAME_BYTES_MAX, VALUE_BYTES_MAX};
use crate::language::message::TestMessage;
use crate::language::variable::TestVariables;

const BODY: &str = r#"{"pet":{"id":7},"name":"Rex","status":"404"}"#;

fn message(body: &str) -> TestMessage<'_> {
    let parameters = [
        (Place::Header, "id", "h1"),
        (Place::Header, "id", "h2"),
        (Place::Querystring, "q", "1"),
        (Place::Querystring, "q", "2"),
        (Place::Path, "pet", "a b"),
    ];
    TestMessage::new(&parameters, body)
}

fn variables() -> TestVariables {
    TestVariables {
        context: vec![("requestId", "r1"), ("identity.sourceIp", "192.0.2.1")],
        stage: vec![("root", "/v2")],
    }
}

#[track_caller]
fn check_request(key: &str, value: &str, expected: Option<&str>) {
    let mapping = RequestMapping::parse(key, value).expect(value);
    let (message, variables) = (message(BODY), variables());
    assert_eq!(
        mapping.evaluate(&message, &variables).as_deref(),
        expected,
        "{value}"
    );
}

#[test]
fn request_values_are_read() {
    for (value, expected) in [
        ("$request.header.id", Some("h1,h2")),
        ("$request.querystring.q", Some("1,2")),
        ("$request.path", Some("/pets/7")),
        ("$request.path.pet", Some("a b")),
        ("$request.body", Some(BODY)),
        ("$request.body.name", Some("Rex")),
        ("$request.body.pet", Some(r#"{"id":7}"#)),
        ("$context.requestId", Some("r1")),
        ("$stageVariables.root", Some("/v2")),
        ("blue", Some("blue")),
        ("", Some("")),
        ("costs $5 or {x}", Some("costs $5 or {x}")),
        ("$request", Some("$request")),
        ("${request.path.pet}-${context.requestId}", Some("a b-r1")),
        ("by=${context.identity.sourceIp}", Some("by=192.0.2.1")),
        ("${request.body.pet.id}", Some("7")),
    ] {
        check_request("append:header.x", value, expected);
    }
}

#[test]
fn a_value_without_a_variables_value_is_none() {
    for value in [
        "$request.header.other",
        "$request.querystring.other",
        "$request.path.other",
        "$request.body.other",
        "$context.stage",
        "$stageVariables.other",
        "a ${context.stage} b",
    ] {
        check_request("overwrite:querystring.x", value, None);
    }
}

#[test]
fn bodies_that_cannot_be_read_have_no_values() {
    let variables = variables();
    let mapping = RequestMapping::parse("append:header.x", "$request.body.name").expect("valid");
    for body in ["", "{", "text", "[1]"] {
        assert_eq!(mapping.evaluate(&message(body), &variables), None, "{body}");
    }
    let whole = RequestMapping::parse("append:header.x", "$request.body").expect("valid");
    assert_eq!(whole.evaluate(&message(""), &variables), None);
    assert_eq!(
        whole.evaluate(&message("text"), &variables).as_deref(),
        Some("text")
    );
    assert!(whole.reads_body() && mapping.reads_body());
}

#[test]
fn bodies_are_cut_before_they_are_read() {
    let variables = variables();
    let mapping = RequestMapping::parse("append:header.x", "$request.body.a").expect("valid");
    let of_length = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
    for (length, is_read) in [(BODY_BYTES_MAX, true), (BODY_BYTES_MAX + 1, false)] {
        let text = of_length(length);
        assert_eq!(text.len(), length);
        let mut message = message("");
        message.body = body(text.as_bytes());
        assert_eq!(mapping.evaluate(&message, &variables).is_some(), is_read);
    }
}

#[test]
fn paths_begin_with_a_slash() {
    check_request(
        "overwrite:path",
        "/pets/${request.path.pet}",
        Some("/pets/a b"),
    );
    check_request("overwrite:path", "${stageVariables.root}/x", Some("/v2/x"));
    check_request("overwrite:path", "$request.path", Some("/pets/7"));
    check_request("overwrite:path", "$request.path.pet", None);
    for fixed in ["pets", "", "x${request.path}"] {
        let error = RequestMapping::parse("overwrite:path", fixed);
        assert!(matches!(error, Err(MappingError::Path(_))), "{fixed}");
    }
}

#[test]
fn response_values_are_read() {
    for (key, value, expected) in [
        ("append:header.x", "$response.header.id", Some("h1,h2")),
        ("overwrite:header.x", "$response.body.name", Some("Rex")),
        (
            "overwrite:header.x",
            "${response.body.pet.id}/${context.requestId}",
            Some("7/r1"),
        ),
        ("overwrite:header.x", "$response.header.other", None),
        ("overwrite:statuscode", "403", Some("403")),
        ("overwrite:statuscode", "$response.body.status", Some("404")),
        ("overwrite:statuscode", "$response.body.name", None),
        ("overwrite:statuscode", "$response.body.other", None),
        ("overwrite:statuscode", "4${context.requestId}", None),
        ("remove:header.x", "''", Some("")),
    ] {
        let mapping = ResponseMapping::parse(key, value).expect(value);
        let (message, variables) = (message(BODY), variables());
        assert_eq!(
            mapping.evaluate(&message, &variables).as_deref(),
            expected,
            "{value}"
        );
    }
}

#[test]
fn targets_are_parsed() {
    use Change::{Append, Overwrite, Remove};
    for (change, name) in [
        (Append, "append"),
        (Overwrite, "overwrite"),
        (Remove, "remove"),
    ] {
        let parse = |place: &str| {
            RequestMapping::parse(&format!("{name}:{place}"), "").map(|mapping| mapping.target)
        };
        assert_eq!(
            parse("header.X-A"),
            Ok(RequestTarget::Header(change, "X-A".into()))
        );
        assert_eq!(
            parse("querystring.a[b].c"),
            Ok(RequestTarget::Querystring(change, "a[b].c".into()))
        );
        let response = ResponseMapping::parse(&format!("{name}:header.X-A"), "");
        let target = response.map(|mapping| mapping.target);
        assert_eq!(target, Ok(ResponseTarget::Header(change, "X-A".into())));
    }
    for key in [
        "",
        "header.x",
        "set:header.x",
        "append:path",
        "remove:path",
        "append:path.x",
        "append:body",
        "overwrite:statuscode",
        "Append:header.x",
        "append:header",
    ] {
        let error = RequestMapping::parse(key, "");
        assert!(matches!(error, Err(MappingError::Target { .. })), "{key}");
    }
    for key in [
        "append:querystring.x",
        "overwrite:path",
        "append:statuscode",
        "remove:statuscode",
    ] {
        let error = ResponseMapping::parse(key, "");
        assert!(matches!(error, Err(MappingError::Target { .. })), "{key}");
    }
}

#[test]
fn reserved_headers_are_refused() {
    for name in [
        "Access-Control-Allow-Origin",
        "apigw-x",
        "Authorization",
        "connection",
        "Content-Encoding",
        "Content-Length",
        "Content-Location",
        "Forwarded",
        "Keep-Alive",
        "Origin",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "TE",
        "Trailers",
        "Transfer-Encoding",
        "Upgrade",
        "x-amz-a",
        "X-Amzn-A",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "Via",
    ] {
        for change in ["append", "overwrite", "remove"] {
            let key = format!("{change}:header.{name}");
            let error = RequestMapping::parse(&key, "");
            assert_eq!(error, Err(MappingError::ReservedHeader(name.into())));
            let error = ResponseMapping::parse(&key, "");
            assert_eq!(error, Err(MappingError::ReservedHeader(name.into())));
        }
    }
    assert!(
        !is_reserved_header("Host")
            && !is_reserved_header("x-am")
            && !is_reserved_header("content-type")
    );
}

#[test]
fn what_is_no_value_is_refused_with_its_place() {
    use MappingError as E;
    let parse = |value: &str| RequestMapping::parse("append:header.x", value).err();
    assert_eq!(parse("a$request.path"), Some(E::BracesNeeded(1)));
    assert_eq!(
        parse("${request.path} $context.stage"),
        Some(E::BracesNeeded(16))
    );
    assert_eq!(parse("ab${request.path"), Some(E::Unclosed(2)));
    assert_eq!(parse("a\nb"), Some(E::Control));
    let long = "x".repeat(VALUE_BYTES_MAX);
    assert_eq!(parse(&long), None);
    assert_eq!(
        parse(&format!("{long}x")),
        Some(E::TooLong(VALUE_BYTES_MAX + 1))
    );
    let most = "${context.stage}".repeat(VARIABLES_MAX);
    assert_eq!(parse(&most), None);
    let error = parse(&format!("{most}${{context.stage}}"));
    assert_eq!(error, Some(E::TooManyVariables(VARIABLES_MAX)));
    for value in [
        "${}",
        "${path}",
        "$request.cookie.a",
        "$request.bodyx",
        "$response.header.a",
        "${'x'}",
    ] {
        assert!(matches!(parse(value), Some(E::Source { .. })), "{value}");
    }
    let name = format!("$request.header.{}", "x".repeat(NAME_BYTES_MAX + 1));
    for value in [
        "$request.header.a$request.path",
        "$request.header.a b",
        "$request.path.",
        &name,
    ] {
        assert!(matches!(parse(value), Some(E::Name { .. })), "{value}");
    }
    for value in ["$context.unknown", "$stageVariables.a-b"] {
        assert!(matches!(parse(value), Some(E::Variable(_))), "{value}");
    }
    assert!(matches!(parse("$request.body.a..b"), Some(E::JsonPath(_))));
    let error = RequestMapping::parse("remove:header.x", "y");
    assert_eq!(error, Err(E::RemoveTakesNothing));
    let error = ResponseMapping::parse("append:header.x", "$request.header.x");
    assert!(matches!(error, Err(E::Source { .. })));
}

#[test]
fn statuses_are_of_answers() {
    for (text, expected) in [
        ("200", Some(200)),
        ("599", Some(599)),
        ("199", None),
        ("600", None),
        ("0200", None),
        ("+20", None),
        ("", None),
        ("abc", None),
    ] {
        assert_eq!(status(text).ok(), expected, "{text}");
    }
    let error = ResponseMapping::parse("overwrite:statuscode", "100");
    assert_eq!(error, Err(MappingError::Status("100".into())));
}

proptest! {
    #[test]
    fn text_without_variables_is_itself(text in "[ -#%-~ü]{0,60}") {
        check_request("append:header.x", &text, Some(&text));
    }

    #[test]
    fn values_stand_where_their_variables_stood(before in "[a-z ]{0,9}", after in "[a-z ]{0,9}") {
        let value = format!("{before}${{context.requestId}}{after}");
        check_request("append:header.x", &value, Some(&format!("{before}r1{after}")));
    }
}
