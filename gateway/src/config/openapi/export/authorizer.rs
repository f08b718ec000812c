//! The security scheme of an authorizer, in the form that the service has for its type of API.

use super::object::{Object, item, of_text};
use crate::config::cursor::Cursor;
use crate::config::lower::parse_duration;
use crate::config::openapi::authorizer::DEFAULT_ALGORITHMS;
use crate::config::openapi::carried;
use crate::model::{ApiKind, FunctionName};

/// Where a token stands, and where it does by default.
const SOURCE: &str = "identity_source";
const DEFAULT_SOURCE: &str = "$request.header.Authorization";

/// Which function is asked.
const URI: &str = "authorizerUri";

/// Whether the authorizer at `at` has settings that a definition has no place for.
pub(super) fn says_more(at: &Cursor<'_>) -> bool {
    if is_of_signers(at) {
        // Access keys are no part of a definition.
        return true;
    }
    if is_of_pools(at) {
        return pools_say_more(at);
    }
    if is_function(at) {
        return function_says_more(at);
    }
    const KNOWN: [&str; 6] = [
        "type",
        "issuer",
        "audiences",
        "algorithms",
        "issuers",
        SOURCE,
    ];
    const KNOWN_OF_ISSUERS: [&str; 3] = ["issuer", "audiences", "algorithms"];
    let section = at.key("issuers");
    at.names().any(|key| !KNOWN.contains(&key))
        || common_algorithms(at).is_none()
        || section.items().any(|issuer| {
            let mut names = issuer.names();
            names.any(|key| !KNOWN_OF_ISSUERS.contains(&key))
        })
}

/// Whether the authorizer at `at` knows callers by their signatures.
pub(super) fn is_of_signers(at: &Cursor<'_>) -> bool {
    at.key("type").scalar() == Some("iam")
}

fn is_function(at: &Cursor<'_>) -> bool {
    at.key("type").scalar() == Some("function")
}

fn function_says_more(at: &Cursor<'_>) -> bool {
    const KNOWN: [&str; 8] = [
        "type",
        "function",
        "event",
        "payload_format",
        "simple_responses",
        "identity_sources",
        "identity_validation_expression",
        "result_ttl",
    ];
    let ttl = at.key("result_ttl");
    at.names().any(|key| !KNOWN.contains(&key))
        || (ttl.is_written() && seconds(&ttl).is_none())
        || named_function(at).is_some_and(|name| uri_of(name).is_none())
}

/// The function of AWS Lambda that the authorizer at `at` asks.
fn named_function<'a>(at: &Cursor<'a>) -> Option<&'a str> {
    at.key("function").key("lambda").scalar()
}

/// How the service writes that `name` is called: by its ARN, which a name alone does not have.
fn uri_of(name: &str) -> Option<String> {
    let name = FunctionName::parse(name).ok()?;
    let (region, partition) = (name.region()?, name.as_str().split(':').nth(1)?);
    Some(format!(
        "arn:{partition}:apigateway:{region}:lambda:path/2015-03-31/functions/{name}/invocations"
    ))
}

fn is_of_pools(at: &Cursor<'_>) -> bool {
    at.key("type").scalar() == Some("cognito")
}

fn pools_say_more(at: &Cursor<'_>) -> bool {
    const KNOWN: [&str; 5] = [
        "type",
        "user_pools",
        SOURCE,
        "identity_validation_expression",
        "decision_ttl",
    ];
    let ttl = at.key("decision_ttl");
    at.names().any(|key| !KNOWN.contains(&key)) || (ttl.is_written() && seconds(&ttl).is_none())
}

/// The scheme of the authorizer at `at`.
pub(super) fn write(at: &Cursor<'_>, kind: ApiKind) -> Object {
    if is_of_signers(at) {
        let mut made = of_text("type", "apiKey");
        made.text("name", "Authorization");
        made.text("in", "header");
        made.text("x-amazon-apigateway-authtype", "awsSigv4");
        return made;
    }
    let (mut made, mut authorizer) = if is_of_pools(at) {
        of_pools(at)
    } else if is_function(at) {
        of_function(at, kind)
    } else {
        of_issuers(at, kind)
    };
    if says_more(at) {
        // Made from the rest alone it could let callers pass whom this one refuses.
        authorizer.word(carried::CONFIGURED, true);
    }
    made.object("x-amazon-apigateway-authorizer", authorizer);
    made
}

fn of_pools(at: &Cursor<'_>) -> (Object, Object) {
    const KIND: &str = "cognito_user_pools";
    let mut made = of_text("type", "apiKey");
    let source = at.key(SOURCE).scalar().unwrap_or(DEFAULT_SOURCE);
    made.text(
        "name",
        source.strip_prefix("$request.header.").unwrap_or(source),
    );
    made.text("in", "header");
    made.text("x-amazon-apigateway-authtype", KIND);
    let mut authorizer = of_text("type", KIND);
    authorizer.copy("providerARNs", &at.key("user_pools"));
    authorizer.copy(
        "identityValidationExpression",
        &at.key("identity_validation_expression"),
    );
    if let Some(seconds) = seconds(&at.key("decision_ttl")) {
        authorizer.word("authorizerResultTtlInSeconds", seconds);
    }
    (made, authorizer)
}

