//! Key sets of authorizers.

use std::io::Error;
use std::time::Duration;

use http::Uri;
use serde_json::Value as Json;

use crate::config::cursor::Cursor;
use crate::config::lower::Lowering;
use crate::config::lower::host::parse_url;
use crate::config::lower::quantity::{KIB, MIB, ms, s};
use crate::config::written;
use crate::model::{Jwks, JwksFile, JwksSource};

/// Where an issuer says where its keys are, behind its own URL.
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// Defaults: those of the service, and how often keys are asked for.
const TIMEOUT: Duration = ms(1500);
const BYTES_MAX: u64 = 150_000;
const REFRESH: Duration = s(600);

/// The key set at `url`, of which nothing else is said.
pub(super) fn at_url(url: Uri) -> Jwks {
    Jwks {
        source: JwksSource::Url(url),
        timeout: TIMEOUT,
        bytes_max: usize::try_from(BYTES_MAX).unwrap_or(usize::MAX),
        refresh: REFRESH,
    }
}

/// Lowers the key set of the authorizer at `authorizer`. A file that cannot be used is refused, unless a
/// deployment has frozen the authorizer: then nobody may have looked after it for long, and whoever
/// is going to use the keys decides.
pub(super) fn lower(
    written: Option<&written::Jwks>,
    issuer: &str,
    authorizer: &Cursor<'_>,
    is_frozen: bool,
    cx: &mut Lowering<'_>,
) -> Option<Jwks> {
    let at = &authorizer.key("jwks");
    let nothing = written::Jwks::default();
    // What was written and refused is not what was left out.
    let written = match written {
        Some(written) => written,
        None if at.is_written() => return None,
        None => &nothing,
    };
    let timeout = written.timeout.as_ref();
    let timeout = cx.duration(timeout, &at.key("timeout"), ms(50)..=s(30), TIMEOUT);
    let refresh = written.refresh.as_ref();
    let refresh = cx.duration(refresh, &at.key("refresh"), s(1)..=s(86_400), REFRESH);
    let bytes_max = written.bytes_max.as_ref();
    let bytes_max = cx.size(bytes_max, &at.key("bytes_max"), KIB..=16 * MIB, BYTES_MAX);
    Some(Jwks {
        source: lower_source(written, bytes_max, issuer, authorizer, is_frozen, cx)?,
        timeout,
        bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX),
        refresh,
    })
}

fn lower_source(
    written: &written::Jwks,
    bytes_max: u64,
    issuer: &str,
    authorizer: &Cursor<'_>,
    is_frozen: bool,
    cx: &mut Lowering<'_>,
) -> Option<JwksSource> {
    let at = &authorizer.key("jwks");
    // Also a setting that was refused has been written.
    let is_written = |key| at.key(key).is_written();
    match (is_written("url"), is_written("file")) {
        (true, true) => cx.error_at_key(at, "both `url` and `file` name the keys: keep one"),
        (false, false) => return lower_discovery(issuer, &authorizer.key("issuer"), cx),
        (true, false) | (false, true) => {}
    }
    if let Some(file) = &written.file {
        let at = &at.key("file");
        let file = if is_frozen {
            lower_frozen_file(file, bytes_max, at, cx)
        } else {
            lower_file(file, bytes_max, at, cx)
        };
        return Some(JwksSource::File(file));
    }
    let url = written.url.as_ref()?;
    parse_url(url, &["https"], "https")
        .inspect_err(|error| cx.error(&at.key("url"), error.to_string()))
        .ok()
        .map(JwksSource::Url)
}

/// The discovery document of `issuer`, which stands at `at`.
fn lower_discovery(issuer: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Option<JwksSource> {
    if issuer.is_empty() {
        // That was said.
        return None;
    }
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    let why = match parse_url(&format!("{base}{DISCOVERY}"), &["https"], "https") {
        Ok(document) if document.query().is_none() => {
            return Some(JwksSource::Discovery {
                issuer: issuer.to_owned(),
                document,
            });
        }
        Ok(_) => "an issuer has no query".to_owned(),
        Err(error) => error.to_string(),
    };
    let fix = "write the issuer as its tokens do, or `jwks` with the `url` or `file` of its keys";
    cx.error(
        at,
        format!("the issuer's keys cannot be found by discovery, because {why}: {fix}"),
    );
    None
}

/// Why what a file holds is not known that was not to be opened, or that was reported.
const UNOPENED: &str = "it was not opened with the configuration";

fn lower_frozen_file(
    written: &str,
    bytes_max: u64,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> JwksFile {
    let (path, kept) = cx.awaited(written, at);
    let judge = |content: &[u8]| match keys_of(content) {
        Some(1..) => Ok(()),
        Some(0) => Err(Error::other("it has no key in it")),
        None => Err(Error::other(format!(
            "it does not hold a key set, the {FORM}"
        ))),
    };
    let document = match kept {
        None => Err(UNOPENED.to_owned()),
        Some(kept) => kept
            .read_judged(&path, bytes_max, judge)
            .map_err(|error| error.to_string()),
    };
    if kept.is_some()
        && let Err(why) = &document
    {
        let shown = path.display();
        let message = format!(
            "`{shown}` cannot be used: {why}: every token is refused until a reload finds its keys"
        );
        cx.warning(at, message);
    }
    JwksFile { path, document }
}

/// What a file of keys holds.
const FORM: &str = "`{\"keys\": [..]}` of RFC 7517";

/// How many keys the key set `content` has; `None` where it is none.
fn keys_of(content: &[u8]) -> Option<usize> {
    let parsed: Json = serde_json::from_slice(content).ok()?;
    let keys = parsed.get("keys")?.as_array()?;
    Some(keys.len())
}

fn lower_file(written: &str, bytes_max: u64, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> JwksFile {
    let (path, document) = cx.readable(written, bytes_max, at);
    if let Some(content) = &document {
        match keys_of(content) {
            None => {
                let shown = path.display();
                cx.error(
                    at,
                    format!("`{shown}` does not hold a key set, the {FORM}: name a file that does"),
                );
            }
            Some(0) => {
                let fix = "put the keys of the issuer into it";
                cx.error(
                    at,
                    format!("this key set is empty, and nothing can be verified: {fix}"),
                );
            }
            Some(_) => {}
        }
    }
    let document = document.ok_or_else(|| UNOPENED.to_owned());
    JwksFile { path, document }
}
