//! A request path as the router sees it.

use std::borrow::Cow;

/// Segments of a path, more of which are refused.
pub(super) const SEGMENTS_MAX: usize = 256;

/// A path split at its literal slashes, each segment percent-decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestPath<'a> {
    raw: &'a str,
    segments: Vec<Cow<'a, str>>,
}

/// Why a path is refused before any route is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not start with a slash.
    #[error("the path does not start with `/`")]
    NotAbsolute,
    /// A percent sign without two hexadecimal digits, or bytes that are not UTF-8.
    #[error("the path is not percent-encoded UTF-8")]
    Encoding,
    /// `.` or `..` as a segment, in whatever encoding. The upstream might resolve it and serve a
    /// path that another route guards.
    #[error("the path contains a dot segment")]
    DotSegment,
    /// Two slashes in a row. The upstream might read them as one and serve a path that another
    /// route guards.
    #[error("the path contains an empty segment")]
    EmptySegment,
    /// A control character.
    #[error("the path contains a control character")]
    Control,
    /// More than [`SEGMENTS_MAX`].
    #[error("the path has more than {SEGMENTS_MAX} segments")]
    TooManySegments,
}

/// What empty segments mean, which comes with the type of an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slashes {
    /// They are refused, but for one at the end, which is a path of its own.
    Exact,
    /// Those at the beginning and at the end are as good as none, and those in between are data
    /// for a greedy variable.
    Collapsed,
}

impl<'a> RequestPath<'a> {
    /// Splits and decodes.
    ///
    /// # Errors
    /// See [`PathError`]; with collapsed slashes no segment is refused for being empty.
    pub fn parse(raw: &'a str, slashes: Slashes) -> Result<Self, PathError> {
        match slashes {
            Slashes::Exact => {
                let path = Self::split(raw)?;
                let inner = path.segments.len().saturating_sub(1);
                let mut inner = path.segments.iter().take(inner);
                if inner.any(|segment| segment.is_empty()) {
                    return Err(PathError::EmptySegment);
                }
                Ok(path)
            }
            Slashes::Collapsed => Self::split(collapsed(raw)),
        }
    }

    fn split(raw: &'a str) -> Result<Self, PathError> {
        let relative = raw.strip_prefix('/').ok_or(PathError::NotAbsolute)?;
        let mut segments = Vec::with_capacity(8);
        for segment in relative.split('/') {
            if segments.len() == SEGMENTS_MAX {
                return Err(PathError::TooManySegments);
            }
            let decoded = decode(segment)?;
            if decoded.chars().any(char::is_control) {
                return Err(PathError::Control);
            }
            if decoded.split(['/', '\\']).any(is_dot_segment) {
                return Err(PathError::DotSegment);
            }
            segments.push(decoded);
        }
        Ok(Self { raw, segments })
    }

    /// The first segment, and the path behind it; `None` at the root.
    #[must_use]
    pub fn split_first(&self, slashes: Slashes) -> Option<(&str, Self)> {
        let (first, rest) = self.segments.split_first()?;
        if first.is_empty() {
            return None;
        }
        let behind = self
            .raw
            .get(1..)?
            .find('/')
            .and_then(|at| self.raw.get(at + 1..));
        let Some(raw) = behind else {
            return Some((first, Self::root()));
        };
        let skipped = match slashes {
            Slashes::Exact => 0,
            Slashes::Collapsed => rest.iter().take_while(|segment| segment.is_empty()).count(),
        };
        // Each of them was one slash.
        let raw = raw.get(skipped..)?;
        let segments = rest.get(skipped..)?.to_vec();
        if segments.is_empty() {
            return Some((first, Self::root()));
        }
        Some((first, Self { raw, segments }))
    }

    fn root() -> Self {
        Self {
            raw: "/",
            segments: vec![Cow::Borrowed("")],
        }
    }

