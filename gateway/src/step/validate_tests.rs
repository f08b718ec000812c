use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderValue, Uri};
use serde_json::json;

use super::*;
use crate::exchange::ClientParameters;
use crate::language::schema::Models;

#[track_caller]
fn check_parameters(uri: &str, headers: &[(&'static str, &str)], missing: Option<&str>) {
    let plan = ValidatePlan {
        required: vec![
            (Place::Header, "X-Id".into()),
            (Place::Path, "id".into()),
            (Place::Querystring, "q".into()),
        ],
        content_types: None,
        body: None,
    };
    let mut fields = HeaderMap::new();
    for (name, value) in headers {
        fields.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let uri: Uri = uri.parse().unwrap();
    let request = ClientParameters {
        headers: &fields,
        uri: &uri,
        path: &[("id", Cow::Borrowed("7"))],
    };
    let found = parameters(&plan, &request).err();
    let found = found
        .as_ref()
        .and_then(|rejection| rejection.message.as_deref());
    let expected = missing.map(|names| format!("Missing required request parameters: [{names}]"));
    assert_eq!(found, expected.as_deref(), "{uri} {headers:?}");
}

#[test]
fn required_parameters_are_there_and_not_blank() {
    check_parameters("/?q=1", &[("x-id", "1")], None);
    check_parameters("/", &[], Some("X-Id, q"));
    check_parameters("/?q=%20%09&Q=1", &[("x-id", " ")], Some("X-Id, q"));
    check_parameters("/?q=&q=2", &[("x-id", ""), ("x-id", "2")], None);
    check_parameters("/?q", &[("x-id", "1")], Some("q"));
    // What is no text counts for nothing.
    check_parameters("/?q=1", &[("x-id", "\u{fc}")], Some("X-Id"));
}

fn schemas(otherwise: bool) -> BodySchemas {
    let pet = json!({"type": "object", "required": ["name"]});
    let list = json!({"type": "array"});
    let models = Models::new([("Pet", &pet), ("List", &list)]).unwrap();
    let compiled = |name: &str| Arc::new(models.compile(name).unwrap());
    BodySchemas {
        by_media_type: vec![("application/json".to_owned(), compiled("Pet"))],
        otherwise: otherwise.then(|| compiled("List")),
    }
}

#[track_caller]
fn check_body(otherwise: bool, types: &[&'static str], text: &str, found: Option<&str>) {
    let mut headers = HeaderMap::new();
    for content_type in types {
        headers.append(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    let budget = BodyBudget::new(64 * 1024);
    let judged = body(&schemas(otherwise), &headers, text.as_bytes(), &budget);
    let rejection = judged.err();
    let validation = rejection.as_ref().and_then(|r| r.validation.as_deref());
    assert_eq!(validation, found, "{types:?} {text}");
    assert!(rejection.is_none_or(|r| r.reason == Reason::BodyInvalid && r.detail.is_none()));
}

#[test]
fn the_media_type_chooses_the_model() {
    let missing = Some("[object has missing required properties ([\"name\"])]");
    for types in [
        &[][..],
        &["application/json"],
        &["Application/JSON; charset=utf-8"],
        &["no media type"],
    ] {
        check_body(true, types, r#"{"name": 1}"#, None);
        check_body(true, types, r#"{"nam": 1}"#, missing);
        check_body(true, types, "", missing);
        check_body(true, types, "{", Some("[the body is no JSON]"));
    }
    check_body(true, &["text/plain"], "[]", None);
    check_body(true, &["text/plain"], "name", Some("[the body is no JSON]"));
    check_body(false, &["text/plain"], "name", None);
}

#[test]
fn two_media_types_are_none() {
    let types = ["text/plain", "application/json"];
    check_body(false, &types, "{}", Some("[several content types]"));
    let several = Some("[several content types]");
    for field in [
        "text/plain, application/json",
        "text/plain; a=\"b\", application/json",
    ] {
        check_body(false, &[field], "x", several);
    }
    check_body(false, &["text/plain; a=\"b, application\""], "x", None);
}

#[test]
fn the_value_of_a_body_needs_memory() {
    let of = |count: usize| {
        let list = vec![r#"{"":0}"#; count].join(",");
        let text = format!(r#"{{"name": [{list}]}}"#);
        let budget = BodyBudget::new(64 * 1024);
        let judged = body(&schemas(false), &HeaderMap::new(), text.as_bytes(), &budget);
        assert_eq!(budget.used(), 0);
        judged.map_err(|rejection| rejection.reason)
    };
    assert_eq!(of(50), Ok(()));
    assert_eq!(of(200), Err(Reason::BodyMemory));
}

#[track_caller]
fn check_content_type(written: &[&str], has_body: bool, is_allowed: bool) {
    let plan = ValidatePlan {
        required: Vec::new(),
        content_types: Some(vec!["application/json".into(), "text/plain".into()]),
        body: None,
    };
    let mut headers = HeaderMap::new();
    for value in written {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        headers.append(CONTENT_TYPE, value);
    }
    let found = content_type(&plan, &headers, has_body);
    let reason = found.map_err(|rejection| rejection.reason);
    let expected = if is_allowed {
        Ok(())
    } else {
        Err(Reason::ContentType)
    };
    assert_eq!(reason, expected, "{written:?} {has_body}");
}

#[test]
fn only_media_types_of_models_are_taken() {
    check_content_type(&[], false, true);
    // A body without a media type is JSON.
    check_content_type(&[], true, true);
    check_content_type(&["Text/Plain; charset=utf-8"], true, true);
    check_content_type(&["application/json"], false, true);
    check_content_type(&["text/html"], true, false);
    check_content_type(&["text/html"], false, false);
    check_content_type(&["text"], true, false);
    check_content_type(&["text/plain, text/html"], true, false);
    check_content_type(&["text/plain; a=\"b,c\""], true, true);
    check_content_type(&["text/\u{fc}"], true, false);
    check_content_type(&["text/plain", "text/plain"], true, false);
}
