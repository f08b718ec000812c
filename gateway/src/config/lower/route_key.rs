//! Route keys: `METHOD /path/{parameter}/{rest+}` or `$default`.
//!
//! Source: Amazon API Gateway Developer Guide, "Create routes for HTTP APIs".

use crate::model::{Method, RouteMethod, Segment};

/// The methods by name.
pub(super) const METHODS: [(&str, RouteMethod); 8] = [
    ("ANY", RouteMethod::Any),
    ("GET", RouteMethod::Only(Method::Get)),
    ("POST", RouteMethod::Only(Method::Post)),
    ("PUT", RouteMethod::Only(Method::Put)),
    ("PATCH", RouteMethod::Only(Method::Patch)),
    ("DELETE", RouteMethod::Only(Method::Delete)),
    ("HEAD", RouteMethod::Only(Method::Head)),
    ("OPTIONS", RouteMethod::Only(Method::Options)),
];

/// Most segments of a path.
pub(super) const SEGMENTS_MAX: usize = 64;

/// Longest path, as written.
pub(super) const PATH_BYTES_MAX: usize = 2_048;

/// A route key, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ParsedKey {
    pub(super) method: RouteMethod,
    /// `None` for `$default`.
    pub(super) path: Option<Vec<Segment>>,
}

/// Why a text is no route key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RouteKeyError {
    #[error("`{0}` is not a route key: write `GET /path`, `ANY /path` or `$default`")]
    Form(String),
    #[error("`{0}` is not a method{1}")]
    Method(String, String),
    #[error("a path starts with `/`: write that first")]
    Relative,
    #[error("a path is at most {PATH_BYTES_MAX} bytes and {SEGMENTS_MAX} segments long")]
    TooLong,
    #[error("`{0}` does not belong into a path: percent-encode it or take it out")]
    Character(char),
    #[error("an empty segment (`//` or `/` at the end) never matches: take it out")]
    EmptySegment,
    #[error("`{0}` is resolved before routes are matched and never arrives: take it out")]
    DotSegment(String),
    #[error(
        "`{0}` is not percent-encoded UTF-8 without `/`: write two hexadecimal digits behind each `%`, and no `%2F`"
    )]
    Encoding(String),
    #[error("`{0}`: a parameter fills a whole segment: write it as in `/{{name}}/`")]
    PartialParameter(String),
    #[error("`{0}` is not a parameter name: write letters, digits, `_`, `-` and `.`")]
    ParameterName(String),
    #[error("the parameter `{0}` stands twice in this path: rename one")]
    DuplicateParameter(String),
    #[error(
        "`{{{0}+}}` takes the rest of the path and has to be its last segment: take out what follows"
    )]
    GreedyNotLast(String),
}

/// Parses a route key.
pub(super) fn parse(key: &str) -> Result<ParsedKey, RouteKeyError> {
    if key == "$default" {
        return Ok(ParsedKey {
            method: RouteMethod::Any,
            path: None,
        });
    }
    let form = || RouteKeyError::Form(crate::config::tree::shortened(key));
    let (method, path) = key.split_once(' ').ok_or_else(form)?;
    if method.is_empty() || path.trim() != path {
        return Err(form());
    }
    let known = METHODS.iter().find(|(name, _)| *name == method);
    let (_, method) = known.ok_or_else(|| {
        let names = METHODS.iter().map(|(name, _)| *name);
        let fix = crate::config::near_miss::suggestion(method, names, "write `GET`");
        RouteKeyError::Method(crate::config::tree::shortened(method), fix)
    })?;
    Ok(ParsedKey {
        method: method.clone(),
        path: Some(parse_path(path)?),
    })
}

fn parse_path(path: &str) -> Result<Vec<Segment>, RouteKeyError> {
    let relative = path.strip_prefix('/').ok_or(RouteKeyError::Relative)?;
    let foreign = |c: &char| c.is_control() || c.is_whitespace() || matches!(c, '?' | '#' | '\\');
    if let Some(character) = path.chars().find(foreign) {
        return Err(RouteKeyError::Character(character));
    }
    if path.len() > PATH_BYTES_MAX || relative.split('/').count() > SEGMENTS_MAX {
        return Err(RouteKeyError::TooLong);
    }
    if relative.is_empty() {
        return Ok(Vec::new());
    }
    let mut segments = Vec::new();
    for text in relative.split('/') {
        if let Some(Segment::Greedy(name)) = segments.last() {
            return Err(RouteKeyError::GreedyNotLast(name.clone()));
        }
        let segment = parse_segment(text)?;
        if let Segment::Parameter(name) | Segment::Greedy(name) = &segment
            && parameters(&segments).any(|earlier| earlier == name)
        {
            return Err(RouteKeyError::DuplicateParameter(name.clone()));
        }
        segments.push(segment);
    }
    Ok(segments)
}

fn parse_segment(text: &str) -> Result<Segment, RouteKeyError> {
    if text.is_empty() {
        return Err(RouteKeyError::EmptySegment);
    }
    if !text.contains(['{', '}']) {
        let decoded = decode(text).ok_or_else(|| RouteKeyError::Encoding(text.to_owned()))?;
        if matches!(decoded.as_str(), "." | "..") {
            return Err(RouteKeyError::DotSegment(text.to_owned()));
        }
        return Ok(Segment::Static(decoded));
    }
    let inner = text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .filter(|inner| !inner.contains(['{', '}']))
        .ok_or_else(|| RouteKeyError::PartialParameter(text.to_owned()))?;
    let (name, greedy) = match inner.strip_suffix('+') {
        Some(name) => (name, true),
        None => (inner, false),
    };
    if !is_parameter_name(name) {
        return Err(RouteKeyError::ParameterName(name.to_owned()));
    }
    Ok(if greedy {
        Segment::Greedy(name.to_owned())
    } else {
        Segment::Parameter(name.to_owned())
    })
}

/// The names of the parameters in a path, in its order.
pub(super) fn parameters(segments: &[Segment]) -> impl Iterator<Item = &str> + Clone {
    segments.iter().filter_map(|segment| match segment {
        Segment::Static(_) => None,
        Segment::Parameter(name) | Segment::Greedy(name) => Some(name.as_str()),
    })
}

fn is_parameter_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    !name.is_empty() && name.bytes().all(allowed)
}

/// Percent-decodes a segment; `None` where an escape is broken or the result is not UTF-8 or holds
/// a slash or a control character.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let value = digit()? << 4 | digit()?;
        decoded.push(u8::try_from(value).ok()?);
    }
    let decoded = String::from_utf8(decoded).ok()?;
    let broken = decoded.chars().any(|c| c == '/' || c.is_control());
    (!broken).then_some(decoded)
}

/// What a path matches, whatever its parameters are called: two routes of one method with the same
/// shape are the same route.
pub(super) fn shape(path: Option<&[Segment]>) -> Vec<Shape> {
    let segments = path.unwrap_or(&[]);
    let lead = path.is_none().then_some(Shape::Default);
    let shapes = segments.iter().map(|segment| match segment {
        Segment::Static(text) => Shape::Static(text.clone()),
        Segment::Parameter(_) => Shape::Parameter,
        Segment::Greedy(_) => Shape::Greedy,
    });
    lead.into_iter().chain(shapes).collect()
}

/// A segment without the name of its parameter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Shape {
    Default,
    Static(String),
    Parameter,
    Greedy,
}

#[cfg(test)]
#[path = "route_key_tests.rs"]
mod tests;
