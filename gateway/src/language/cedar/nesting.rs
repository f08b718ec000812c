//! How deep policies may be whose author is not the operator.
//!
//! Cedar's reader calls itself for what stands within something else, and what it has read is dropped in
//! the same way, so that a text of one bracket within another would end the process. The text is looked
//! at before it is read, by what can nest in it at all.

use super::problem::{Problem, Source};

/// Brackets within brackets.
pub const DEPTH_MAX: usize = 24;

/// Operators, members and conditions of one policy, of which each may stand within the next.
pub const OPERATORS_MAX: usize = 256;

/// What is too deep in a text, where that is anything.
pub(super) fn too_deep(source: &Source) -> Option<Problem> {
    let (mut depth, mut operators) = (0_usize, 0_usize);
    let mut characters = source.text.char_indices().peekable();
    let mut word = String::new();
    while let Some((at, character)) = characters.next() {
        if character.is_ascii_alphanumeric() || character == '_' {
            word.push(character);
            continue;
        }
        let is_condition = matches!(word.as_str(), "if" | "has" | "like" | "in" | "is");
        word.clear();
        operators += usize::from(is_condition);
        match character {
            '"' => skip_text(&mut characters),
            '/' if characters.peek().is_some_and(|(_, next)| *next == '/') => {
                for _ in characters.by_ref().take_while(|(_, next)| *next != '\n') {}
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ';' => operators = 0,
            '.' | '!' | '-' | '+' | '*' | '&' | '|' | '<' | '>' | '=' => operators += 1,
            _ => {}
        }
        if depth > DEPTH_MAX {
            let message = format!("brackets are deeper than {DEPTH_MAX} levels: make it flatter");
            return Some(source.problem(Some(at), message));
        }
        if operators > OPERATORS_MAX {
            let message = format!(
                "a policy has more than {OPERATORS_MAX} operators and members: divide it into several"
            );
            return Some(source.problem(Some(at), message));
        }
    }
    None
}

/// Goes behind the end of a text in quotes.
fn skip_text(characters: &mut impl Iterator<Item = (usize, char)>) {
    while let Some((_, character)) = characters.next() {
        match character {
            '"' => return,
            '\\' => drop(characters.next()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let source = Source {
            name: "a".into(),
            text: text.into(),
        };
        let found = too_deep(&source).map(|problem| problem.message);
        match (&found, expected) {
            (None, None) => {}
            (Some(found), Some(expected)) if found.contains(expected) => {}
            _ => panic!("{found:?} of {text}"),
        }
    }

    #[test]
    fn what_can_nest_is_counted_and_what_is_quoted_is_not() {
        let nested = |times: usize| format!("{}{}", "(".repeat(times), ")".repeat(times));
        check(&nested(DEPTH_MAX), None);
        check(&nested(DEPTH_MAX + 1), Some("deeper than 24 levels"));
        check(&"[{(".repeat(9), Some("deeper than 24 levels"));
        check(
            &format!("\"{}\" // {}\n()", "\\\"(".repeat(99), "(".repeat(99)),
            None,
        );
        check(&"(a) ".repeat(999), None);
        check(&"a + ".repeat(OPERATORS_MAX), None);
        check(
            &"a + ".repeat(OPERATORS_MAX + 1),
            Some("more than 256 operators"),
        );
        check(&"a + b; ".repeat(999), None);
        for operator in [".a", "if ", "has ", "&&", "!", "-", "in ", "=="] {
            let text = operator.repeat(OPERATORS_MAX + 1);
            check(&text, Some("more than 256 operators"));
        }
        check("", None);
        check("\"", None);
    }
}
