use super::*;
use crate::language::json_path::JsonPathError;
use crate::language::message::TestMessage;
use crate::language::variable::{TestVariables, VariableError};

const BODY: &str = r#" {"pet":{"id":7,"tags":["x"]},"name":"Rex","none":null} "#;

fn message(body: &str) -> TestMessage<'_> {
    let parameters = [
        (Place::Header, "X-A", "1"),
        (Place::Header, "X-A", "2"),
        (Place::Querystring, "q", "1"),
        (Place::Querystring, "q", "2"),
        (Place::Querystring, "empty", ""),
        (Place::Path, "id", "7"),
    ];
    TestMessage::new(&parameters, body)
}

fn variables() -> TestVariables {
    TestVariables {
        context: vec![("requestId", "r1"), ("authorizer.claims.sub", "ann")],
        stage: vec![("host", "h1")],
    }
}

#[track_caller]
fn check_request(source: &str, body: &str, expected: Result<&[&str], InvalidJson>) {
    let mapping = RequestMapping::parse("integration.request.header.X", source).expect(source);
    let (message, variables) = (message(body), variables());
    let values = mapping.evaluate(&message, &variables);
    assert_eq!(
        values,
        expected.map(|values| values.iter().copied().map(Cow::Borrowed).collect()),
        "{source}"
    );
}

