//! `requestParameters` of a proxy: parameters of the path, by their names in the URL.

use super::finding::Findings;
use super::treatment::NOT_BUILT;
use crate::config::cursor::Cursor;
use crate::model::ApiKind;

/// Parameters whose names in the URL are not those of the route.
#[derive(Debug, Default)]
pub(super) struct Renamed(Vec<(String, String)>);

impl Renamed {
    /// `uri` with the route's own names.
    pub(super) fn apply(&self, uri: &str) -> String {
        let mut whole = String::new();
        let mut rest = uri;
        while let Some((before, behind)) = rest.split_once('{') {
            whole.push_str(before);
            whole.push('{');
            rest = behind;
            // `${stageVariables.name}` is no parameter.
            if before.ends_with('$') {
                continue;
            }
            let end = behind.split_once('}').map(|(name, _)| name);
            let pair = self.0.iter().find(|(name, _)| Some(name.as_str()) == end);
            if let Some((name, own)) = pair {
                whole.push_str(own);
                rest = behind.strip_prefix(name.as_str()).unwrap_or(behind);
            }
        }
        whole.push_str(rest);
        whole
    }
}

/// Judges the mappings at `at`. The native form fills a URL in by the names of the route's
/// parameters, so that mappings from path to path become other names.
pub(super) fn renamed(at: &Cursor<'_>, kind: ApiKind, findings: &mut Findings) -> Renamed {
    let mut renamed = Renamed::default();
    let before = findings.refusals();
    findings.is_mapping(at);
    for (key, value) in at.entries() {
        let target = key.strip_prefix("integration.request.path.");
        let source = value.scalar();
        let source = source.and_then(|text| text.strip_prefix("method.request.path."));
        match (kind, target, source) {
            (ApiKind::Rest, Some(target), Some(source)) => {
                renamed.0.push((target.to_owned(), source.to_owned()));
            }
            _ => findings.refused(&value, NOT_BUILT),
        }
    }
    if at.is_written() && findings.refusals() == before {
        findings.honoured(at);
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gets_the_names_of_the_route() {
        let pairs = [("petId", "id"), ("proxy", "rest")];
        let pairs = pairs.map(|(name, own)| (name.to_owned(), own.to_owned()));
        let renamed = Renamed(pairs.to_vec());
        for (uri, expected) in [
            ("http://a/{petId}/{proxy}", "http://a/{id}/{rest}"),
            ("http://${proxy}/{other}", "http://${proxy}/{other}"),
            ("http://a/{petId", "http://a/{petId"),
        ] {
            assert_eq!(renamed.apply(uri), expected);
        }
    }
}
