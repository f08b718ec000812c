//! How long a decision is found, and by what.

use proptest::prelude::*;

use super::super::REFUSAL_TTL_MAX;
use super::*;

#[test]
fn cache_generation_and_parts_all_separate() {
    let decisions = one_mebibyte();
    let (cache, other) = (decisions.cache("main"), decisions.cache::<Thing>("main"));
    let key = cache.key(0, &[b"a,b", b"c"]);
    remember(&cache, key, &thing(1), long());
    assert_eq!(found(&cache, &cache.key(0, &[b"a,b", b"c"]), 50), Some(1));
    for (what, key) in [
        ("generation", cache.key(1, &[b"a,b", b"c"])),
        ("parts", cache.key(0, &[b"a", b"b,c"])),
        ("fence", other.key(0, &[b"a,b", b"c"])),
    ] {
        assert_eq!(found(&cache, &key, 50), None, "{what}");
    }
    let counts = cache.counts();
    assert_eq!((counts.hits, counts.misses), (1, 3));
}

#[test]
fn a_later_decision_replaces_an_earlier_one_with_its_own_lifetime() {
    let cache = one_mebibyte().cache("main");
    let key = cache.key(0, &[b"token"]);
    remember(&cache, key, &thing(1), lifetime(0, 1_000, 10));
    remember(&cache, key, &thing(2), lifetime(5, 1_000, 10));
    assert_eq!(found(&cache, &key, 14), Some(2));
    assert_eq!(found(&cache, &key, 15), None);
    assert_eq!(cache.counts().held, 1);
}

#[test]
fn what_is_refused_is_remembered_for_seconds_and_counted_apart() {
    let decisions = one_mebibyte();
    let refusals = decisions.refusals("main");
    let key = refusals.key(0, &[b"token"]);
    remember(&refusals, key, &thing(1), long());
    let last = REFUSAL_TTL_MAX.as_secs() - 1;
    assert_eq!(found(&refusals, &key, last), Some(1));
    assert_eq!(found(&refusals, &key, last + 1), None);
    let [counts] = decisions.counts().try_into().expect("of one name");
    assert_eq!((counts.refusals, counts.hits, counts.misses), (1, 0, 0));
}

#[test]
fn what_bears_one_name_is_counted_together_as_long_as_anything_does() {
    let decisions = one_mebibyte();
    let first: DecisionCache<Thing> = decisions.cache("main");
    assert_eq!(found(&first, &first.key(0, &[]), 0), None);
    let changed: DecisionCache<Thing> = decisions.cache("main");
    drop(first);
    assert_eq!(found(&changed, &changed.key(0, &[]), 0), None);
    assert_eq!(changed.counts().misses, 2);
    let key = changed.key(0, &[]);
    remember(&changed, key, &thing(1), long());
    drop(changed);
    let of = |decisions: &Decisions| decisions.counts().len();
    assert_eq!(of(&decisions), 1, "what it remembers is still there");
    decisions.resize(0);
    assert_eq!(of(&decisions), 0);
}

#[test]
fn debug_output_holds_nothing_of_the_credential() {
    let cache: DecisionCache<Thing> = one_mebibyte().cache("main");
    let key = cache.key(3, &[b"token"]);
    let shown = "DecisionKey { fence: 0, generation: 3, .. }";
    assert_eq!(format!("{key:?}"), shown);
    let shown = format!("{cache:?} {:?}", cache.decisions());
    assert!(!shown.contains(&key.digest.to_string()), "{shown}");
}

proptest! {
    #[test]
    fn no_decision_is_found_at_or_after_exp_or_its_time_to_live(
        decided in 0..2_000_u64,
        expires_at in prop_oneof![0..4_000_u64, Just(u64::MAX)],
        ttl in prop_oneof![0..2_000_u64, Just(u64::MAX)],
        reads in proptest::collection::vec(0..6_000_u64, 1..20),
    ) {
        let cache = one_mebibyte().cache("main");
        let key = cache.key(0, &[b"token"]);
        remember(&cache, key, &thing(1), lifetime(decided, expires_at, ttl));
        for now in reads {
            let usable = decided < expires_at && ttl > 0
                && now < expires_at && now < decided.saturating_add(ttl);
            prop_assert_eq!(found(&cache, &key, now).is_some(), usable);
        }
    }
}
