//! Limits on what is under way at once.

use super::Lowering;
use super::throttle::{Callers, lower_key};
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::config::written;
use crate::model::{CALLER_CONCURRENCY_MAX, CallerConcurrency, Concurrency};

/// Lowers how many requests of all callers there may be.
pub(super) fn lower(written: Option<&written::Concurrency>) -> Option<Concurrency> {
    written.map(|written| Concurrency {
        max: written.max,
        is_monitored: written.monitor,
    })
}

/// Lowers how many of each caller there may be.
pub(super) fn lower_callers(
    written: &[written::CallerConcurrency],
    whose: Callers<'_>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Vec<CallerConcurrency> {
    if written.len() > CALLER_CONCURRENCY_MAX {
        let count = written.len();
        let message =
            format!("{count} are too many: at most {CALLER_CONCURRENCY_MAX} in one place");
        cx.error_at_key(at, message);
    }
    let mut limits: Vec<CallerConcurrency> = Vec::new();
    for (index, written) in written.iter().enumerate() {
        let at = at.item(index).key("key");
        let Some(key) = lower_key(&written.key, whose, &at, cx) else {
            continue;
        };
        if limits.iter().any(|earlier| earlier.key == key) {
            let shown = shortened(&written.key);
            cx.error(&at, format!("`{shown}` stands twice: keep one"));
            continue;
        }
        let limit = Concurrency {
            max: written.max,
            is_monitored: written.monitor,
        };
        limits.push(CallerConcurrency { key, limit });
    }
    limits
}
