//! Private endpoints.

use super::Lowering;
use crate::config::cursor::Cursor;
use crate::config::written;
use crate::model::{Listener, ListenerName, Prefix, Private};

/// Lowers what stands at `at`, of what answers on `own` of the `known` listeners.
pub(super) fn lower(
    written: Option<&written::Private>,
    own: &[ListenerName],
    known: &[Listener],
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Private> {
    let written = written?;
    if written.interfaces.is_empty() && written.prefixes.is_empty() {
        let message = "nobody could come in: name `interfaces` or `prefixes`";
        cx.error_at_key(at, message);
    }
    let interfaces = at.key("interfaces");
    for (index, name) in written.interfaces.iter().enumerate() {
        let mut listeners = known.iter().filter(|it| own.contains(&it.name));
        if !listeners.any(|it| it.interface.as_ref() == Some(name)) {
            let message = format!(
                "no listener that this answers on has `interface: {name}`: give it to one, or name \
                 another one under `listeners`"
            );
            cx.error(&interfaces.item(index), message);
        }
    }
    let mut prefixes: Vec<Prefix> = Vec::new();
    let at = at.key("prefixes");
    for (index, text) in written.prefixes.iter().enumerate() {
        match text.parse() {
            Ok(prefix) => prefixes.push(prefix),
            Err(error) => cx.error(&at.item(index), format!("{error}")),
        }
    }
    Some(Private {
        interfaces: written.interfaces.clone(),
        prefixes,
    })
}
