//! How deep the texts of a store may be.
//!
//! Cedar's reader calls itself for what stands within something else, and what it has read is dropped in
//! the same way, so that a text of one bracket within another would end the process. The text is looked
//! at before it is read, by what can nest in it at all. The bounds are such that half of the stack that
//! threads have, 2 MiB, is enough without optimisation.

use super::problem::{Problem, Source};

/// What may stand within something else in one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Brackets within brackets.
    pub depth: usize,
    /// Operators, members and conditions of one policy, of which each may stand within the next. `None` in
    /// a schema, which has none: `<` is a bracket there.
    pub operators: Option<usize>,
}

/// Bounds of policies whose author is the operator.
pub const OWN: Bounds = Bounds {
    depth: 48,
    operators: Some(1_024),
};

/// Bounds of policies whose author is somebody else, such as a tenant.
pub const FOUND: Bounds = Bounds {
    depth: 24,
    operators: Some(256),
};

/// Bounds of a schema in Cedar's syntax; JSON has bounds of its own.
pub const SCHEMA: Bounds = Bounds {
    depth: 48,
    operators: None,
};

/// As many operators does an `if` count for, because it takes the stack of so many.
pub const OPERATORS_OF_IF: usize = 8;

/// What is too deep in a text, where that is anything.
pub(super) fn too_deep(source: &Source, bounds: Bounds) -> Option<Problem> {
    let (mut depth, mut operators) = (0_usize, 0_usize);
    let mut characters = source.text.char_indices().peekable();
    let mut word = String::new();
    while let Some((at, character)) = characters.next() {
        if character.is_ascii_alphanumeric() || character == '_' {
            word.push(character);
            continue;
        }
        operators += match word.as_str() {
            "if" => OPERATORS_OF_IF,
            "has" | "like" | "in" | "is" => 1,
            _ => 0,
        };
        word.clear();
        let next = characters.peek().map(|(_, next)| *next);
        match (character, next) {
            ('"', _) => skip_text(&mut characters),
            ('/', Some('/')) => {
                for _ in characters.by_ref().take_while(|(_, next)| *next != '\n') {}
            }
            ('(' | '[' | '{', _) => depth += 1,
            (')' | ']' | '}', _) => depth = depth.saturating_sub(1),
            ('<', _) if bounds.operators.is_none() => depth += 1,
            ('>', _) if bounds.operators.is_none() => depth = depth.saturating_sub(1),
            (';', _) => operators = 0,
            ('&', Some('&')) | ('|', Some('|')) | ('=' | '!' | '<' | '>', Some('=')) => {
                operators += 1;
                characters.next();
            }
            ('.' | '!' | '-' | '+' | '*' | '&' | '|' | '<' | '>' | '=', _) => operators += 1,
            _ => {}
        }
        if depth > bounds.depth {
            let message = format!(
                "brackets are deeper than {} levels: make it flatter",
                bounds.depth
            );
            return Some(source.problem(Some(at), message));
        }
        if let Some(max) = bounds.operators.filter(|max| operators > *max) {
            let message = format!(
                "a policy has more than {max} operators and members, of which an `if` counts as \
                 {OPERATORS_OF_IF}: divide it into several"
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
    fn check(text: &str, bounds: Bounds, expected: Option<&str>) {
        let source = Source {
            name: "a".into(),
            text: text.into(),
        };
        let found = too_deep(&source, bounds).map(|problem| problem.message);
        match (&found, expected) {
            (None, None) => {}
            (Some(found), Some(expected)) if found.contains(expected) => {}
            _ => panic!("{found:?} of {text}"),
        }
    }

    #[test]
    fn what_can_nest_is_counted_and_what_is_quoted_is_not() {
        let nested = |times: usize| format!("{}{}", "(".repeat(times), ")".repeat(times));
        for (bounds, depth, operators) in [
            (FOUND, "deeper than 24 levels", "more than 256 operators"),
            (OWN, "deeper than 48 levels", "more than 1024 operators"),
        ] {
            let (deep, many) = (bounds.depth, bounds.operators.unwrap());
            check(&nested(deep), bounds, None);
            check(&nested(deep + 1), bounds, Some(depth));
            check(&"[{(".repeat(deep / 3 + 1), bounds, Some(depth));
            let quoted = format!("\"{}\" // {}\n()", "\\\"(".repeat(99), "(".repeat(99));
            check(&quoted, bounds, None);
            check(&"(a) ".repeat(9_999), bounds, None);
            check(&"a + b; ".repeat(9_999), bounds, None);
            for operator in [
                "a + ", ".a", "has ", "&&", "||", "!", "!=", "-", "in ", "is ", "like ", "==",
                "<=", "> ",
            ] {
                check(&operator.repeat(many), bounds, None);
                check(&operator.repeat(many + 1), bounds, Some(operators));
            }
            let branches = many / OPERATORS_OF_IF;
            check(&"if ".repeat(branches), bounds, None);
            check(&"if ".repeat(branches + 1), bounds, Some(operators));
            check("", bounds, None);
            check("\"", bounds, None);
        }
    }

    #[test]
    fn types_nest_in_a_schema_and_it_has_no_operators() {
        let nested = |times: usize| format!("{}Long{}", "Set<".repeat(times), ">".repeat(times));
        check(&nested(SCHEMA.depth), SCHEMA, None);
        check(
            &nested(SCHEMA.depth + 1),
            SCHEMA,
            Some("deeper than 48 levels"),
        );
        check(&"{a: ".repeat(49), SCHEMA, Some("deeper than 48 levels"));
        check(&"a?: Set<Long>, ".repeat(9_999), SCHEMA, None);
        check(&"a = b ".repeat(9_999), SCHEMA, None);
    }
}
