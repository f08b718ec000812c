//! Nanoseconds per packet in the kernel, in total, beside an empty program in the same run.
//!
//! The kernel times its own loop of a test run, so system calls and copies are not part of a
//! figure. It reports whole nanoseconds; several loops per window average that out. Cases take
//! turns within a window, and each stands between two measurements of its own baseline, so that
//! what changes on the machine meets both.

use std::path::Path;

use anyhow::Context as _;
use aya::programs::Xdp;
use gateway_common::address::Address;
use gateway_common::list::{self, PlainEntry};
use gateway_common::name;
use gateway_tests::object::{self, Object};

use crate::outcome::{Budget, Case, Outcome};
use crate::place::{self, Allowance};
use crate::{calls, daemon, filter};

/// Loops in a window, per case.
const LOOPS: u16 = 4;
/// Packets in a loop.
const PACKETS: u32 = 400_000;
/// What the empty program cost where the budgets were set, in nanoseconds: there the kernel
/// reached every program by an indirect call through a retpoline. It reaches up to 48 programs of
/// the machine by a direct jump, and then the empty program costs a quarter of that while ours
/// costs as much more than it as before. A budget that was a ratio is therefore also what it was
/// in nanoseconds over the empty program, and the larger of the two holds.
const EMPTY_OF_BUDGETS: f64 = 21.0;

const OFFENDER: u32 = 0xc0a8_0201;
const DENIED: u32 = 0xc0a8_0301;
const DENIED_BY_PREFIX: u32 = 0xc0a8_0401;

const DROP: u32 = 1;
const PASS: u32 = 2;

/// One program on one frame.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) program: &'static str,
    pub(crate) frame: Vec<u8>,
    /// What the program has to answer.
    pub(crate) action: u32,
}

/// What is measured against what, on one loaded object.
#[derive(Debug)]
struct Subject {
    name: &'static str,
    object: usize,
    run: Run,
    baseline: Run,
    budget: Budget,
    windows: Vec<f64>,
    baselines: Vec<f64>,
}

/// Objects and what is measured on them.
#[derive(Debug, Default)]
struct Plan {
    objects: Vec<Object>,
    subjects: Vec<Subject>,
}

/// Measures everything.
///
/// # Errors
/// What is missing to run programs in the kernel, or a program that judged otherwise than its
/// case demands.
pub(crate) fn run(windows: u16, varying: Option<&Path>) -> anyhow::Result<Outcome> {
    let mut plan = Plan::default();
    plan.shipped()?;
    plan.precise()?;
    plan.penalised()?;
    plan.full()?;
    let mut outcome = Outcome::default();
    match varying {
        Some(path) => {
            let bytes =
                std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
            plan.varying(&bytes)?;
        }
        None => outcome.notes.push(
            "cases with random sources need the BPF toolchain: see `cargo xtask ebpf --install`"
                .to_owned(),
        ),
    }
    for _ in 0..windows {
        plan.window()?;
    }
    outcome.cases = plan.subjects.into_iter().map(Subject::case).collect();
    filter::measure(windows, &mut outcome)?;
    daemon::measure(windows, &mut outcome)?;
    daemon::scrape(windows, &mut outcome)?;
    calls::measure(&mut outcome)?;
    sizes(&mut outcome)?;
    Ok(outcome)
}

