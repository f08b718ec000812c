//! Lookups, and what policy sets ask of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;

use super::host::parse_url;
use super::identity::is_label;
use super::oauth::lower_authorization;
use super::quantity::{MIB, ms, s};
use super::upstream::target;
use super::{Lowering, policies};
use crate::config::cursor::Cursor;
use crate::config::diagnostic::Place;
use crate::config::near_miss::suggestion;
use crate::config::tree::shortened;
use crate::config::written::{self, DurationText, Named};
use crate::language::json_path::JsonPath;
use crate::language::mapping::http::RequestText;
use crate::model::{
    AwsService, Enrichment, FileRecords, Found, HttpLookup, KEY, KeyedPath, Lookup, LookupName,
    LookupSource, PolicySet, TableLookup, TableName, UpstreamTarget,
};

/// Where lookups stand.
pub(super) const LOOKUPS: &str = "lookups";

/// The largest file with records.
const FILE_BYTES_MAX: u64 = 16 * MIB;

/// Lookups of one policy set, more of which are refused: requests wait for all.
const ENRICHMENTS_MAX: usize = 8;

const TIMEOUT: Duration = s(1);
const TTL: Duration = s(60);

/// Longest name of an attribute that is a key.
/// Source: Amazon DynamoDB Developer Guide, "Naming rules".
const KEY_NAME_BYTES_MAX: usize = 255;

/// Lowers every lookup.
pub(super) fn lower(written: &Named<written::Lookup>, cx: &mut Lowering<'_>) -> Vec<Lookup> {
    let section = cx.root.key(LOOKUPS);
    let lower = |(name, lookup): &(String, written::Lookup)| {
        let at = section.key(name);
        cx.name(name, &at);
        let source = match lookup {
            written::Lookup::File(file) => {
                LookupSource::File(Arc::new(lower_file(file, &at.key("path"), cx)))
            }
            written::Lookup::Http(http) => LookupSource::Http(Box::new(lower_http(http, &at, cx)?)),
            written::Lookup::Dynamodb(table) => {
                LookupSource::Table(Box::new(lower_table(table, &at, cx)?))
            }
        };
        Some(Lookup {
            name: LookupName::new(name),
            source,
        })
    };
    written.0.iter().filter_map(lower).collect()
}

