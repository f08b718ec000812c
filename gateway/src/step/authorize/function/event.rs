//! What a function is told of a request: the documented events, of which the body is never a part.
//!
//! Source: API Gateway Developer Guide, "Input to an API Gateway Lambda authorizer" and "Control access
//! to HTTP APIs with AWS Lambda authorizers"; 3.4 of docs/semantics.md, which says where these differ.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::COOKIE;
use serde_json::{Map, Value, json};

use crate::exchange::{Context, Exchange};
use crate::language::variable::{Variable, Variables as _};
use crate::step::attempt::Attempt;

/// An object of these members.
type Object = Map<String, Value>;

/// The event of type `TOKEN`.
pub(super) fn token(token: &str, arn: &str) -> Value {
    json!({"type": "TOKEN", "authorizationToken": token, "methodArn": arn})
}

/// The event of type `REQUEST` of REST APIs.
pub(super) fn rest(attempt: &Attempt<'_>, arn: &str) -> Value {
    Value::Object(request(attempt, arn))
}

/// The event of format 1.0, of HTTP APIs that know the caller by `values`.
pub(super) fn http_v1(attempt: &Attempt<'_>, arn: &str, values: &[Cow<'_, str>]) -> Value {
    let joined = values.join(",");
    let mut event = request(attempt, arn);
    event.insert("version".into(), "1.0".into());
    event.insert("identitySource".into(), joined.as_str().into());
    event.insert("authorizationToken".into(), joined.into());
    Value::Object(event)
}

/// The event of format 2.0, of HTTP APIs that know the caller by `values`.
pub(super) fn http_v2(attempt: &Attempt<'_>, arn: &str, values: &[Cow<'_, str>]) -> Value {
    let uri = &attempt.called.head.uri;
    let mut event = Object::new();
    event.insert("version".into(), "2.0".into());
    event.insert("type".into(), "REQUEST".into());
    event.insert("routeArn".into(), arn.into());
    event.insert(
        "identitySource".into(),
        values.iter().map(AsRef::<str>::as_ref).collect(),
    );
    event.insert("routeKey".into(), attempt.called.route.into());
    event.insert("rawPath".into(), uri.path().into());
    event.insert(
        "rawQueryString".into(),
        uri.query().unwrap_or_default().into(),
    );
    let cookies: Vec<Value> = cookies(&attempt.called.head.headers)
        .map(Value::from)
        .collect();
    if !cookies.is_empty() {
        event.insert("cookies".into(), cookies.into());
    }
    event.insert(
        "headers".into(),
        joined_headers(&attempt.called.head.headers).into(),
    );
    let query = joined(form_urlencoded::parse(
        uri.query().unwrap_or_default().as_bytes(),
    ));
    if !query.is_empty() {
        event.insert("queryStringParameters".into(), query.into());
    }
    event.insert("requestContext".into(), context_v2(attempt));
    let parameters = parameters(attempt);
    if !parameters.is_empty() {
        event.insert("pathParameters".into(), parameters.into());
    }
    let variables = stage_variables(attempt.exchange);
    if !variables.is_empty() {
        event.insert("stageVariables".into(), variables.into());
    }
    Value::Object(event)
}

/// What REST APIs tell, and HTTP APIs in format 1.0.
fn request(attempt: &Attempt<'_>, arn: &str) -> Object {
    let head = attempt.called.head;
    let query = head.uri.query().unwrap_or_default();
    let (headers, all_headers) = last_and_all(head.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (capitalized(name.as_str()), value)
    }));
    let pairs = form_urlencoded::parse(query.as_bytes());
    let (parameters_of_query, all_of_query) =
        last_and_all(pairs.map(|(name, value)| (name.into_owned(), value)));
    let mut event = Object::new();
    event.insert("type".into(), "REQUEST".into());
    event.insert("methodArn".into(), arn.into());
    event.insert("resource".into(), resource(attempt).into());
    event.insert("path".into(), attempt.called.path.into());
    event.insert("httpMethod".into(), head.method.as_str().into());
    event.insert("headers".into(), headers.into());
    event.insert("multiValueHeaders".into(), all_headers.into());
    event.insert("queryStringParameters".into(), parameters_of_query.into());
    event.insert(
        "multiValueQueryStringParameters".into(),
        all_of_query.into(),
    );
    event.insert("pathParameters".into(), parameters(attempt).into());
    event.insert(
        "stageVariables".into(),
        stage_variables(attempt.exchange).into(),
    );
    event.insert("requestContext".into(), context_v1(attempt));
    event
}

