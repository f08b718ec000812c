//! Numbers that other parts of the gateway keep, for the metrics page.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::concurrency_figures::concurrency_figures;
use super::edge_figures::edge_figures;
use super::fleet::fleet_figures;
use super::names::CurrentNames;
use super::penalty_figures::penalty_figures;
use super::route_figures::route_figures;
use super::stage_figures::{stage_distribution, stage_figures};

use super::attack::AttackSwitch;
use crate::body::BodyBudget;
use crate::exchange::Reason;
use crate::snapshot::Snapshot;
use crate::store::bucket::Buckets;
use crate::store::decision::{DecisionCounts, Decisions};
use crate::store::fleet::Fleet;
use crate::store::list::{ListStatus, Lists};
use crate::store::offence::Offences;
use crate::store::penalty::Penalties;
use crate::store::usage::Usage;
use crate::store::vouch::Vouched;
use crate::telemetry::logs::Logs;
use crate::telemetry::metrics::{Figure, Metrics, Sample, WorkerMetrics};
use crate::telemetry::operator_log::explain;
use crate::xdp::stats::StatisticsReader;

/// Reloads, by how they ended.
#[derive(Debug, Default)]
pub(super) struct Reloads {
    pub(super) succeeded: AtomicU64,
    pub(super) failed: AtomicU64,
}

/// What the figures read.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) decisions: Arc<Decisions>,
    pub(super) buckets: Buckets,
    pub(super) body_budget: BodyBudget,
    pub(super) logs_dropped: Logs<Arc<AtomicU64>>,
    pub(super) reloads: Arc<Reloads>,
    /// The kernel's counters, where there is a kernel edge.
    pub(super) edge: Option<StatisticsReader>,
    pub(super) lists: Lists,
    pub(super) names: CurrentNames,
    pub(super) attack: Option<AttackSwitch>,
    pub(super) vouched: Option<Vouched>,
    pub(super) penalties: Option<Penalties>,
    pub(super) offences: Offences,
    pub(super) usage: Usage,
    pub(super) fleet: Fleet,
}

/// What the workers count, and every figure.
pub(super) fn metrics(workers: Vec<Arc<WorkerMetrics>>, sources: &Sources) -> Metrics {
    let distributions = vec![stage_distribution(&sources.snapshot)];
    Metrics::new(workers, Reason::NAMES, figures(sources), distributions)
}

fn figures(sources: &Sources) -> Vec<Figure> {
    let mut figures = load_figures(sources);
    figures.extend(authorization_figures(sources));
    figures.extend(credential_figures(sources));
    figures.extend(memory_figures(sources));
    figures.extend(list_figures(&sources.lists));
    figures.extend(usage_figures(&sources.usage));
    figures.extend(fleet_figures(&sources.fleet));
    if let Some(edge) = &sources.edge {
        figures.extend(edge_figures(edge, &sources.names));
    }
    figures.extend(attack_figures(sources));
    figures.extend(penalty_figures(&sources.offences));
    figures.extend(stage_figures(&sources.snapshot));
    figures.extend(route_figures(&sources.snapshot));
    figures.extend(concurrency_figures(&sources.snapshot));
    figures
}

fn load_figures(sources: &Sources) -> Vec<Figure> {
    let snapshot = Arc::clone(&sources.snapshot);
    let reloads = Arc::clone(&sources.reloads);
    let outcomes = move || {
        let count = |outcome: &str, counter: &AtomicU64| Sample {
            labels: vec![("outcome", outcome.to_owned())],
            value: counter.load(Ordering::Relaxed).into(),
        };
        vec![
            count("succeeded", &reloads.succeeded),
            count("failed", &reloads.failed),
        ]
    };
    vec![
        Figure::single(
            "gateway_snapshot_generation",
            "Loads of the configuration that took effect",
            false,
            move || snapshot.load().generation,
        ),
        Figure {
            name: "gateway_reloads",
            help: "Reloads, by how they ended",
            counter: true,
            read: Box::new(outcomes),
        },
    ]
}

fn authorization_figures(sources: &Sources) -> Vec<Figure> {
    let mut figures = decision_figures(&sources.decisions);
    let snapshot = Arc::clone(&sources.snapshot);
    figures.push(Figure {
        name: "gateway_authorizer_watched_requests",
        help: "Requests that an authorizer in monitor mode has judged, by authorizer and outcome",
        counter: true,
        read: Box::new(move || watched_samples(&snapshot.load())),
    });
    let snapshot = Arc::clone(&sources.snapshot);
    figures.push(Figure {
        name: "gateway_key_set_fetches",
        help: "Fetches of key sets, by authorizer and outcome",
        counter: true,
        read: Box::new(move || key_set_samples(&snapshot.load())),
    });
    figures
}

