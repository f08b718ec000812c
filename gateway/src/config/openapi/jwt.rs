//! Authorizers of tokens: what a definition says of them, beside what the configuration says.

use super::finding::Findings;
use super::treatment::{self, Object};
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::model::ApiKind;

/// The authorizers that a definition may name.
#[derive(Clone, Debug)]
pub(super) enum Authorizers<'a> {
    /// Those of a configuration.
    Configured(Cursor<'a>),
    /// There is no configuration yet: whatever the definition needs will be there.
    Open,
}

/// What the definition says of tokens.
#[derive(Clone, Debug)]
pub(super) struct Jwt {
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    pub(super) identity_source: Option<String>,
}

/// What the authorizer at `at` says; `None` where it cannot be had, which was reported.
pub(super) fn judge(at: &Cursor<'_>, kind: ApiKind, findings: &mut Findings) -> Option<Jwt> {
    treatment::judge(at, Object::Authorizer, kind, findings);
    let configuration = at.key("jwtConfiguration");
    treatment::judge(&configuration, Object::JwtConfiguration, kind, findings);
    let issuer = configuration.key("issuer").scalar();
    let audience = configuration.key("audience");
    let audiences: Option<Vec<_>> = match audience.scalar() {
        Some(one) => Some(vec![one.to_owned()]),
        None => audience
            .items()
            .map(|item| item.scalar().map(str::to_owned))
            .collect(),
    };
    let audiences = audiences.filter(|audiences| !audiences.is_empty());
    let (Some(issuer), Some(audiences)) = (issuer, audiences) else {
        let why = "tokens are checked against an issuer and audiences: write \
                   `jwtConfiguration: {issuer: .., audience: [..]}`";
        findings.refused(
            &if configuration.is_written() {
                configuration
            } else {
                at.clone()
            },
            why,
        );
        return None;
    };
    Some(Jwt {
        issuer: issuer.to_owned(),
        audiences,
        identity_source: judge_identity_source(&at.key("identitySource"), findings)?,
    })
}

/// Where the token stands, in the words of the configuration. `None` where that cannot be said.
fn judge_identity_source(at: &Cursor<'_>, findings: &mut Findings) -> Option<Option<String>> {
    if !at.is_written() {
        return Some(None);
    }
    let mut items = at.items();
    let text = match (at.scalar(), items.next(), items.next()) {
        (Some(text), ..) => Some(text),
        (None, Some(item), None) => item.scalar(),
        _ => None,
    };
    match text.filter(|text| !text.contains(',')) {
        Some(text) => Some(Some(text.trim().to_owned())),
        None => {
            let why = "a token stands in one place: write `$request.header.<name>` or \
                       `$request.querystring.<name>`";
            findings.refused(at, why);
            None
        }
    }
}

/// Holds what the definition says against the authorizer of that name.
pub(super) fn compare(
    name: &str,
    jwt: &Jwt,
    at: &Cursor<'_>,
    kind: ApiKind,
    authorizers: &Authorizers<'_>,
    findings: &mut Findings,
) {
    let keys = "keys and algorithms are not in the definition";
    let shown = shortened(name);
    let alone = match kind {
        ApiKind::Rest => ", which the service has for HTTP APIs alone",
        ApiKind::Http => "",
    };
    let how = format!("{keys}: the authorizer `{shown}` of the configuration checks tokens{alone}");
    let Authorizers::Configured(section) = authorizers else {
        findings.approximated(at, how);
        return;
    };
    let configured = section.key(name);
    if !configured.is_written() {
        let why = format!(
            "{keys}: add an authorizer `{shown}` to `authorizers` of the configuration, with the \
             issuer `{}`",
            shortened(&jwt.issuer)
        );
        findings.refused(at, why);
        return;
    }
    let differs = |what: &str, here: &str, there: &str| {
        format!(
            "the authorizer `{shown}` of the configuration has the {what} `{}`, not `{}`: make \
             both the same",
            shortened(there),
            shortened(here)
        )
    };
    let configuration = at.key("jwtConfiguration");
    if let Some(issuer) = configured.key("issuer").scalar()
        && issuer != jwt.issuer
    {
        let why = differs("issuer", &jwt.issuer, issuer);
        findings.refused(&configuration.key("issuer"), why);
    }
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names.dedup();
        names.join(", ")
    };
    let audiences = configured.key("audiences");
    let there = sorted(
        audiences
            .items()
            .filter_map(|item| item.scalar().map(str::to_owned))
            .collect(),
    );
    let here = sorted(jwt.audiences.clone());
    if here != there {
        let why = differs("audiences", &here, &there);
        findings.refused(&configuration.key("audience"), why);
    }
    const DEFAULT: &str = "$request.header.Authorization";
    let there = configured
        .key("identity_source")
        .scalar()
        .unwrap_or(DEFAULT);
    let here = jwt.identity_source.as_deref().unwrap_or(DEFAULT);
    // Names of headers have no case; those of parameters of the query do.
    let is_header = here.starts_with("$request.header.");
    if here != there && !(is_header && here.eq_ignore_ascii_case(there)) {
        let why = differs("identity source", here, there);
        findings.refused(&at.key("identitySource"), why);
    }
    findings.approximated(at, how);
}
