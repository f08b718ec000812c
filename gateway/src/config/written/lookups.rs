//! What is looked up before policies decide.

use schemars::JsonSchema;
use serde::Deserialize;

use super::DurationText;

/// A lookup: what finds the record of a key, which is a JSON object.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Lookup {
    /// A file, read at start and on reload.
    File(FileLookup),
    /// A server, asked over HTTP.
    Http(HttpLookup),
    /// A table of Amazon DynamoDB, whose items are the records.
    Dynamodb(TableLookup),
}

/// Records in a file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileLookup {
    /// JSON file with one object: under each key its record.
    pub(crate) path: String,
}

/// Records at a server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpLookup {
    /// Where a record is: `http` or `https`, with `{key}` where the key stands in path or query. Asked by
    /// `GET`: 200 with a JSON object is the record, 404 says that there is none.
    pub(crate) url: String,
    /// File whose content is sent as a bearer token. Default: none is.
    pub(crate) token_file: Option<String>,
    /// Client under `oauth_clients` whose tokens are sent instead. Default: none.
    pub(crate) oauth_client: Option<String>,
    /// From the first byte sent to the last byte of the answer: 50ms to 30s. Default 1s.
    pub(crate) timeout: Option<DurationText>,
    /// Longest time that a record is remembered: 0s to 1h, 0s asks every time. That there is none is
    /// remembered for 10s at most. Default 1m.
    pub(crate) ttl: Option<DurationText>,
}

/// Records in a table of Amazon DynamoDB.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableLookup {
    /// Name or ARN of the table, which has a partition key of strings and no sort key.
    pub(crate) table: String,
    /// The attribute that is its partition key, of 1 to 255 bytes.
    pub(crate) key: String,
    /// Where it is. Default: the region of its ARN, or that of `aws`.
    pub(crate) region: Option<String>,
    /// Whether what was written a moment ago has to be found, which costs twice as much. Default false.
    pub(crate) consistent: Option<bool>,
    /// From the first byte sent to the last byte of the answer: 50ms to 30s. Default 1s.
    pub(crate) timeout: Option<DurationText>,
    /// As of the lookups at servers. Default 1m.
    pub(crate) ttl: Option<DurationText>,
}

/// A lookup that a policy set asks before it is asked itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Enrichment {
    /// The lookup.
    pub(crate) lookup: String,
    /// What it is asked for, with variables of the request. Where that has no value, there is no record.
    pub(crate) key: String,
}
