//! What differs between two definitions: which routes, and what of each.
//!
//! Definitions are compared as they are written, key by key: neither the order of routes and
//! settings nor spaces, comments and quotes make a difference, but the order of rules does of which
//! the first that matches counts. The authorizers that routes name are settings of the API here.

use super::cursor::{Cursor, Path};
use super::diagnostic::{Collector, Report};
use super::frozen::{self, Spelling};
use super::tree::{Node, Value, shortened};

/// What differs between two definitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Settings of the API that differ.
    pub settings: Vec<Detail>,
    /// Route keys that only the second has.
    pub added: Vec<String>,
    /// Route keys that only the first has.
    pub removed: Vec<String>,
    /// Routes of both that differ.
    pub changed: Vec<RouteDifference>,
}

/// What differs of one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteDifference {
    /// Its key.
    pub route: String,
    /// Settings that differ. Never empty.
    pub settings: Vec<Detail>,
}

/// One setting that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// Its keys, joined by dots.
    pub setting: String,
    /// What the first says, shortened; `None` for nothing.
    pub before: Option<String>,
    /// What the second says.
    pub after: Option<String>,
}

impl Difference {
    /// Whether there is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Compares two definitions; each comes with what messages call it.
///
/// # Errors
/// One of them is no definition.
pub fn difference(before: (&str, &str), after: (&str, &str)) -> Result<Difference, Report> {
    let before = read(before)?;
    let after = read(after)?;
    let mut difference = Difference::default();
    let (before, after) = (Cursor::root(&before), Cursor::root(&after));
    for key in keys(before.node, after.node) {
        if key != "routes" {
            let (before, after) = (before.key(key), after.key(key));
            let (found, spelling) = (&mut difference.settings, Spelling::below(key));
            let nodes = [before.node, after.node];
            compare(&before.path, [key, ""], nodes, spelling, found);
        }
    }
    let (before, after) = (before.key("routes"), after.key("routes"));
    for key in keys(before.node, after.node) {
        match (before.key(key).node, after.key(key).node) {
            (Some(before), Some(after)) => {
                let mut settings = Vec::new();
                let path = Path::default();
                let nodes = [Some(before), Some(after)];
                compare(&path, [key, ""], nodes, Spelling::One, &mut settings);
                if !settings.is_empty() {
                    difference.changed.push(RouteDifference {
                        route: key.to_owned(),
                        settings,
                    });
                }
            }
            (Some(_), None) => difference.removed.push(key.to_owned()),
            (None, _) => difference.added.push(key.to_owned()),
        }
    }
    Ok(difference)
}

fn read((name, text): (&str, &str)) -> Result<Node, Report> {
    let mut diagnostics = Collector::new(name);
    match (
        frozen::parse(name, text, &mut diagnostics),
        diagnostics.finish(),
    ) {
        (_, Err(report)) => Err(report),
        (Some(frozen), Ok(_)) => Ok(frozen.tree),
        (None, Ok(_)) => {
            let mut diagnostics = Collector::new(name);
            diagnostics.error(None, "", "was refused for no reason that could be named");
            Err(diagnostics.into_report())
        }
    }
}

/// The keys of both, those of the first before those that only the second has.
fn keys<'a>(before: Option<&'a Node>, after: Option<&'a Node>) -> Vec<&'a str> {
    let known = |key: &&str| before.is_none_or(|node| node.entry(key).is_none());
    let of_first = before.into_iter().flat_map(Node::keys);
    let of_second = after.into_iter().flat_map(Node::keys).filter(known);
    of_first.chain(of_second).collect()
}

/// Compares what stands at `path`, under a key and the key above that.
fn compare(
    path: &Path,
    [key, above]: [&str; 2],
    [before, after]: [Option<&Node>; 2],
    spelling: Spelling,
    found: &mut Vec<Detail>,
) {
    if let (Some(one), Some(other)) = (before, after) {
        match (&one.value, &other.value) {
            (Value::Mapping(_), Value::Mapping(_)) => {
                if frozen::keeps_order(key, above) {
                    found.extend(order(path, one, other));
                }
                for name in keys(before, after) {
                    let entry = |node: &'_ Node| node.entry(name).map(|entry| entry.node.clone());
                    let (one, other) = (entry(one), entry(other));
                    let (path, names) = (path.key(name), [name, key]);
                    compare(
                        &path,
                        names,
                        [one.as_ref(), other.as_ref()],
                        spelling,
                        found,
                    );
                }
                return;
            }
            (Value::Sequence(ones), Value::Sequence(others))
                if ones.iter().chain(others).any(is_nested) =>
            {
                for index in 0..ones.len().max(others.len()) {
                    let (one, other) = (ones.get(index), others.get(index));
                    compare(&path.item(index), ["", key], [one, other], spelling, found);
                }
                return;
            }
            _ => {}
        }
    }
    let is_same = match (before, after) {
        (Some(before), Some(after)) => same(before, after, spelling),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    if !is_same {
        found.push(Detail {
            setting: path.to_string(),
            before: before.map(shown),
            after: after.map(shown),
        });
    }
}

/// Another order of the same rules, where the first that matches counts.
fn order(path: &Path, before: &Node, after: &Node) -> Option<Detail> {
    let list = |node: &Node, other: &Node| -> Vec<String> {
        let common = node.keys().filter(|key| other.entry(key).is_some());
        common.map(str::to_owned).collect()
    };
    let (before, after) = (list(before, after), list(after, before));
    (before != after).then(|| Detail {
        setting: format!("{path} (order)"),
        before: Some(shortened(&before.join(", "))),
        after: Some(shortened(&after.join(", "))),
    })
}

const fn is_nested(node: &Node) -> bool {
    matches!(node.value, Value::Mapping(_) | Value::Sequence(_))
}

fn same(before: &Node, after: &Node, spelling: Spelling) -> bool {
    match (&before.value, &after.value) {
        (Value::Scalar { .. }, Value::Scalar { .. }) => {
            frozen::is_same_scalar(before, after, spelling)
        }
        (Value::Sequence(before), Value::Sequence(after)) => {
            let mut pairs = before.iter().zip(after);
            let same = |(one, other)| same(one, other, spelling);
            before.len() == after.len() && pairs.all(same)
        }
        // Mappings are compared key by key.
        _ => false,
    }
}

/// On one line, shortened.
fn shown(node: &Node) -> String {
    let mut text = String::new();
    write(node, &mut text);
    shortened(&text)
}

fn write(node: &Node, text: &mut String) {
    let separate = |index: usize, text: &mut String| {
        if index > 0 {
            text.push_str(", ");
        }
    };
    match &node.value {
        Value::Scalar { text: own, .. } => text.push_str(own),
        Value::Sequence(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(index, text);
                write(item, text);
            }
            text.push(']');
        }
        Value::Mapping(mapping) => {
            text.push('{');
            for (index, entry) in mapping.entries().iter().enumerate() {
                separate(index, text);
                text.push_str(&entry.key);
                text.push_str(": ");
                write(&entry.node, text);
            }
            text.push('}');
        }
        Value::Refused => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "
type: rest
models: {Pet: {type: object}}
routes:
  GET /pets:
    authorizer: none
    throttle: {rate: 1, burst: 5}
    integration: {upstream: a, timeout: 10s}
  GET /old: {authorizer: none, integration: {upstream: a}}
  POST /pets:
    authorizer: staff
    scopes: [read, write]
    integration: {type: mock, responses: {default: {status: 200}, 4..: {status: 400}}}
";

    #[track_caller]
    fn lines(after: &str) -> Vec<String> {
        let found = difference(("one", BEFORE), ("two", after)).unwrap();
        let detail = |detail: &Detail| {
            let side = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            format!(
                "{} {} {}",
                detail.setting,
                side(&detail.before),
                side(&detail.after)
            )
        };
        let mut lines: Vec<String> = found.settings.iter().map(detail).collect();
        lines.extend(found.added.iter().map(|route| format!("+ {route}")));
        lines.extend(found.removed.iter().map(|route| format!("- {route}")));
        for changed in &found.changed {
            let of_route = changed.settings.iter();
            lines.extend(of_route.map(|found| format!("{}: {}", changed.route, detail(found))));
        }
        assert_eq!(found.is_none(), lines.is_empty());
        lines
    }

    #[test]
    fn spelling_and_order_of_settings_make_no_difference() {
        assert!(lines(BEFORE).is_empty());
        let after = BEFORE
            .replace("rate: 1, burst: 5", "burst: 5, rate: 1.0")
            .replace("timeout: 10s", "timeout: '10s'");
        assert!(lines(&after).is_empty());
    }

    #[test]
    fn a_policy_says_what_is_written() {
        let policy = |number: &str| {
            let condition = format!("{{StringEquals: {{a: [{number}], b: {number}}}}}");
            format!("{BEFORE}policy: {{Statement: [{{Condition: {condition}}}]}}\n")
        };
        let (one, other) = (policy("1"), policy("1.0"));
        let found = difference(("one", &one), ("two", &other)).unwrap();
        let settings: Vec<&str> = found.settings.iter().map(|it| &*it.setting).collect();
        let at = "policy.Statement[0].Condition.StringEquals";
        assert_eq!(settings, [format!("{at}.a"), format!("{at}.b")]);
        assert!(difference(("one", &one), ("two", &one)).unwrap().is_none());
    }

    #[test]
    fn routes_and_what_changes_of_them_are_told() {
        let after = BEFORE
            .replace("rate: 1,", "rate: 2,")
            .replace(
                "authorizer: staff\n    scopes: [read, write]",
                "authorizer: none",
            )
            .replace("GET /old", "GET /new")
            .replace(", timeout: 10s", ", body: buffer")
            .replace("object", "array");
        let lines = lines(&after.replace(", body: buffer", ""));
        assert_eq!(
            lines,
            [
                "models.Pet.type object array",
                "+ GET /new",
                "- GET /old",
                "GET /pets: throttle.rate 1 2",
                "GET /pets: integration.timeout 10s -",
                "POST /pets: authorizer staff none",
                "POST /pets: scopes [read, write] -",
            ]
        );
    }

    #[test]
    fn the_order_of_rules_makes_one() {
        let after = BEFORE.replace(
            "{default: {status: 200}, 4..: {status: 400}}",
            "{4..: {status: 400}, default: {status: 200}}",
        );
        assert_eq!(
            lines(&after),
            ["POST /pets: integration.responses (order) default, 4.. 4.., default"]
        );
    }

    #[test]
    fn what_is_no_definition_is_told() {
        let report = difference(("one", BEFORE), ("two", "routes: 1")).unwrap_err();
        assert!(
            report.to_string().starts_with("two:1:9: routes: "),
            "{report}"
        );
    }
}
