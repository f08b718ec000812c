//! Key sets of authorizers.

use serde_json::Value as Json;

use super::Lowering;
use super::host::parse_url;
use super::quantity::{KIB, MIB, ms, s};
use crate::config::cursor::Cursor;
use crate::config::written;
use crate::model::{Jwks, JwksSource};

/// Lowers one key set.
pub(super) fn lower(
    written: &written::Jwks,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Jwks> {
    let timeout = written.timeout.as_ref();
    let timeout = cx.duration(timeout, &at.key("timeout"), ms(50)..=s(30), ms(1500));
    let refresh = written.refresh.as_ref();
    let refresh = cx.duration(refresh, &at.key("refresh"), s(1)..=s(86_400), s(600));
    let bytes_max = written.bytes_max.as_ref();
    let bytes_max = cx.size(bytes_max, &at.key("bytes_max"), KIB..=16 * MIB, 150_000);
    Some(Jwks {
        source: lower_source(written, bytes_max, at, cx)?,
        timeout,
        bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX),
        refresh,
    })
}

fn lower_source(
    written: &written::Jwks,
    bytes_max: u64,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<JwksSource> {
    // Also a setting that was refused has been written.
    let is_written = |key| at.key(key).is_written();
    match (is_written("url"), is_written("file")) {
        (true, true) => cx.error_at_key(at, "both `url` and `file` name the keys: keep one"),
        (false, false) => {
            cx.error_at_key(at, "nothing says where the keys are: write `url` or `file`");
        }
        (true, false) | (false, true) => {}
    }
    if let Some(file) = &written.file {
        return Some(lower_file(file, bytes_max, &at.key("file"), cx));
    }
    let url = written.url.as_ref()?;
    parse_url(url, &["https"], "https")
        .inspect_err(|error| cx.error(&at.key("url"), error.to_string()))
        .ok()
        .map(JwksSource::Url)
}

fn lower_file(written: &str, bytes_max: u64, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> JwksSource {
    let (path, content) = cx.readable(written, bytes_max, at);
    if let Some(content) = content {
        let parsed: Option<Json> = serde_json::from_slice(&content).ok();
        match parsed
            .as_ref()
            .and_then(|set| set.get("keys"))
            .and_then(Json::as_array)
        {
            None => {
                let shown = path.display();
                let form = "`{\"keys\": [..]}` of RFC 7517";
                cx.error(at, format!("`{shown}` does not hold a key set, the {form}"));
            }
            Some(keys) if keys.is_empty() => {
                cx.warning(at, "this key set is empty: every token will be refused");
            }
            Some(_) => {}
        }
    }
    JwksSource::File(path)
}
