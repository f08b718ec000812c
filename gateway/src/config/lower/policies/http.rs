//! Servers that decide.

use std::time::Duration;

use serde_json::Value as Json;

use super::question::lower_document;
use crate::config::cursor::Cursor;
use crate::config::lower::Lowering;
use crate::config::lower::host::parse_url;
use crate::config::lower::lookups::Records;
use crate::config::lower::oauth::lower_authorization;
use crate::config::lower::quantity::{ms, s};
use crate::config::lower::upstream::target;
use crate::config::written;
use crate::language::json_path::JsonPath;
use crate::model::{HttpEngine, Remote};

pub(super) const TIMEOUT: Duration = s(1);
pub(super) const DECISION_TTL: Duration = s(10);

/// Lowers the server that the policy set at `at` asks; `None` where it has mistakes, which are reported.
pub(super) fn lower(
    written: &written::HttpPolicies,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<HttpEngine> {
    let records = Records::of(&written.lookups);
    let remote = lower_url(&written.url, &at.key("url"), cx);
    let request = lower_document(&records, &written.request.0, &at.key("request"), cx);
    let answer_at = JsonPath::parse(&written.allow.at)
        .inspect_err(|error| cx.error(&at.key("allow").key("at"), error.to_string()))
        .ok();
    let allowed = written.allow.is.as_ref().map(|is| is.0.clone());
    let authorization = lower_authorization(
        written.token_file.as_deref(),
        written.oauth_client.as_deref(),
        at,
        cx,
    );
    let timeout = written.timeout.as_ref();
    let timeout = cx.duration(timeout, &at.key("timeout"), ms(50)..=s(30), TIMEOUT);
    let ttl = written.decision_ttl.as_ref();
    let ttl = cx.duration(ttl, &at.key("decision_ttl"), s(0)..=s(3600), DECISION_TTL);
    Some(HttpEngine {
        remote: remote?,
        request: request?,
        answer_at: answer_at?,
        allowed: allowed.unwrap_or(Json::Bool(true)),
        authorization,
        timeout,
        decision_ttl: ttl,
    })
}

fn lower_url(written: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Option<Remote> {
    let url = parse_url(written, &["http", "https"], "http` or `https")
        .inspect_err(|error| cx.error(at, error.to_string()))
        .ok()?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    Some(Remote {
        origin: target(&url)?,
        path: path.to_owned(),
    })
}
