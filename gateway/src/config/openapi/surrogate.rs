//! Characters that JSON writes as two escapes.
//!
//! JSON is YAML but for one thing: a character beyond the first 65,536 is written as two halves,
//! `\ud83d\ude00` (RFC 8259, section 7), which YAML writes as `\U0001f600`.

use std::borrow::Cow;

/// `text` with both halves of each such character joined. Whatever else is wrong with an escape the
/// reader of YAML says better.
pub(super) fn joined(text: &str) -> Cow<'_, str> {
    let is_json = text
        .trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with('{');
    if !is_json || !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\\') {
        whole.push_str(before);
        rest = behind;
        if let Some((character, after)) = pair(behind) {
            whole.push_str(&format!("\\U{:08x}", u32::from(character)));
            rest = after;
            continue;
        }
        whole.push('\\');
        // What is escaped is no start of an escape.
        let mut characters = rest.chars();
        whole.extend(characters.next());
        rest = characters.as_str();
    }
    whole.push_str(rest);
    Cow::Owned(whole)
}

/// The character whose two halves `text` begins with, behind the first backslash.
fn pair(text: &str) -> Option<(char, &str)> {
    let (high, rest) = half(text)?;
    let (low, rest) = half(rest.strip_prefix('\\')?)?;
    if !(0xd800..0xdc00).contains(&high) || !(0xdc00..0xe000).contains(&low) {
        return None;
    }
    let character = char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))?;
    Some((character, rest))
}

fn half(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.strip_prefix('u')?.split_at_checked(4)?;
    let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    let value = u32::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_joined_and_nothing_else_changes() {
        for (text, expected) in [
            (
                r#"{"a": "\ud83d\ude00 \u00e9"}"#,
                r#"{"a": "\U0001f600 \u00e9"}"#,
            ),
            (r#"{"a": "\\ud83d\\ude00"}"#, r#"{"a": "\\ud83d\\ude00"}"#),
            (r#"{"a": "\ud83d"}"#, r#"{"a": "\ud83d"}"#),
            (r#"a: "\ud83d\ude00""#, r#"a: "\ud83d\ude00""#),
            (r#"{"a": "\u"#, r#"{"a": "\u"#),
        ] {
            assert_eq!(joined(text), expected);
        }
    }
}
