//! The URL that a route forwards to, as the variables of a stage make it.

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
    #[error("`${{` is followed by `stageVariables.`, a name and `}}`")]
    Variable,
    #[error(transparent)]
    Url(#[from] UrlError),
    #[error("{0}")]
    Path(#[from] TemplateError),
    #[error("`{0}` does not belong into a query: percent-encode it or take it out")]
    Query(char),
}

/// `uri` with the variables of `environment`; one that the stage does not have is empty, as in the
/// service.
pub(super) fn substituted(uri: &str, environment: &Environment) -> Result<String, EndpointError> {
    let mut whole = String::new();
    let mut rest = uri;
    while let Some((literal, behind)) = rest.split_once(OPEN) {
        let (name, behind) = behind.split_once('}').ok_or(EndpointError::Variable)?;
        whole.push_str(literal);
        whole.push_str(environment.variables.get(name).map_or("", String::as_str));
        rest = behind;
    }
    whole.push_str(rest);
    if whole.contains("${") {
        return Err(EndpointError::Variable);
    }
    Ok(whole)
}

/// The names of the stage variables in `uri`.
pub(super) fn variables(uri: &str) -> impl Iterator<Item = &str> {
    let behind = uri.split(OPEN).skip(1);
    behind.filter_map(|text| text.split_once('}').map(|(name, _)| name))
}

/// Parses a URL without stage variables, for a route with these parameters.
pub(super) fn parse<'a>(
    uri: &str,
    parameters: impl Iterator<Item = &'a str> + Clone,
) -> Result<Endpoint, EndpointError> {
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
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::{StageName, Track, Variant};

    #[track_caller]
    fn check(uri: &str, expected: Result<(&str, u16, &str, Option<&str>), &str>) {
        let stage = Environment {
            variant: Variant {
                stage: StageName::new("prod"),
                track: Track::Base,
            },
            variables: BTreeMap::from([("host".to_owned(), "backend.example".to_owned())]),
        };
        let found = substituted(uri, &stage)
            .and_then(|uri| parse(&uri, ["id"].into_iter()))
            .map_err(|error| error.to_string());
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
    fn what_is_no_url_is_told() {
        check(
            "http://${stageVariables.none}/x",
            Err("this is not a URL: write `https://host/path`"),
        );
        check(
            "http://a.example/${context.x}",
            Err("`${` is followed by `stageVariables.`, a name and `}`"),
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