/// A number of every authorizer: its name, what it is for people, and whether it only grows.
type DecisionFigure = (&'static str, &'static str, bool, fn(&DecisionCounts) -> u64);

/// What is counted of the decisions of each authorizer.
const DECISION_FIGURES: [DecisionFigure; 7] = [
    (
        "gateway_decisions_hits",
        "Requests for which a remembered decision was found, by authorizer",
        true,
        |counts| counts.hits,
    ),
    (
        "gateway_decisions_refusals",
        "Requests for which a remembered refusal was found, by authorizer",
        true,
        |counts| counts.refusals,
    ),
    (
        "gateway_decisions_misses",
        "Requests for which no remembered decision was found, by authorizer",
        true,
        |counts| counts.misses,
    ),
    (
        "gateway_decisions_coalesced",
        "Requests that waited for a decision which another had asked for, by authorizer",
        true,
        |counts| counts.coalesced,
    ),
    (
        "gateway_decisions_evicted",
        "Remembered decisions that made room before their time, by authorizer",
        true,
        |counts| counts.evicted,
    ),
    (
        "gateway_decisions_held",
        "Remembered decisions and refusals, by authorizer",
        false,
        |counts| counts.held,
    ),
    (
        "gateway_decisions_bytes",
        "Memory that remembered decisions and refusals occupy, by authorizer",
        false,
        |counts| counts.bytes,
    ),
];

fn decision_figures(decisions: &Arc<Decisions>) -> Vec<Figure> {
    let figure = |&(name, help, counter, value): &DecisionFigure| {
        let decisions = Arc::clone(decisions);
        let sample = move |counts: &DecisionCounts| Sample {
            labels: vec![("authorizer", counts.name.clone())],
            value: value(counts).into(),
        };
        Figure {
            name,
            help,
            counter,
            read: Box::new(move || decisions.counts().iter().map(sample).collect()),
        }
    };
    DECISION_FIGURES.iter().map(figure).collect()
}

fn credential_figures(sources: &Sources) -> Vec<Figure> {
    let (of_aws, of_oauth) = (Arc::clone(&sources.snapshot), Arc::clone(&sources.snapshot));
    let aws = move || match &of_aws.load().credentials {
        None => Vec::new(),
        Some(provider) => outcomes(None, provider.questions(), provider.failures()),
    };
    let oauth = move || {
        let snapshot = of_oauth.load();
        let clients = snapshot.oauth_clients.iter();
        let samples = clients.flat_map(|client| {
            let name = client.settings().name.to_string();
            outcomes(
                Some(("client", name)),
                client.questions(),
                client.failures(),
            )
        });
        samples.collect()
    };
    vec![
        Figure {
            name: "gateway_aws_credential_fetches",
            help: "Questions for credentials of AWS, by outcome",
            counter: true,
            read: Box::new(aws),
        },
        Figure {
            name: "gateway_oauth_token_fetches",
            help: "Questions for tokens of the gateway's own, by client and outcome",
            counter: true,
            read: Box::new(oauth),
        },
    ]
}

