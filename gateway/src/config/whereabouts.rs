//! Where a gateway keeps what belongs to it, of a file that may be broken everywhere else.
//!
//! Whoever rolls back because of a broken file names that file to say which gateway is meant. So of
//! all that stands in it only the settings count that lead there, and those have to be right: one
//! that is misspelled, written twice or no path is refused, for a command must not reach another
//! gateway than was meant. A file that is not even YAML is read by the lines of these settings, where
//! its outermost keys start their lines.

use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value as Json;

use super::cursor::Cursor;
use super::diagnostic::{Collector, FileId, Place, Report};
use super::near_miss::near_miss;
use super::tree::{Mapping, Node, Value};
use super::yaml::{self, Bounds};
use super::{Named, SCHEMA, base_of, lower, read_named, shape};
use crate::model::Whereabouts;

/// The settings that lead to a gateway.
const KEYS: [&str; 4] = ["instance", "runtime_directory", "state_directory", "admin"];

/// Reads of the file at `path` only where its gateway keeps what belongs to it. Relative paths in it
/// start at its directory.
///
/// # Errors
/// What is wrong with the settings that say so, or that they cannot be found.
pub fn whereabouts(path: &Path) -> Result<Whereabouts, Report> {
    let Named { name, text, path } = read_named(path)?;
    find(&name, &text, base_of(&path))
}

fn find(name: &str, text: &str, base: &Path) -> Result<Whereabouts, Report> {
    let tree = only_settings(tree(name, text)?);
    let mut diagnostics = Collector::new(name);
    let sound = shape::check(&SHAPE, &tree, &mut diagnostics).unwrap_or(tree);
    let found = lower::lower_whereabouts(&Cursor::root(&sound), base, &mut diagnostics);
    diagnostics.finish()?;
    Ok(found)
}

/// The tree of the whole file or, where that has none, of the lines that count.
fn tree(name: &str, text: &str) -> Result<Node, Report> {
    let mut diagnostics = Collector::new(name);
    let whole = yaml::parse(text, FileId::FIRST, Bounds::CONFIGURATION, &mut diagnostics);
    match whole {
        Some(tree) if !diagnostics.has_errors() => Ok(tree),
        Some(_) | None => match setting_lines(text) {
            None => Err(diagnostics.into_report()),
            Some(lines) if lines.trim().is_empty() => Ok(nothing()),
            Some(lines) => {
                let mut diagnostics = Collector::new(name);
                let bounds = Bounds::CONFIGURATION;
                let tree = yaml::parse(&lines, FileId::FIRST, bounds, &mut diagnostics);
                diagnostics.finish()?;
                Ok(tree.unwrap_or_else(nothing))
            }
        },
    }
}

/// A file in which nothing is written.
fn nothing() -> Node {
    Node {
        place: Place {
            file: FileId::FIRST,
            line: 1,
            column: 1,
        },
        value: Value::Mapping(Mapping::default()),
    }
}

/// The same lines, of which all are empty that belong to other settings. What stands under a key is
/// further to the right than the key, so a line that is not belongs to the next one. `None` where the
/// outermost keys do not start their lines.
fn setting_lines(text: &str) -> Option<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = String::with_capacity(text.len());
    let (mut has_begun, mut is_ours) = (false, false);
    for line in text.lines() {
        let first = line.chars().next();
        match first {
            None | Some('#') => {}
            Some('%') if !has_begun => {}
            Some('-') if !has_begun && line.trim_end() == "---" => {}
            // Of two documents none is known to be meant.
            Some('-' | '.') if matches!(line.trim_end(), "---" | "...") => return None,
            Some(' ' | '\t' | '{' | '[' | '-' | '?') if !has_begun => return None,
            // Of a list or of what is still open.
            Some(' ' | '\t' | '-' | '}' | ']') => {}
            Some(_) => {
                has_begun = true;
                is_ours = line.contains(':') && leads_there(key_of(line));
            }
        }
        if is_ours {
            lines.push_str(line);
        }
        lines.push('\n');
    }
    Some(lines)
}

/// The key that a line starts with.
fn key_of(line: &str) -> &str {
    let key = line.split_once(':').map_or(line, |(key, _)| key);
    let is_quote = |c| matches!(c, '"' | '\'');
    key.trim_end().trim_matches(is_quote)
}

