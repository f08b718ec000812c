//! Custom domains: hosts whose requests lead to stages of APIs, by rules and by paths.

use http::HeaderName;

use super::{ApiName, EndpointTls, ListenerName, Private, RoutingRuleId, StageName};
use crate::language::value_glob::ValueGlob;

/// One custom domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Which hosts it is.
    pub name: DomainName,
    /// Listeners it answers on; all by default. Never empty.
    pub listeners: Vec<ListenerName>,
    /// What TLS is like for its clients.
    pub tls: EndpointTls,
    /// Who may come in; `None` for everybody.
    pub private: Option<Private>,
    /// Its routing rules in the order of the file, each priority once. They are asked before its
    /// mappings.
    pub rules: Vec<RoutingRule>,
    /// Its mappings, each path once.
    pub mappings: Vec<Mapping>,
}

impl Domain {
    /// The APIs that it leads to, one as often as something leads there.
    pub fn apis(&self) -> impl Iterator<Item = &ApiName> {
        let by_rules = self.rules.iter().map(|rule| &rule.api);
        by_rules.chain(self.mappings.iter().map(|mapping| &mapping.api))
    }
}

/// A host, or every host that has one label more than a name; lower-cased.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DomainName {
    /// `api.example.com`.
    Host(String),
    /// `*.example.com`, without the `*.`.
    Wildcard(String),
}

/// What a path of a domain leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The segments that a request's path begins with; empty for every path.
    pub segments: Vec<String>,
    /// The API.
    pub api: ApiName,
    /// The stage of it.
    pub stage: StageName,
}

/// What leads those requests of a domain to a stage of a REST API that meet all of its conditions,
/// if no rule with a lower priority has led them anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingRule {
    /// What `$context.customDomain.routingRuleIdMatched` says.
    pub id: RoutingRuleId,
    /// The lowest number is asked first: 1 to 1,000,000.
    pub priority: u32,
    /// What headers have to say; up to two.
    pub headers: Vec<HeaderCondition>,
    /// What the path has to begin with; `None` for any path.
    pub base_path: Option<BasePath>,
    /// The API.
    pub api: ApiName,
    /// The stage of it.
    pub stage: StageName,
}

/// What a header has to say: one of its fields matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderCondition {
    /// Which. `host` stands for the host that was asked, in lower case and without port, whichever
    /// version of HTTP says it.
    pub header: HeaderName,
    /// What its value has to be.
    pub value: ValueGlob,
}

/// What a path has to begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasePath {
    /// Its segments. Never empty.
    pub segments: Vec<String>,
    /// Whether the API does not see them.
    pub is_stripped: bool,
}

impl DomainName {
    /// Whether a name that a certificate carries, such as `*.example.com`, is for it.
    #[must_use]
    pub fn is_named_by(&self, name: &str) -> bool {
        let parent = name.strip_prefix("*.");
        match self {
            Self::Host(host) => {
                let above = host.split_once('.').map(|(_, above)| above);
                name == host || (parent.is_some() && parent == above)
            }
            Self::Wildcard(above) => parent == Some(above),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_for_what_they_name() {
        let host = DomainName::Host("api.example.com".to_owned());
        let wildcard = DomainName::Wildcard("example.com".to_owned());
        for (name, for_host, for_wildcard) in [
            ("api.example.com", true, false),
            ("*.example.com", true, true),
            ("example.com", false, false),
            ("*.api.example.com", false, false),
            ("*.com", false, false),
        ] {
            assert_eq!(host.is_named_by(name), for_host, "{name}");
            assert_eq!(wildcard.is_named_by(name), for_wildcard, "{name}");
        }
    }
}