fn of_function(at: &Cursor<'_>, kind: ApiKind) -> (Object, Object) {
    let is_token = at.key("event").scalar() == Some("token");
    let sources: Vec<&str> = at
        .key("identity_sources")
        .items()
        .filter_map(|item| item.scalar())
        .collect();
    let mut made = of_text("type", "apiKey");
    let header = match sources.first() {
        Some(source) if is_token => source.strip_prefix("$request.header.").unwrap_or(source),
        None if is_token => "Authorization",
        // As the service writes it: where requests are told whole, no one header is meant.
        Some(_) | None => "Unused",
    };
    made.text("name", header);
    made.text("in", "header");
    made.text("x-amazon-apigateway-authtype", "custom");
    let mut authorizer = of_text("type", if is_token { "token" } else { "request" });
    match named_function(at) {
        // As it is written: which account has it, the credentials decide.
        Some(name) => authorizer.text(URI, uri_of(name).as_deref().unwrap_or(name)),
        None => authorizer.copy(URI, &at.key("function").key("url")),
    }
    if is_token {
        authorizer.copy(
            "identityValidationExpression",
            &at.key("identity_validation_expression"),
        );
    } else if !sources.is_empty() {
        let sources: Vec<String> = sources.iter().map(|it| of_source(it, kind)).collect();
        authorizer.text("identitySource", &sources.join(", "));
    }
    if kind == ApiKind::Http {
        let format = at.key("payload_format").scalar().unwrap_or("2.0");
        authorizer.text("authorizerPayloadFormatVersion", format);
        if at.key("simple_responses").scalar() == Some("true") {
            authorizer.word("enableSimpleResponses", true);
        }
    }
    // What holds by default differs where nothing tells callers apart.
    let ttl = at.key("result_ttl");
    let ttl = if ttl.is_written() || is_token || !sources.is_empty() {
        seconds(&ttl)
    } else {
        Some(0)
    };
    if let Some(seconds) = ttl {
        authorizer.word("authorizerResultTtlInSeconds", seconds);
    }
    (made, authorizer)
}

/// An identity source as APIs of this type write it.
fn of_source(source: &str, kind: ApiKind) -> String {
    match (kind, source.strip_prefix('$')) {
        (ApiKind::Rest, Some(rest)) if rest.starts_with("request.") => format!("method.{rest}"),
        (ApiKind::Rest, Some(rest)) => rest.to_owned(),
        (ApiKind::Rest | ApiKind::Http, _) => source.to_owned(),
    }
}

/// The service counts whole seconds.
fn seconds(at: &Cursor<'_>) -> Option<u64> {
    let duration = parse_duration(at.scalar()?)?;
    (duration.subsec_nanos() == 0).then_some(duration.as_secs())
}

fn of_issuers(at: &Cursor<'_>, kind: ApiKind) -> (Object, Object) {
    let issuers = issuers(at);
    let is_one = issuers.len() == 1 && !issuers.iter().any(|it| it.key("algorithms").is_written());
    let mut jwt = Object::new();
    match issuers.as_slice() {
        [one] if is_one && kind == ApiKind::Http => {
            jwt.copy("issuer", &one.key("issuer"));
            jwt.copy("audience", &one.key("audiences"));
        }
        all => {
            if let Some(algorithms) = common_algorithms(at) {
                let algorithms = algorithms.into_iter().map(item);
                jwt.list("defaultAlgorithms", algorithms.collect());
            }
            let issuers = all.iter().map(|one| {
                let mut issuer = Object::new();
                issuer.copy("issuer", &one.key("issuer"));
                issuer.copy("audiences", &one.key("audiences"));
                issuer.finish()
            });
            jwt.list("issuers", issuers.collect());
        }
    }
    let mut authorizer = of_text("type", "jwt");
    authorizer.object("jwtConfiguration", jwt);
    let source = at.key(SOURCE).scalar().unwrap_or(DEFAULT_SOURCE);
    let source = match (kind, source.strip_prefix('$')) {
        (ApiKind::Rest, Some(rest)) => format!("method.{rest}"),
        (ApiKind::Rest | ApiKind::Http, _) => source.to_owned(),
    };
    authorizer.text("identitySource", &source);
    (of_text("type", "oauth2"), authorizer)
}

/// The issuers of the authorizer at `at`.
fn issuers<'a>(at: &Cursor<'a>) -> Vec<Cursor<'a>> {
    let section = at.key("issuers");
    if section.is_written() {
        section.items().collect()
    } else {
        vec![at.clone()]
    }
}

/// The algorithms of every issuer of the authorizer at `at`; `None` where they differ.
fn common_algorithms<'a>(at: &Cursor<'a>) -> Option<Vec<&'a str>> {
    let of = |issuer: &Cursor<'a>| -> Vec<&'a str> {
        let written = issuer.key("algorithms");
        if !written.is_written() {
            return DEFAULT_ALGORITHMS.to_vec();
        }
        written.items().filter_map(|item| item.scalar()).collect()
    };
    let mut all = issuers(at).into_iter();
    let first = of(&all.next()?);
    all.all(|issuer| of(&issuer) == first).then_some(first)
}
