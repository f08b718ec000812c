//! How much is remembered.

use proptest::prelude::*;

use super::super::REFUSALS_SHARE;
use super::*;

const BYTES_MAX: u64 = 256 << 10;

fn sized(number: u64, bytes: usize) -> Arc<Thing> {
    Arc::new(Thing {
        number,
        bytes,
        about: None,
    })
}

#[test]
fn memory_is_bounded_whatever_comes() {
    let decisions = Decisions::new(BYTES_MAX);
    let cache = decisions.cache("main");
    for number in 0..10_000_u64 {
        let key = cache.key(0, &[&number.to_be_bytes()]);
        let bytes = usize::try_from(number % 3_000).expect("it is small");
        remember(&cache, key, &sized(number, bytes), long());
        let counts = cache.counts();
        assert!(counts.bytes <= BYTES_MAX, "{counts:?}");
        assert_eq!(counts.held + counts.evicted, number + 1);
    }
    assert_eq!(decisions.granted.bytes(), cache.counts().bytes);
    assert!(cache.counts().bytes > BYTES_MAX / 2, "room is used");
}

#[test]
fn what_fits_nowhere_is_not_remembered_and_pushes_nothing_out() {
    let decisions = Decisions::new(BYTES_MAX);
    let cache = decisions.cache("main");
    let (small, large) = (cache.key(0, &[b"small"]), cache.key(0, &[b"large"]));
    remember(&cache, small, &thing(1), long());
    let bytes = usize::try_from(BYTES_MAX).expect("it is small");
    remember(&cache, large, &sized(2, bytes), long());
    assert_eq!(found(&cache, &large, 0), None);
    assert_eq!(found(&cache, &small, 0), Some(1));
    assert_eq!(cache.counts().evicted, 1);
}

#[test]
fn what_is_used_stays_when_room_is_made() {
    let decisions = Decisions::new(BYTES_MAX);
    let cache = decisions.cache("main");
    let used = cache.key(0, &[b"used"]);
    remember(&cache, used, &thing(1), long());
    for number in 0..5_000_u64 {
        assert_eq!(found(&cache, &used, 0), Some(1), "before number {number}");
        let key = cache.key(0, &[&number.to_be_bytes()]);
        remember(&cache, key, &thing(number), long());
    }
    assert!(cache.counts().evicted > 0, "there was no need for room");
}

#[test]
fn worthless_credentials_push_out_no_good_ones() {
    let decisions = Decisions::new(BYTES_MAX);
    let (granted, refused) = (decisions.cache("main"), decisions.refusals("main"));
    let good = granted.key(0, &[b"good"]);
    remember(&granted, good, &thing(1), long());
    for number in 0..10_000_u64 {
        let key = refused.key(0, &[&number.to_be_bytes()]);
        remember(&refused, key, &thing(number), long());
    }
    assert_eq!(found(&granted, &good, 0), Some(1));
    let bytes = decisions.refused.bytes();
    assert!(bytes <= BYTES_MAX / REFUSALS_SHARE, "{bytes}");
    assert!(bytes > 0);
}

#[test]
fn what_has_expired_makes_way_while_others_come() {
    let decisions = Decisions::new(1 << 30);
    let cache = decisions.cache("main");
    let fill = |from: u64, now: u64| {
        for number in from..from + 1_000 {
            let key = cache.key(0, &[&number.to_be_bytes()]);
            remember(&cache, key, &thing(number), lifetime(now, u64::MAX, 10));
        }
    };
    fill(0, 0);
    assert_eq!(cache.counts().held, 1_000);
    fill(1_000, 100);
    fill(2_000, 100);
    assert_eq!(cache.counts().held, 2_000, "the first thousand have gone");
    assert_eq!(cache.counts().evicted, 0, "and not before their time");
}

#[test]
fn a_smaller_bound_holds_at_once() {
    let decisions = Decisions::new(1 << 30);
    let cache = decisions.cache("main");
    for number in 0..1_000_u64 {
        let key = cache.key(0, &[&number.to_be_bytes()]);
        remember(&cache, key, &thing(number), long());
    }
    decisions.resize(32 << 10);
    assert!(cache.counts().bytes <= 32 << 10);
    assert!(cache.counts().held > 0);
}

proptest! {
    #[test]
    fn the_accounts_say_what_is_there(
        steps in proptest::collection::vec((0..3_u8, 0..40_u64, 0..20_000_usize, 0..50_u64), 1..300),
    ) {
        let decisions = Decisions::new(BYTES_MAX);
        let caches = [decisions.cache("a"), decisions.cache("b")];
        let mut now = 0;
        for (what, number, bytes, later) in steps {
            now += later;
            let cache = &caches[usize::from(number % 2 == 0)];
            let key = cache.key(0, &[&number.to_be_bytes()]);
            match what {
                0 => drop(cache.look(&key, now)),
                1 | 2 => remember(cache, key, &sized(number, bytes), lifetime(now, u64::MAX, 60)),
                _ => {}
            }
            let sum: u64 = caches.iter().map(|cache| cache.counts().bytes).sum();
            prop_assert_eq!(sum, decisions.granted.bytes());
            prop_assert!(sum <= BYTES_MAX);
        }
    }
}
