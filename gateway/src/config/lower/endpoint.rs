//! The URL that a route forwards to, as the variables of a stage make it.

use std::ops::Range;

use super::host::{UrlError, parse_url};
use super::path_template::{self, TemplateError};
use super::stage::Environment;
use super::upstream::target;
use crate::model::Endpoint;

/// What stands for a stage variable.
const OPEN: &str = "${stageVariables.";

/// Why a text is no such URL.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EndpointError {
    #[error("`${{` begins a stage variable: write `${{stageVariables.NAME}}`")]
    Variable,
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error("{0}")]
    Path(#[from] TemplateError),
    #[error("`{0}` does not belong into a query: percent-encode it or take it out")]
    Query(char),
}

/// A URL in which values stand for the stage variables.
#[derive(Debug)]
pub(super) struct Substituted {
    text: String,
    /// Where they stand, but for empty ones.
    values: Vec<Range<usize>>,
}

impl Substituted {
    /// Whether any part of a value stands within `range`.
    fn has_value_in(&self, range: &Range<usize>) -> bool {
        let mut values = self.values.iter();
        values.any(|value| value.start < range.end && range.start < value.end)
    }
}

/// `uri` with the variables of `environment`; one that the stage does not have is empty, as in the
/// service.
pub(super) fn substituted(
    uri: &str,
    environment: &Environment,
) -> Result<Substituted, EndpointError> {
    let mut text = String::new();
    let mut values = Vec::new();
    let mut rest = uri;
    while let Some((literal, behind)) = rest.split_once(OPEN) {
        let (name, behind) = behind.split_once('}').ok_or(EndpointError::Variable)?;
        text.push_str(literal);
        let start = text.len();
        text.push_str(environment.variables.get(name).map_or("", String::as_str));
        if start < text.len() {
            values.push(start..text.len());
        }
        rest = behind;
    }
    text.push_str(rest);
    if text.contains("${") {
        return Err(EndpointError::Variable);
    }
    Ok(Substituted { text, values })
}

/// The names of the stage variables in `uri`.
pub(super) fn variables(uri: &str) -> impl Iterator<Item = &str> {
    let behind = uri.split(OPEN).skip(1);
    behind.filter_map(|text| text.split_once('}').map(|(name, _)| name))
}

/// Parses a URL in which nothing stands for a stage variable any more, for a route with these
/// parameters.
pub(super) fn parse<'a>(
    substituted: &Substituted,
    parameters: impl Iterator<Item = &'a str> + Clone,
) -> Result<Endpoint, EndpointError> {
    let uri = substituted.text.as_str();
    let authority = uri.find("://").map_or(0, |at| at + 3);
    let (_, behind) = uri.split_at(authority);
    let end = behind
        .find(['/', '?'])
        .map_or(uri.len(), |at| authority + at);
    let (origin, rest) = uri.split_at(end);
    let origin = parse_url(origin, &["http", "https"], "http` or `https")?;
    if rest.contains('#') {
        return Err(UrlError::Fragment.into());
    }
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    // A value may go on from one part into the next.
    let path_of_variables = substituted.has_value_in(&(end..end + path.len()));
    let path = if path.is_empty() { "/" } else { path };
    path_template::check(path, parameters)?;
    if let Some(query) = query {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "/-._~!$&'()*+,;=:@%?".contains(c);
        if let Some(character) = query.chars().find(|c| !allowed(*c)) {
            return Err(EndpointError::Query(character));
        }
    }
    Ok(Endpoint {
        origin: target(&origin).ok_or(UrlError::Host)?,
        path: path.to_owned(),
        query: query.map(str::to_owned),
        path_of_variables,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{StageName, Track, Variant};

    fn parsed(uri: &str) -> Result<Endpoint, EndpointError> {
        let stage = Environment {
            variant: Variant {
                stage: StageName::new("prod"),
                track: Track::Base,
            },
            variables: BTreeMap::from(
                [
                    ("host", "backend.example"),
                    ("whole", "http://a.example/s?t"),
                    ("port", "81"),
                    ("part", "s"),
                    ("empty", ""),
                ]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
            ),
        };
        substituted(uri, &stage).and_then(|uri| parse(&uri, ["id"].into_iter()))
    }

    #[track_caller]
    fn check(uri: &str, expected: Result<(&str, u16, &str, Option<&str>), &str>) {
        let found = parsed(uri).map_err(|error| error.to_string());
        let found = found.as_ref().map(|endpoint| {
            let origin = &endpoint.origin;
            let query = endpoint.query.as_deref();
            (
                origin.host.as_str(),
                origin.port,
                endpoint.path.as_str(),
                query,
            )
        });
        assert_eq!(found.map_err(String::as_str), expected, "{uri}");
    }

    #[test]
    fn a_url_is_made_of_variables_and_parameters() {
        check("http://a.example", Ok(("a.example", 80, "/", None)));
        check(
            "https://a.example/x/{id}",
            Ok(("a.example", 443, "/x/{id}", None)),
        );
        check(
            "http://${stageVariables.host}:8080/v1?a=1&b",
            Ok(("backend.example", 8080, "/v1", Some("a=1&b"))),
        );
        check(
            "http://a.example/${stageVariables.none}",
            Ok(("a.example", 80, "/", None)),
        );
    }

    #[test]
    fn a_path_that_variables_have_made_is_known() {
        for (uri, expected) in [
            ("http://a.example/x?y", false),
            ("http://${stageVariables.host}/x", false),
            ("http://a.example:${stageVariables.port}/x", false),
            ("http://a.example/x/${stageVariables.part}", true),
            ("http://a.example/${stageVariables.part}/{id}", true),
            ("http://a.example/x?y=${stageVariables.part}", false),
            ("http://a.example${stageVariables.empty}/x", false),
            ("${stageVariables.whole}", true),
            ("${stageVariables.whole}&u", true),
        ] {
            let found = parsed(uri).unwrap().path_of_variables;
            assert_eq!(found, expected, "{uri}");
        }
    }

    #[test]
    fn what_is_no_url_is_told() {
        check(
            "http://${stageVariables.none}/x",
            Err("this is not a URL: write `https://host/path`"),
        );
        check(
            "http://a.example/${context.x}",
            Err("`${` begins a stage variable: write `${stageVariables.NAME}`"),
        );
        check(
            "http://{id}.example/x",
            Err("this is not a URL: write `https://host/path`"),
        );
        check(
            "http://a.example/{other}",
            Err("the route has no parameter `other`: there is only `id`"),
        );
        check(
            "http://a.example/?x={id}",
            Err("`{` does not belong into a query: percent-encode it or take it out"),
        );
        check(
            "ftp://a.example/",
            Err("the scheme has to be `http` or `https`: write it"),
        );
        check(
            "http://a:b@c.example/",
            Err("user and password do not belong into a URL: take them out"),
        );
    }
}
