//! Authorizers: those of the file, and those that deployments have frozen.

mod cognito;
mod fit;
mod function;
mod credentials;
mod iam;
mod jwks;
mod jwt;

use http::HeaderName;

use super::Lowering;
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::config::written;
use crate::model::{Authorizer, AuthorizerKind, AuthorizerName, Guard, IdentitySource};
pub(in crate::config) use credentials::FILE_BYTES_MAX as CREDENTIALS_BYTES_MAX;

pub(super) use fit::check as check_fit;

/// What a route writes instead of an authorizer's name to be public.
pub(in crate::config) const NONE: &str = "none";

/// Lowers every authorizer.
pub(super) fn lower(
    written: &written::Named<written::Authorizer>,
    cx: &mut Lowering<'_>,
) -> Vec<Authorizer> {
    let section = cx.root.key("authorizers");
    for name in section.names() {
        let at = section.key(name);
        cx.name(name, &at);
        if name == NONE {
            cx.error_at_key(&at, "`none` is what public routes say: choose another name");
        }
    }
    let mut authorizers = Vec::new();
    for (name, authorizer) in &written.0 {
        authorizers.extend(lower_one(name, authorizer, &section.key(name), false, cx));
    }
    authorizers
}

/// Lowers the authorizer `name` at `at`, which a deployment may have frozen.
pub(super) fn lower_one(
    name: &str,
    written: &written::Authorizer,
    at: &Cursor<'_>,
    is_frozen: bool,
    cx: &mut Lowering<'_>,
) -> Option<Authorizer> {
    let kind = match written {
        written::Authorizer::Jwt(jwt) => AuthorizerKind::Jwt(jwt::lower(jwt, at, is_frozen, cx)?),
        written::Authorizer::Cognito(pools) => AuthorizerKind::Jwt(cognito::lower(pools, at, cx)?),
        written::Authorizer::Function(asked) => {
            AuthorizerKind::Function(function::lower(asked, at, cx)?)
        }
        written::Authorizer::Iam(iam) => AuthorizerKind::Iam(iam::lower(iam, at, is_frozen, cx)),
    };
    let (guard, monitor) = written.held();
    Some(Authorizer {
        name: AuthorizerName::new(name),
        kind,
        guard: lower_guard(guard, &at.key("guard"), cx),
        monitor,
        is_frozen,
    })
}

fn lower_guard(written: Option<&written::Guard>, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Guard {
    let Some(guard) = written else {
        return Guard::default();
    };
    let mut limit = |rate: Option<&written::Rate>, key| {
        let rate = rate?;
        let limit = cx.limit(rate.rate.0, rate.burst, &at.key(key));
        limit.map(|(_, limit)| limit)
    };
    Guard {
        source: limit(guard.per_source.as_ref(), "per_source"),
        total: limit(guard.total.as_ref(), "total"),
    }
}

fn lower_identity_source(
    written: &str,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<IdentitySource> {
    if let Some(name) = written.strip_prefix("$request.header.") {
        return cx.header_name(name, at).map(IdentitySource::Header);
    }
    match written.strip_prefix("$request.querystring.") {
        Some(name) if !name.is_empty() => Some(IdentitySource::Query(name.to_owned())),
        Some(_) | None => {
            let shown = shortened(written);
            let form = "`$request.header.<name>` or `$request.querystring.<name>`";
            cx.error(
                at,
                format!("`{shown}` is not an identity source: write {form}"),
            );
            None
        }
    }
}

impl Lowering<'_> {
    /// The name of a header, lower-cased.
    pub(super) fn header_name(&mut self, name: &str, at: &Cursor<'_>) -> Option<HeaderName> {
        let parsed = HeaderName::from_bytes(name.as_bytes());
        if parsed.is_err() {
            self.error(
                at,
                format!(
                    "`{}` is not a header name: write letters, digits and `-`",
                    shortened(name)
                ),
            );
        }
        parsed.ok()
    }
}
