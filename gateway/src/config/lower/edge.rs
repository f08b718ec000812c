//! The kernel edge.

use super::limit::Unit;
use super::source_rate::Default;
use super::{Lowering, rules};
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::config::written::{self, Xdp};
use crate::model::{AttachMode, Edge, EdgeMode, OnExit, UnparsedToUs};

/// New connections per source.
const CONNECTIONS: Default = Default {
    rate: 100,
    burst: 1_000,
};
/// New connections that a penalised source keeps.
const TRICKLE: Default = Default { rate: 1, burst: 2 };
/// Events per second and CPU.
const EVENTS_PER_SECOND: u32 = 100;

/// Lowers the section `xdp`.
pub(super) fn lower(written: &Xdp, cx: &mut Lowering<'_>) -> Edge {
    let at = cx.root.key("xdp");
    check_interfaces(&written.interfaces, &at.key("interfaces"), cx);
    let connections = match &written.connections_per_source {
        None => Some(CONNECTIONS.source_rate()),
        Some(limit) => cx.source_limit(limit, Unit::ONE, &at.key("connections_per_source")),
    };
    let packets = written
        .packets_per_source
        .as_ref()
        .and_then(|limit| cx.source_limit(limit, Unit::ONE, &at.key("packets_per_source")));
    let bytes = written
        .bytes_per_source
        .as_ref()
        .and_then(|limit| cx.source_limit(limit, Unit::BYTE, &at.key("bytes_per_source")));
    let monitor = written
        .monitor
        .as_ref()
        .map(|monitor| rules::monitor(monitor, &at.key("monitor"), cx))
        .unwrap_or_default();
    let trickle = written.penalties.trickle.as_ref();
    let trickle_at = at.key("penalties").key("trickle");
    Edge {
        mode: match written.mode {
            None | Some(written::Mode::Auto) => EdgeMode::Auto,
            Some(written::Mode::Required) => EdgeMode::Required,
            Some(written::Mode::Off) => EdgeMode::Off,
        },
        interfaces: written.interfaces.clone(),
        attach: match written.attach {
            None | Some(written::Attach::Auto) => AttachMode::Auto,
            Some(written::Attach::Native) => AttachMode::Native,
            Some(written::Attach::Generic) => AttachMode::Generic,
        },
        on_exit: match written.on_exit {
            None | Some(written::OnExit::Keep) => OnExit::Keep,
            Some(written::OnExit::Detach) => OnExit::Detach,
        },
        unparsed_to_us: match written.unparsed_to_us {
            None | Some(written::UnparsedToUs::Drop) => UnparsedToUs::Drop,
            Some(written::UnparsedToUs::Pass) => UnparsedToUs::Pass,
        },
        connections,
        packets,
        bytes,
        monitor,
        other_traffic: rules::other_traffic(written, cx),
        under_attack: rules::under_attack(&written.under_attack, cx),
        trickle: cx.source_rate_or(trickle, TRICKLE, &trickle_at),
        penalties: rules::penalties(&written.penalties, &at.key("penalties"), cx),
        events_per_second: written.events.per_second.unwrap_or(EVENTS_PER_SECOND),
    }
}

fn check_interfaces(names: &[String], at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    for (index, name) in names.iter().enumerate() {
        let at = at.item(index);
        if !is_interface_name(name) {
            let shown = shortened(name);
            cx.error(
                &at,
                format!("`{shown}` is not an interface name: write one such as `eth0`"),
            );
        } else if names.iter().take(index).any(|earlier| earlier == name) {
            cx.error(
                &at,
                format!("the interface `{name}` stands twice: keep one"),
            );
        }
    }
}

/// Whether the kernel could have an interface of this name (`dev_valid_name`).
pub(super) fn is_interface_name(name: &str) -> bool {
    // IFNAMSIZ with its final zero.
    const BYTES_MAX: usize = 15;
    let foreign = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':');
    let reserved = matches!(name, "" | "." | "..");
    !reserved && name.len() <= BYTES_MAX && !name.contains(foreign)
}
