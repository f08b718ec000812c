//! What is forgotten does not come back.

use proptest::prelude::*;

use super::super::Whose;
use super::*;

fn about(who: &str) -> Arc<Thing> {
    Arc::new(Thing {
        number: 7,
        bytes: 100,
        about: Some(who.to_owned()),
    })
}

#[test]
fn an_authorizer_is_forgotten_with_what_deployments_keep_of_it() {
    let decisions = one_mebibyte();
    let names = ["main", "main@pets.3", "mains", "other"];
    let caches = names.map(|name| decisions.cache(name));
    let refusals = decisions.refusals("main");
    for cache in caches.iter().chain([&refusals]) {
        remember(cache, cache.key(0, &[b"token"]), &thing(1), long());
    }
    assert_eq!(decisions.forget(Whose::Authorizer("main")), 3);
    let is_held = |cache: &DecisionCache<Thing>| found(cache, &cache.key(0, &[b"token"]), 0);
    assert_eq!(
        caches.each_ref().map(is_held),
        [None, None, Some(1), Some(1)]
    );
    assert_eq!(is_held(&refusals), None);
    assert_eq!(decisions.forget(Whose::Authorizer("main")), 0);
}

#[test]
fn a_principal_is_forgotten_whoever_decided() {
    let decisions = one_mebibyte();
    let caches = ["main", "other"].map(|name| decisions.cache(name));
    let people = [Some("ann"), Some("bob"), None];
    for cache in &caches {
        for (number, who) in people.iter().enumerate() {
            let key = cache.key(0, &[&[u8::try_from(number).expect("it is small")]]);
            let decision = who.map_or_else(|| thing(7), about);
            remember(cache, key, &decision, long());
        }
    }
    assert_eq!(decisions.forget(Whose::Principal("ann")), 2);
    for cache in &caches {
        let held = [0, 1, 2].map(|number| found(cache, &cache.key(0, &[&[number]]), 0).is_some());
        assert_eq!(held, [false, true, true]);
    }
    assert_eq!(decisions.forget(Whose::Principal("an")), 0);
}

#[test]
fn what_was_being_decided_is_not_remembered_afterwards() {
    let decisions = one_mebibyte();
    let cache = decisions.cache("main");
    let key = cache.key(0, &[b"token"]);
    let Looked::Missed(since) = cache.look(&key, 0) else {
        panic!("nothing is remembered");
    };
    decisions.forget(Whose::Principal("somebody else"));
    cache.remember(since, key, &thing(1), long());
    assert_eq!(found(&cache, &key, 0), None);
    remember(&cache, key, &thing(2), long());
    assert_eq!(found(&cache, &key, 0), Some(2));
}

#[derive(Clone, Debug)]
enum Step {
    /// Somebody begins to decide, by what holds now.
    Begin(u8),
    /// And comes to an end.
    End(usize),
    /// What holds of a key changes, and that is acknowledged.
    Change(u8),
    /// Another request asks.
    Ask(u8),
    /// The authorizer is configured anew, with whatever holds.
    Configure,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4_u8).prop_map(Step::Begin),
        3 => (0..8_usize).prop_map(Step::End),
        2 => (0..4_u8).prop_map(Step::Change),
        4 => (0..4_u8).prop_map(Step::Ask),
        1 => Just(Step::Configure),
    ]
}

proptest! {
    /// Decisions that are under way overlap with changes in every order.
    #[test]
    fn nobody_who_asks_after_a_change_finds_what_held_before(
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let decisions = Decisions::new(64 << 10);
        let mut cache = Arc::new(decisions.cache("main"));
        let mut holds = [0_u64; 4];
        let mut under_way = Vec::new();
        let mut now = 0;
        for step in steps {
            now += 1;
            match step {
                Step::Begin(which) => {
                    let key = cache.key(0, &[&[which]]);
                    if let Looked::Missed(since) = cache.look(&key, now) {
                        let decided = Arc::new(Thing {
                            number: holds[usize::from(which)],
                            bytes: 100,
                            about: Some(which.to_string()),
                        });
                        under_way.push((Arc::clone(&cache), since, key, decided));
                    }
                }
                Step::End(at) if at < under_way.len() => {
                    let (cache, since, key, decided) = under_way.swap_remove(at);
                    cache.remember(since, key, &decided, lifetime(now, u64::MAX, 50));
                }
                Step::End(_) => {}
                Step::Change(which) => {
                    holds[usize::from(which)] += 1;
                    decisions.forget(Whose::Principal(&which.to_string()));
                }
                Step::Ask(which) => {
                    let answer = found(&cache, &cache.key(0, &[&[which]]), now);
                    prop_assert!(answer.is_none_or(|it| it == holds[usize::from(which)]));
                }
                Step::Configure => {
                    holds = holds.map(|held| held + 1);
                    cache = Arc::new(decisions.cache("main"));
                }
            }
        }
    }
}
