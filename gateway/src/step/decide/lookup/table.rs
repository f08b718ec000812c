//! Records that are items of a table of Amazon DynamoDB.

use std::sync::Arc;

use serde_json::Value;

use super::{RECORD_BYTES_MAX, RECORD_MEMORY_MAX, Unfound};
use crate::aws::dynamodb::{GetItem, get_item};
use crate::aws::{AskError, Calling, Client};
use crate::language::object_memory;
use crate::model::TableLookup;
use crate::step::decide::server::Means;
use crate::upstream::CallBounds;

/// A table with records.
#[derive(Debug)]
pub(super) struct TableRecords {
    client: Arc<Client>,
    table: String,
    key: String,
    is_consistent: bool,
    bounds: CallBounds,
}

impl TableRecords {
    /// As `lookup` says; `client` asks the service.
    pub(super) fn new(lookup: &TableLookup, client: Arc<Client>) -> Self {
        Self {
            client,
            table: lookup.table.as_str().to_owned(),
            key: lookup.key.clone(),
            is_consistent: lookup.is_consistent,
            bounds: CallBounds {
                timeout: lookup.timeout,
                bytes_max: RECORD_BYTES_MAX,
            },
        }
    }

    /// The item of `key`; `None` where the table has none. `now` is in seconds since 1970.
    pub(super) async fn ask(
        &self,
        key: &str,
        means: &Means,
        now: u64,
    ) -> Result<Option<Value>, Unfound> {
        let get = GetItem {
            table: &self.table,
            key: &[(&self.key, key)],
            attributes: &[],
            is_consistent: self.is_consistent,
        };
        let calling = Calling {
            pool: &means.pool,
            budget: &means.budget,
            bounds: self.bounds,
            now,
        };
        let item = get_item(&self.client, &get, calling).await;
        let item = item.map_err(|error| match error {
            // What else it says may quote the key.
            AskError::Fault(fault) => Unfound::Fault(fault.status, fault.name),
            AskError::BasePath(_) | AskError::Call(_) | AskError::Answer(_) => {
                Unfound::Call(error.to_string())
            }
        })?;
        match item {
            Some(item) if object_memory(&item) > RECORD_MEMORY_MAX => Err(Unfound::TooLarge),
            Some(item) => Ok(Some(Value::Object(item))),
            None => Ok(None),
        }
    }
}
