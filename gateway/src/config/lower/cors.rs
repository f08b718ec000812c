//! What pages of other origins may do.

use super::Lowering;
use super::quantity::s;
use super::route_key::METHODS;
use crate::config::cursor::Cursor;
use crate::config::near_miss::suggestion;
use crate::config::tree::shortened;
use crate::config::written;
use crate::model::{AllowedOrigin, ApiKind, Cors, RouteMethod};

/// Stands for everything.
const WILDCARD: &str = "*";

/// Lowers what one API says.
pub(super) fn lower(
    written: Option<&written::Cors>,
    kind: ApiKind,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Cors> {
    let written = written?;
    if kind == ApiKind::Rest {
        let message = "only HTTP APIs have this: write a mock for `OPTIONS`, and gateway responses";
        cx.error_at_key(at, message);
    }
    let origins_at = at.key("allow_origins");
    let mut origins = Vec::new();
    for (index, origin) in written.allow_origins.iter().enumerate() {
        let at = origins_at.item(index);
        let origin = lower_origin(origin, &at, cx);
        if written.allow_credentials && !matches!(origin, None | Some(AllowedOrigin::Exact(_))) {
            let message = "with `allow_credentials` every origin has to be named, since any page could \
                           act as its visitor: write out those that may";
            cx.error(&at, message);
        }
        origins.extend(origin);
    }
    check_methods(&written.allow_methods, &at.key("allow_methods"), cx);
    check_headers(&written.allow_headers, &at.key("allow_headers"), cx);
    check_headers(&written.expose_headers, &at.key("expose_headers"), cx);
    if written.allow_credentials {
        warn_of_wildcards(written, at, cx);
    }
    let age = |cx: &mut Lowering<'_>, age| {
        cx.duration(Some(age), &at.key("max_age"), s(0)..=s(86_400), s(0))
    };
    Some(Cors {
        origins,
        methods: written.allow_methods.clone(),
        headers: written.allow_headers.clone(),
        exposed: written.expose_headers.clone(),
        credentials: written.allow_credentials,
        max_age: written.max_age.as_ref().map(|written| age(cx, written)),
    })
}

fn lower_origin(text: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Option<AllowedOrigin> {
    match text {
        WILDCARD => return Some(AllowedOrigin::Any),
        "https://*" => return Some(AllowedOrigin::Scheme("https://")),
        "http://*" => return Some(AllowedOrigin::Scheme("http://")),
        _ => {}
    }
    // Browsers send origins in lower case and without a path, and they are compared as they are.
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._:[]".contains(&b);
    let is_origin = text.split_once("://").is_some_and(|(scheme, rest)| {
        !scheme.is_empty() && !rest.is_empty() && (scheme.to_owned() + rest).bytes().all(allowed)
    });
    if !is_origin {
        let message = format!(
            "`{}` is not an origin: write `https://host` or `https://host:port` in lower case and \
             without a path, `https://*`, `http://*` or `*`",
            shortened(text)
        );
        cx.error(at, message);
        return None;
    }
    Some(AllowedOrigin::Exact(text.to_owned()))
}

fn check_methods(methods: &[String], at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    let known = METHODS
        .iter()
        .filter(|(_, method)| *method != RouteMethod::Any);
    let known = known.map(|(name, _)| *name).chain([WILDCARD]);
    for (index, method) in methods.iter().enumerate() {
        if !known.clone().any(|name| name == method) {
            let fix = suggestion(method, known.clone(), "write `GET`");
            let message = format!("`{}` is not a method{fix}", shortened(method));
            cx.error(&at.item(index), message);
        }
    }
}

fn check_headers(headers: &[String], at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    for (index, header) in headers.iter().enumerate() {
        if header != WILDCARD {
            cx.header_name(header, &at.item(index));
        }
    }
}

fn warn_of_wildcards(written: &written::Cors, at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    for (key, values) in [
        ("allow_methods", &written.allow_methods),
        ("allow_headers", &written.allow_headers),
        ("expose_headers", &written.expose_headers),
    ] {
        if values.iter().any(|value| value == WILDCARD) {
            let message = "with `allow_credentials` browsers take `*` for a name: write them out";
            cx.warning(&at.key(key), message);
        }
    }
}
