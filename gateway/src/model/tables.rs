//! Tables of Amazon DynamoDB, as they are named.

use std::time::Duration;

use super::AwsTarget;
use super::arn::{is_account, is_place};

/// How a table is asked for the item of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableLookup {
    /// Where the service is.
    pub target: AwsTarget,
    /// The table.
    pub table: TableName,
    /// The attribute that is its partition key, of strings. It has no sort key.
    pub key: String,
    /// Whether what was written a moment ago has to be found; default false.
    pub is_consistent: bool,
    /// From the first byte sent to the last byte of the answer; default 1 s.
    pub timeout: Duration,
    /// Longest time that an item is remembered; default 1 min, 0 remembers none.
    pub ttl: Duration,
}

/// A table: its name, or its ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName {
    whole: String,
    /// Of an ARN.
    region: Option<String>,
}

/// The text names no table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a table: write its name, 3 to 255 letters, digits, `_`, `-` and `.`, or its ARN such as \
     `arn:aws:dynamodb:eu-west-1:111122223333:table/tenants`"
)]
pub struct TableNameError;

impl TableName {
    /// Reads a name or an ARN. Source: Amazon DynamoDB API Reference, `GetItem`, `TableName`.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(written: &str) -> Result<Self, TableNameError> {
        let parts: Vec<&str> = written.split(':').collect();
        let (region, name) = match parts.as_slice() {
            [name] => (None, *name),
            ["arn", partition, "dynamodb", region, account, table] => {
                let name = table.strip_prefix("table/").ok_or(TableNameError)?;
                if !is_place(partition) || !is_place(region) || !is_account(account) {
                    return Err(TableNameError);
                }
                (Some((*region).to_owned()), name)
            }
            _ => return Err(TableNameError),
        };
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
        if !(3..=255).contains(&name.len()) || !name.bytes().all(allowed) {
            return Err(TableNameError);
        }
        Ok(Self {
            whole: written.to_owned(),
            region,
        })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.whole
    }

    /// The region that its ARN names.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_names_or_arns() {
        let arn = "arn:aws:dynamodb:eu-west-1:111122223333:table/tenants";
        for (written, region) in [
            ("tenants", None),
            ("a.b_c-D9", None),
            (arn, Some("eu-west-1")),
        ] {
            let table = TableName::parse(written).unwrap();
            assert_eq!((table.as_str(), table.region()), (written, region));
        }
        for wrong in [
            "",
            "ab",
            "a b",
            "tenants/",
            &"a".repeat(256),
            "arn:aws:dynamodb:eu-west-1:111122223333:tenants",
            "arn:aws:dynamodb:eu-west-1:111122223333:table/a/index/b",
            "arn:aws:dynamodb:eu-west-1:1111:table/tenants",
            "arn:aws:lambda:eu-west-1:111122223333:table/tenants",
            "arn:aws:dynamodb::111122223333:table/tenants",
        ] {
            assert_eq!(TableName::parse(wrong), Err(TableNameError), "{wrong}");
        }
    }
}
