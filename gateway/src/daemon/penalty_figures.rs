//! How often callers offended and what became of it, for the metrics page.

use std::collections::BTreeSet;

use crate::clock;
use crate::store::offence::Offences;
use crate::telemetry::metrics::{Figure, Sample};

/// Every figure of penalties.
pub(super) fn penalty_figures(offences: &Offences) -> [Figure; 4] {
    let (kinds, measures, sources) = (offences.clone(), offences.clone(), offences.clone());
    let shed = offences.clone();
    [
        Figure {
            name: "gateway_offences",
            help: "Requests that came although their sender was told to wait, or with forged credentials, by reason",
            counter: true,
            read: Box::new(move || {
                let counts = kinds.offences();
                let samples = counts.map(|(kind, count)| Sample {
                    labels: vec![("reason", kind.name().to_owned())],
                    value: count.into(),
                });
                samples.collect()
            }),
        },
        Figure {
            name: "gateway_penalties",
            help: "What became of requests and connections of offenders beside their answers, by step and mode",
            counter: true,
            read: Box::new(move || {
                let modes = [("enforce", true), ("monitor", false)];
                let samples = modes.into_iter().flat_map(|(mode, is_enforced)| {
                    let counts = measures.taken(is_enforced);
                    counts.map(move |(measure, count)| Sample {
                        labels: vec![
                            ("step", measure.name().to_owned()),
                            ("mode", mode.to_owned()),
                        ],
                        value: count.into(),
                    })
                });
                samples.collect()
            }),
        },
        Figure::single(
            "gateway_penalised_sources",
            "Sources with a penalty that has not ended",
            false,
            move || penalised_sources(&sources),
        ),
        Figure::single(
            "gateway_offences_shed",
            "Requests of which nothing was counted for want of room for their source or its key",
            true,
            move || shed.shed(),
        ),
    ]
}

/// Sources with a penalty that has not ended.
pub(super) fn penalised_sources(offences: &Offences) -> u64 {
    let penalised = offences.penalised(clock::monotonic_ns());
    let sources: BTreeSet<_> = penalised.iter().map(|it| it.source).collect();
    u64::try_from(sources.len()).unwrap_or(u64::MAX)
}
