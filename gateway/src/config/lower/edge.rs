//! The kernel edge.

use super::Lowering;
use super::limit::sixteen_times;
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::config::written::{self, SourceLimit, Xdp};
use crate::model::{AttachMode, Edge, EdgeMode, OnExit, SourceRate, UnparsedToUs};

/// Connections per second and source, where nothing is written.
const CONNECTION_RATE: f64 = 100.0;
/// Connections at once from an idle source, where nothing is written.
const CONNECTION_BURST: u64 = 1_000;

/// Lowers the section `xdp`.
pub(super) fn lower(written: &Xdp, cx: &mut Lowering<'_>) -> Edge {
    let at = cx.root.key("xdp");
    check_interfaces(&written.interfaces, &at.key("interfaces"), cx);
    let connections = match &written.connections_per_source {
        None => source_rate(
            CONNECTION_RATE,
            CONNECTION_BURST,
            None,
            &at.key("connections_per_source"),
            cx,
        ),
        Some(limit) => source_limit(limit, &at.key("connections_per_source"), cx),
    };
    let packets = written
        .packets_per_source
        .as_ref()
        .and_then(|limit| source_limit(limit, &at.key("packets_per_source"), cx));
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
    }
}

fn check_interfaces(names: &[String], at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    // IFNAMSIZ with its final zero.
    const BYTES_MAX: usize = 15;
    for (index, name) in names.iter().enumerate() {
        let at = at.item(index);
        let foreign = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':');
        let reserved = matches!(name.as_str(), "" | "." | "..");
        if reserved || name.len() > BYTES_MAX || name.contains(foreign) {
            let shown = shortened(name);
            cx.error(
                &at,
                format!("`{shown}` is not an interface name, such as `eth0`"),
            );
        } else if names.iter().take(index).any(|earlier| earlier == name) {
            cx.error(
                &at,
                format!("the interface `{name}` stands twice: keep one"),
            );
        }
    }
}

fn source_limit(
    written: &SourceLimit,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<SourceRate> {
    match written {
        SourceLimit::Off(written::Off::Off) => None,
        SourceLimit::On(written) => source_rate(
            written.rate.0,
            written.burst,
            written.aggregate.as_ref(),
            at,
            cx,
        ),
    }
}

fn source_rate(
    rate: f64,
    burst: u64,
    aggregate: Option<&written::Rate>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<SourceRate> {
    let source = cx.limit(rate, burst, at);
    let aggregate = match aggregate {
        Some(written) => {
            let at = at.key("aggregate");
            cx.limit(written.rate.0, written.burst, &at)
                .map(|(_, limit)| limit)
        }
        None => source.and_then(|(rate, _)| match sixteen_times(rate, burst) {
            Ok(limit) => Some(limit),
            Err(_) => {
                let message = "sixteen times this rate and burst cannot be kept: \
                               write `aggregate` with its own";
                cx.error_at_key(at, message);
                None
            }
        }),
    };
    let (rate, source) = source?;
    Some(SourceRate {
        source,
        aggregate: aggregate?,
        rate_micro_per_second: rate.micro_per_second,
        burst,
    })
}
