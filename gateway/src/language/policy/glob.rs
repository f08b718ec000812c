//! Texts with `*` and `?`.

use std::str::Chars;

/// One element of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Glyph {
    /// This character.
    Char(char),
    /// `?`: any one character.
    One,
    /// `*`: any characters, or none. Nothing stops it: neither `/` nor `:`.
    Run,
}

/// Whether letter case matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// It does.
    Matters,
    /// It does not.
    Ignored,
}

impl Case {
    fn is_same(self, a: char, b: char) -> bool {
        match self {
            Self::Matters => a == b,
            Self::Ignored => a == b || a.to_lowercase().eq(b.to_lowercase()),
        }
    }
}

/// A pattern that is ready to be compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Glob {
    /// What stands before, between and behind its `*`, in which every character is itself; at least one.
    Pieces(Box<[Box<str>]>),
    /// One with `?`.
    Glyphs(Box<[Glyph]>),
}

impl Glob {
    /// Whether the whole of `text` matches the whole of it.
    pub(super) fn matches(&self, text: &str, case: Case) -> bool {
        let pieces = match self {
            Self::Glyphs(glyphs) => return matches(glyphs, text, case),
            Self::Pieces(pieces) => pieces,
        };
        // Most texts are written as they are asked for, and what is the same is so in either case.
        follow(pieces, text.as_bytes(), is_same)
            || (case == Case::Ignored && self.matches_in_any_case(text))
    }

    fn matches_in_any_case(&self, text: &str) -> bool {
        match self {
            Self::Pieces(pieces)
                if text.is_ascii() && pieces.iter().all(|piece| piece.is_ascii()) =>
            {
                follow(pieces, text.as_bytes(), <[u8]>::eq_ignore_ascii_case)
            }
            _ => matches(&self.glyphs(), text, Case::Ignored),
        }
    }

    /// Whether every text that starts like one that matches does so as well.
    pub(super) fn is_open_ended(&self) -> bool {
        match self {
            Self::Pieces(pieces) => {
                pieces.len() > 1 && pieces.last().is_some_and(|last| last.is_empty())
            }
            Self::Glyphs(glyphs) => glyphs.last() == Some(&Glyph::Run),
        }
    }

    fn glyphs(&self) -> Vec<Glyph> {
        let mut glyphs = Vec::new();
        match self {
            Self::Glyphs(own) => glyphs.extend_from_slice(own),
            Self::Pieces(pieces) => {
                for (index, piece) in pieces.iter().enumerate() {
                    if index > 0 {
                        glyphs.push(Glyph::Run);
                    }
                    glyphs.extend(piece.chars().map(Glyph::Char));
                }
            }
        }
        glyphs
    }
}

impl From<Vec<Glyph>> for Glob {
    fn from(glyphs: Vec<Glyph>) -> Self {
        let (mut pieces, mut piece) = (Vec::new(), String::new());
        for glyph in &glyphs {
            match glyph {
                Glyph::Char(c) => piece.push(*c),
                Glyph::Run => pieces.push(std::mem::take(&mut piece).into()),
                Glyph::One => return Self::Glyphs(glyphs.into()),
            }
        }
        pieces.push(piece.into());
        Self::Pieces(pieces.into())
    }
}

/// Whether `text` begins with the first piece, ends with the last one, and has the others between in
/// their order. Each is taken where it comes first: what stands behind it is longest then.
fn follow(pieces: &[Box<str>], text: &[u8], is_same: impl Fn(&[u8], &[u8]) -> bool) -> bool {
    let [first, between @ .., last] = pieces else {
        return pieces.iter().all(|only| is_same(only.as_bytes(), text));
    };
    let ends = text.split_at_checked(first.len()).and_then(|(head, rest)| {
        let (rest, tail) = rest.split_at_checked(rest.len().checked_sub(last.len())?)?;
        Some((head, rest, tail))
    });
    let Some((head, mut rest, tail)) = ends else {
        return false;
    };
    if !is_same(first.as_bytes(), head) || !is_same(last.as_bytes(), tail) {
        return false;
    }
    let mut between = between.iter().filter(|piece| !piece.is_empty());
    between.all(|piece| {
        let mut windows = rest.windows(piece.len());
        let found = windows.position(|window| is_same(piece.as_bytes(), window));
        let behind = found.and_then(|at| rest.get(at + piece.len()..));
        rest = behind.unwrap_or_default();
        behind.is_some()
    })
}

/// The first bytes tell most texts apart, and are compared without a call.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.first() == b.first() && a == b
}

/// Whether the whole of `text` is like `pattern`, in which `*` and `?` are wildcards and every other
/// character is itself. Letter case matters.
#[must_use]
pub fn is_like(pattern: &str, text: &str) -> bool {
    Glob::from(glyphs(pattern)).matches(text, Case::Matters)
}

