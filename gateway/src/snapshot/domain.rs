//! Where a custom domain leads a request: what the first of its routing rules says whose conditions
//! all hold or, if there is none, the longest of its mappings.
//!
//! Neither looks at what routes the API has. A request of a domain without rules is asked nothing
//! more than its path. Source: API Gateway Developer Guide, "Routing rules to connect API stages to
//! a custom domain name for REST APIs", and 1.4 and 1.5 of docs/semantics.md.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;

use http::HeaderMap;
use http::header::{COOKIE, HOST};

use super::ApiPlan;
use super::door::Room;
use crate::model::{HeaderCondition, RoutingRule};
use crate::router::RequestPath;

/// What a request asks for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its host, lower-cased and without port.
    pub host: &'a str,
    /// Its path, as it arrived.
    pub path: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
}

/// What leads the requests of a domain.
#[derive(Debug)]
pub(super) struct DomainPlan {
    /// By priority.
    rules: Vec<RulePlan>,
    mappings: Vec<MappingPlan>,
}

/// A stage of an API.
#[derive(Clone, Debug)]
pub(super) struct TargetPlan {
    /// The API.
    pub(super) api: Arc<ApiPlan>,
    /// The name of its stage.
    pub(super) stage: Arc<str>,
    /// Who may come in to the API; `None` for everybody.
    pub(super) room: Option<Room>,
}

/// What a path of a domain leads to.
#[derive(Debug)]
pub(super) struct MappingPlan {
    /// The segments that a path begins with.
    pub(super) segments: Vec<String>,
    /// Where it leads.
    pub(super) target: TargetPlan,
}

/// What a routing rule leads to.
#[derive(Debug)]
pub(super) struct RulePlan {
    id: Arc<str>,
    headers: Vec<HeaderCondition>,
    /// The segments that a path begins with.
    segments: Vec<String>,
    is_stripped: bool,
    target: TargetPlan,
}

/// What led a request to its API.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lead<'s> {
    Rule(&'s RulePlan),
    Mapping(&'s MappingPlan),
}

impl DomainPlan {
    /// Of these rules, in any order, and mappings.
    pub(super) fn new(mut rules: Vec<(u32, RulePlan)>, mappings: Vec<MappingPlan>) -> Self {
        rules.sort_by_key(|(priority, _)| *priority);
        Self {
            rules: rules.into_iter().map(|(_, rule)| rule).collect(),
            mappings,
        }
    }

    /// What leads a request whose path was read as `path`.
    pub(super) fn lead(&self, asked: &Asked<'_>, path: &RequestPath<'_>) -> Option<Lead<'_>> {
        let fields = Fields {
            asked,
            cookie: OnceCell::new(),
        };
        let mut rules = self.rules.iter();
        if let Some(rule) = rules.find(|rule| rule.is_for(&fields, path)) {
            return Some(Lead::Rule(rule));
        }
        let mappings = self.mappings.iter();
        let mappings = mappings.filter(|mapping| begins(path, &mapping.segments));
        let longest = mappings.max_by_key(|mapping| mapping.segments.len());
        longest.map(Lead::Mapping)
    }
}

impl RulePlan {
    /// Of a rule that leads to `target`.
    pub(super) fn new(rule: &RoutingRule, target: TargetPlan) -> Self {
        let base_path = rule.base_path.as_ref();
        Self {
            id: Arc::from(rule.id.as_str()),
            headers: rule.headers.clone(),
            segments: base_path.map_or_else(Vec::new, |base| base.segments.clone()),
            is_stripped: base_path.is_some_and(|base| base.is_stripped),
            target,
        }
    }

    fn is_for(&self, fields: &Fields<'_>, path: &RequestPath<'_>) -> bool {
        let mut headers = self.headers.iter();
        begins(path, &self.segments) && headers.all(|condition| fields.meet(condition))
    }
}

impl<'s> Lead<'s> {
    /// Where it leads.
    pub(super) const fn target(self) -> &'s TargetPlan {
        match self {
            Self::Rule(rule) => &rule.target,
            Self::Mapping(mapping) => &mapping.target,
        }
    }

    /// How many segments of the path the API does not see.
    pub(super) const fn stripped(self) -> usize {
        match self {
            Self::Rule(rule) if rule.is_stripped => rule.segments.len(),
            Self::Rule(_) => 0,
            Self::Mapping(mapping) => mapping.segments.len(),
        }
    }

    /// The id of the rule, if one led here.
    pub(super) const fn rule(self) -> Option<&'s Arc<str>> {
        match self {
            Self::Rule(rule) => Some(&rule.id),
            Self::Mapping(_) => None,
        }
    }

    /// The path of the mapping, if one led here.
    pub(super) fn mapping(self) -> Option<String> {
        match self {
            Self::Rule(_) => None,
            Self::Mapping(mapping) => Some(mapping.segments.join("/")),
        }
    }
}

fn begins(path: &RequestPath<'_>, segments: &[String]) -> bool {
    let beginning = path.segments().get(..segments.len());
    beginning.is_some_and(|beginning| segments.iter().eq(beginning))
}

/// The fields of a request, as conditions ask for them.
struct Fields<'a> {
    asked: &'a Asked<'a>,
    /// Put together for the first condition that asks, whatever their number.
    cookie: OnceCell<Option<Cow<'a, [u8]>>>,
}

impl Fields<'_> {
    /// Whether one of the fields of that name matches, each by itself.
    fn meet(&self, condition: &HeaderCondition) -> bool {
        let HeaderCondition { header, value } = condition;
        match *header {
            // HTTP/2 has no such field, and the port says nothing of the domain.
            HOST => value.matches(self.asked.host.as_bytes()),
            COOKIE => {
                let cookie = self.cookie.get_or_init(|| cookie(self.asked.headers));
                cookie.as_ref().is_some_and(|cookie| value.matches(cookie))
            }
            _ => {
                let mut fields = self.asked.headers.get_all(header).iter();
                fields.any(|field| value.matches(field.as_bytes()))
            }
        }
    }
}

/// The cookies of a request as one value: HTTP/2 clients may send them in pieces (RFC 9113, section
/// 8.2.3).
fn cookie(headers: &HeaderMap) -> Option<Cow<'_, [u8]>> {
    let mut pieces = headers.get_all(COOKIE).iter();
    let mut whole = Cow::Borrowed(pieces.next()?.as_bytes());
    for piece in pieces {
        let whole = whole.to_mut();
        whole.extend_from_slice(b"; ");
        whole.extend_from_slice(piece.as_bytes());
    }
    Some(whole)
}

#[cfg(test)]
#[path = "domain_tests.rs"]
mod tests;
