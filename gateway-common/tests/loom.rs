//! The claim protocol under every interleaving of two enforcers.
//!
//! Run by `RUSTFLAGS="--cfg loom" cargo test -p gateway-common --release --test loom`; without
//! that flag this is an empty test program.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "a model that cannot go on fails")]

use gateway_common::bucket::{Line, WAYS};
use gateway_common::limit::{Charge, Limit, Rate};
use gateway_common::word::Word;
use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use loom::thread;

const SECOND: u64 = 1_000_000_000;
const TAG: u64 = 7;

/// Every interleaving, with no bound on how often the threads take turns. The executions are
/// counted, so that a model without any choice left in it is seen.
fn model(check: impl Fn() + Sync + Send + 'static) {
    let executions = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&executions);
    loom::model::Builder::new().check(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        check();
    });
    let executions = executions.load(std::sync::atomic::Ordering::Relaxed);
    assert!(executions > 10, "{executions} executions explore nothing");
}

/// One unit lasts a second, and who owes no more gives way.
fn limit(burst: u64) -> Limit {
    Limit::new(Rate::per_second(1), burst, 1).unwrap()
}

fn admitted(charge: Option<Charge>) -> u64 {
    u64::from(matches!(
        charge,
        Some(Charge::Admitted { .. } | Charge::AdmittedAfterRaces)
    ))
}

fn holders(line: &Line<AtomicU64>, tag: u64) -> usize {
    line.ways
        .iter()
        .filter(|way| Word::load(&way.tag) == tag)
        .count()
}

fn tat(line: &Line<AtomicU64>, tag: u64) -> u64 {
    Word::load(&line.find(tag).unwrap().tat)
}

#[test]
fn one_identity_claimed_twice_at_once_gets_one_way_and_pays_twice() {
    model(|| {
        let line = Arc::new(Line::<AtomicU64>::default());
        let daemon = {
            let line = Arc::clone(&line);
            thread::spawn(move || line.charge(TAG, SECOND, 1, &limit(9), SECOND))
        };
        let kernel = line.charge_bounded(TAG, SECOND, 1, &limit(9), SECOND);
        let daemon = daemon.join().unwrap();
        assert_eq!(admitted(kernel) + admitted(daemon), 2);
        assert_eq!(holders(&line, TAG), 1);
        assert_eq!(
            tat(&line, TAG) - SECOND,
            2 * SECOND,
            "both charges are on the word"
        );
    });
}

#[test]
fn two_identities_at_once_get_two_ways() {
    model(|| {
        let line = Arc::new(Line::<AtomicU64>::default());
        let other = {
            let line = Arc::clone(&line);
            thread::spawn(move || line.charge_bounded(8, SECOND, 1, &limit(9), SECOND))
        };
        let ours = line.charge_bounded(TAG, SECOND, 1, &limit(9), SECOND);
        assert_eq!(admitted(ours) + admitted(other.join().unwrap()), 2);
        // A way that was claimed and not yet charged owes nothing and may be taken: then both
        // charges may be on one word. Nothing else may be lost.
        assert!((1..=2).contains(&(holders(&line, TAG) + holders(&line, 8))));
        let owed: u64 = line
            .ways
            .iter()
            .map(|way| Word::load(&way.tat).saturating_sub(SECOND))
            .sum();
        assert_eq!(owed, 2 * SECOND, "both charges are on some word");
    });
}

/// The daemon can win every race that the kernel gives itself: then the kernel admits, and pays.
#[test]
fn a_hot_word_never_admits_more_than_its_burst_and_one_per_enforcer() {
    const BURST: u64 = 3;
    const ENFORCERS: u64 = 2;
    model(|| {
        let line = Arc::new(Line::<AtomicU64>::default());
        line.charge(TAG, SECOND, 1, &limit(BURST), SECOND).unwrap();
        let daemon = {
            let line = Arc::clone(&line);
            thread::spawn(move || {
                let mut total = 0;
                for _ in 0..3 {
                    total += admitted(line.charge(TAG, SECOND, 1, &limit(BURST), SECOND));
                }
                total
            })
        };
        let kernel = admitted(line.charge_bounded(TAG, SECOND, 1, &limit(BURST), SECOND));
        let total = 1 + kernel + daemon.join().unwrap();
        assert!(
            (BURST..=BURST + ENFORCERS).contains(&total),
            "{total} admitted"
        );
        assert_eq!(
            tat(&line, TAG) - SECOND,
            total * SECOND,
            "whoever was admitted has paid"
        );
    });
}

/// The kernel's clock lags by up to a tick, so that it may see a debt which the daemon sees paid:
/// the two then claim different ways for one identity.
#[test]
fn enforcers_whose_clocks_differ_settle_on_the_lower_way() {
    const BURST: u64 = 2;
    model(|| {
        let line = Arc::new(Line::<AtomicU64>::default());
        // Way 0 is in debt by the kernel's clock and idle by the daemon's.
        line.charge(5, SECOND, 1, &limit(9), SECOND).unwrap();
        line.charge(5, SECOND, 1, &limit(9), SECOND).unwrap();
        let daemon = {
            let line = Arc::clone(&line);
            thread::spawn(move || admitted(line.charge(TAG, 4 * SECOND, 1, &limit(BURST), SECOND)))
        };
        let kernel = admitted(line.charge_bounded(TAG, SECOND, 1, &limit(BURST), SECOND));
        let mut total = kernel + daemon.join().unwrap();
        assert!((1..=WAYS).contains(&holders(&line, TAG)));
        // From now on both find the lower way, and its burst bounds what is left.
        for _ in 0..4 {
            total += admitted(line.charge(TAG, 4 * SECOND, 1, &limit(BURST), SECOND));
        }
        assert!(total <= BURST + 1, "{total} admitted");
    });
}

/// A debtor whose bucket is looked at for replacement while it is charged loses one unit at most.
#[test]
fn a_replacement_that_races_a_charge_errs_by_one_unit() {
    model(|| {
        let line = Arc::new(Line::<AtomicU64>::default());
        for tag in 1..=4 {
            line.charge(tag, SECOND, 1, &limit(9), SECOND).unwrap();
        }
        // All four owe one unit, so that the newcomer may take the first.
        let newcomer = {
            let line = Arc::clone(&line);
            thread::spawn(move || line.charge_bounded(TAG, SECOND, 1, &limit(9), SECOND))
        };
        let debtor = line.charge(1, SECOND, 1, &limit(9), SECOND);
        let newcomer = newcomer.join().unwrap();
        assert_eq!(admitted(debtor), 1);
        let owed: u64 = line
            .ways
            .iter()
            .map(|way| Word::load(&way.tat).saturating_sub(SECOND) / SECOND)
            .sum();
        let paid = 4 + admitted(debtor) + admitted(newcomer);
        assert!(owed + 1 >= paid, "{owed} owed of {paid} admitted");
    });
}