/// The path of a route or method with its variables; `$default` is itself.
fn resource<'a>(attempt: &Attempt<'a>) -> &'a str {
    let key = attempt.called.route;
    key.split_once(' ').map_or(key, |(_, path)| path)
}

fn parameters(attempt: &Attempt<'_>) -> Object {
    let parameters = attempt.called.parameters.iter();
    let parameters = parameters.map(|(name, value)| ((*name).to_owned(), value.as_ref().into()));
    parameters.collect()
}

fn stage_variables(exchange: &Exchange) -> Object {
    let variables = exchange
        .deployed
        .iter()
        .flat_map(|deployed| &deployed.variables);
    let variables = variables.map(|(name, value)| (name.clone(), value.as_str().into()));
    variables.collect()
}

/// `x-tenant` as `X-Tenant`, as HTTP/1.1 writes headers; HTTP/2 has no capitals, and what a client of
/// HTTP/1.1 wrote is not known here.
fn capitalized(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        first.to_ascii_uppercase() + rest
    });
    words.collect::<Vec<_>>().join("-")
}

/// The last value of each name, and all of them.
fn last_and_all<'v>(pairs: impl Iterator<Item = (String, Cow<'v, str>)>) -> (Object, Object) {
    let (mut last, mut all) = (Object::new(), Object::new());
    for (name, value) in pairs {
        let value = Value::from(value.as_ref());
        match all.get_mut(&name) {
            Some(Value::Array(values)) => values.push(value.clone()),
            Some(_) | None => {
                all.insert(name.clone(), Value::Array(vec![value.clone()]));
            }
        }
        last.insert(name, value);
    }
    (last, all)
}

/// All values of each name, with commas between them.
fn joined<'v>(pairs: impl Iterator<Item = (Cow<'v, str>, Cow<'v, str>)>) -> Object {
    let mut joined = Object::new();
    for (name, value) in pairs {
        match joined.get_mut(name.as_ref()) {
            Some(Value::String(text)) => {
                text.push(',');
                text.push_str(&value);
            }
            Some(_) | None => {
                joined.insert(name.into_owned(), value.as_ref().into());
            }
        }
    }
    joined
}

/// Headers in lower case; cookies have a place of their own.
fn joined_headers(headers: &HeaderMap) -> Object {
    let headers = headers.iter().filter(|(name, _)| *name != COOKIE);
    joined(headers.map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (Cow::Borrowed(name.as_str()), value)
    }))
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let lines = headers.get_all(COOKIE).iter();
    lines.flat_map(|line| {
        let line = String::from_utf8_lossy(line.as_bytes());
        let cookies = line.split(';').map(|cookie| cookie.trim().to_owned());
        cookies
            .filter(|cookie| !cookie.is_empty())
            .collect::<Vec<_>>()
    })
}

/// A variable as text, `null` where it is unset.
fn text(exchange: &Exchange, variable: &Variable) -> Value {
    let context = Context {
        exchange,
        refused: None,
    };
    context
        .context(variable)
        .map_or(Value::Null, |value| value.as_ref().into())
}

/// A variable that is a number.
fn number(exchange: &Exchange, variable: &Variable) -> Value {
    let context = Context {
        exchange,
        refused: None,
    };
    let value = context.context(variable);
    let number = value.and_then(|value| value.parse::<u64>().ok());
    number.map_or(Value::Null, Value::from)
}