/// Whether this is one of the settings, or may have been meant to be: a key that is none of any
/// configuration, nor nearly one, may be.
fn leads_there(key: &str) -> bool {
    let known = SCHEMA.get("properties").and_then(Json::as_object);
    let mut known = known.into_iter().flat_map(|known| known.keys());
    let meant = if known.clone().any(|known| known == key) {
        Some(key)
    } else {
        near_miss(key, known.by_ref().map(String::as_str))
    };
    meant.is_none_or(|meant| KEYS.contains(&meant))
}

fn only_settings(tree: Node) -> Node {
    let Value::Mapping(whole) = &tree.value else {
        return tree;
    };
    let mut settings = Mapping::default();
    let ours = whole.entries().iter();
    for entry in ours.filter(|entry| leads_there(&entry.key)) {
        settings.push(entry.clone());
    }
    Node {
        place: tree.place,
        value: Value::Mapping(settings),
    }
}

/// The schema of a file that has no other settings, and need not have these.
static SHAPE: LazyLock<Json> = LazyLock::new(|| {
    let mut schema = SCHEMA.clone();
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("required");
        let properties = schema.get_mut("properties").and_then(Json::as_object_mut);
        if let Some(properties) = properties {
            properties.retain(|key, _| KEYS.contains(&key.as_str()));
        }
    }
    schema
});

#[cfg(test)]
mod tests {
    use super::super::open_text;
    use super::*;

    const SOUND: &str = "instance: blue
# Where the others are.
runtime_directory: run
listeners: {web: {address: \"127.0.0.1:0\"}}
apis:
  a:
    type: http
    routes: {GET /a: {authorizer: none, integration: {uri: 'http://127.0.0.1:9'}}}
state_directory: /srv/state
\"admin\":
  socket: control.sock
";

    #[track_caller]
    fn refused(text: &str) -> String {
        find("gateway.yaml", text, Path::new("/etc"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_gateway_is_found_by_a_file_that_is_broken_elsewhere() {
        let base = Path::new("/etc");
        let whole = open_text("gateway.yaml", SOUND, base).unwrap();
        let whole = whole.gateway();
        for text in [
            SOUND.to_owned(),
            // Not what is meant.
            SOUND.replace("routes", "routs"),
            SOUND.replace("listeners", "listners"),
            SOUND.replace("listeners: {web: {address: \"127.0.0.1:0\"}}\n", ""),
            SOUND.replace("type: http", "type: &anchor http"),
            // Not even YAML.
            SOUND.replace("type: http", "type: \"http"),
            SOUND.replace("    type: http", "\ttype: http"),
            SOUND.replace("{authorizer", "{{authorizer"),
            SOUND.replace("apis:\n", "apis:\napis:\n"),
            format!("---\n{}", SOUND.replace("  a:", "a")),
        ] {
            let found = find("gateway.yaml", &text, base);
            let found = found.unwrap_or_else(|report| panic!("{report}\n{text}"));
            assert_eq!(found.instance, whole.instance, "{text}");
            assert_eq!(found.runtime_directory, whole.runtime_directory, "{text}");
            assert_eq!(found.state_directory, whole.state_directory, "{text}");
            assert_eq!(found.admin_socket, whole.admin.socket, "{text}");
        }
    }

    #[test]
    fn what_leads_to_a_gateway_has_to_be_right() {
        let broken = SOUND.replace("type: http", "type: \"http");
        for text in [SOUND, &broken] {
            for (from, to, expected) in [
                (
                    "instance: blue",
                    "instence: blue",
                    "1:1: unknown key `instence`: did you mean `instance`?",
                ),
                (
                    "instance: blue",
                    "state_dir: /srv/blue",
                    "1:1: unknown key `state_dir`: choose from ",
                ),
                ("instance: blue", "instance: [blue]", "1:11: instance: "),
                ("instance: blue", "instance: B/", "1:11: instance: "),
                ("  socket", "  sockt", "11:3: admin: unknown key `sockt`"),
                ("/srv/state", "", "9:"),
                ("# Where", "instance: green #", "2:1: "),
            ] {
                let message = refused(&text.replace(from, to));
                let expected = format!("gateway.yaml:{expected}");
                assert!(message.starts_with(&expected), "{to}: {message}");
            }
        }
    }

    #[test]
    fn settings_that_cannot_be_found_are_not_taken_for_the_default() {
        for text in [
            "{\"instance\": \"blue\", \"apis\": {",
            "  instance: blue\n  apis: {\n",
            "instance: blue\napis: {\n---\ninstance: green\n",
            "- instance: blue\n- apis: {\n",
        ] {
            assert!(refused(text).starts_with("gateway.yaml:"), "{text}");
        }
        assert!(refused("[]").contains("gateway.yaml:1:1: "));
    }
}
