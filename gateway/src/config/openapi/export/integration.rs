//! `x-amazon-apigateway-integration` of a route.

use super::object::{Object, of_text};
use crate::config::cursor::Cursor;
use crate::config::lower::parse_duration;
use crate::config::openapi::carried;
use crate::model::ApiKind;

/// The integration at `at`.
pub(super) fn write(at: &Cursor<'_>, kind: ApiKind) -> Object {
    let mut made = Object::new();
    let word = at.key("type").scalar().unwrap_or("http_proxy");
    if word == "refused" {
        // The service has no such type, and nothing else stands beside it.
        made.object(carried::INTEGRATION.name, of_text("type", word));
        return made;
    }
    let carried = Object::carried(at, &carried::INTEGRATION);
    made.text("type", word);
    made.copy("uri", &at.key("uri"));
    made.object_if_any("tlsConfig", tls(&at.key("tls")));
    if word != "mock" {
        made.text("httpMethod", at.key("method").scalar().unwrap_or("ANY"));
    }
    if kind == ApiKind::Http {
        made.text("payloadFormatVersion", "1.0");
    }
    made.copy("requestParameters", &at.key("request_parameters"));
    made.copy("responseParameters", &at.key("response_parameters"));
    made.copy("requestTemplates", &at.key("request_templates"));
    made.copy("passthroughBehavior", &at.key("passthrough_behavior"));
    made.copy("contentHandling", &at.key("content_handling"));
    timeout(&at.key("timeout"), &mut made);
    let mut responses = Object::new();
    for (pattern, response) in at.key("responses").entries() {
        responses.object(pattern, answer(&response));
    }
    made.object_if_any("responses", responses);
    made.object_if_any(carried::INTEGRATION.name, carried);
    made
}

/// An answer of an integration, or of the gateway, to a client.
pub(super) fn answer(at: &Cursor<'_>) -> Object {
    let mut made = Object::new();
    if let Some(status) = at.key("status").scalar() {
        made.text("statusCode", status);
    }
    made.copy("responseParameters", &at.key("parameters"));
    made.copy("responseTemplates", &at.key("templates"));
    made.copy("contentHandling", &at.key("content_handling"));
    made
}

/// What is asked of the backend's certificate.
fn tls(at: &Cursor<'_>) -> Object {
    let mut made = Object::new();
    made.copy(
        "insecureSkipVerification",
        &at.key("insecure_skip_verification"),
    );
    made.copy("serverNameToVerify", &at.key("server_name"));
    made
}

/// The service counts milliseconds.
fn timeout(at: &Cursor<'_>, made: &mut Object) {
    if let Some(duration) = at.scalar().and_then(parse_duration) {
        made.word("timeoutInMillis", duration.as_millis());
    }
}
