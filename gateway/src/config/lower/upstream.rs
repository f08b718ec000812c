//! Upstreams.

use http::Uri;

use super::host::parse_url;
use super::quantity::{ms, s};
use super::{Lowering, backend_tls};
use crate::config::cursor::Cursor;
use crate::config::written;
use crate::model::{BackendTls, Upstream, UpstreamName, UpstreamTarget};

/// Lowers every upstream.
pub(super) fn lower(
    written: &written::Named<written::Upstream>,
    cx: &mut Lowering<'_>,
) -> Vec<Upstream> {
    let section = cx.root.key("upstreams");
    let mut upstreams = Vec::new();
    for (name, upstream) in &written.0 {
        let at = section.key(name);
        cx.name(name, &at);
        upstreams.extend(lower_one(name, upstream, &at, cx));
    }
    upstreams
}

fn lower_one(
    name: &str,
    written: &written::Upstream,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Upstream> {
    let connect_timeout = written.connect_timeout.as_ref();
    let connect_timeout = cx.duration(
        connect_timeout,
        &at.key("connect_timeout"),
        ms(10)..=s(60),
        Upstream::CONNECT_TIMEOUT,
    );
    let idle_timeout = written.idle_timeout.as_ref();
    let idle_timeout = cx.duration(
        idle_timeout,
        &at.key("idle_timeout"),
        ms(10)..=s(3600),
        Upstream::IDLE_TIMEOUT,
    );
    let tls_at = at.key("tls");
    let tls = backend_tls::lower(written.tls.as_ref(), &tls_at, cx);
    let mut target = lower_target(&written.url, &at.key("url"), cx)?;
    backend_tls::apply(&tls, &mut target, &tls_at, cx)?;
    Some(Upstream {
        name: UpstreamName::new(name),
        target,
        connect_timeout,
        idle_per_worker_max: written
            .idle_per_worker_max
            .map_or(Upstream::IDLE_PER_WORKER_MAX, |max| max as usize),
        idle_timeout,
        requests_max: written.max_concurrent_requests,
    })
}

fn lower_target(written: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Option<UpstreamTarget> {
    let url = url_without_query(written, "requests bring their own query", at, cx)?;
    let base_path = url.path().trim_end_matches('/');
    if let Err(error) = super::path_template::check(&format!("{base_path}/"), [].into_iter()) {
        cx.error(at, error.to_string());
        return None;
    }
    Some(UpstreamTarget {
        base_path: base_path.to_owned(),
        ..target(&url)?
    })
}

/// A URL of HTTP that has no query, for the reason `why`.
pub(super) fn url_without_query(
    written: &str,
    why: &str,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Uri> {
    let url = parse_url(written, &["http", "https"], "http` or `https")
        .inspect_err(|error| cx.error(at, error.to_string()))
        .ok()?;
    if url.query().is_some() {
        cx.error(at, format!("{why}: take `?` and what follows out"));
        return None;
    }
    Some(url)
}

/// Scheme, host and port of a URL; `None` where it has no host.
pub(super) fn target(url: &Uri) -> Option<UpstreamTarget> {
    let tls = url.scheme_str() == Some("https");
    let host = url.host()?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    Some(UpstreamTarget {
        tls: tls.then(BackendTls::default),
        host: bare.to_ascii_lowercase(),
        port: url.port_u16().unwrap_or(if tls { 443 } else { 80 }),
        base_path: String::new(),
    })
}
