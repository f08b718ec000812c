//! Lists of addresses.

use super::Lowering;
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::config::written::{self, Lists as Written};
use crate::model::{ListAction, ListFormat, ListMode, ListName, Lists, NamedList, Prefix};

/// Names of lists that always are.
const TAKEN: [&str; 5] = ["operator", "allow", "management", "policies", "proxies"];

/// Lowers the section `lists`. The files are read where lists are loaded: they change while the
/// gateway runs.
pub(super) fn lower(written: &Written, cx: &mut Lowering<'_>) -> Lists {
    let at = cx.root.key("lists");
    let management = lower_management(&written.management, &at.key("management"), cx);
    let at = at.key("named");
    let mut named: Vec<NamedList> = Vec::with_capacity(written.named.len());
    for (index, list) in written.named.iter().enumerate() {
        let lowered = lower_named(list, &named, &at.item(index), cx);
        named.push(lowered);
    }
    Lists {
        management,
        named,
        offloaded: Vec::new(),
        proxies: Vec::new(),
    }
}

fn lower_management(written: &[String], at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Vec<Prefix> {
    let mut prefixes = Vec::with_capacity(written.len());
    for (index, text) in written.iter().enumerate() {
        let at = at.item(index);
        match text.parse::<Prefix>() {
            Ok(prefix) if prefix.length() == 0 => {
                let message = "this covers every source, so that nothing would be judged: name \
                               the networks you administrate from";
                cx.error(&at, message);
            }
            Ok(prefix) => prefixes.push(prefix),
            Err(error) => cx.error(&at, error.to_string()),
        }
    }
    prefixes
}

fn lower_named(
    written: &written::NamedList,
    earlier: &[NamedList],
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> NamedList {
    let name_at = at.key("name");
    let name = written.name.as_str();
    cx.name(name, &name_at);
    if TAKEN.contains(&name) {
        let message = format!("`{name}` is the name of a list that always is: choose another one");
        cx.error(&name_at, message);
    }
    if earlier.iter().any(|list| list.name.as_str() == name) {
        let message = format!(
            "there is a list `{}` already: choose another name",
            shortened(name)
        );
        cx.error(&name_at, message);
    }
    let action = match written.action {
        written::ListAction::Deny => ListAction::Deny,
        written::ListAction::Allow => ListAction::Allow,
    };
    let mode = match written.mode {
        None | Some(written::ListMode::Enforce) => ListMode::Enforce,
        Some(written::ListMode::Monitor) => ListMode::Monitor,
    };
    if (action, mode) == (ListAction::Allow, ListMode::Monitor) {
        let message =
            "monitor mode is for lists that deny: leave `mode` out, or leave the list out";
        cx.error(&at.key("mode"), message);
    }
    NamedList {
        name: ListName::new(name),
        action,
        mode,
        file: cx.path(&written.file, &at.key("file")),
        format: match written.format {
            None | Some(written::ListFormat::Auto) => ListFormat::Auto,
            Some(written::ListFormat::Plain) => ListFormat::Plain,
            Some(written::ListFormat::Ipset) => ListFormat::Ipset,
            Some(written::ListFormat::Json) => ListFormat::Json,
        },
    }
}
