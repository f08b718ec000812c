//! A tree as JSON.

use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};

use crate::config::tree::{Node, Reading, Value};

/// `node` as JSON of one line for each value.
///
/// # Errors
/// Where a number is none of JSON's, which no tree holds.
pub(super) fn print_json(node: &Node) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(&Json(node))?;
    text.push('\n');
    Ok(text)
}

struct Json<'a>(&'a Node);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (&self.0.value, self.0.reading()) {
            (Value::Mapping(mapping), _) => {
                let mut map = serializer.serialize_map(Some(mapping.entries().len()))?;
                for entry in mapping.entries() {
                    map.serialize_entry(&entry.key, &Json(&entry.node))?;
                }
                map.end()
            }
            (Value::Sequence(items), _) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&Json(item))?;
                }
                list.end()
            }
            (_, Reading::Boolean(value)) => serializer.serialize_bool(value),
            (_, Reading::Integer(value)) => serializer.serialize_u64(value),
            (_, Reading::Number(value)) => match self.0.negative() {
                Some(whole) => serializer.serialize_i64(whole),
                None => serializer.serialize_f64(value),
            },
            (_, Reading::Text(text)) => serializer.serialize_str(text),
            // What was refused is reported, and nothing is printed then.
            (_, Reading::Nothing | Reading::Sequence | Reading::Mapping | Reading::Refused) => {
                serializer.serialize_unit()
            }
        }
    }
}