/// The records of a file, of which there are none where it has mistakes, which are reported, or is not
/// to be opened.
fn lower_file(
    written: &written::FileLookup,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> FileRecords {
    let mut records = BTreeMap::new();
    let (path, content) = cx.readable(&written.path, FILE_BYTES_MAX, at);
    let Some(content) = content else {
        return FileRecords(records);
    };
    let entries: Named<Json> = match serde_json::from_slice(&content) {
        Ok(entries) => entries,
        Err(error) => {
            let shown = path.display().to_string();
            let place = cx.diagnostics.add_file(&shown).map(|file| Place {
                file,
                line: error.line(),
                column: error.column().max(1),
            });
            let message = "this is no JSON object: write one with a record under each key";
            cx.diagnostics.error(place, "", message);
            return FileRecords(records);
        }
    };
    for (key, record) in entries.0 {
        let shown = shortened(&key);
        if !record.is_object() {
            let message =
                format!("the record of `{shown}` is no object: write its values as members of one");
            cx.error(at, message);
        } else if records.contains_key(&*key) {
            let message = format!("there are two records of `{shown}`: take one out");
            cx.error(at, message);
        } else {
            records.insert(key.into(), Arc::new(record));
        }
    }
    FileRecords(records)
}

fn lower_http(
    written: &written::HttpLookup,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<HttpLookup> {
    let url = lower_url(&written.url, &at.key("url"), cx);
    let authorization = lower_authorization(
        written.token_file.as_deref(),
        written.oauth_client.as_deref(),
        at,
        cx,
    );
    let (timeout, ttl) = lower_times(written.timeout.as_ref(), written.ttl.as_ref(), at, cx);
    let (origin, path) = url?;
    Some(HttpLookup {
        origin,
        path,
        authorization,
        timeout,
        ttl,
    })
}

/// How long an answer is waited for, and how long it is remembered.
fn lower_times(
    timeout: Option<&DurationText>,
    ttl: Option<&DurationText>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> (Duration, Duration) {
    let timeout = cx.duration(timeout, &at.key("timeout"), ms(50)..=s(30), TIMEOUT);
    let ttl = cx.duration(ttl, &at.key("ttl"), s(0)..=s(3600), TTL);
    (timeout, ttl)
}

fn lower_table(
    written: &written::TableLookup,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<TableLookup> {
    let table_at = at.key("table");
    let table = TableName::parse(&written.table)
        .inspect_err(|error| cx.error(&table_at, error.to_string()))
        .ok();
    let own = written.region.as_deref();
    let region_at = at.key("region");
    if let Some(region) = own.filter(|region| !is_label(region)) {
        let shown = shortened(region);
        let message = format!("`{shown}` is not a region: write one such as `eu-west-1`");
        cx.error(&region_at, message);
    }
    let named = table.as_ref().and_then(TableName::region);
    if let (Some(own), Some(named)) = (own, named)
        && own != named
    {
        let message = format!("the ARN of the table names the region `{named}`: take this out");
        cx.error(&region_at, message);
    }
    let (timeout, ttl) = lower_times(written.timeout.as_ref(), written.ttl.as_ref(), at, cx);
    if written.key.is_empty() || written.key.len() > KEY_NAME_BYTES_MAX {
        let message = "an attribute that is a key has a name of 1 to 255 bytes: write that of the table's \
                       partition key";
        cx.error(&at.key("key"), message);
    }
    let target = cx.aws_target(AwsService::DynamoDb, own.or(named), at);
    Some(TableLookup {
        target: target?,
        table: table?,
        key: written.key.clone(),
        is_consistent: written.consistent == Some(true),
        timeout,
        ttl,
    })
}

/// Where a URL leads to, and its path and query with the places of the key.
fn lower_url(
    written: &str,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<(UpstreamTarget, KeyedPath)> {
    let sample = written.replace(KEY, "key");
    let url = parse_url(&sample, &["http", "https"], "http` or `https")
        .inspect_err(|error| cx.error(at, error.to_string()))
        .ok()?;
    let (_scheme, rest) = written.split_once("://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, path) = rest.split_at_checked(end)?;
    let path = match path.strip_prefix('?') {
        Some(query) => format!("/?{query}"),
        None => path.to_owned(),
    };
    let refused = if host.contains(KEY) {
        "no key may lead to another host: write `{key}` into path or query alone"
    } else if sample.contains(['{', '}']) {
        "nothing but `{key}` stands in braces: take others out, or percent-encode them"
    } else {
        match KeyedPath::parse(&path) {
            None => "nothing says where the key stands: write `{key}` there",
            Some(path) if path.of("key").is_none() => {
                "a path with `.` or `..` leads elsewhere: write it without"
            }
            Some(path) => return Some((target(&url)?, path)),
        }
    };
    cx.error(at, refused);
    None
}

/// Lowers what the policy set at `at` has looked up; `None` where that has mistakes, which are reported.
pub(super) fn lower_enrichments(
    written: &Named<written::Enrichment>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Vec<Enrichment>> {
    let section = at.key(LOOKUPS);
    let found = written.0.len();
    if found > ENRICHMENTS_MAX {
        let message = format!("{found} lookups are too many: at most {ENRICHMENTS_MAX}");
        cx.error_at_key(&section, message);
    }
    let lowered = written.0.iter().map(|(name, enrichment)| {
        let at = section.key(name);
        cx.name(name, &at);
        let lookup = lower_name(&enrichment.lookup, &at.key("lookup"), cx);
        let key = lower_key(&enrichment.key, &at.key("key"), cx);
        Some(Enrichment {
            name: name.as_str().into(),
            lookup: lookup?,
            key: key?,
        })
    });
    let lowered: Vec<_> = lowered.collect();
    lowered.into_iter().collect()
}

/// Lowers which value of a record is meant at `at`; `None` where that has mistakes, which are reported.
pub(super) fn lower_found(
    lookup: &str,
    key: &str,
    path: &str,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Found> {
    let lookup = lower_name(lookup, &at.key("lookup"), cx);
    let key = lower_key(key, &at.key("key"), cx);
    let path_at = at.key("at");
    let path = match JsonPath::parse(path) {
        Ok(path) if path.is_single() => Some(path),
        Ok(_) => {
            cx.error(&path_at, "`*` leads to several values: name one of them");
            None
        }
        Err(error) => {
            cx.error(&path_at, error.to_string());
            None
        }
    };
    Some(Found {
        lookup: lookup?,
        key: key?,
        at: path?,
    })
}

/// The lookup that is named at `at`, if there is one.
fn lower_name(written: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Option<LookupName> {
    let is_there = cx.reference(LOOKUPS, "lookup", None, written, at);
    is_there.then(|| LookupName::new(written))
}

/// What a lookup is asked for. It is made of the request alone, so that no lookup waits for another.
fn lower_key(written: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Option<RequestText> {
    policies::lower_text(&Records::none(), written, at, cx)
}

/// Reports what is looked up and never read.
pub(super) fn warn_of_unread(set: &PolicySet, at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    let read = set.read_records();
    let section = at.key(LOOKUPS);
    for enrichment in &set.lookups {
        let name = &*enrichment.name;
        if !read.contains(&name) {
            let message = format!(
                "nothing reads `$lookups.{name}`, and requests wait for it: read it, or take this out"
            );
            cx.warning(&section.key(name), message);
        }
    }
}

/// What a policy set may read of lookups.
#[derive(Clone, Debug)]
pub(super) struct Records<'w>(Option<Vec<&'w str>>);

impl<'w> Records<'w> {
    /// Nothing, because nothing is looked up yet.
    pub(super) const fn none() -> Self {
        Self(None)
    }

    /// What a policy set has looked up.
    pub(super) fn of(written: &'w Named<written::Enrichment>) -> Self {
        let names = written.0.iter().map(|(name, _)| name.as_str());
        Self(Some(names.collect()))
    }

    /// Refuses what is read of `lookups` and is not there.
    pub(super) fn check<'n>(
        &self,
        lookups: impl IntoIterator<Item = &'n str>,
        at: &Cursor<'_>,
        cx: &mut Lowering<'_>,
    ) {
        for lookup in lookups {
            let message = match &self.0 {
                None => format!(
                    "`$lookups.{lookup}` is not there yet: make the key of the request alone"
                ),
                Some(names) if names.contains(&lookup) => continue,
                Some(names) => {
                    let known = names.iter().copied();
                    let otherwise = "add it under `lookups` of the policy set";
                    let fix = suggestion(lookup, known, otherwise);
                    format!("nothing is looked up as `{lookup}`{fix}")
                }
            };
            cx.error(at, message);
        }
    }
}
