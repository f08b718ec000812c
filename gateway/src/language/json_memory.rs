//! How much memory the value of a JSON text takes, found without making the value.
//!
//! `[{"":0},..]` grows a hundredfold when it is parsed, so that the length of a text says little of
//! what it costs. The estimate is for the values of `serde_json`, and rather too high: of what a
//! client chooses, nobody should get more than was accounted for.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// What an entry of an object takes: its name, its value and their hash, where it stands in the order of
/// the document, and a byte beside that.
const ENTRY_BYTES: usize = size_of::<String>() + size_of::<Value>() + 2 * size_of::<usize>() + 1;

/// Entries that an object has room for from the first on.
const ENTRIES_MIN: usize = 4;

/// What an object takes besides: two allocations, and the end of its table.
const OBJECT_BYTES: usize = 3 * ALLOCATION_BYTES;

/// What an allocator adds to a text, and the multiple that it makes of it.
const ALLOCATION_BYTES: usize = 16;

/// Elements that a list has room for from the first on.
const LIST_ELEMENTS_MIN: usize = 4;

/// Bytes that the value of `text` takes, texts within it included.
///
/// # Errors
/// Where `serde_json` would make no value of it.
pub fn memory(text: &[u8]) -> Result<usize, serde_json::Error> {
    let Memory(bytes) = serde_json::from_slice(text)?;
    Ok(bytes.saturating_add(size_of::<Value>()))
}

/// Bytes that an object takes beside the place that it stands in, texts within it included.
#[must_use]
pub fn object_memory(object: &Map<String, Value>) -> usize {
    let of_entry = |(name, value): (&String, &Value)| text_memory(name) + value_memory(value);
    let entries: usize = object.iter().map(of_entry).sum();
    entries + tables(object.len())
}

fn value_memory(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text_memory(text),
        Value::Array(list) => {
            let elements: usize = list.iter().map(value_memory).sum();
            elements + list_memory(list.len())
        }
        Value::Object(object) => object_memory(object),
    }
}

/// What is allocated for a text.
fn text_memory(text: &str) -> usize {
    if text.is_empty() {
        return 0;
    }
    text.len().next_multiple_of(ALLOCATION_BYTES) + ALLOCATION_BYTES
}

/// What is allocated for a list, which doubles its room when it is full.
fn list_memory(elements: usize) -> usize {
    let room = match elements {
        0 => 0,
        _ => elements.next_power_of_two().max(LIST_ELEMENTS_MIN),
    };
    room.saturating_mul(size_of::<Value>())
}

/// Bytes that a value takes beside the place that it stands in.
struct Memory(usize);

impl<'de> Deserialize<'de> for Memory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Measuring)
    }
}

struct Measuring;

impl<'de> Visitor<'de> for Measuring {
    type Value = Memory;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _value: bool) -> Result<Memory, E> {
        Ok(Memory(0))
    }

    fn visit_i64<E>(self, _value: i64) -> Result<Memory, E> {
        Ok(Memory(0))
    }

    fn visit_u64<E>(self, _value: u64) -> Result<Memory, E> {
        Ok(Memory(0))
    }

    fn visit_f64<E>(self, _value: f64) -> Result<Memory, E> {
        Ok(Memory(0))
    }

    fn visit_unit<E>(self) -> Result<Memory, E> {
        Ok(Memory(0))
    }

    fn visit_str<E>(self, value: &str) -> Result<Memory, E> {
        Ok(Memory(text_memory(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Memory, A::Error> {
        let (mut elements, mut bytes) = (0_usize, 0_usize);
        while let Some(Memory(of_element)) = list.next_element()? {
            elements += 1;
            bytes = bytes.saturating_add(of_element);
        }
        Ok(Memory(bytes.saturating_add(list_memory(elements))))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Memory, A::Error> {
        let (mut entries, mut bytes) = (0_usize, 0_usize);
        while let Some((Memory(of_name), Memory(of_value))) = object.next_entry()? {
            entries += 1;
            bytes = bytes.saturating_add(of_name).saturating_add(of_value);
        }
        Ok(Memory(bytes.saturating_add(tables(entries))))
    }
}

/// Bytes of an object beside what its names and values hold.
const fn tables(entries: usize) -> usize {
    if entries == 0 {
        return 0;
    }
    // A table doubles its room when more than seven of eight places are taken.
    let room = entries.saturating_add(entries / 7 + 1).next_power_of_two();
    let room = if room < ENTRIES_MIN {
        ENTRIES_MIN
    } else {
        room
    };
    room.saturating_mul(ENTRY_BYTES)
        .saturating_add(OBJECT_BYTES)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_grows_most_is_told() {
        let of = |element: &str, count: usize| {
            let elements = vec![element; count];
            let text = format!("[{}]", elements.join(","));
            memory(text.as_bytes()).unwrap() / count
        };
        assert!(of(r#"{"":0}"#, 1024) >= ENTRIES_MIN * ENTRY_BYTES);
        assert!(of("[0]", 1024) >= 5 * size_of::<Value>());
        assert!(of("0", 1024) >= size_of::<Value>());
        // Usual documents grow less.
        let pet = r#"{"id": 123, "name": "Rex", "tags": ["black", "white"], "vaccinated": true}"#;
        assert!(of(pet, 1024) < 24 * pet.len());
        assert_eq!(memory(b"true").unwrap(), size_of::<Value>());
        let long = format!("\"{}\"", "x".repeat(4096));
        assert!(memory(long.as_bytes()).unwrap() > 4096);
        let large: Vec<String> = (0..1000).map(|at| format!("\"{at}\":0")).collect();
        let large = format!("{{{}}}", large.join(","));
        assert!(memory(large.as_bytes()).unwrap() > 1000 * ENTRY_BYTES);
    }

    #[test]
    fn an_object_takes_what_its_text_says() {
        for text in [
            "{}",
            r#"{"a": 1, "bc": "a text of more than sixteen bytes", "": ["", "x", {"y": null}]}"#,
            r#"{"list": [1, 2, 3, 4, 5], "nested": {"a": {"b": [[]]}}}"#,
        ] {
            let object: Map<String, Value> = serde_json::from_str(text).unwrap();
            let expected = memory(text.as_bytes()).unwrap() - size_of::<Value>();
            assert_eq!(object_memory(&object), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_has_no_value_has_no_size(text in r#"[\[\]{}:,"0-9.eE\\u ntrfals-]{0,24}"#) {
            let is_value = serde_json::from_str::<Value>(&text).is_ok();
            prop_assert_eq!(memory(text.as_bytes()).is_ok(), is_value);
        }
    }
}
