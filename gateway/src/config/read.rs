//! Reads the written form from a tree.

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserialize, Deserializer, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::tree::{Entry, Node, Reading, Value};

/// Reads a `T` from a tree that has the shape of its schema.
///
/// # Errors
/// Where it has not; [`super::shape`] reports that better.
pub(super) fn read<'de, T: Deserialize<'de>>(node: &'de Node) -> Result<T, ReadError> {
    T::deserialize(node)
}

/// A tree that does not have the shape it was checked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct ReadError(String);

impl serde::de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.reading() {
            Reading::Nothing => visitor.visit_unit(),
            Reading::Boolean(value) => visitor.visit_bool(value),
            Reading::Integer(value) => visitor.visit_u64(value),
            Reading::Number(value) => match self.negative() {
                Some(whole) => visitor.visit_i64(whole),
                None => visitor.visit_f64(value),
            },
            Reading::Text(text) => visitor.visit_borrowed_str(text),
            Reading::Sequence | Reading::Mapping | Reading::Refused => match &self.value {
                Value::Sequence(items) => visitor.visit_seq(SeqDeserializer::new(items.iter())),
                Value::Mapping(mapping) => {
                    let entries = mapping.entries().iter();
                    visitor.visit_map(MapDeserializer::new(entries.map(pair)))
                }
                Value::Scalar { .. } | Value::Refused => Err(refused(&visitor)),
            },
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self.reading() {
            Reading::Text(text) => visitor.visit_enum(text.into_deserializer()),
            _ => Err(refused(&visitor)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, ReadError> for &'de Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

fn pair(entry: &Entry) -> (&str, &Node) {
    (&entry.key, &entry.node)
}

fn refused<'de, V: Visitor<'de>>(visitor: &V) -> ReadError {
    serde::de::Error::invalid_type(Unexpected::Other("this value"), visitor)
}