/// Questions, by how they ended.
fn outcomes(of: Option<(&'static str, String)>, questions: u64, failed: u64) -> Vec<Sample> {
    let outcomes = [
        ("failed", failed),
        ("succeeded", questions.saturating_sub(failed)),
    ];
    let samples = outcomes.map(|(outcome, count)| {
        let outcome = ("outcome", outcome.to_owned());
        Sample {
            labels: of.clone().into_iter().chain([outcome]).collect(),
            value: count.into(),
        }
    });
    samples.into()
}

fn memory_figures(sources: &Sources) -> Vec<Figure> {
    let body_budget = sources.body_budget.clone();
    let (buckets, shedding) = (sources.buckets.clone(), sources.buckets.clone());
    let dropped = sources.logs_dropped.clone();
    vec![
        Figure::single(
            "gateway_body_memory_bytes",
            "Memory that buffered request bodies occupy",
            false,
            move || body_budget.used(),
        ),
        Figure::single(
            "gateway_slots_claimed",
            "Bucket slots in use",
            false,
            move || u64::try_from(buckets.slots_claimed()).unwrap_or(u64::MAX),
        ),
        Figure::single(
            "gateway_callers_shed",
            "Requests of callers for whom the table of buckets had no room, which shared one by throttle",
            true,
            move || shedding.shed(),
        ),
        Figure::single(
            "gateway_access_log_dropped_records",
            "Access-log records that could not be written",
            true,
            move || dropped.access.load(Ordering::Relaxed),
        ),
        Figure::single(
            "gateway_execution_log_dropped_records",
            "Records of the execution log that could not be written",
            true,
            move || dropped.execution.load(Ordering::Relaxed),
        ),
    ]
}

/// What the lists hold, and how their files fare.
fn list_figures(lists: &Lists) -> [Figure; 4] {
    let each = |lists: &Lists, value: fn(&ListStatus) -> u64| {
        let lists = lists.clone();
        move || {
            let status = lists.status().unwrap_or_else(|error| {
                tracing::warn!(error = explain(&error), "the lists cannot be read");
                Vec::new()
            });
            let sample = |list: &ListStatus| Sample {
                labels: vec![("list", list.name.clone())],
                value: value(list).into(),
            };
            status.iter().map(sample).collect()
        }
    };
    [
        Figure {
            name: "gateway_list_entries",
            help: "Addresses and prefixes, by list",
            counter: false,
            read: Box::new(each(lists, |list| list.entries as u64)),
        },
        Figure {
            name: "gateway_list_memory_bytes",
            help: "Memory that the table of a list occupies, by list",
            counter: false,
            read: Box::new(each(lists, |list| list.bytes as u64)),
        },
        Figure {
            name: "gateway_list_connections",
            help: "Connections for which a list decided at accept, by list",
            counter: true,
            read: Box::new(each(lists, |list| list.connections)),
        },
        Figure {
            name: "gateway_list_load_failures",
            help: "Contents of list files that were refused while the old list stayed, by list",
            counter: true,
            read: Box::new(each(lists, |list| list.failures)),
        },
    ]
}

/// How writing fares what keys have used.
fn usage_figures(usage: &Usage) -> [Figure; 2] {
    let (failures, cells) = (usage.clone(), usage.clone());
    [
        Figure::single(
            "gateway_usage_write_failures",
            "Attempts to write what API keys have used that failed and are repeated",
            true,
            move || failures.failures(),
        ),
        Figure::single(
            "gateway_usage_cells",
            "API keys under usage plans of which it is known what they have used",
            false,
            move || cells.cells() as u64,
        ),
    ]
}

/// What this process has told the XDP program; nothing where there is none.
fn attack_figures(sources: &Sources) -> Vec<Figure> {
    let mut figures = Vec::new();
    if let Some(attack) = sources.attack.clone() {
        figures.push(Figure::single(
            "gateway_edge_attacks",
            "Attacks that began, by the trip-wire or by hand",
            true,
            move || attack.attacks(),
        ));
    }
    if let Some(vouched) = sources.vouched.clone() {
        figures.push(Figure::single(
            "gateway_edge_vouching_refused",
            "Sources that were not vouched for because their line was full",
            true,
            move || vouched.refused(),
        ));
    }
    if let Some(penalties) = sources.penalties.clone() {
        let offences = sources.offences.clone();
        figures.push(Figure {
            name: "gateway_edge_penalty_failures",
            help: "Penalties that could not be written or taken back, by cause",
            counter: true,
            read: Box::new(move || {
                let counts = penalties.counts();
                let sample = |cause: &str, value: u64| Sample {
                    labels: vec![("cause", cause.to_owned())],
                    value: value.into(),
                };
                vec![
                    sample("full", counts.refused.saturating_add(offences.no_room())),
                    sample("failed", counts.failed),
                ]
            }),
        });
    }
    figures
}

fn watched_samples(snapshot: &Snapshot) -> Vec<Sample> {
    let watched = snapshot.authorizers.iter().filter(|it| it.model.monitor);
    let samples = watched.flat_map(|authorizer| {
        let sample = |outcome: &str, counter: &AtomicU64| Sample {
            labels: vec![
                ("authorizer", authorizer.model.name.to_string()),
                ("outcome", outcome.to_owned()),
            ],
            value: counter.load(Ordering::Relaxed).into(),
        };
        let watched = &authorizer.watched;
        [
            sample("allowed", &watched.allowed),
            sample("refused", &watched.refused),
        ]
    });
    samples.collect()
}

fn key_set_samples(snapshot: &Snapshot) -> Vec<Sample> {
    let mut samples = Vec::new();
    for authorizer in &snapshot.authorizers {
        let Some(jwt) = authorizer.jwt() else {
            continue;
        };
        let status = jwt.key_sets().iter().map(|keys| keys.status());
        let (fetches, failures) = status.fold((0, 0), |(fetches, failures), status| {
            (fetches + status.fetches, failures + status.failures)
        });
        let name = authorizer.model.name.to_string();
        let mut sample = |outcome: &str, value: u64| {
            let labels = vec![
                ("authorizer", name.clone()),
                ("outcome", outcome.to_owned()),
            ];
            let value = value.into();
            samples.push(Sample { labels, value });
        };
        sample("failed", failures);
        sample("succeeded", fetches.saturating_sub(failures));
    }
    samples
}
