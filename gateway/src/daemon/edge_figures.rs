//! What the XDP program counts, for the metrics page.
//!
//! Each figure reads its own part of the maps at every scrape, about a microsecond per cell, and
//! nothing is kept between scrapes. Labels are verdicts, reasons and what the configuration names.

use gateway_common::counter::Counter;

use super::names::{CurrentNames, Names};
use crate::telemetry::metrics::{Figure, Sample};
use crate::telemetry::operator_log::explain;
use crate::xdp::EdgeError;
use crate::xdp::stats::StatisticsReader;

/// What a figure reads.
type Reading = Result<Vec<Sample>, EdgeError>;
/// Packets or bytes.
type Value = fn(&Counter) -> u64;

const PACKETS: Value = |counter| counter.packets;
const BYTES: Value = |counter| counter.bytes;

/// Every figure of the kernel edge.
pub(super) fn edge_figures(edge: &StatisticsReader, names: &CurrentNames) -> Vec<Figure> {
    let figures = Figures { edge, names };
    vec![
        figures.counter(
            "gateway_edge_packets",
            "Packets judged by XDP, by verdict, reason and address family",
            |edge, _| verdicts(edge, PACKETS),
        ),
        figures.counter(
            "gateway_edge_bytes",
            "Bytes of packets judged by XDP, by verdict, reason and address family",
            |edge, _| verdicts(edge, BYTES),
        ),
        figures.counter(
            "gateway_edge_listener_packets",
            "Packets judged by XDP, by listener and verdict",
            |edge, names| listeners(edge, names, PACKETS),
        ),
        figures.counter(
            "gateway_edge_listener_bytes",
            "Bytes of packets judged by XDP, by listener and verdict",
            |edge, names| listeners(edge, names, BYTES),
        ),
        figures.counter(
            "gateway_edge_list_packets",
            "Packets that a list decided about, by list",
            |edge, names| lists(edge, names, PACKETS),
        ),
        figures.counter(
            "gateway_edge_list_bytes",
            "Bytes of packets that a list decided about, by list",
            |edge, names| lists(edge, names, BYTES),
        ),
        figures.counter(
            "gateway_edge_incidents",
            "What else XDP counts: lost races, full lines, failed maps, lost events",
            |edge, _| incidents(edge),
        ),
        figures.gauge(
            "gateway_edge_under_attack",
            "1 while sources that are not vouched for share the budgets of newcomers",
            |edge, _| Ok(alone(u64::from(edge.posture()?.is_under_attack))),
        ),
        figures.gauge(
            "gateway_edge_flow_rows",
            "Flows that are penalised",
            |edge, _| Ok(alone(edge.posture()?.flow_rows)),
        ),
    ]
}

struct Figures<'a> {
    edge: &'a StatisticsReader,
    names: &'a CurrentNames,
}

impl Figures<'_> {
    fn counter(
        &self,
        name: &'static str,
        help: &'static str,
        read: fn(&StatisticsReader, &Names) -> Reading,
    ) -> Figure {
        let (edge, names) = (self.edge.clone(), self.names.clone());
        Figure {
            name,
            help,
            counter: true,
            // A scrape that the kernel does not answer shows no samples, and the log says why.
            read: Box::new(move || {
                read(&edge, &names.load()).unwrap_or_else(|error| {
                    let error = explain(&error);
                    tracing::warn!(error, figure = name, "the kernel's maps cannot be read");
                    Vec::new()
                })
            }),
        }
    }

    fn gauge(
        &self,
        name: &'static str,
        help: &'static str,
        read: fn(&StatisticsReader, &Names) -> Reading,
    ) -> Figure {
        Figure {
            counter: false,
            ..self.counter(name, help, read)
        }
    }
}

fn verdicts(edge: &StatisticsReader, value: Value) -> Reading {
    let counts = edge.verdicts()?.into_iter();
    let samples = counts.map(|count| Sample {
        labels: vec![
            ("verdict", count.verdict.name().to_owned()),
            ("reason", count.reason.name().to_owned()),
            ("family", count.family.name().to_owned()),
        ],
        value: value(&count.counter).into(),
    });
    Ok(samples.collect())
}

fn listeners(edge: &StatisticsReader, names: &Names, value: Value) -> Reading {
    let counts = edge.listeners()?.into_iter();
    let samples = counts.map(|count| Sample {
        labels: vec![
            ("listener", names.listener(count.listener).into_owned()),
            ("verdict", count.verdict.name().to_owned()),
        ],
        value: value(&count.counter).into(),
    });
    Ok(samples.collect())
}

fn lists(edge: &StatisticsReader, names: &Names, value: Value) -> Reading {
    let counts = edge.lists()?.into_iter();
    let samples = counts.map(|count| Sample {
        labels: vec![("list", names.list(count.list).into_owned())],
        value: value(&count.counter).into(),
    });
    Ok(samples.collect())
}

fn incidents(edge: &StatisticsReader) -> Reading {
    let counts = edge.incidents()?.into_iter();
    let samples = counts.map(|(incident, value)| Sample {
        labels: vec![("incident", incident.name().to_owned())],
        value: value.into(),
    });
    Ok(samples.collect())
}

fn alone(value: u64) -> Vec<Sample> {
    vec![Sample {
        labels: Vec::new(),
        value: value.into(),
    }]
}