    /// The path as it arrived.
    #[must_use]
    pub const fn raw(&self) -> &'a str {
        self.raw
    }

    /// Its decoded segments; the root path has one, which is empty.
    #[must_use]
    pub fn segments(&self) -> &[Cow<'a, str>] {
        &self.segments
    }

    /// The segments decoded, as they are compared with routes, so that a path has one spelling; only
    /// a slash within one stays encoded, because it separates nothing. Without a slash in front.
    #[must_use]
    pub fn decoded(&self) -> String {
        let mut path = String::with_capacity(self.raw.len());
        for (index, segment) in self.segments.iter().enumerate() {
            if index > 0 {
                path.push('/');
            }
            if segment.contains(['%', '/']) {
                path.push_str(&segment.replace('%', "%25").replace('/', "%2F"));
            } else {
                path.push_str(segment);
            }
        }
        path
    }

    /// What a careless backend may make of the path, where that is another one than
    /// [`Self::decoded`]: encoded slashes are slashes, parameters behind a semicolon are cut off, and
    /// empty segments are left out.
    #[must_use]
    pub fn folded(&self) -> Option<String> {
        let is_plain = |segment: &Cow<'_, str>| {
            !segment.is_empty() && !segment.contains(['%', '/', '\\', ';'])
        };
        // So are nearly all paths, for which this is called with each request.
        if self.segments.iter().all(is_plain) {
            return None;
        }
        let pieces = self.segments.iter();
        let pieces = pieces.flat_map(|segment| segment.split(['/', '\\']));
        let bare = pieces.map(|piece| piece.split(';').next().unwrap_or_default());
        let folded = bare.filter(|piece| !piece.is_empty());
        let folded = folded.collect::<Vec<_>>().join("/");
        Some(folded).filter(|folded| *folded != self.decoded())
    }

    /// The part of the raw path from segment `index` on, without its leading slash.
    #[must_use]
    pub fn raw_from(&self, index: usize) -> &'a str {
        self.raw
            .splitn(index.saturating_add(2), '/')
            .last()
            .unwrap_or_default()
    }
}

/// Without the slashes that stand for nothing at both ends.
fn collapsed(raw: &str) -> &str {
    let end = raw.trim_end_matches('/').len().max(1);
    let raw = raw.get(..end).unwrap_or(raw);
    let slashes = raw.len() - raw.trim_start_matches('/').len();
    raw.get(slashes.saturating_sub(1)..).unwrap_or(raw)
}

/// `.` or `..`, also with parameters behind a semicolon, which some servers cut off first.
fn is_dot_segment(piece: &str) -> bool {
    let name = piece.split_once(';').map_or(piece, |(name, _)| name);
    name == "." || name == ".."
}

