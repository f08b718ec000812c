//! Custom domains: hosts whose paths are mapped to stages of APIs.

use super::{ApiName, EndpointTls, ListenerName, Private, StageName};

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
    /// Its mappings, each path once.
    pub mappings: Vec<Mapping>,
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