impl Plan {
    /// The object as it is shipped.
    fn shipped(&mut self) -> anyhow::Result<()> {
        let mut object = place::furnish(Object::load()?, Allowance::UNREACHED)?;
        let entry = PlainEntry {
            deny_until_ns: list::NEVER,
            lists: 1 << list::LIST_OPERATOR,
            ..PlainEntry::default()
        };
        object.deny(0, Address::v4(DENIED), 32, entry)?;
        object.deny(0, Address::v4(DENIED_BY_PREFIX & !0xff), 24, entry)?;
        place::indebt(&mut object, OFFENDER)?;
        let at = self.add(object);
        let verdict = Budget::Over {
            ratio: 2.0,
            increment: 25.0,
        };
        let client = place::segment(place::CLIENT);
        self.measure("pass_hot", at, edge(client, PASS), verdict);
        self.measure("pass_v6", at, edge(place::segment6(), PASS), ratio(2.5));
        let tagged = place::tagged(place::CLIENT);
        self.measure("pass_vlan", at, edge(tagged, PASS), verdict);
        for (name, source, budget) in [
            ("deny_hit", DENIED, ratio(3.3)),
            ("deny_prefix_hit", DENIED_BY_PREFIX, ratio(3.3)),
            ("source_limited", OFFENDER, ratio(2.0)),
        ] {
            self.measure(name, at, edge(place::segment(source), DROP), budget);
        }
        Ok(())
    }

    /// The same with limits that read the clock for every charge.
    fn precise(&mut self) -> anyhow::Result<()> {
        let allowance = Allowance {
            precise: true,
            ..Allowance::UNREACHED
        };
        let at = self.add(place::furnish(Object::load()?, allowance)?);
        let client = place::segment(place::CLIENT);
        self.measure("pass_precise", at, edge(client, PASS), ratio(3.6));
        Ok(())
    }

    /// The same with a penalised flow.
    fn penalised(&mut self) -> anyhow::Result<()> {
        let mut object = place::furnish(Object::load()?, Allowance::UNREACHED)?;
        place::penalise(&mut object, OFFENDER)?;
        let at = self.add(object);
        let offender = place::segment(OFFENDER);
        self.measure("penalty_hit", at, edge(offender, DROP), ratio(3.3));
        let client = place::segment(place::CLIENT);
        self.measure("pass_beside_penalty", at, edge(client, PASS), ratio(3.3));
        Ok(())
    }

    /// The same with a deny list of a million prefixes, none of which is near the client.
    fn full(&mut self) -> anyhow::Result<()> {
        let mut object = place::furnish(Object::load()?, Allowance::UNREACHED)?;
        place::deny_many(&mut object)?;
        let at = self.add(object);
        let verdict = Budget::Over {
            ratio: 2.0,
            increment: 25.0,
        };
        let client = place::segment(place::CLIENT);
        self.measure("pass_million_prefixes", at, edge(client, PASS), verdict);
        Ok(())
    }

    /// A random source for each packet, beside the same program kept on one source.
    fn varying(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let load = || Object::from_bytes(bytes, &[name::PROGRAM_BENCH]);
        let once = Budget::Over {
            ratio: 2.0,
            increment: 0.0,
        };
        // A microsecond is paid back before the table has been gone through once, ten milliseconds
        // are not: then a newcomer searches among sources that still owe.
        for (name, per_second) in [
            ("pass_new_source", 1_000_000),
            ("pass_new_source_owing", 100),
        ] {
            let allowance = Allowance {
                per_second,
                burst: 100_000_000,
                precise: false,
            };
            let at = self.add(place::furnish(load()?, allowance)?);
            self.compare(name, at, u32::MAX, once);
        }
        Ok(())
    }

    fn add(&mut self, object: Object) -> usize {
        self.objects.push(object);
        self.objects.len() - 1
    }

    /// Adds a case beside the empty program.
    fn measure(&mut self, name: &'static str, object: usize, run: Run, budget: Budget) {
        let baseline = Run {
            program: name::PROGRAM_EMPTY,
            action: PASS,
            ..run.clone()
        };
        self.subject(name, object, [run, baseline], budget);
    }

    /// Adds a case of varying sources beside the same with one source.
    fn compare(&mut self, name: &'static str, object: usize, mask: u32, budget: Budget) {
        let runs = [mask, 0].map(|mask| Run {
            program: name::PROGRAM_BENCH,
            frame: place::varying(mask),
            action: PASS,
        });
        self.subject(name, object, runs, budget);
    }

