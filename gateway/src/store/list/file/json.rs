//! JSON in a closed set of forms.
//!
//! - an array of strings;
//! - an array of objects, or objects one after the other, each with `prefix`, `cidr`, `ip`,
//!   `ipv4Prefix`, `ipv6Prefix`, `ip_prefix` or `ipv6_prefix`;
//! - an object with such arrays as `prefixes`, `ipv6_prefixes`, `addresses` or `ipv6_addresses`, as
//!   large networks publish their ranges.
//!
//! Other fields of objects are ignored where they hold no array and no object: those could hold
//! addresses that nobody would miss.

use std::fmt;
use std::path::Path;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{FileError, LIST_FILE_ENTRIES_MAX, prefix};
use crate::model::Prefix;

/// Fields of an object that hold its prefix.
const PREFIX_FIELDS: [&str; 7] = [
    "prefix",
    "cidr",
    "ip",
    "ipv4Prefix",
    "ipv6Prefix",
    "ip_prefix",
    "ipv6_prefix",
];
/// Fields of an object that hold an array.
const ARRAY_FIELDS: [&str; 4] = ["prefixes", "ipv6_prefixes", "addresses", "ipv6_addresses"];

pub(super) fn parse(path: &Path, content: &[u8]) -> Result<Vec<Prefix>, FileError> {
    let mut prefixes = Vec::new();
    for value in serde_json::Deserializer::from_slice(content).into_iter::<Values>() {
        let Values(found) = value.map_err(|cause| FileError::Json {
            path: path.to_owned(),
            cause,
        })?;
        prefixes.extend(found);
        if prefixes.len() > LIST_FILE_ENTRIES_MAX {
            return Err(FileError::TooMany {
                path: path.to_owned(),
                line: content.iter().filter(|byte| **byte == b'\n').count() + 1,
            });
        }
    }
    Ok(prefixes)
}

/// One value of the file: everything it lists.
struct Values(Vec<Prefix>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Form { depth: 0 }).map(Self)
    }
}

/// What may stand at a depth: 0 the value itself, 1 inside an array.
#[derive(Clone, Copy)]
struct Form {
    depth: usize,
}

impl<'de> de::DeserializeSeed<'de> for Form {
    type Value = Vec<Prefix>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Prefix>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Form {
    type Value = Vec<Prefix>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.depth == 0 {
            "an array, or an object with a prefix or with arrays of prefixes"
        } else {
            "a prefix, or an object with a prefix"
        })
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<Prefix>, E> {
        if self.depth == 0 {
            return Err(E::invalid_type(de::Unexpected::Str(text), &self));
        }
        prefix(text).map(|prefix| vec![prefix]).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Vec<Prefix>, A::Error> {
        if self.depth > 0 {
            return Err(de::Error::invalid_type(de::Unexpected::Seq, &self));
        }
        let mut prefixes = Vec::new();
        let inner = Form { depth: 1 };
        while let Some(found) = array.next_element_seed(inner)? {
            prefixes.extend(found);
            if prefixes.len() > LIST_FILE_ENTRIES_MAX {
                let message = format!("more than {LIST_FILE_ENTRIES_MAX} entries");
                return Err(de::Error::custom(message));
            }
        }
        Ok(prefixes)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Vec<Prefix>, A::Error> {
        let mut prefixes = Vec::new();
        let (mut is_listing, mut is_metadata) = (false, false);
        while let Some(field) = object.next_key::<String>()? {
            if PREFIX_FIELDS.contains(&field.as_str()) {
                let text: String = object.next_value()?;
                prefixes.push(prefix(&text).map_err(de::Error::custom)?);
                is_listing = true;
            } else if self.depth == 0 && ARRAY_FIELDS.contains(&field.as_str()) {
                prefixes.extend(object.next_value_seed(Form { depth: 0 })?);
                is_listing = true;
            } else if field == "type" {
                // A line of its own at the end of some feeds says how many there were.
                is_metadata = object.next_value::<Scalar>()?.0.as_deref() == Some("metadata");
            } else {
                object.next_value::<Scalar>()?;
            }
        }
        if is_listing || is_metadata {
            Ok(prefixes)
        } else {
            let known = PREFIX_FIELDS.join("`, `");
            Err(de::Error::custom(format!(
                "this object has none of the fields `{known}`"
            )))
        }
    }
}

/// A value that holds no other values; the text of one that is text.
struct Scalar(Option<String>);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a number, `true`, `false` or `null` in a field that is ignored")
            }

            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(Some(text.to_owned())))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Scalar, E> {
                Ok(Scalar(None))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Scalar, E> {
                Ok(Scalar(None))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Scalar, E> {
                Ok(Scalar(None))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Scalar, E> {
                Ok(Scalar(None))
            }

            fn visit_unit<E>(self) -> Result<Scalar, E> {
                Ok(Scalar(None))
            }
        }

        deserializer.deserialize_any(Any)
    }
}
