use std::borrow::Cow;

use super::*;

struct Known(&'static [(Variable, &'static str)]);

impl Variables for Known {
    fn context(&self, variable: &Variable) -> Option<Cow<'_, str>> {
        let found = self.0.iter().find(|(known, _)| known == variable);
        found.map(|(_, value)| Cow::Borrowed(*value))
    }

    fn stage_variable(&self, _: &str) -> Option<&str> {
        None
    }
}

fn line(format: &str, variables: &impl Variables) -> String {
    let format = LogFormat::parse(format, ApiType::Rest).unwrap();
    let mut bytes = Vec::new();
    format
        .render(variables)
        .write(&mut bytes, |late| match late {
            Late::Latency => 12,
            Late::Length => 345,
            Late::Data => 6,
        });
    String::from_utf8(bytes).unwrap()
}

#[test]
fn what_is_known_late_stands_where_the_format_has_it() {
    let known = Known(&[(Variable::RequestId, "r-1"), (Variable::Status, "200")]);
    assert_eq!(
        line(
            "$context.responseLatency,$context.requestId: $context.status-$context.identity.user \
             ($context.responseLength)$context.responseLatency $5 $",
            &known
        ),
        "12,r-1: 200-- (345)12 $5 $"
    );
}

#[test]
fn no_value_leaves_its_quotes_or_its_line() {
    let known = Known(&[
        (Variable::RequestId, "r-1"),
        (Variable::UserAgent, "a\"b\\c\nd\u{7f}\u{85}\u{2028}é"),
        (Variable::ErrorMessage, "say \"no\""),
        (Variable::Stage, ""),
    ]);
    assert_eq!(
        line(
            "{\"id\":\"$context.requestId\",\"agent\":\"$context.identity.userAgent\",\
             \"error\":$context.error.messageString,\"stage\":\"$context.stage\"}",
            &known
        ),
        "{\"id\":\"r-1\",\"agent\":\"a\\\"b\\\\c\\u000ad\\u007f\\u0085\\u2028é\",\
         \"error\":\"say \\\"no\\\"\",\"stage\":\"-\"}"
    );
}

#[test]
fn a_line_is_bounded() {
    let half = "\"".repeat(LINE_BYTES_MAX / 4).leak();
    let known = Known(vec![(Variable::RequestId, "r"), (Variable::Path, &*half)].leak());
    let made = line(
        "$context.path,$context.path,$context.path,$context.requestId",
        &known,
    );
    assert_eq!(made, format!("{},-,-,r", half.replace('"', "\\\"")));
}

#[test]
fn claims_hold_marks_and_other_names_end_there() {
    let format = "$context.requestId-x $context.authorizer.claims.cognito:groups.";
    let parsed = LogFormat::parse(format, ApiType::Http).unwrap();
    let claim = Variable::Claim("cognito:groups".into());
    assert_eq!(
        parsed.0,
        [
            Piece::Variable(Variable::RequestId),
            Piece::Text("-x ".into()),
            Piece::Variable(claim),
            Piece::Text(".".into()),
        ]
    );
}

#[test]
fn what_is_no_format_is_refused() {
    let cases = [
        ("$context.status", "does not name the request"),
        ("", "does not name the request"),
        ("$context.requestId\n", "control character U+000A"),
        ("$context.requestId.x", "no variable `$context.requestId.x`"),
        ("$context.", "no variable `$context.`"),
        (
            "$stageVariables.a $context.requestId",
            "`$stageVariables.a` cannot be logged",
        ),
        (
            "${context.requestId}",
            "`${context.requestId}` cannot be logged",
        ),
        (
            "$context.requestId $context.routeKey",
            "have no variable `$context.routeKey`",
        ),
    ];
    for (text, said) in cases {
        let error = LogFormat::parse(text, ApiType::Rest)
            .unwrap_err()
            .to_string();
        assert!(error.contains(said), "{text}: {error}");
    }
    let long = format!("$context.requestId{}", " ".repeat(FORMAT_BYTES_MAX));
    let error = LogFormat::parse(&long, ApiType::Rest).unwrap_err();
    assert_eq!(error, FormatError::TooLong(FORMAT_BYTES_MAX + 18));
}
