//! The members of a JSON object, kept in little memory.
//!
//! A map of values takes several times what its text does. Where objects are kept by the ten thousand and
//! few of their members are read, they are kept as text: strings as what they say, everything else in
//! JSON.

use std::fmt::{self, Write as _};

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// The members of a JSON object, no two of which have one name. Members of objects within are not judged:
/// of two the last counts.
#[derive(Clone, Default)]
pub struct Members {
    /// The name of each member and behind it the value.
    text: Box<str>,
    /// In the order of the names.
    places: Box<[Place]>,
}

/// Where a member stands in the text, and what its value is.
#[derive(Clone, Copy)]
struct Place {
    name: u32,
    value: u32,
    end: u32,
    /// Whether it is a string, and stands there without quotes and escapes.
    is_string: bool,
}

impl Members {
    /// Reads a JSON text.
    ///
    /// # Errors
    /// It is no JSON object, or two of its members have one name.
    pub fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let bytes = text.len();
        let members = reader.deserialize_map(Reading { bytes })?;
        reader.end()?;
        Ok(members)
    }

    /// The member `name`, if it is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        let place = self.find(name)?;
        let is_string = place.is_string;
        is_string.then(|| self.piece(place.value, place.end))
    }

    /// The member `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value> {
        let place = self.find(name)?;
        let value = self.piece(place.value, place.end);
        if place.is_string {
            return Some(Value::from(value));
        }
        // It is what a value was written as.
        serde_json::from_str(value).ok()
    }

    /// Whether there is a member `name`.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Bytes that are allocated for it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len() + size_of_val(&*self.places)
    }

    fn find(&self, name: &str) -> Option<&Place> {
        let places = &self.places;
        let found = places.binary_search_by(|place| self.name(place).cmp(name));
        places.get(found.ok()?)
    }

    fn name(&self, place: &Place) -> &str {
        self.piece(place.name, place.value)
    }

    /// What stands in the text from `start` to `end`, which are places of one member.
    fn piece(&self, start: u32, end: u32) -> &str {
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        let piece = range.and_then(|(start, end)| self.text.get(start..end));
        piece.unwrap_or_default()
    }
}

/// Members are of people, as often as not.
impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members")
            .field("count", &self.places.len())
            .finish_non_exhaustive()
    }
}

struct Reading {
    /// About as many as the members take.
    bytes: usize,
}

impl<'de> Visitor<'de> for Reading {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object without duplicate members")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members, A::Error> {
        let mut text = String::with_capacity(self.bytes);
        let mut places = Vec::with_capacity(self.bytes / MEMBER_BYTES);
        loop {
            let name = end_of(&text)?;
            if access.next_key_seed(Piece(&mut text))?.is_none() {
                break;
            }
            let value = end_of(&text)?;
            let is_string = access.next_value_seed(Piece(&mut text))?;
            let end = end_of(&text)?;
            places.push(Place {
                name,
                value,
                end,
                is_string,
            });
        }
        let mut members = Members {
            text: text.into_boxed_str(),
            places: Box::default(),
        };
        places.sort_unstable_by(|one, other| members.name(one).cmp(members.name(other)));
        let mut pairs = places.windows(2);
        let is_same = |pair: &[Place]| matches!(pair, [one, other] if members.name(one) == members.name(other));
        if pairs.any(is_same) {
            return Err(A::Error::custom("duplicate member"));
        }
        members.places = places.into_boxed_slice();
        Ok(members)
    }
}

/// Takes a name or a value in, behind what stands there already; whether it is a string.
struct Piece<'t>(&'t mut String);

impl Piece<'_> {
    /// Takes in what `value` is in JSON.
    fn written<E: Error>(self, value: impl fmt::Display) -> Result<bool, E> {
        write!(self.0, "{value}").map_err(E::custom)?;
        Ok(false)
    }
}

impl<'de> DeserializeSeed<'de> for Piece<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Piece<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E>(self, string: &str) -> Result<bool, E> {
        self.0.push_str(string);
        Ok(true)
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        self.written(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<bool, E> {
        self.written(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<bool, E> {
        self.written(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<bool, E> {
        self.written(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<bool, E> {
        self.written(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<bool, A::Error> {
        let value = Value::deserialize(SeqAccessDeserializer::new(list))?;
        self.written(value)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<bool, A::Error> {
        let value = Value::deserialize(MapAccessDeserializer::new(object))?;
        self.written(value)
    }
}

/// What a member usually takes.
const MEMBER_BYTES: usize = 64;

fn end_of<E: Error>(text: &str) -> Result<u32, E> {
    u32::try_from(text.len()).map_err(|_too_long| E::custom("an object of 4 GiB"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;

    fn members(text: &str) -> Members {
        Members::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn members_are_what_was_written() {
        let object = members(
            r#"{"sub": "user \"1\"\u00e9", "b": [1, {"c": null}], "": "", "\u0061": 1.50, "n": null}"#,
        );
        for (name, expected) in [
            ("sub", Some(json!("user \"1\"é"))),
            ("b", Some(json!([1, {"c": null}]))),
            ("", Some(json!(""))),
            ("a", Some(json!(1.5))),
            ("n", Some(json!(null))),
            ("\\u0061", None),
            ("s", None),
            ("subu", None),
        ] {
            assert_eq!(object.get(name), expected, "{name}");
            assert_eq!(object.contains(name), expected.is_some(), "{name}");
        }
        assert_eq!(object.text("sub"), Some("user \"1\"é"));
        assert_eq!(object.text(""), Some(""));
        assert_eq!(object.text("a"), None);
        assert!(!format!("{object:?}").contains("user"));
        assert_eq!(Members::default().get(""), None);
    }

    #[test]
    fn what_is_no_object_or_says_a_thing_twice_is_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        for text in [
            "",
            "[]",
            "\"a\"",
            "null",
            "{",
            r#"{"a":1}x"#,
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"\u0061":3}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":["\ud800"]}"#,
            r#"{"a":{"\ud800":1}}"#,
            r#"{"a":1e999}"#,
            r#"{"a":[1e999]}"#,
            &deep,
        ] {
            assert!(Members::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Members::parse(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn a_token_takes_little_more_than_its_text() {
        let claims = json!({
            "iss": "https://issuer.example/", "aud": "https://api.example", "sub": "user-1",
            "exp": 1_900_000_000, "iat": 1_800_000_000, "groups": ["readers", "writers"],
            "note": "x".repeat(300),
        });
        let text = claims.to_string();
        assert!(members(&text).bytes() < text.len() + 7 * size_of::<Place>());
    }

    proptest! {
        #[test]
        fn all_of_an_object_is_found(object in proptest::collection::btree_map(".{0,6}", value(), 0..12)) {
            let object: Map<String, Value> = object.into_iter().collect();
            let kept = members(&serde_json::to_string(&object).unwrap());
            for (name, value) in &object {
                prop_assert_eq!(kept.get(name), Some(value.clone()));
                prop_assert_eq!(kept.text(name), value.as_str());
            }
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 4, |inner| {
            proptest::collection::vec(inner, 0..4).prop_map(Value::from)
        })
    }
}