/// The client's certificate, where the domain asks for one.
fn certificate(exchange: &Exchange) -> Value {
    let Some(certificate) = &exchange.client_certificate else {
        return Value::Null;
    };
    json!({
        "clientCertPem": certificate.pem,
        "subjectDN": certificate.names.subject,
        "issuerDN": certificate.names.issuer,
        "serialNumber": certificate.names.serial,
        "validity": {"notBefore": certificate.not_before, "notAfter": certificate.not_after},
    })
}

fn context_v1(attempt: &Attempt<'_>) -> Value {
    let exchange = attempt.exchange;
    let text = |variable| text(exchange, &variable);
    json!({
        "resourceId": text(Variable::ResourceId),
        "resourcePath": resource(attempt),
        "httpMethod": text(Variable::HttpMethod),
        "extendedRequestId": text(Variable::ExtendedRequestId),
        "requestTime": text(Variable::RequestTime),
        "requestTimeEpoch": number(exchange, &Variable::RequestTimeEpoch),
        "path": text(Variable::Path),
        "accountId": text(Variable::AccountId),
        "protocol": text(Variable::Protocol),
        "stage": text(Variable::Stage),
        "domainName": text(Variable::DomainName),
        "domainPrefix": text(Variable::DomainPrefix),
        "requestId": text(Variable::RequestId),
        "apiId": text(Variable::ApiId),
        "identity": {
            "sourceIp": text(Variable::SourceIp),
            "userAgent": text(Variable::UserAgent),
            "apiKey": null,
            "clientCert": certificate(exchange),
        },
    })
}

fn context_v2(attempt: &Attempt<'_>) -> Value {
    let exchange = attempt.exchange;
    let text = |variable| text(exchange, &variable);
    let authentication = match certificate(exchange) {
        Value::Null => Value::Null,
        certificate => json!({"clientCert": certificate}),
    };
    json!({
        "accountId": text(Variable::AccountId),
        "apiId": text(Variable::ApiId),
        "authentication": authentication,
        "domainName": text(Variable::DomainName),
        "domainPrefix": text(Variable::DomainPrefix),
        "http": {
            "method": text(Variable::HttpMethod),
            "path": text(Variable::Path),
            "protocol": text(Variable::Protocol),
            "sourceIp": text(Variable::SourceIp),
            "userAgent": text(Variable::UserAgent),
        },
        "requestId": text(Variable::RequestId),
        "routeKey": attempt.called.route,
        "stage": text(Variable::Stage),
        "time": text(Variable::RequestTime),
        "timeEpoch": number(exchange, &Variable::RequestTimeEpoch),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_written_as_in_http_1() {
        for (name, expected) in [
            ("authorization", "Authorization"),
            ("x-amzn-trace-id", "X-Amzn-Trace-Id"),
            ("--a-", "--A-"),
            ("", ""),
        ] {
            assert_eq!(capitalized(name), expected);
        }
    }

    #[test]
    fn the_last_value_counts_and_all_are_told() {
        let pairs = [("a", "1"), ("b", ""), ("a", "2")];
        let pairs = || {
            pairs
                .into_iter()
                .map(|(name, value)| (name.to_owned(), Cow::Borrowed(value)))
        };
        let (last, all) = last_and_all(pairs());
        assert_eq!(Value::from(last), json!({"a": "2", "b": ""}));
        assert_eq!(Value::from(all), json!({"a": ["1", "2"], "b": [""]}));
        let joined = joined(pairs().map(|(name, value)| (Cow::Owned(name), value)));
        assert_eq!(Value::from(joined), json!({"a": "1,2", "b": ""}));
    }

    #[test]
    fn cookies_stand_by_themselves() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "a=1; b=2".parse().unwrap());
        headers.append(COOKIE, "c=3;".parse().unwrap());
        headers.append("x-one", "1".parse().unwrap());
        headers.append("x-one", "2".parse().unwrap());
        assert_eq!(cookies(&headers).collect::<Vec<_>>(), ["a=1", "b=2", "c=3"]);
        assert_eq!(
            Value::from(joined_headers(&headers)),
            json!({"x-one": "1,2"})
        );
    }
}
