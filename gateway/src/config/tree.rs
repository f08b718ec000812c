//! The configuration as a tree of which every key and value knows its place.

use std::collections::HashMap;
use std::fmt;

use super::diagnostic::Place;

/// One value with its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Text as written. Plain text may be read as a number, a boolean or nothing; quoted text is
    /// text.
    Scalar {
        /// Without quotes and escapes.
        text: String,
        /// Whether it stood there without quotes.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys with values in the order of the file, every key once.
    Mapping(Mapping),
    /// Something that was refused while reading; reported already.
    Refused,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_place: Place,
    pub(super) node: Node,
}

/// The entries of a mapping, found by key in constant time: an API has thousands of routes.
#[derive(Clone, Debug, Default)]
pub(super) struct Mapping {
    entries: Vec<Entry>,
    positions: HashMap<String, usize>,
}

impl Mapping {
    /// In the order of the file.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(*self.positions.get(key)?)
    }

    /// Adds an entry; of two with one key the first stays.
    pub(super) fn push(&mut self, entry: Entry) {
        if !self.positions.contains_key(&entry.key) {
            self.positions.insert(entry.key.clone(), self.entries.len());
            self.entries.push(entry);
        }
    }
}

/// What a value can be read as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reading<'a> {
    Nothing,
    Boolean(bool),
    Integer(u64),
    /// Any other number.
    Number(f64),
    Text(&'a str),
    Sequence,
    Mapping,
    Refused,
}

impl Node {
    /// Reads plain text by the JSON-like core of YAML 1.2: `null`, `true`, `false` and decimal
    /// numbers. Octal, hexadecimal and leading zeros, on whose meaning YAML versions differ, stay
    /// text.
    pub(super) fn reading(&self) -> Reading<'_> {
        match &self.value {
            Value::Scalar { text, plain: true } => read_plain(text),
            Value::Scalar { text, plain: false } => Reading::Text(text),
            Value::Sequence(_) => Reading::Sequence,
            Value::Mapping(_) => Reading::Mapping,
            Value::Refused => Reading::Refused,
        }
    }

    /// A whole number below zero, which free JSON may hold and no setting does.
    pub(super) fn negative(&self) -> Option<i64> {
        match &self.value {
            Value::Scalar { text, plain: true } => text.parse().ok().filter(|whole| *whole < 0),
            _ => None,
        }
    }

    /// The entry of `key`, if this is a mapping that has it.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Mapping(mapping) => mapping.get(key),
            _ => None,
        }
    }

    /// The same with other entries, if this is a mapping.
    pub(super) fn with_entries(self, change: impl FnMut(Entry) -> Entry) -> Self {
        let Value::Mapping(mapping) = self.value else {
            return self;
        };
        let mut changed = Mapping::default();
        mapping
            .entries
            .into_iter()
            .map(change)
            .for_each(|entry| changed.push(entry));
        Self {
            place: self.place,
            value: Value::Mapping(changed),
        }
    }

    /// The item at `index`, if this is a list that has it.
    pub(super) fn item(&self, index: usize) -> Option<&Self> {
        match &self.value {
            Value::Sequence(items) => items.get(index),
            _ => None,
        }
    }

    /// Whether anything in it was refused while reading.
    pub(super) fn holds_refused(&self) -> bool {
        match &self.value {
            Value::Scalar { .. } => false,
            Value::Sequence(items) => items.iter().any(Self::holds_refused),
            Value::Mapping(mapping) => {
                let mut entries = mapping.entries().iter();
                entries.any(|entry| entry.node.holds_refused())
            }
            Value::Refused => true,
        }
    }

    /// The keys, if this is a mapping.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let entries = match &self.value {
            Value::Mapping(mapping) => mapping.entries(),
            _ => &[],
        };
        entries.iter().map(|entry| entry.key.as_str())
    }
}

impl fmt::Display for Reading<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Boolean(value) => write!(f, "`{value}`"),
            Self::Integer(value) => write!(f, "the number `{value}`"),
            Self::Number(value) => write!(f, "the number `{value}`"),
            Self::Text(value) => write!(f, "the text `{}`", shortened(value)),
            Self::Sequence => f.write_str("a list"),
            Self::Mapping => f.write_str("keys with values"),
            Self::Refused => f.write_str("something refused"),
        }
    }
}

/// What is quoted of a user's text: one line of at most 80 characters.
pub(super) fn shortened(text: &str) -> String {
    const CHARACTERS_MAX: usize = 80;
    let mut shown: String = text
        .chars()
        .take(CHARACTERS_MAX)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(CHARACTERS_MAX).is_some() {
        shown.push_str("..");
    }
    shown
}

fn read_plain(text: &str) -> Reading<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Reading::Nothing,
        "true" | "True" | "TRUE" => return Reading::Boolean(true),
        "false" | "False" | "FALSE" => return Reading::Boolean(false),
        _ => {}
    }
    if !is_decimal(text) {
        return Reading::Text(text);
    }
    if let Ok(integer) = text.parse() {
        return Reading::Integer(integer);
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Reading::Number(number),
        Ok(_) | Err(_) => Reading::Text(text),
    }
}

/// Whether `text` is a number by the grammar of JSON (RFC 8259, section 6).
fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Reading<'_>) {
        assert_eq!(read_plain(text), expected, "{text}");
    }

    #[test]
    fn reads_plain_text_by_the_core_that_yaml_versions_share() {
        check("", Reading::Nothing);
        check("null", Reading::Nothing);
        check("true", Reading::Boolean(true));
        check("off", Reading::Text("off"));
        check("no", Reading::Text("no"));
        check("0", Reading::Integer(0));
        check("18446744073709551615", Reading::Integer(u64::MAX));
        check(
            "18446744073709551616",
            Reading::Number(18_446_744_073_709_551_616.0),
        );
        check("-1", Reading::Number(-1.0));
        check("0.5", Reading::Number(0.5));
        check("1e3", Reading::Number(1000.0));
        check("010", Reading::Text("010"));
        check("0x10", Reading::Text("0x10"));
        check(".inf", Reading::Text(".inf"));
        check("1e999", Reading::Text("1e999"));
        check("1.", Reading::Text("1."));
        check("10s", Reading::Text("10s"));
    }
}
