//! Resource policies: in the configuration, or each in a JSON file of its own.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{Lowering, quotas};
use crate::config::cursor::Cursor;
use crate::config::diagnostic::{Collector, FileId, Report};
use crate::config::read;
use crate::config::tree::Node;
use crate::config::written;
use crate::config::yaml::{self, Bounds};
use crate::language::policy::{ApiScope, Form, Place, Policy, Segment};
use crate::model::{ApiId, ApiKind, Identity};

/// Longest policy (18 of docs/semantics.md); a file may have as many bytes again of white space.
const CHARACTERS_MAX: usize = 8_192;
pub(in crate::config) const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Lowers the resource policy of the API `id`, which stands at `at`.
pub(super) fn lower(
    written: &written::Api,
    kind: ApiKind,
    identity: &Identity,
    id: &ApiId,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Arc<Policy>> {
    let (inline_at, file_at) = (at.key("policy"), at.key("policy_file"));
    for at in [&inline_at, &file_at] {
        if at.is_written() && kind == ApiKind::Http {
            cx.error_at_key(at, "only REST APIs have a resource policy: take this out");
        }
    }
    if inline_at.is_written() && file_at.is_written() {
        cx.error_at_key(&file_at, "`policy` stands beside it: keep one");
    }
    if let Some(policy) = &written.policy {
        return lower_inline(&policy.0, identity, id, &inline_at, cx);
    }
    let (path, content) = cx.readable(written.policy_file.as_ref()?, FILE_BYTES_MAX, &file_at);
    let content = content?;
    let name = path.display().to_string();
    let scope = scope(identity, id);
    match parse(
        &name,
        &content,
        Form::Resource(&scope),
        quotas::hold(cx.root),
    ) {
        Ok(policy) => Some(Arc::new(policy)),
        Err(report) => {
            for error in report.errors {
                cx.error(&file_at, error.to_string());
            }
            None
        }
    }
}

/// Lowers a policy that stands in the configuration itself, at `at`.
fn lower_inline(
    document: &Json,
    identity: &Identity,
    id: &ApiId,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Arc<Policy>> {
    if let Some(message) = too_long(document) {
        cx.error_at_key(at, message);
        return None;
    }
    let scope = scope(identity, id);
    match Policy::parse(document, Form::Resource(&scope)) {
        Ok(policy) => {
            if quotas::hold(cx.root) {
                for (at, message) in quotas::resource_refusals(at, &scope) {
                    cx.error(&at, message);
                }
            }
            Some(Arc::new(policy))
        }
        Err(errors) => {
            for error in errors {
                let at = at_place(at, &error.place);
                cx.error(&at, error.problem.to_string());
            }
            None
        }
    }
}

/// Where in the document at `at` a place is.
pub(super) fn at_place<'a>(at: &Cursor<'a>, place: &Place) -> Cursor<'a> {
    let segments = place.segments().iter();
    segments.fold(at.clone(), |at, segment| match segment {
        Segment::Key(key) => at.key(key),
        // A statement may stand there without its list.
        Segment::Index(index) => {
            let item = at.item(*index);
            if item.is_written() { item } else { at }
        }
    })
}

/// What is wrong with the length of a policy.
pub(super) fn too_long(document: &Json) -> Option<String> {
    let characters = document.to_string().chars().count();
    (characters > CHARACTERS_MAX)
        .then(|| format!("a policy of {characters} characters: at most {CHARACTERS_MAX}"))
}

fn scope(identity: &Identity, id: &ApiId) -> ApiScope {
    ApiScope {
        partition: identity.partition.clone(),
        region: identity.region.clone(),
        account: identity.account.clone(),
        api_id: id.to_string(),
    }
}