fn glyphs(pattern: &str) -> Vec<Glyph> {
    let glyph = |c| match c {
        '*' => Glyph::Run,
        '?' => Glyph::One,
        other => Glyph::Char(other),
    };
    pattern.chars().map(glyph).collect()
}

/// Whether the whole of `text` matches the whole of `pattern`.
///
/// Only the last `*` that was passed is ever widened: what an earlier one took can stay as short as
/// it was, since the later one absorbs the difference. So the cost is bounded by the product of the
/// lengths, and nothing recurses.
pub(super) fn matches(pattern: &[Glyph], text: &str, case: Case) -> bool {
    let mut glyphs = pattern;
    let mut chars = text.chars();
    let mut widened: Option<(&[Glyph], Chars<'_>)> = None;
    loop {
        let stepped = match glyphs {
            [] if chars.as_str().is_empty() => return true,
            [] => None,
            [Glyph::Run] => return true,
            [Glyph::Run, after @ ..] => {
                widened = Some((after, chars.clone()));
                Some(after)
            }
            [glyph, after @ ..] => match (glyph, chars.next()) {
                (Glyph::One, Some(_)) => Some(after),
                (Glyph::Char(written), Some(found)) if case.is_same(*written, found) => Some(after),
                (Glyph::One | Glyph::Char(_) | Glyph::Run, _) => None,
            },
        };
        if let Some(after) = stepped {
            glyphs = after;
            continue;
        }
        let Some((after, from)) = widened.as_mut() else {
            return false;
        };
        if from.next().is_none() {
            return false;
        }
        glyphs = after;
        chars = from.clone();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        let found = matches(&glyphs(pattern), text, Case::Matters);
        assert_eq!(found, expected, "{pattern} on {text}");
        assert_eq!(is_like(pattern, text), expected, "{pattern} on {text}");
    }

    #[test]
    fn matches_the_whole_text() {
        check("", "", true);
        check("", "a", false);
        check("*", "", true);
        check("*", "a/b:c", true);
        check("?", "", false);
        check("?", "\u{fc}", true);
        check("??", "\u{fc}", false);
        check("a*", "a", true);
        check("a*c", "abcbc", true);
        check("a*c", "abcb", false);
        check("*b*", "abc", true);
        check("a**b", "ab", true);
        check("*a?b", "aaxb", true);
        check("prod/*/pets", "prod/GET/a/pets", true);
        check("prod/?ET/pets", "prod/GET/pets", true);
        check("GET", "get", false);
    }

    #[test]
    fn letter_case_is_ignored_on_demand() {
        let alike =
            |pattern: &str, text: &str| Glob::from(glyphs(pattern)).matches(text, Case::Ignored);
        assert!(alike("Inv*", "iNVOKE"));
        assert!(alike("*VO?e", "iNVOKE"));
        assert!(alike("\u{fc}", "\u{dc}"));
        // The sign for kelvin is a k as well.
        assert!(alike("*K*", "a\u{212a}b"));
        assert!(!alike("a", "b"));
    }

    #[test]
    fn what_makes_backtracking_explode_stays_cheap() {
        let pattern = glyphs(&"*a".repeat(1_000));
        let text = "a".repeat(1_999);
        let all = |glyphs: &[Glyph]| {
            let glob = Glob::from(glyphs.to_vec()).matches(&text, Case::Matters);
            assert_eq!(matches(glyphs, &text, Case::Matters), glob);
            glob
        };
        assert!(all(&pattern));
        let mut hopeless = pattern;
        hopeless.push(Glyph::Char('b'));
        assert!(!all(&hopeless));
    }

    fn naive(pattern: &[Glyph], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([Glyph::Run, after @ ..], _) => {
                naive(after, text) || (!text.is_empty() && naive(pattern, &text[1..]))
            }
            ([Glyph::One, after @ ..], [_, rest @ ..]) => naive(after, rest),
            ([Glyph::Char(c), after @ ..], [d, rest @ ..]) => c == d && naive(after, rest),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn equals_a_naive_matcher(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let pattern = glyphs(&pattern);
            let chars: Vec<char> = text.chars().collect();
            let expected = naive(&pattern, &chars);
            prop_assert_eq!(matches(&pattern, &text, Case::Matters), expected);
            let glob = Glob::from(pattern);
            prop_assert_eq!(glob.matches(&text, Case::Matters), expected);
            prop_assert_eq!(glob.matches(&text.to_uppercase(), Case::Ignored), expected);
        }

        #[test]
        fn pieces_are_found_as_glyphs_are(pattern in "[ab\u{fc}*]{0,8}", text in "[ab\u{fc}]{0,10}") {
            let glyphs = glyphs(&pattern);
            let glob = Glob::from(glyphs.clone());
            prop_assert_eq!(&glob.glyphs(), &glyphs);
            for case in [Case::Matters, Case::Ignored] {
                prop_assert_eq!(glob.matches(&text, case), matches(&glyphs, &text, case));
            }
        }
    }
}
