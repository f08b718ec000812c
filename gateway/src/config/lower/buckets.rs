//! How many buckets there are.

use super::Lowering;
use crate::config::written::Buckets;
use crate::model::{BucketTables, NoTable};

/// Lowers how many buckets there are.
pub(super) fn lower(written: &Buckets, cx: &mut Lowering<'_>) -> BucketTables {
    let at = cx.root.key("buckets");
    let mut tables = BucketTables::default();
    let mut size =
        |key: &str, count: Option<u64>, with: With| match count.map(|it| with(tables, it)) {
            None => {}
            Some(Ok(sized)) => tables = sized,
            Some(Err(error)) => cx.error(&at.key(key), error.to_string()),
        };
    size("throttles", written.throttles, BucketTables::with_throttles);
    size("callers", written.callers, BucketTables::with_callers);
    tables
}

/// How a table gets its size.
type With = fn(BucketTables, u64) -> Result<BucketTables, NoTable>;