#[test]
fn request_sources_are_read() {
    for (source, expected) in [
        ("method.request.header.X-A", &["2"] as &[&str]),
        ("method.request.multivalueheader.X-A", &["1,2"]),
        ("method.request.querystring.q", &["2"]),
        ("method.request.multivaluequerystring.q", &["1", "2"]),
        ("method.request.querystring.empty", &[""]),
        ("method.request.path.id", &["7"]),
        ("method.request.body", &[BODY.trim()]),
        ("method.request.body.name", &["Rex"]),
        ("method.request.body.pet", &[r#"{"id":7,"tags":["x"]}"#]),
        ("method.request.body.pet.id", &["7"]),
        ("method.request.body['pet'].tags[0]", &["x"]),
        ("stageVariables.host", &["h1"]),
        ("context.requestId", &["r1"]),
        ("context.authorizer.claims.sub", &["ann"]),
        ("'text with ''quotes'''", &["text with ''quotes''"]),
        ("''", &[""]),
    ] {
        check_request(source, BODY, Ok(expected));
    }
}

#[test]
fn missing_request_sources_set_nothing() {
    for source in [
        "method.request.header.X-B",
        "method.request.header.x-a",
        "method.request.multivalueheader.X-B",
        "method.request.querystring.r",
        "method.request.multivaluequerystring.r",
        "method.request.path.other",
        "method.request.body.other",
        "method.request.body.none",
        "method.request.body.name.first",
        "stageVariables.other",
        "context.stage",
        "context.error.messageString",
    ] {
        check_request(source, BODY, Ok(&[]));
    }
}

#[test]
fn only_mappings_of_the_body_mind_what_it_is() {
    check_request("method.request.body", "", Ok(&["{}"]));
    check_request("method.request.body.a", "", Ok(&[]));
    check_request("method.request.body", "{", Err(InvalidJson));
    check_request("method.request.body.a", "text", Err(InvalidJson));
    check_request("method.request.header.X-A", "text", Ok(&["2"]));
}

#[test]
fn response_sources_are_read() {
    for (source, expected) in [
        ("integration.response.header.X-A", Some("2")),
        ("integration.response.multivalueheader.X-A", Some("1,2")),
        ("integration.response.body.name", Some("Rex")),
        ("integration.response.body.pet.tags", Some(r#"["x"]"#)),
        ("integration.response.body", Some(BODY.trim())),
        ("integration.response.header.x-a", None),
        ("integration.response.multivalueheader.x-a", None),
        ("integration.response.body.other", None),
        ("stageVariables.host", Some("h1")),
        ("context.requestId", Some("r1")),
        ("context.stage", None),
        ("'*'", Some("*")),
    ] {
        let mapping = ResponseMapping::parse("method.response.header.Y", source).expect(source);
        assert_eq!(mapping.name.text(), "Y");
        let (message, variables) = (message(BODY), variables());
        let value = mapping.evaluate(&message, &variables).expect(source);
        assert_eq!(value.as_deref(), expected, "{source}");
    }
}

#[test]
fn gateway_response_sources_are_read() {
    for (source, expected) in [
        ("method.request.header.X-A", Some("2")),
        ("method.request.querystring.q", Some("2")),
        ("method.request.path.id", Some("7")),
        ("method.request.path.other", None),
        ("context.requestId", Some("r1")),
        ("stageVariables.host", Some("h1")),
        ("'Basic'", Some("Basic")),
    ] {
        let mapping =
            GatewayResponseMapping::parse("gatewayresponse.header.Y", source).expect(source);
        let (message, variables) = (message("not read"), variables());
        assert_eq!(
            mapping.evaluate(&message, &variables).as_deref(),
            expected,
            "{source}"
        );
    }
    let key = "gatewayresponse.querystring.a";
    let mapping = GatewayResponseMapping::parse(key, "'x'").expect(key);
    assert_eq!(
        (mapping.place, mapping.name.text()),
        (Place::Querystring, "a")
    );
}

#[test]
fn targets_are_parsed() {
    for (key, place, name) in [
        ("integration.request.header.X-A", Place::Header, "X-A"),
        (
            "integration.request.querystring.a.b",
            Place::Querystring,
            "a.b",
        ),
        ("integration.request.path.$id_1", Place::Path, "$id_1"),
    ] {
        let mapping = RequestMapping::parse(key, "'x'").expect(key);
        assert_eq!((mapping.place, mapping.name.text()), (place, name));
    }
    for key in [
        "",
        "header.X",
        "integration.request.cookie.a",
        "integration.request.header",
        "integration.request.body",
        "method.response.header.X",
        "Integration.request.header.X",
    ] {
        let error = RequestMapping::parse(key, "'x'");
        assert!(matches!(error, Err(MappingError::Target { .. })), "{key}");
    }
    for key in [
        "method.response.querystring.a",
        "integration.request.header.X",
        "method.response.header",
    ] {
        let error = ResponseMapping::parse(key, "'x'");
        assert!(matches!(error, Err(MappingError::Target { .. })), "{key}");
    }
    for name in [
        "",
        "a b",
        "a[]",
        "ü",
        "a:b",
        &"x".repeat(NAME_BYTES_MAX + 1),
    ] {
        let key = format!("integration.request.header.{name}");
        let error = RequestMapping::parse(&key, "'x'");
        assert!(matches!(error, Err(MappingError::Name { .. })), "{key}");
    }
}

#[test]
fn what_is_no_source_is_refused() {
    let long = format!("'{}'", "x".repeat(VALUE_BYTES_MAX));
    for (source, expected) in [
        ("text", "source"),
        ("'", "source"),
        ("'open", "source"),
        ("$context.stage", "source"),
        ("method.request.cookie.a", "source"),
        ("method.request.multivaluepath.a", "source"),
        ("method.request.bodyx", "source"),
        ("integration.response.header.X", "source"),
        ("method.request.header.a b", "name"),
        ("context.unknown", "variable"),
        ("stageVariables.a-b", "variable"),
        ("method.request.body.a..b", "path"),
        ("method.request.body.", "path"),
        ("'a\r\nb'", "control"),
        (&long, "length"),
    ] {
        let kind = match RequestMapping::parse("integration.request.header.X", source) {
            Err(MappingError::Source { .. }) => "source",
            Err(MappingError::Name { .. }) => "name",
            Err(MappingError::Variable(
                VariableError::UnknownContext(_) | VariableError::StageVariableName(_),
            )) => "variable",
            Err(MappingError::JsonPath(
                JsonPathError::RecursiveDescent(_) | JsonPathError::NameMissing(_),
            )) => "path",
            Err(MappingError::Control) => "control",
            Err(MappingError::TooLong(_)) => "length",
            other => panic!("{source}: {other:?}"),
        };
        assert_eq!(kind, expected, "{source}");
    }
    for source in [
        "method.request.header.X",
        "integration.response.path.a",
        "integration.response.bodyx",
    ] {
        let error = ResponseMapping::parse("method.response.header.X", source);
        assert!(
            matches!(error, Err(MappingError::Source { .. })),
            "{source}"
        );
    }
    for source in [
        "method.request.body.a",
        "method.request.multivalueheader.X",
        "integration.response.header.X",
    ] {
        let error = GatewayResponseMapping::parse("gatewayresponse.header.X", source);
        assert!(
            matches!(error, Err(MappingError::Source { .. })),
            "{source}"
        );
    }
}

#[test]
fn mappings_say_what_they_need() {
    let parse = |source| RequestMapping::parse("integration.request.path.p", source).expect(source);
    let header = parse("method.request.multivalueheader.X-A");
    let (place, name) = header.declared().expect("a header");
    assert_eq!(
        (place, name.text(), header.reads_body()),
        (Place::Header, "X-A", false)
    );
    let body = parse("method.request.body.a");
    assert_eq!((body.declared(), body.reads_body()), (None, true));
    assert_eq!(parse("'x'").declared(), None);
}

#[test]
fn illegal_headers_are_known_in_any_case() {
    for (name, always, for_aws) in [
        ("Content-Length", true, true),
        ("transfer-encoding", true, true),
        ("X-Amzn-Trace-Id", true, true),
        ("x-amzn-apigateway-api-id", true, true),
        ("Authorization", false, true),
        ("connection", false, true),
        ("Expect", false, true),
        ("proxy-authenticate", false, true),
        ("TE", false, true),
        ("Host", false, false),
        ("X-A", false, false),
    ] {
        assert_eq!(is_illegal_header(name), always, "{name}");
        assert_eq!(is_illegal_header_for_aws(name), for_aws, "{name}");
    }
}
