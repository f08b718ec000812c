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

/// Whether two characters count as the same.
pub(super) type Same = fn(char, char) -> bool;

/// Letter case matters.
pub(super) fn exactly(a: char, b: char) -> bool {
    a == b
}

/// Letter case does not matter.
pub(super) fn ignoring_case(a: char, b: char) -> bool {
    a == b || a.to_lowercase().eq(b.to_lowercase())
}

/// Whether the whole of `text` is like `pattern`, in which `*` and `?` are wildcards and every other
/// character is itself. Letter case matters.
#[must_use]
pub fn is_like(pattern: &str, text: &str) -> bool {
    matches(&glyphs(pattern), text, exactly)
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
pub(super) fn matches(pattern: &[Glyph], text: &str, same: Same) -> bool {
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
                (Glyph::Char(written), Some(found)) if same(*written, found) => Some(after),
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
        let found = matches(&glyphs(pattern), text, exactly);
        assert_eq!(found, expected, "{pattern} on {text}");
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
        assert!(matches(&glyphs("Inv*"), "iNVOKE", ignoring_case));
        assert!(matches(&glyphs("\u{fc}"), "\u{dc}", ignoring_case));
        assert!(!matches(&glyphs("a"), "b", ignoring_case));
    }

    #[test]
    fn what_makes_backtracking_explode_stays_cheap() {
        let pattern = glyphs(&"*a".repeat(1_000));
        let text = "a".repeat(1_999);
        assert!(matches(&pattern, &text, exactly));
        let mut hopeless = pattern;
        hopeless.push(Glyph::Char('b'));
        assert!(!matches(&hopeless, &text, exactly));
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
            prop_assert_eq!(matches(&pattern, &text, exactly), naive(&pattern, &chars));
        }
    }
}