/// Reads a policy of a file; `is_of_aws` says whether the quotas of the service hold.
pub(super) fn parse(
    name: &str,
    content: &[u8],
    form: Form<'_>,
    is_of_aws: bool,
) -> Result<Policy, Report> {
    let mut diagnostics = Collector::new(name);
    let policy = read(content, form, is_of_aws, &mut diagnostics);
    match (policy, diagnostics.finish()) {
        (_, Err(report)) => Err(report),
        (Some(policy), Ok(_)) => Ok(policy),
        (None, Ok(_)) => {
            let mut diagnostics = Collector::new(name);
            diagnostics.error(None, "", "was refused for no reason that could be named");
            Err(diagnostics.into_report())
        }
    }
}

fn read(
    content: &[u8],
    form: Form<'_>,
    is_of_aws: bool,
    diagnostics: &mut Collector,
) -> Option<Policy> {
    let Ok(text) = std::str::from_utf8(content) else {
        diagnostics.error(None, "", "this is not UTF-8: save the file as UTF-8");
        return None;
    };
    // JSON is YAML, and this reader tells places and refuses keys that stand twice.
    let tree = yaml::parse(text, FileId::FIRST, Bounds::CONFIGURATION, diagnostics)?;
    let document: Json = match read::read(&tree) {
        Ok(document) => document,
        Err(error) => {
            let message = format!("cannot be understood: {error}");
            diagnostics.error(Some(tree.place), "", message);
            return None;
        }
    };
    if let Some(message) = too_long(&document) {
        diagnostics.error(None, "", message);
        return None;
    }
    match Policy::parse(&document, form) {
        Ok(policy) => {
            if let (true, Form::Resource(scope)) = (is_of_aws, form) {
                for (at, message) in quotas::resource_refusals(&Cursor::root(&tree), scope) {
                    diagnostics.error(Some(at.place), at.path.to_string(), message);
                }
            }
            Some(policy)
        }
        Err(errors) => {
            for error in errors {
                let place = node_at(&tree, &error.place).place;
                let path = error.place.to_string();
                diagnostics.error(Some(place), path, error.problem.to_string());
            }
            None
        }
    }
}

/// The node at a place, or the last one on the way that is there.
fn node_at<'t>(tree: &'t Node, place: &Place) -> &'t Node {
    let mut node = tree;
    for segment in place.segments() {
        let next = match segment {
            Segment::Key(key) => node.entry(key).map(|entry| &entry.node),
            Segment::Index(index) => node.item(*index),
        };
        match next {
            Some(next) => node = next,
            // A statement may stand there without its list.
            None => continue,
        }
    }
    node
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let scope = scope(&Identity::default(), &ApiId::new("abc"));
        let parsed = parse("p.json", text.as_bytes(), Form::Resource(&scope), false);
        let report = parsed
            .map(|_policy| ())
            .map_err(|report| report.to_string());
        match report {
            Ok(()) => assert!(expected.is_empty(), "{text}"),
            Err(report) => {
                let lines: Vec<&str> = report.lines().collect();
                assert_eq!(lines.len(), expected.len(), "{report}");
                for (line, start) in lines.iter().zip(expected) {
                    assert!(line.starts_with(start), "{line}");
                }
            }
        }
    }

    #[test]
    fn mistakes_are_told_at_their_place_in_the_policy() {
        check(
            r#"{"Statement": {"Effect": "Allow", "Principal": "*",
                "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}}"#,
            &[],
        );
        check("{", &["p.json:"]);
        check("[]", &["p.json:1:1:"]);
        check(
            "{\"Statement\": [\n  {\"Effect\": \"Alow\", \"Principal\": \"*\",\n   \
             \"Action\": \"execute-api:Invoke\", \"Resource\": \"execute-api:/*\"}]}",
            &["p.json:2:14: Statement[0].Effect:"],
        );
        check(
            r#"{"Statement": [], "Statement": []}"#,
            &[
                "p.json:1:15: Statement: ",
                "p.json:1:19: `Statement` stands",
            ],
        );
        let many = format!(r#"{{"Id": "{}", "Statement": []}}"#, "x".repeat(9_000));
        check(&many, &["p.json: a policy of 9"]);
    }
}