    fn subject(
        &mut self,
        name: &'static str,
        object: usize,
        [run, baseline]: [Run; 2],
        budget: Budget,
    ) {
        self.subjects.push(Subject {
            name,
            object,
            run,
            baseline,
            budget,
            windows: Vec::new(),
            baselines: Vec::new(),
        });
    }

    /// One window of every case.
    fn window(&mut self) -> anyhow::Result<()> {
        for subject in &mut self.subjects {
            let object = self.objects.get_mut(subject.object);
            let object = object.context("every case names a loaded object")?;
            let (value, baseline) = between(object, &subject.run, &subject.baseline)
                .with_context(|| format!("case `{}`", subject.name))?;
            subject.windows.push(value);
            subject.baselines.push(baseline);
        }
        Ok(())
    }
}

impl Subject {
    fn case(self) -> Case {
        Case {
            name: self.name.to_owned(),
            unit: "ns",
            windows: self.windows,
            baseline: self.baselines,
            budget: Some(self.budget),
        }
    }
}

/// A budget that was set as a ratio.
fn ratio(ratio: f64) -> Budget {
    Budget::Over {
        ratio,
        increment: (ratio - 1.0) * EMPTY_OF_BUDGETS,
    }
}

fn edge(frame: Vec<u8>, action: u32) -> Run {
    Run {
        program: name::PROGRAM_EDGE,
        frame,
        action,
    }
}

/// One window of a case, and of its baseline before and after it.
pub(crate) fn between(
    object: &mut Object,
    run: &Run,
    baseline: &Run,
) -> anyhow::Result<(f64, f64)> {
    let before = mean(object, baseline, LOOPS / 2)?;
    let value = mean(object, run, LOOPS)?;
    let after = mean(object, baseline, LOOPS / 2)?;
    Ok((value, f64::midpoint(before, after)))
}

/// Nanoseconds that the edge takes to drop `frame`, over an empty program.
pub(crate) fn over_empty_ns(object: &mut Object, frame: Vec<u8>) -> anyhow::Result<f64> {
    let run = edge(frame, DROP);
    let baseline = Run {
        program: name::PROGRAM_EMPTY,
        action: PASS,
        ..run.clone()
    };
    let (value, baseline) = between(object, &run, &baseline)?;
    Ok(value - baseline)
}

/// Nanoseconds per packet over `loops` loops.
fn mean(object: &mut Object, run: &Run, loops: u16) -> anyhow::Result<f64> {
    let mut sum = 0.0;
    for _ in 0..loops {
        let done = object.run(run.program, &run.frame, PACKETS)?;
        anyhow::ensure!(
            done.action == run.action,
            "`{}` answered {} instead of {}: this is not the case it claims to be",
            run.program,
            done.action,
            run.action
        );
        sum += done.duration.as_secs_f64() * 1e9;
    }
    Ok(sum / f64::from(loops))
}

/// What the verifier walked, and how large the object is.
fn sizes(outcome: &mut Outcome) -> anyhow::Result<()> {
    let mut object = Object::load()?;
    let edge = object.ebpf().program_mut(name::PROGRAM_EDGE);
    let edge: &mut Xdp = edge.context("the object judges packets")?.try_into()?;
    match edge.info()?.verified_instruction_count() {
        Some(count) => outcome.cases.push(
            Case::value("verified_instructions", "count", f64::from(count))
                .within(Budget::AtMost(10_000.0)),
        ),
        None => outcome
            .notes
            .push("verified_instructions: not told by this kernel".to_owned()),
    }
    let path = object::path();
    let bytes = std::fs::metadata(&path)
        .with_context(|| format!("cannot read `{}`", path.display()))?
        .len();
    let bytes = f64::from(u32::try_from(bytes)?);
    outcome
        .cases
        .push(Case::value("object_bytes", "bytes", bytes));
    Ok(())
}
