//! What callers are called where operators read it.

/// Bytes that are kept of what a caller is told by.
pub const CALLER_BYTES_MAX: usize = 128;

/// The beginning of what a caller is told by, which is its own to choose, without what a terminal acts on.
#[must_use]
pub fn caller_name(text: &str) -> String {
    let shown = text.chars().map(|character| match character {
        character if character.is_control() => char::REPLACEMENT_CHARACTER,
        character => character,
    });
    shown
        .scan(0, |length, character| {
            *length += character.len_utf8();
            (*length <= CALLER_BYTES_MAX).then_some(character)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_say_nothing_to_terminals() {
        assert_eq!(caller_name("user-7"), "user-7");
        assert_eq!(
            caller_name("\u{1b}]0;owned\u{7}\n"),
            "\u{fffd}]0;owned\u{fffd}\u{fffd}"
        );
        assert_eq!(caller_name(&"x".repeat(1_000)).len(), CALLER_BYTES_MAX);
        assert_eq!(caller_name(&"\u{20ac}".repeat(100)).len(), 126);
    }
}
