//! What the client of a refused request gets, in the way of its API's type.

use bytes::Bytes;
use http::header::{
    ACCEPT, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{Response, StatusCode};

use crate::exchange::{Context, Exchange, Reason, Refused, Rejection};
use crate::language::message::Place;
use crate::language::template::choose;
use crate::model::{ApiKind, GatewayResponse, GatewayResponseRule};

/// What kind of error a REST API answered.
const X_AMZN_ERRORTYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

const JSON: &str = "application/json";

/// The response to a rejection, and its body.
pub(super) fn write(rejection: &Rejection, exchange: &Exchange) -> (Response<()>, Bytes) {
    let (mut response, body) = match exchange.kind {
        ApiKind::Http => write_http(rejection),
        ApiKind::Rest => write_rest(rejection, exchange),
    };
    let headers = response.headers_mut();
    // Of what is busy or away it is said anyway.
    let is_throttled = rejection.status() == StatusCode::TOO_MANY_REQUESTS;
    let deployed = exchange.deployed.as_ref();
    let says = deployed.is_none_or(|deployed| deployed.throttle_headers.retry_after);
    if let Some(seconds) = rejection.retry_after_seconds
        && (says || !is_throttled)
    {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if rejection.reason == Reason::BadFraming {
        // Nobody can be sure where the next request would begin.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    (response, body)
}

/// What the access log may say of a rejection that was answered with `status`.
pub(super) fn told(rejection: &Rejection, kind: ApiKind, status: StatusCode) -> Refused<'_> {
    let answer = rejection.reason.gateway_response();
    Refused {
        answer,
        message: rejection.message_for(kind),
        status,
        validation: rejection.validation.as_deref(),
    }
}

/// The fixed answers of HTTP APIs.
fn write_http(rejection: &Rejection) -> (Response<()>, Bytes) {
    let answer = rejection.reason.response_type();
    let mut response = Response::new(());
    *response.status_mut() = answer.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    let challenge = rejection.challenge.as_deref().map(HeaderValue::from_str);
    if let Some(Ok(challenge)) = challenge {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    (response, Bytes::from_static(answer.body().as_bytes()))
}

/// The gateway responses of REST APIs, as they are by default and as the API changes them.
fn write_rest(rejection: &Rejection, exchange: &Exchange) -> (Response<()>, Bytes) {
    let answer = rejection.reason.gateway_response();
    let message = rejection.rest_message();
    let status = rejection.status();
    let responses = exchange
        .deployed
        .as_ref()
        .map(|deployed| &deployed.responses);
    let rule = responses.and_then(|responses| responses.rule(answer, status));
    let mut response = Response::new(());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if answer == GatewayResponse::RequestTooLarge {
        // Documented so: neither JSON nor a gateway response that could be customized.
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        return (
            response,
            Bytes::copy_from_slice(message.unwrap_or_default().as_bytes()),
        );
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    let error_type = HeaderValue::from_static(rejection.reason.error_type());
    headers.insert(X_AMZN_ERRORTYPE, error_type);
    // Recorded so: denials have a capital letter, as long as nobody changes them (2.2).
    let key = if answer == GatewayResponse::AccessDenied {
        "Message"
    } else {
        "message"
    };
    let body = serde_json::json!({ key: message }).to_string();
    match rule {
        None => (response, Bytes::from(body)),
        Some(rule) => {
            let refused = Refused {
                answer,
                message,
                status,
                validation: rejection.validation.as_deref(),
            };
            customize(rule, refused, exchange, response, body)
        }
    }
}

fn customize(
    rule: &GatewayResponseRule,
    mut refused: Refused<'_>,
    exchange: &Exchange,
    mut response: Response<()>,
    default_body: String,
) -> (Response<()>, Bytes) {
    if let Some(Ok(status)) = rule.status.map(StatusCode::from_u16) {
        refused.status = status;
        *response.status_mut() = status;
    }
    let context = Context {
        exchange,
        refused: Some(refused),
    };
    let headers = response.headers_mut();
    let accept = exchange.head.headers.get(ACCEPT);
    let accept = accept.and_then(|value| value.to_str().ok());
    let body = match choose(&rule.templates, accept) {
        None => default_body,
        Some((media_type, template)) => {
            if let Ok(value) = HeaderValue::from_str(media_type) {
                headers.insert(CONTENT_TYPE, value);
            }
            template.render(&exchange.head, &context)
        }
    };
    for mapping in &rule.mappings {
        if mapping.place != Place::Header {
            continue;
        }
        // A value that no header can hold is one that is missing.
        let value = mapping.evaluate(&exchange.head, &context);
        let value = value.and_then(|value| HeaderValue::from_str(&value).ok());
        if let (Ok(name), Some(value)) = (HeaderName::try_from(mapping.name.text()), value) {
            headers.insert(name, value);
        }
    }
    (response, Bytes::from(body))
}
