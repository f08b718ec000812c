//! Authorizers of tokens.
//!
//! Where the configuration has an authorizer of the scheme's name, that one checks tokens, and has to
//! say the same as the definition. Where it has none, the definition makes one, as in the service.

use super::carried;
use super::finding::Findings;
use super::made::{Made, list, plain, text};
use super::treatment::{self, Object};
use super::validator::flag;
use crate::config::cursor::Cursor;
use crate::config::diagnostic::Place;
use crate::config::tree::{Node, Value, shortened};
use crate::model::ApiKind;

/// The authorizers around a definition.
#[derive(Clone, Debug)]
pub(super) struct Authorizers<'a> {
    /// The name of the API that the definition is of.
    pub(super) api: &'a str,
    /// Those of the configuration, where there is one.
    pub(super) configured: Option<Cursor<'a>>,
    /// Names of those that other definitions made.
    pub(super) taken: &'a [String],
}

/// Which authorizer stands for a scheme.
#[derive(Debug)]
pub(super) enum Found {
    /// The one of the configuration that has the scheme's name.
    Configured,
    /// One of this name, which the definition makes.
    Made(String),
}

/// What the definition says of tokens.
#[derive(Clone, Debug)]
pub(super) struct Jwt {
    issuer: (String, Place),
    audiences: Vec<(String, Place)>,
    identity_source: Option<(String, Place)>,
    /// Of the key of the authorizer.
    pub(super) place: Place,
}

impl Jwt {
    /// An authorizer in the native form: as in the service its keys are found by discovery, and
    /// tokens are signed with RSA.
    pub(super) fn write(&self) -> Node {
        let at = |(written, place): &(String, Place)| text(*place, written);
        let mut made = Made::at(self.place);
        made.put("type", self.place, plain(self.place, "jwt"));
        made.put("issuer", self.issuer.1, at(&self.issuer));
        let audiences = self.audiences.iter().map(at);
        made.put(
            "audiences",
            self.place,
            list(self.place, audiences.collect()),
        );
        if let Some(source) = &self.identity_source {
            made.put("identity_source", source.1, at(source));
        }
        made.finish()
    }
}

/// The configuration `tree` with `made` among its authorizers.
pub(super) fn with_authorizers(tree: Node, made: Vec<(String, Node)>) -> Node {
    const SECTION: &str = "authorizers";
    let written = tree.entry(SECTION);
    let own = match written.map(|entry| &entry.node.value) {
        None => &[],
        Some(Value::Mapping(mapping)) => mapping.entries(),
        // What else it is will be refused.
        Some(Value::Scalar { .. } | Value::Sequence(_) | Value::Refused) => return tree,
    };
    if made.is_empty() {
        return tree;
    }
    let mut section = Made::at(written.map_or(tree.place, |entry| entry.node.place));
    for entry in own {
        section.put(&entry.key, entry.key_place, entry.node.clone());
    }
    for (name, node) in made {
        section.put(&name, node.place, node);
    }
    let key_place = written.map_or(tree.place, |entry| entry.key_place);
    let mut root = Made::at(tree.place);
    root.put(SECTION, key_place, section.finish());
    if let Value::Mapping(mapping) = &tree.value {
        // Of two with one key the first stays.
        for entry in mapping.entries() {
            root.put(&entry.key, entry.key_place, entry.node.clone());
        }
    }
    root.finish()
}

