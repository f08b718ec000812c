use proptest::prelude::*;

use super::*;
use crate::language::message::TestMessage;
use crate::language::variable::TestVariables;

#[track_caller]
fn check(template: &str, expected: &str) {
    let parameters = [
        (Place::Header, "X-Id", "h1"),
        (Place::Header, "X-Id", "h2"),
        (Place::Path, "id", "7"),
        (Place::Querystring, "a.b", "q"),
    ];
    let variables = TestVariables {
        context: vec![
            ("error.message", "say \"no\""),
            ("error.responseType", "THROTTLED"),
            ("requestId", "r1"),
            ("authorizer.claims.cognito:groups", "staff"),
            ("authorizer.tenant-id", "t1"),
        ],
        stage: vec![("name", "$context.requestId")],
    };
    let compiled = GatewayResponseTemplate::parse(template).expect(template);
    let rendered = compiled.render(&TestMessage::new(&parameters, ""), &variables);
    assert_eq!(rendered, expected, "{template}");
}

#[test]
fn known_variables_are_replaced() {
    check(
        r#"{"message":$context.error.messageString}"#,
        r#"{"message":"say \"no\""}"#,
    );
    check(
        "$context.error.message/$context.error.responseType",
        "say \"no\"/THROTTLED",
    );
    check("$method.request.header.X-Id", "h2");
    check("$method.request.path.id!", "7!");
    check("$method.request.querystring.a.b.", "q.");
    check(
        "$context.authorizer.claims.cognito:groups, $context.authorizer.tenant-id",
        "staff, t1",
    );
    check("$context.requestId$context.requestId", "r1r1");
}

#[test]
fn names_end_where_the_sentence_goes_on() {
    check("id $context.requestId.", "id r1.");
    check("$context.requestId-$context.requestId:1", "r1-r1:1");
    check("$context.requestId.x", "r1.x");
}

#[test]
fn everything_else_stays_text() {
    for text in [
        "$",
        "$$",
        "$context",
        "$context.",
        "$context.unknown",
        "$context.requestIdX",
        "${context.requestId}",
        "$input.body",
        "$util.escapeJavaScript('x')",
        "#set($a = 1)",
        "$!context.requestId",
        "$method.request.header.",
        "$method.request.body.a",
        "$method.request.header",
        "$stageVariables.",
        "$5",
    ] {
        check(text, text);
    }
}

#[test]
fn values_are_not_read_again() {
    check("$stageVariables.name", "$context.requestId");
}

#[test]
fn what_is_unset_is_empty() {
    check(
        "[$context.stage$stageVariables.x$method.request.path.y]",
        "[]",
    );
}

#[test]
fn a_missing_message_is_null() {
    let template = GatewayResponseTemplate::parse("{\"message\":$context.error.messageString}");
    let rendered = template
        .expect("valid")
        .render(&TestMessage::new(&[], ""), &TestVariables::default());
    assert_eq!(rendered, r#"{"message":null}"#);
}

#[test]
fn sizes_are_bounded() {
    let longest = "x".repeat(TEMPLATE_BYTES_MAX);
    assert!(GatewayResponseTemplate::parse(&longest).is_ok());
    let error = GatewayResponseTemplate::parse(&format!("{longest}x"));
    assert_eq!(error, Err(TemplateError::TooLong(TEMPLATE_BYTES_MAX + 1)));
    let most = "$context.stage ".repeat(REFERENCES_MAX);
    assert!(GatewayResponseTemplate::parse(&most).is_ok());
    let error = GatewayResponseTemplate::parse(&format!("{most}$context.stage"));
    assert_eq!(error, Err(TemplateError::TooManyReferences));
}

proptest! {
    #[test]
    fn text_without_a_dollar_sign_is_itself(text in "[^$]{0,200}") {
        check(&text, &text);
    }

    #[test]
    fn any_text_is_compiled_without_loss(text in "[$a-z.#{}ü-]{0,80}") {
        let compiled = GatewayResponseTemplate::parse(&text).expect("short");
        let only_text = compiled.0.iter().all(|piece| matches!(piece, Piece::Text(_)));
        if only_text {
            check(&text, &text);
        }
    }
}
