//! What `gateway stats` says, for people.

use super::report::{Report, Row};
use crate::cli::source::Origin;

/// Width of the labels in front of the figures.
const LABEL_WIDTH: usize = 36;

/// Tables for people, with rates where there are some.
pub(super) fn text(report: &Report) -> String {
    let mut lines = vec![heading(report)];
    if report.under_attack == Some(true) {
        lines.push(
            "under attack: sources that are not vouched for share the budgets of newcomers"
                .to_owned(),
        );
    }
    table(
        &mut lines,
        &format!("{:<10} {:<18} family", "verdict", "reason"),
        &report.verdicts,
        |labels| {
            let (verdict, reason) = (labels.verdict, labels.reason);
            format!("{verdict:<10} {reason:<18} {}", labels.family)
        },
    );
    table(
        &mut lines,
        &format!("{:<10} listener", "verdict"),
        &report.listeners,
        |labels| format!("{:<10} {}", labels.verdict, labels.listener),
    );
    table(&mut lines, "list", &report.lists, |labels| {
        labels.list.clone()
    });
    let incidents: Vec<String> = report
        .incidents
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    lines.push(format!("incidents: {}", incidents.join(", ")));
    if let Some(rows) = report.flow_rows {
        lines.push(format!("penalised flows: {rows}"));
    }
    let slots = &report.slots;
    lines.push(format!(
        "throttles: {} in use{}, {} requests admitted, {} rejected, {} shed",
        slots.used,
        room(slots.of),
        slots.admitted,
        slots.rejected,
        slots.shed
    ));
    let callers = &report.callers;
    lines.push(format!(
        "callers with buckets of their own: {} owe something{}",
        callers.owing,
        room(callers.of)
    ));
    lines.join("\n")
}

/// How many there is room for, where that is known.
fn room(of: Option<u32>) -> String {
    of.map(|of| format!(", of {of}")).unwrap_or_default()
}

/// One table; none where nothing was counted.
fn table<L>(lines: &mut Vec<String>, title: &str, rows: &[Row<L>], label: impl Fn(&L) -> String) {
    if rows.is_empty() {
        return;
    }
    let has_rates = rows.iter().any(|row| row.rates.is_some());
    let mut heading = format!("{title:<LABEL_WIDTH$} {:>16} {:>18}", "packets", "bytes");
    if has_rates {
        heading.push_str(&format!(" {:>12} {:>14}", "packets/s", "bytes/s"));
    }
    lines.push(heading);
    for row in rows {
        let mut line = format!(
            "{:<LABEL_WIDTH$} {:>16} {:>18}",
            label(&row.labels),
            row.packets,
            row.bytes
        );
        if let Some(rates) = row.rates {
            let (packets, bytes) = (rates.packets_per_second, rates.bytes_per_second);
            line.push_str(&format!(" {packets:>12} {bytes:>14}"));
        }
        lines.push(line);
    }
}

fn heading(report: &Report) -> String {
    let instance = &report.instance;
    let at_accept = "no kernel edge, so these are connections counted at accept";
    match report.source {
        Origin::File => return format!("instance {instance}: {at_accept}"),
        Origin::StaleFile => {
            return format!("instance {instance}: {at_accept} before the last reboot");
        }
        Origin::Kernel => {}
    }
    let attachments: Vec<String> = report
        .attachments
        .iter()
        .map(|attachment| format!("{} ({})", attachment.interface, attachment.mode))
        .collect();
    if attachments.is_empty() {
        format!(
            "instance {instance}: its program is attached to no interface of this network namespace"
        )
    } else {
        format!(
            "instance {instance}: attached to {}",
            attachments.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cli::source::CarryingInterface;
    use crate::cli::stats::report::{
        Callers, ListLabels, ListenerLabels, Rates, Slots, VerdictLabels,
    };

    fn report(rates: Option<Rates>) -> Report {
        Report {
            at_ns: 0,
            instance: "blue".to_owned(),
            source: Origin::Kernel,
            attachments: vec![CarryingInterface {
                interface: "eth0".to_owned(),
                mode: "native",
            }],
            under_attack: Some(true),
            throttles: Vec::new(),
            flow_rows: Some(3),
            verdicts: vec![Row {
                labels: VerdictLabels {
                    verdict: "would_drop",
                    reason: "newcomer_connections",
                    family: "ipv4",
                },
                packets: 150,
                bytes: 9_000,
                rates,
            }],
            listeners: vec![Row {
                labels: ListenerLabels {
                    listener: "public".to_owned(),
                    verdict: "drop",
                },
                packets: 151,
                bytes: 9_060,
                rates,
            }],
            lists: vec![Row {
                labels: ListLabels {
                    list: "operator".to_owned(),
                },
                packets: 152,
                bytes: 9_120,
                rates,
            }],
            incidents: BTreeMap::from([("line_full", 0)]),
            slots: Slots {
                used: 3,
                of: Some(1_024),
                ..Slots::default()
            },
            callers: Callers {
                owing: 7,
                of: Some(4_096),
            },
        }
    }

    #[test]
    fn every_table_shows_rates_once_there_are_two_readings() {
        let first = text(&report(None));
        assert!(
            first.starts_with("instance blue: attached to eth0 (native)\nunder attack: "),
            "{first}"
        );
        assert!(!first.contains("packets/s"), "{first}");
        assert!(first.contains("\npenalised flows: 3\n"), "{first}");
        assert!(
            first.ends_with(
                "\nthrottles: 3 in use, of 1024, 0 requests admitted, 0 rejected, 0 shed\n\
                 callers with buckets of their own: 7 owe something, of 4096"
            ),
            "{first}"
        );
        let second = text(&report(Some(Rates {
            packets_per_second: 50,
            bytes_per_second: 3_000,
        })));
        for words in [
            &["would_drop", "newcomer_connections", "ipv4", "150", "9000"][..],
            &["drop", "public", "151", "9060"],
            &["operator", "152", "9120"],
        ] {
            let row = |text: &str| {
                text.lines()
                    .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
                    .find(|line| line.starts_with(&words.join(" ")))
            };
            assert_eq!(row(&first).unwrap(), words.join(" "));
            assert_eq!(
                row(&second).unwrap(),
                [words, &["50", "3000"]].concat().join(" ")
            );
        }
    }

    #[test]
    fn what_accept_counted_is_said_to_be_that() {
        let mut report = report(None);
        report.source = Origin::StaleFile;
        report.under_attack = None;
        let text = text(&report);
        assert!(
            text.starts_with(
                "instance blue: no kernel edge, so these are connections counted at accept before"
            ),
            "{text}"
        );
    }
}