fn decode(segment: &str) -> Result<Cow<'_, str>, PathError> {
    if !segment.contains('%') {
        return Ok(Cow::Borrowed(segment));
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16));
            let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
                return Err(PathError::Encoding);
            };
            bytes.push(u8::try_from(high * 16 + low).map_err(|_wide| PathError::Encoding)?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes)
        .map(Cow::Owned)
        .map_err(|_invalid| PathError::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(raw: &str, expected: Result<&[&str], PathError>) {
        let parsed = RequestPath::parse(raw, Slashes::Exact);
        let segments = parsed
            .as_ref()
            .map(|path| path.segments().to_vec())
            .map_err(|e| *e);
        let expected = expected.map(|s| s.iter().map(|s| Cow::Borrowed(*s)).collect::<Vec<_>>());
        assert_eq!(segments, expected, "{raw}");
    }

    #[test]
    fn splits_at_literal_slashes_and_decodes_segments() {
        check("/", Ok(&[""]));
        check("/a/b", Ok(&["a", "b"]));
        check("/a/", Ok(&["a", ""]));
        check("/a%2Fb/%C3%A9", Ok(&["a/b", "é"]));
    }

    #[test]
    fn refuses_what_an_upstream_might_read_differently() {
        check("a", Err(PathError::NotAbsolute));
        check("*", Err(PathError::NotAbsolute));
        check("/%zz", Err(PathError::Encoding));
        check("/%4", Err(PathError::Encoding));
        check("/%ff", Err(PathError::Encoding));
        for dots in [
            "/a/../b",
            "/a/%2e%2e/b",
            "/.",
            "/a/..%2fb",
            "/a/..%5cb",
            "/a/.%2E",
        ] {
            check(dots, Err(PathError::DotSegment));
        }
        for dots in ["/a/..;/b", "/a/.;x=1/b", "/a/%2e%2e%3bx/b"] {
            check(dots, Err(PathError::DotSegment));
        }
        for empty in ["//", "//a", "/a//b", "/a//"] {
            check(empty, Err(PathError::EmptySegment));
        }
        check("/a%00b", Err(PathError::Control));
        check(&"/a".repeat(257), Err(PathError::TooManySegments));
    }

    #[test]
    fn the_raw_rest_keeps_its_encoding() {
        let path = RequestPath::parse("/files/a%20b/c%2Fd", Slashes::Exact).unwrap();
        assert_eq!(path.raw_from(1), "a%20b/c%2Fd");
        assert_eq!(path.raw_from(0), "files/a%20b/c%2Fd");
    }

    #[test]
    fn every_spelling_of_a_path_is_decoded_to_one() {
        for (raw, expected) in [
            ("/", ""),
            ("/admin/x", "admin/x"),
            ("//%61dmin/x/", "admin/x"),
            ("/admin/a%2Fb", "admin/a%2Fb"),
            ("/admin/a%252Fb", "admin/a%252Fb"),
        ] {
            let path = RequestPath::parse(raw, Slashes::Collapsed).unwrap();
            assert_eq!(path.decoded(), expected, "{raw}");
        }
    }

    #[test]
    fn a_path_that_a_backend_may_read_otherwise_is_folded() {
        for (raw, expected) in [
            ("/admin/x", None),
            ("/", None),
            ("/admin%2Fx", Some("admin/x")),
            ("/%2Fadmin/x", Some("admin/x")),
            ("/admin;v=1/x", Some("admin/x")),
            ("/admin%5Cx", Some("admin/x")),
            ("/admin//x", Some("admin/x")),
        ] {
            let path = RequestPath::parse(raw, Slashes::Collapsed).unwrap();
            assert_eq!(path.folded().as_deref(), expected, "{raw}");
        }
    }

    #[track_caller]
    fn check_collapsed(raw: &str, expected: &[&str], expected_raw: &str) {
        let path = RequestPath::parse(raw, Slashes::Collapsed).unwrap();
        assert_eq!(path.segments(), expected, "{raw}");
        assert_eq!(path.raw(), expected_raw, "{raw}");
    }

    #[test]
    fn collapsed_slashes_stand_for_nothing_at_both_ends() {
        check_collapsed("/", &[""], "/");
        check_collapsed("//", &[""], "/");
        check_collapsed("//a", &["a"], "/a");
        check_collapsed("/a/", &["a"], "/a");
        check_collapsed("///a//b//", &["a", "", "b"], "/a//b");
        let dots = RequestPath::parse("//a//..", Slashes::Collapsed);
        assert_eq!(dots, Err(PathError::DotSegment));
    }

    #[track_caller]
    fn check_split(raw: &str, slashes: Slashes, expected: Option<(&str, &str, &[&str])>) {
        let path = RequestPath::parse(raw, slashes).unwrap();
        let split = path.split_first(slashes);
        let found = split
            .as_ref()
            .map(|(first, rest)| (*first, rest.raw(), rest.segments()));
        match (found, expected) {
            (Some(found), Some(expected)) => {
                assert_eq!((found.0, found.1), (expected.0, expected.1), "{raw}");
                assert_eq!(found.2, expected.2, "{raw}");
            }
            (found, expected) => assert!(found.is_none() && expected.is_none(), "{raw}"),
        }
    }

    #[test]
    fn the_first_segment_comes_off_with_its_slash() {
        for slashes in [Slashes::Exact, Slashes::Collapsed] {
            check_split("/", slashes, None);
            check_split("/prod", slashes, Some(("prod", "/", &[""])));
            check_split(
                "/prod/a%20/b",
                slashes,
                Some(("prod", "/a%20/b", &["a ", "b"])),
            );
            check_split("/pr%6Fd/a", slashes, Some(("prod", "/a", &["a"])));
        }
        check_split("/prod/", Slashes::Exact, Some(("prod", "/", &[""])));
        check_split("/prod/", Slashes::Collapsed, Some(("prod", "/", &[""])));
        check_split(
            "//prod//a//b/",
            Slashes::Collapsed,
            Some(("prod", "/a//b", &["a", "", "b"])),
        );
    }
}
