//! Values of API keys, and what is drawn at random of them.

use aws_lc_rs::rand;

use crate::model::{ApiKeyId, SecretText};

/// Shortest value.
pub const VALUE_CHARACTERS_MIN: usize = 20;
/// Longest value.
pub const VALUE_CHARACTERS_MAX: usize = 128;
/// Shortest value that is imported.
pub const IMPORTED_CHARACTERS_MIN: usize = 30;
/// Length of a value that is drawn: 238 bits.
pub const DRAWN_CHARACTERS: usize = 40;

const LETTERS_AND_DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const OF_IDS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// What a caller shows: 20 to 128 letters and digits. It is never told by accident.
///
/// Source: Amazon API Gateway Developer Guide, "API Gateway API key file format" and "Usage plans and
/// API keys for REST APIs".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue(SecretText);

/// Why a text is no value. The text is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Too short or too long.
    #[error(
        "this value has {found} characters: write {min} to {VALUE_CHARACTERS_MAX} letters and digits"
    )]
    Length {
        /// Its length.
        found: usize,
        /// The shortest one.
        min: usize,
    },
    /// Other characters.
    #[error("this value has other characters than letters and digits: take them out")]
    Characters,
}

/// The system gives no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no randomness")]
pub struct NoRandomness;

impl KeyValue {
    /// Checks that `text` can be a value.
    ///
    /// # Errors
    /// See [`ValueError`].
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        Self::of_at_least(text, VALUE_CHARACTERS_MIN)
    }

    /// As [`Self::parse`], of a value that is imported.
    ///
    /// # Errors
    /// See [`ValueError`].
    pub fn imported(text: &str) -> Result<Self, ValueError> {
        Self::of_at_least(text, IMPORTED_CHARACTERS_MIN)
    }

    fn of_at_least(text: &str, min: usize) -> Result<Self, ValueError> {
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(ValueError::Characters);
        }
        let found = text.len();
        if !(min..=VALUE_CHARACTERS_MAX).contains(&found) {
            return Err(ValueError::Length { found, min });
        }
        Ok(Self(SecretText::new(text.to_owned())))
    }

    /// Draws a value that nobody can guess.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn draw() -> Result<Self, NoRandomness> {
        let text = drawn(LETTERS_AND_DIGITS, DRAWN_CHARACTERS)?;
        Ok(Self(SecretText::new(text)))
    }

    /// The value itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Draws an id.
pub(super) fn draw_id() -> Result<ApiKeyId, NoRandomness> {
    Ok(ApiKeyId::new(&drawn(OF_IDS, ApiKeyId::CHARACTERS)?))
}

/// So many characters of `alphabet`, each as likely as any other: bytes that would favour the first
/// ones are drawn again.
fn drawn(alphabet: &[u8], characters: usize) -> Result<String, NoRandomness> {
    let fair = 256 - 256 % alphabet.len();
    let mut text = String::with_capacity(characters);
    let mut bytes = [0; 64];
    loop {
        rand::fill(&mut bytes).map_err(|_unspecified| NoRandomness)?;
        for byte in bytes
            .into_iter()
            .map(usize::from)
            .filter(|byte| *byte < fair)
        {
            if text.len() == characters {
                return Ok(text);
            }
            let character = alphabet.get(byte % alphabet.len());
            text.extend(character.copied().map(char::from));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;

    #[test]
    fn values_are_letters_and_digits_of_a_bounded_number_and_not_repeated() {
        for (text, expected) in [
            (
                "a".repeat(19),
                Err(ValueError::Length { found: 19, min: 20 }),
            ),
            ("aZ09".repeat(5), Ok(())),
            ("a".repeat(128), Ok(())),
            (
                "a".repeat(129),
                Err(ValueError::Length {
                    found: 129,
                    min: 20,
                }),
            ),
            (format!("{}-", "a".repeat(30)), Err(ValueError::Characters)),
            (
                format!("{}\u{e9}", "a".repeat(30)),
                Err(ValueError::Characters),
            ),
            (format!("{}\n", "a".repeat(30)), Err(ValueError::Characters)),
            (String::new(), Err(ValueError::Length { found: 0, min: 20 })),
        ] {
            let found = KeyValue::parse(&text).map(|value| {
                assert_eq!(value.expose(), text);
                assert!(!format!("{value:?}").contains(&text));
            });
            assert_eq!(found, expected, "{text}");
        }
        assert!(KeyValue::imported(&"a".repeat(30)).is_ok());
        let short = KeyValue::imported(&"a".repeat(29)).unwrap_err();
        assert_eq!(short, ValueError::Length { found: 29, min: 30 });
    }

    /// 200,000 draws of 62: each is expected 3,225 times, give or take 57; eight of those are never
    /// seen, and a draw without rejection would be 25 % off for the first eight.
    #[test]
    fn every_character_is_as_likely_as_any_other() {
        let mut counts = BTreeMap::<char, u32>::new();
        let mut seen = HashSet::new();
        for _ in 0..5_000 {
            let value = KeyValue::draw().unwrap();
            assert!(KeyValue::imported(value.expose()).is_ok());
            for character in value.expose().chars() {
                *counts.entry(character).or_default() += 1;
            }
            assert!(seen.insert(value.expose().to_owned()));
        }
        assert_eq!(counts.len(), 62);
        for (character, count) in counts {
            assert!((2_769..=3_681).contains(&count), "{character}: {count}");
        }
        let id = draw_id().unwrap();
        assert_eq!(ApiKeyId::parse(id.as_str()), Ok(id));
    }
}
