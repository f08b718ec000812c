//! Authorizers of security schemes.
//!
//! Where the configuration has an authorizer of the scheme's name, that one checks callers, and has to
//! say the same as the definition. Where it has none, the definition makes one, as in the service.

mod counterpart;
mod function;
mod issuers;
mod jwt;
mod ttl;
mod user_pools;

use counterpart::Counterpart;
use function::Asked;
pub(super) use jwt::DEFAULT_ALGORITHMS;
use jwt::Jwt;
use user_pools::UserPools;

use super::carried;
use super::finding::Findings;
use super::made::Made;
use super::treatment::{self, Object};
use super::validator::flag;
use crate::config::cursor::Cursor;
use crate::config::near_miss::suggestion;
use crate::config::tree::{Node, Value, shortened};
use crate::model::ApiKind;

pub(super) const AUTHORIZER: &str = "x-amazon-apigateway-authorizer";

/// The authorizers around a definition.
#[derive(Clone, Debug)]
pub(super) struct Authorizers<'a> {
    /// The name of the API that the definition is of.
    pub(super) api: &'a str,
    /// Those of the configuration, where there is one.
    pub(super) configured: Option<Cursor<'a>>,
    /// Whether that one says how services of AWS are called, or still can.
    pub(super) calls_aws: bool,
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

/// What a scheme says of callers.
#[derive(Clone, Debug)]
pub(super) enum Described {
    /// They have a token of an issuer.
    Jwt(Jwt),
    /// They have a token of a user pool.
    UserPools(UserPools),
    /// A function says who they are.
    Function(Asked),
}

impl Described {
    /// Judges the authorizer of the scheme at `scheme`. `None` where it cannot be had, which was
    /// reported.
    pub(super) fn judge(
        scheme: &Cursor<'_>,
        kind: ApiKind,
        findings: &mut Findings,
    ) -> Option<Self> {
        let at = scheme.key(AUTHORIZER);
        let kind_of = at.key("type");
        let word = kind_of.scalar().map(str::to_ascii_lowercase);
        match word.as_deref() {
            Some("jwt") => {
                treatment::judge(&at, Object::Authorizer, kind, findings);
                Jwt::judge(&at, kind, findings).map(Self::Jwt)
            }
            Some("cognito_user_pools") => {
                treatment::judge(&at, Object::Authorizer, kind, findings);
                UserPools::judge(scheme, kind, findings).map(Self::UserPools)
            }
            Some(word @ ("token" | "request")) => {
                treatment::judge(&at, Object::Authorizer, kind, findings);
                Asked::judge(scheme, word == "token", kind, findings).map(Self::Function)
            }
            Some(other) => {
                let known = ["jwt", "token", "request", "cognito_user_pools"];
                let fix = suggestion(other, known.into_iter(), "take it out");
                let why = format!("`{}` is no type of authorizer{fix}", shortened(other));
                findings.refused(&kind_of, why);
                None
            }
            None => {
                findings.refused(&at, "it has no type: write `type: jwt`");
                None
            }
        }
    }

    /// An authorizer in the native form.
    pub(super) fn write(&self) -> Node {
        match self {
            Self::Jwt(jwt) => jwt.write(),
            Self::UserPools(pools) => pools.write(),
            Self::Function(asked) => asked.write(),
        }
    }

    /// Its type in the native form.
    const fn word(&self) -> &'static str {
        match self {
            Self::Jwt(_) => "jwt",
            Self::UserPools(_) => "cognito",
            Self::Function(_) => "function",
        }
    }

    /// Says what becomes of the authorizer at `at`, which the definition makes.
    fn tell_made(&self, at: &Cursor<'_>, kind: ApiKind, findings: &mut Findings) {
        let how = match self {
            Self::Jwt(jwt) => jwt.approximation(kind),
            Self::UserPools(_) => None,
            Self::Function(asked) => asked.approximation(),
        };
        match how {
            None => findings.honoured(at),
            Some(how) => findings.approximated(at, how),
        }
    }

    /// Holds what the definition says at `at` against the authorizer `name` of the configuration,
    /// which is `configured`.
    fn compare(
        &self,
        name: &str,
        at: &Cursor<'_>,
        configured: &Cursor<'_>,
        findings: &mut Findings,
    ) {
        let mut counterpart = Counterpart::new(name, findings);
        let here = self.word();
        let there = configured.key("type").scalar().unwrap_or(here);
        counterpart.compare("type", here, there, &at.key("type"));
        if here == there {
            match self {
                Self::Jwt(jwt) => jwt.compare(at, configured, &mut counterpart),
                Self::UserPools(pools) => pools.compare(at, configured, &mut counterpart),
                Self::Function(asked) => asked.compare(at, configured, &mut counterpart),
            }
        }
        let shown = shortened(name);
        let what = match self {
            Self::Jwt(_) | Self::UserPools(_) => "checks tokens",
            Self::Function(_) => "says where the function is",
        };
        let how = format!("the authorizer `{shown}` of the configuration {what}");
        findings.approximated(at, how);
    }
}

/// Refuses what another type of authorizer has.
fn judge_foreign(at: &Cursor<'_>, keys: &[(&str, &str)], findings: &mut Findings) {
    for (key, why) in keys {
        let at = at.key(key);
        if at.is_written() {
            findings.refused(&at, *why);
        }
    }
}

/// Where a credential stands, in the words of the configuration: REST APIs of the service say
/// `method.` for `$`.
fn native_source(text: &str) -> String {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix("method.request.") {
        return format!("$request.{rest}");
    }
    if text.starts_with("context.") || text.starts_with("stageVariables.") {
        return format!("${text}");
    }
    text.to_owned()
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

impl Authorizers<'_> {
    /// The authorizer for the scheme `name`, whose authorizer stands at `at`. `None` where there can
    /// be none, which was reported.
    pub(super) fn of(
        &self,
        name: &str,
        described: &Described,
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
            described.compare(name, at, &own, findings);
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
        if let Described::Function(asked) = described {
            asked.judge_alone(name, at, self.calls_aws, findings)?;
        }
        described.tell_made(at, kind, findings);
        Some(Found::Made(made))
    }
}
