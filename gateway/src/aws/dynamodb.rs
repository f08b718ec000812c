//! Reading one item of a table of Amazon DynamoDB.
//!
//! An item comes with the type of each value beside it, and becomes plain JSON here. A number that JSON
//! readers would round is refused, never rounded. Source: Amazon DynamoDB API Reference, `GetItem` and
//! `AttributeValue`.

use serde_json::{Map, Number, Value, json};

use super::json::{self, AskError};
use super::{Calling, Client};

const OPERATION: &str = "DynamoDB_20120810.GetItem";

/// What is read.
#[derive(Clone, Copy, Debug)]
pub struct GetItem<'a> {
    /// Name or ARN of the table.
    pub table: &'a str,
    /// Names and values of its key attributes, all of which are strings.
    pub key: &'a [(&'a str, &'a str)],
    /// The attributes to be read; empty for all.
    pub attributes: &'a [&'a str],
    /// Whether what was written a moment ago has to be in it.
    pub is_consistent: bool,
}

/// The item of this key; `None` where there is none.
///
/// # Errors
/// See [`AskError`].
///
/// # Cancel safety
/// Dropping the future closes the connection it uses.
pub async fn get_item(
    client: &Client,
    get: &GetItem<'_>,
    calling: Calling<'_>,
) -> Result<Option<Map<String, Value>>, AskError> {
    read(json::ask(client, OPERATION, question(get), calling).await?)
}

fn question(get: &GetItem<'_>) -> Map<String, Value> {
    let key = get.key.iter();
    let key: Map<String, Value> = key
        .map(|(name, value)| ((*name).to_owned(), json!({ "S": value })))
        .collect();
    let mut question = json::members([
        ("TableName", Value::from(get.table)),
        ("Key", Value::Object(key)),
        ("ConsistentRead", Value::from(get.is_consistent)),
    ]);
    if !get.attributes.is_empty() {
        // Names that are words of the language of expressions can only stand in it so.
        let attributes = get.attributes.iter().enumerate();
        let named: Map<String, Value> = attributes
            .map(|(number, name)| (format!("#a{number}"), Value::from(*name)))
            .collect();
        let expression: Vec<&str> = named.keys().map(String::as_str).collect();
        let expression = Value::from(expression.join(","));
        question.extend(json::members([
            ("ProjectionExpression", expression),
            ("ExpressionAttributeNames", Value::Object(named)),
        ]));
    }
    question
}

fn read(mut answer: Map<String, Value>) -> Result<Option<Map<String, Value>>, AskError> {
    match answer.remove("Item") {
        None => Ok(None),
        Some(Value::Object(item)) => Ok(Some(members(item)?)),
        Some(_) => Err(AskError::Answer("`Item` is no object")),
    }
}

fn members(typed: Map<String, Value>) -> Result<Map<String, Value>, AskError> {
    let members = typed.into_iter();
    members
        .map(|(name, value)| Ok((name, plain(value)?)))
        .collect()
}

fn plain(typed: Value) -> Result<Value, AskError> {
    let unknown =
        AskError::Answer("a value of the item has no type, several, or one that is not known");
    let Value::Object(typed) = typed else {
        return Err(unknown);
    };
    let mut typed = typed.into_iter();
    let (Some((kind, value)), None) = (typed.next(), typed.next()) else {
        return Err(unknown);
    };
    match (kind.as_str(), value) {
        ("S" | "B", Value::String(text)) => Ok(Value::String(text)),
        ("N", Value::String(text)) => number(&text),
        ("BOOL", Value::Bool(truth)) => Ok(Value::Bool(truth)),
        ("NULL", Value::Bool(true)) => Ok(Value::Null),
        ("M", Value::Object(inner)) => Ok(Value::Object(members(inner)?)),
        ("L", Value::Array(values)) => values.into_iter().map(plain).collect(),
        ("SS" | "BS", Value::Array(texts)) if texts.iter().all(Value::is_string) => {
            Ok(Value::Array(texts))
        }
        ("NS", Value::Array(texts)) => {
            let numbers = texts.iter();
            let numbers = numbers.map(|text| {
                text.as_str()
                    .map_or(Err(AskError::Answer("a number is no text")), number)
            });
            numbers.collect()
        }
        _ => Err(unknown),
    }
}

/// A number of up to 38 digits, as text.
fn number(text: &str) -> Result<Value, AskError> {
    let refused =
        || AskError::Answer("a number of the item is none, or has more digits than JSON keeps");
    let parsed: Number = serde_json::from_str(text).map_err(|_may_quote_it| refused())?;
    if parsed.is_f64()
        && text.bytes().filter(u8::is_ascii_digit).count()
            > usize::try_from(f64::DIGITS).unwrap_or_default()
    {
        return Err(refused());
    }
    Ok(Value::Number(parsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_attributes_never_stand_in_the_expression() {
        let get = GetItem {
            table: "stores",
            key: &[("tenant", "t\"1"), ("kind", "policies")],
            attributes: &["document", "size"],
            is_consistent: true,
        };
        let expected = json!({
            "TableName": "stores",
            "Key": {"tenant": {"S": "t\"1"}, "kind": {"S": "policies"}},
            "ConsistentRead": true,
            "ProjectionExpression": "#a0,#a1",
            "ExpressionAttributeNames": {"#a0": "document", "#a1": "size"},
        });
        assert_eq!(Value::Object(question(&get)), expected);
    }

    fn read_json(answer: Value) -> Result<Option<Value>, String> {
        let Value::Object(answer) = answer else {
            panic!("answers are objects");
        };
        let item = read(answer).map_err(|error| error.to_string())?;
        Ok(item.map(Value::Object))
    }

    #[test]
    fn items_become_plain_and_nothing_is_guessed() {
        let item = json!({
            "text": {"S": "a"}, "count": {"N": "-12"}, "share": {"N": "0.25"}, "on": {"BOOL": false},
            "none": {"NULL": true}, "list": {"L": [{"S": "a"}, {"M": {"b": {"N": "1"}}}]},
            "set": {"SS": ["a", "b"]}, "numbers": {"NS": ["1", "2.5"]}, "bytes": {"B": "AAE="},
        });
        let expected = json!({
            "text": "a", "count": -12, "share": 0.25, "on": false, "none": null,
            "list": ["a", {"b": 1}], "set": ["a", "b"], "numbers": [1, 2.5], "bytes": "AAE=",
        });
        assert_eq!(read_json(json!({"Item": item})), Ok(Some(expected)));
        assert_eq!(read_json(json!({})), Ok(None));
        for item in [
            json!([]),
            json!({"a": "plain"}),
            json!({"a": {}}),
            json!({"a": {"S": "a", "N": "1"}}),
            json!({"a": {"S": 1}}),
            json!({"a": {"X": "a"}}),
            json!({"a": {"NULL": false}}),
            json!({"a": {"N": "1e999"}}),
            json!({"a": {"N": "12345678901234567890123"}}),
            json!({"a": {"N": "nought"}}),
            json!({"a": {"NS": [1]}}),
            json!({"a": {"SS": [1]}}),
            json!({"a": {"L": [1]}}),
        ] {
            assert!(read_json(json!({"Item": item})).is_err(), "{item}");
        }
    }
}
