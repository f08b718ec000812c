//! What the value of a header has to be: a text, or what it begins with, ends with or contains.
//!
//! `*` stands for any text, at the beginning, at the end, at both or alone; it is refused anywhere
//! else. Every other character stands for itself, with its case, `?` too. Source: API Gateway
//! Developer Guide, "Routing rules to connect API stages to a custom domain name for REST APIs". The
//! guide lists fewer characters than its own examples use; here it is those that values are made of.

use memchr::memmem;

/// Longest glob, with its wildcards, as the service has it.
pub const GLOB_BYTES_MAX: usize = 127;

/// Longest glob with a wildcard at both ends.
pub const CONTAINED_BYTES_MAX: usize = 39;

/// What values are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueGlob {
    /// `*`: any, also an empty one.
    Any,
    /// `text`: this one.
    Exact(Box<str>),
    /// `text*`: those that begin so.
    Prefix(Box<str>),
    /// `*text`: those that end so.
    Suffix(Box<str>),
    /// `*text*`: those that contain it.
    Contains(Box<str>),
}

/// Why a glob is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// Nothing at all.
    #[error("it is empty: write `*` for any value")]
    Empty,
    /// A wildcard between characters, or several with nothing between them.
    #[error("`*` stands at the beginning, at the end, at both or alone: take it out elsewhere")]
    Wildcard,
    /// What no value holds.
    #[error(
        "values are visible ASCII characters, with spaces only between them: take out what else there is"
    )]
    Character,
    /// More than the bound.
    #[error("it is {found} characters long: at most {max}{}", what(*.max))]
    TooLong {
        /// How long it is.
        found: usize,
        /// How long it may be.
        max: usize,
    },
}

const fn what(max: usize) -> &'static str {
    if max == CONTAINED_BYTES_MAX {
        " with `*` at both ends"
    } else {
        ""
    }
}

impl ValueGlob {
    /// Reads a glob.
    ///
    /// # Errors
    /// See [`GlobError`].
    pub fn parse(text: &str) -> Result<Self, GlobError> {
        if text.is_empty() {
            return Err(GlobError::Empty);
        }
        // Values come without the spaces around them, so that such a glob would never match.
        let is_visible = text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        if !is_visible || text.trim() != text {
            return Err(GlobError::Character);
        }
        if text == "*" {
            return Ok(Self::Any);
        }
        let (rest, is_open_before) = match text.strip_prefix('*') {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let (inner, is_open_behind) = match rest.strip_suffix('*') {
            Some(inner) => (inner, true),
            None => (rest, false),
        };
        if inner.is_empty() || inner.contains('*') {
            return Err(GlobError::Wildcard);
        }
        let max = if is_open_before && is_open_behind {
            CONTAINED_BYTES_MAX
        } else {
            GLOB_BYTES_MAX
        };
        let found = text.len();
        if found > max {
            return Err(GlobError::TooLong { found, max });
        }
        let inner = Box::from(inner);
        Ok(match (is_open_before, is_open_behind) {
            (false, false) => Self::Exact(inner),
            (false, true) => Self::Prefix(inner),
            (true, false) => Self::Suffix(inner),
            (true, true) => Self::Contains(inner),
        })
    }

    /// Whether this value is one of them. Takes time linear in its length.
    #[must_use]
    pub fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(text) => value == text.as_bytes(),
            Self::Prefix(text) => value.starts_with(text.as_bytes()),
            Self::Suffix(text) => value.ends_with(text.as_bytes()),
            Self::Contains(text) => memmem::find(value, text.as_bytes()).is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables of the guide, and the edges of each form.
    #[test]
    fn values_are_matched_as_documented() {
        for (glob, matching, others) in [
            ("a*", "account alpha a", "backup beta users Alpha"),
            ("*a", "alpha beta a", "account backup users alphA"),
            ("*a*", "account alpha backup beta a", "users A"),
            ("*", "account users a", ""),
            ("beta", "beta", "Beta betas abeta bet"),
            ("*json", "application/json", "application/json,text/xml"),
            ("*json*", "application/json,text/xml json", "text/xml"),
            ("b?ta", "b?ta", "beta"),
        ] {
            let parsed = ValueGlob::parse(glob).unwrap();
            for (values, expected) in [(matching, true), (others, false)] {
                for value in values.split_whitespace() {
                    assert_eq!(parsed.matches(value.as_bytes()), expected, "{glob} {value}");
                }
            }
        }
        assert!(ValueGlob::parse("*").unwrap().matches(b""));
        assert!(ValueGlob::parse("*").unwrap().matches(b"\xff"));
        assert!(ValueGlob::parse("*a").unwrap().matches(b"\xffa"));
    }

    #[test]
    fn what_would_never_match_or_is_no_glob_is_refused() {
        let long = |max: usize| GlobError::TooLong {
            found: max + 1,
            max,
        };
        let text = |bytes: usize| "x".repeat(bytes);
        for (glob, expected) in [
            (String::new(), Some(GlobError::Empty)),
            ("a*b".to_owned(), Some(GlobError::Wildcard)),
            ("**".to_owned(), Some(GlobError::Wildcard)),
            ("***".to_owned(), Some(GlobError::Wildcard)),
            ("a**".to_owned(), Some(GlobError::Wildcard)),
            (" a".to_owned(), Some(GlobError::Character)),
            ("a ".to_owned(), Some(GlobError::Character)),
            ("a\tb".to_owned(), Some(GlobError::Character)),
            ("ä".to_owned(), Some(GlobError::Character)),
            ("lang=en; ux=beta".to_owned(), None),
            ("* a*".to_owned(), None),
            (text(GLOB_BYTES_MAX), None),
            (text(GLOB_BYTES_MAX + 1), Some(long(GLOB_BYTES_MAX))),
            (format!("*{}*", text(CONTAINED_BYTES_MAX - 2)), None),
            (
                format!("*{}*", text(CONTAINED_BYTES_MAX - 1)),
                Some(long(CONTAINED_BYTES_MAX)),
            ),
            (format!("*{}", text(CONTAINED_BYTES_MAX)), None),
        ] {
            assert_eq!(ValueGlob::parse(&glob).err(), expected, "{glob}");
        }
    }
}
