//! The embedded BPF object: loading it against the pinned maps.

use aya::programs::{ProgramError, TestRun as _, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader};
use gateway_common::name::{MAP_CALLERS, MAP_SLOTS, PROGRAM_EDGE, PROGRAM_TICK};

use super::error::{EdgeError, VerifierTail};
use super::maps;
use super::pins::Pins;
use crate::model::BucketTables;

/// The object that this build embeds.
pub(super) static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("GATEWAY_EBPF_OBJECT_PATH"));

/// Lengths of a tick in nanoseconds, for the tick rates that kernels are built with.
const TICKS_NS: [u64; 4] = [10_000_000, 4_000_000, 3_333_334, 1_000_000];
/// Ticks between the two readings; the error of their length is below one in so many.
const TICKS_WATCHED: u64 = 5;
/// Readings after which a kernel whose ticks stand still is given up on.
const READINGS_MAX: u32 = 20_000;

/// The loaded object.
#[derive(Debug)]
pub(super) struct Object {
    loaded: Ebpf,
}

impl Object {
    /// Loads the object. Maps that are pinned already are used as they are, with everything in
    /// them; the others are created and pinned, with so many buckets.
    pub(super) fn load(pins: &Pins, buckets: BucketTables) -> Result<Self, EdgeError> {
        let mut loader = EbpfLoader::new();
        loader
            .map_max_entries(MAP_SLOTS, buckets.throttles())
            .map_max_entries(MAP_CALLERS, 1 << buckets.caller_line_bits());
        for (name, _) in maps::ALL {
            loader.map_pin_path(name, pins.path(name));
        }
        let mut loaded = loader.load(OBJECT)?;
        maps::check_shapes(pins.directory())?;
        for name in [PROGRAM_EDGE, PROGRAM_TICK] {
            let program = program_mut(&mut loaded, name)?;
            program.load().map_err(|error| verifier(name, error))?;
        }
        Ok(Self { loaded })
    }

    /// The program that judges.
    pub(super) fn edge(&mut self) -> Result<&mut Xdp, EdgeError> {
        program_mut(&mut self.loaded, PROGRAM_EDGE)
    }

    /// The length of a tick in nanoseconds, at most one step of [`TICKS_NS`] too long.
    pub(super) fn tick_ns(&mut self) -> Result<u64, EdgeError> {
        let program = program_mut(&mut self.loaded, PROGRAM_TICK)?;
        let (first_jiffies, first_ns) = read_tick(program)?;
        let mut readings = 0;
        loop {
            let (jiffies, now_ns) = read_tick(program)?;
            let ticks = jiffies.saturating_sub(first_jiffies);
            readings += 1;
            if ticks >= TICKS_WATCHED || readings >= READINGS_MAX {
                return Ok(tick_at_most(now_ns.saturating_sub(first_ns), ticks));
            }
        }
    }
}

/// The longest tick that fits `ticks` ticks seen within `elapsed_ns`.
fn tick_at_most(elapsed_ns: u64, ticks: u64) -> u64 {
    let [longest, ..] = TICKS_NS;
    // Of `ticks` changes seen, one may have come at once.
    let Some(bound) = elapsed_ns.checked_div(ticks.saturating_sub(1)) else {
        return longest;
    };
    let fits = TICKS_NS.into_iter().find(|&tick| tick <= bound);
    fits.unwrap_or(bound)
}

fn read_tick(program: &Xdp) -> Result<(u64, u64), EdgeError> {
    let packet = [0; 64];
    let mut out = [0; 64];
    program.test_run(TestRunOptions {
        data_in: Some(&packet),
        data_out: Some(&mut out),
        ..TestRunOptions::new()
    })?;
    let (words, _rest) = out.as_chunks::<8>();
    let word = |index: usize| words.get(index).map_or(0, |word| u64::from_ne_bytes(*word));
    Ok((word(0), word(1)))
}

pub(super) fn program_mut<'a>(
    loaded: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut Xdp, EdgeError> {
    let program = loaded.program_mut(name).ok_or(EdgeError::Incomplete {
        what: "program",
        name,
    })?;
    Ok(program.try_into()?)
}

pub(super) fn verifier(program: &'static str, error: ProgramError) -> EdgeError {
    match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => EdgeError::Verifier {
            program,
            log: VerifierTail::of(&verifier_log.to_string()),
            source: io_error,
        },
        other => EdgeError::Program(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_never_taken_for_shorter_than_it_is() {
        for tick in TICKS_NS {
            for late in [0, tick / 2, tick - 1] {
                let elapsed = (TICKS_WATCHED - 1) * tick + late;
                let found = tick_at_most(elapsed, TICKS_WATCHED);
                assert!(found >= tick && found <= tick * 4 / 3, "{tick} as {found}");
            }
        }
        assert_eq!(tick_at_most(1_000, 0), 10_000_000);
    }

    #[test]
    fn the_verifier_log_ends_in_its_complaint() {
        let log = "0: R1=ctx()\n1: (85) call 99\ninvalid func unknown#99\nprocessed 2 insns\n\n";
        let tail = VerifierTail::of(log);
        assert_eq!(
            tail.to_string(),
            "invalid func unknown#99 (3 lines of its log omitted)"
        );
    }
}