/// What the authorizer at `at` says; `None` where it cannot be had, which was reported.
pub(super) fn judge(at: &Cursor<'_>, kind: ApiKind, findings: &mut Findings) -> Option<Jwt> {
    treatment::judge(at, Object::Authorizer, kind, findings);
    let configuration = at.key("jwtConfiguration");
    treatment::judge(&configuration, Object::JwtConfiguration, kind, findings);
    let issuer_at = configuration.key("issuer");
    let audience = configuration.key("audience");
    let named = |at: &Cursor<'_>| Some((at.scalar()?.to_owned(), at.place));
    let audiences: Option<Vec<_>> = match named(&audience) {
        Some(one) => Some(vec![one]),
        None => audience.items().map(|item| named(&item)).collect(),
    };
    let audiences = audiences.filter(|audiences| !audiences.is_empty());
    let (Some(issuer), Some(audiences)) = (named(&issuer_at), audiences) else {
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
    let source_at = at.key("identitySource");
    let identity_source = judge_identity_source(&source_at, findings)?;
    Some(Jwt {
        issuer,
        audiences,
        identity_source: identity_source.map(|text| (text, source_at.place)),
        place: at.key_place,
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

impl Authorizers<'_> {
    /// The authorizer for the scheme `name`, whose authorizer stands at `at`. `None` where there can
    /// be none, which was reported.
    pub(super) fn of(
        &self,
        name: &str,
        jwt: &Jwt,
        at: &Cursor<'_>,
        kind: ApiKind,
        findings: &mut Findings,
    ) -> Option<Found> {
        let section = self.configured.as_ref();
        let configured = at.key(carried::CONFIGURED);
        let is_configured = flag(&configured, findings);
        if let Some(own) = section.map(|section| section.key(name))
            && own.is_written()
        {
            compare(name, jwt, at, &own, findings);
            if configured.is_written() {
                findings.honoured(&configured);
            }
            return Some(Found::Configured);
        }
        if is_configured {
            let shown = shortened(name);
            let fix = match section {
                Some(_) => format!("add `{shown}` to `authorizers` of the configuration"),
                None => format!(
                    "name this file as `definition` in a configuration that has `{shown}` under \
                     `authorizers`"
                ),
            };
            let why = format!(
                "where this was exported, the configuration said more of the authorizer than a \
                 definition can: {fix}"
            );
            findings.refused(at, why);
            return None;
        }
        const CHARACTERS_MAX: usize = 64;
        let made = format!("{}-{name}", self.api);
        let is_taken = section.is_some_and(|section| section.key(&made).is_written())
            || self.taken.contains(&made);
        if is_taken || made.len() > CHARACTERS_MAX {
            let shown = shortened(&made);
            let why = if is_taken {
                "there is one of this name already"
            } else {
                "that is longer than 64 characters"
            };
            let why = format!(
                "its authorizer would be called `{shown}`, and {why}: rename the scheme, or add an \
                 authorizer `{}` to `authorizers` of the configuration",
                shortened(name)
            );
            findings.refused(at, why);
            return None;
        }
        match kind {
            ApiKind::Http => findings.honoured(at),
            ApiKind::Rest => findings.approximated(
                at,
                "tokens are checked as in HTTP APIs: one issuer, signatures with RSA, and no further \
                 claims that are required",
            ),
        }
        Some(Found::Made(made))
    }
}

/// Holds what the definition says against the authorizer of that name, which is `configured`.
fn compare(
    name: &str,
    jwt: &Jwt,
    at: &Cursor<'_>,
    configured: &Cursor<'_>,
    findings: &mut Findings,
) {
    let shown = shortened(name);
    let how = format!("the authorizer `{shown}` of the configuration checks tokens");
    let (expected, _) = &jwt.issuer;
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
        && issuer != expected
    {
        let why = differs("issuer", expected, issuer);
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
    let here = jwt.audiences.iter().map(|(name, _)| name.clone());
    let here = sorted(here.collect());
    if here != there {
        let why = differs("audiences", &here, &there);
        findings.refused(&configuration.key("audience"), why);
    }
    const DEFAULT: &str = "$request.header.Authorization";
    let there = configured
        .key("identity_source")
        .scalar()
        .unwrap_or(DEFAULT);
    let own = jwt.identity_source.as_ref();
    let here = own.map_or(DEFAULT, |(source, _)| source.as_str());
    // Names of headers have no case; those of parameters of the query do.
    let is_header = here.starts_with("$request.header.");
    if here != there && !(is_header && here.eq_ignore_ascii_case(there)) {
        let why = differs("identity source", here, there);
        findings.refused(&at.key("identitySource"), why);
    }
    findings.approximated(at, how);
}
