//! A tree as YAML, in blocks.

use std::fmt::Write as _;

use crate::config::tree::{Node, Reading, Value};

/// `node` as a block of YAML that reads as the same tree.
pub(in crate::config) fn print(node: &Node) -> String {
    let mut text = String::new();
    write_block(node, 0, &mut text);
    text
}

/// Writes a list or a mapping, each item on lines of its own.
fn write_block(node: &Node, depth: usize, text: &mut String) {
    match &node.value {
        Value::Mapping(mapping) => {
            for entry in mapping.entries() {
                indent(depth, text);
                text.push_str(&quoted(&entry.key));
                text.push(':');
                write_value(&entry.node, depth, text);
            }
        }
        Value::Sequence(items) => {
            for item in items {
                indent(depth, text);
                text.push('-');
                match &item.value {
                    // Its first key stands beside the dash, in the column of the others.
                    Value::Mapping(mapping) if !mapping.entries().is_empty() => {
                        let mut block = String::new();
                        write_block(item, depth + 1, &mut block);
                        text.push(' ');
                        text.push_str(block.trim_start());
                    }
                    _ => write_value(item, depth, text),
                }
            }
        }
        Value::Scalar { .. } | Value::Refused => {}
    }
}

/// Writes what stands behind a key or a dash, and the end of the line.
fn write_value(node: &Node, depth: usize, text: &mut String) {
    match &node.value {
        Value::Scalar { text: own, plain } => {
            text.push(' ');
            text.push_str(&if *plain { own.clone() } else { quoted(own) });
            text.push('\n');
        }
        Value::Mapping(mapping) if mapping.entries().is_empty() => text.push_str(" {}\n"),
        Value::Sequence(items) if items.is_empty() => text.push_str(" []\n"),
        Value::Mapping(_) | Value::Sequence(_) => {
            text.push('\n');
            write_block(node, depth + 1, text);
        }
        // What was refused is reported, and nothing is printed then.
        Value::Refused => text.push_str(" null\n"),
    }
}

fn indent(depth: usize, text: &mut String) {
    text.push_str(&"  ".repeat(depth));
}

/// Text that reads as itself, without quotes where that is plain to see.
fn quoted(text: &str) -> String {
    let starts_plain =
        text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '$'));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./{}+$ ".contains(c);
    let node = Node {
        place: crate::config::diagnostic::Place {
            file: crate::config::diagnostic::FileId::FIRST,
            line: 1,
            column: 1,
        },
        value: Value::Scalar {
            text: text.to_owned(),
            plain: true,
        },
    };
    let reads_as_text = matches!(node.reading(), Reading::Text(_));
    if starts_plain && text.chars().all(is_plain) && !text.ends_with(' ') && reads_as_text {
        return text.to_owned();
    }
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_ascii_graphic() || c == ' ' => quoted.push(c),
            c if c.is_alphanumeric() => quoted.push(c),
            // Writing to a text cannot fail.
            c => write!(quoted, "\\U{:08x}", u32::from(c)).unwrap_or_default(),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::diagnostic::{Collector, FileId};
    use crate::config::yaml::{self, Bounds};

    proptest! {
        #[test]
        fn any_text_reads_as_itself(key in ".*", value in "\\PC*|.*|[a-z{}$/ :#-]*") {
            let line = format!("{}: {}\n", quoted(&key), quoted(&value));
            let mut diagnostics = Collector::new("printed.yaml");
            let node = yaml::parse(&line, FileId::FIRST, Bounds::CONFIGURATION, &mut diagnostics);
            prop_assert!(!diagnostics.has_errors(), "{line} {diagnostics:?}");
            let node = node.unwrap();
            let found = node.entry(&key).map(|entry| entry.node.reading());
            prop_assert_eq!(found, Some(Reading::Text(&value)), "{}", line);
        }
    }
}
