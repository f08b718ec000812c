//! Rings: what they find, what they keep, and what they refuse.

use std::collections::{BTreeMap, BTreeSet};

use gateway_common::limit::{Limit, Rate};

use super::*;
use crate::model::{
    ApiKeyId, ApiName, BucketTables, Period, PlanStage, Quota, RouteKey, StageName, Throttle,
    UsagePlan, UsagePlanName,
};
use crate::store::api_key::{
    ApiKeyStore, KeyOrder, KeyRules, KnownPlans, NewKey, NewThrottle, Unsaid, ValueMac,
};
use crate::store::bucket::{BootId, Buckets};
use crate::store::charge::Account;
use crate::store::lease::SlotRegistry;
use crate::store::usage::Usage;

const NOW_NS: u64 = 1_000_000_000_000;
/// 2026-11-23, 12:00 UTC.
pub(crate) const NOON: u64 = 1_795_435_200;
const ROUTE: &str = "GET /pets";

/// Keys, plans and what they are charged to, without a gateway.
pub(crate) struct Bench {
    store: ApiKeyStore,
    pub(crate) buckets: Buckets,
    usage: Usage,
    pub(crate) slots: std::sync::Arc<SlotRegistry>,
    pub(crate) rings: KeyRings,
    directory: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let bench = Self::open(tempfile::tempdir().unwrap(), NOON);
        bench.slots.free_unused();
        bench
    }

    fn open(directory: tempfile::TempDir, unix_seconds: u64) -> Self {
        let path = directory.path().join("buckets");
        let (buckets, _) =
            Buckets::open_file(&path, BootId([7; 16]), BucketTables::default()).unwrap();
        let slots = std::sync::Arc::new(SlotRegistry::new(buckets.clone()));
        let store = ApiKeyStore::open(directory.path()).unwrap();
        let usage = Usage::open(directory.path(), unix_seconds).unwrap();
        let rings = KeyRings::new(
            store.keys().clone(),
            usage.clone(),
            std::sync::Arc::clone(&slots),
        );
        Self {
            store,
            buckets,
            usage,
            slots,
            rings,
            directory,
        }
    }

    /// What the next process finds that this one leaves in order, which is told of `leases` that are dropped
    /// because it ends.
    pub(crate) fn restarted<L>(self, leases: L, unix_seconds: u64) -> Self {
        self.slots.keep_all();
        drop(leases);
        self.usage.commit(unix_seconds).unwrap();
        // Everything else is closed before it is opened again.
        let close = |bench: Self| bench.directory;
        Self::open(close(self), unix_seconds)
    }

    fn order(&self, order: &KeyOrder) -> Option<ApiKeyId> {
        let made = self.store.follow(order, &rules(), NOON).unwrap().made;
        made.into_iter().next()
    }

    /// Makes a key with this value.
    pub(crate) fn key(
        &self,
        value: &str,
        plans: &[&str],
        throttle: Option<NewThrottle>,
    ) -> ApiKeyId {
        let new = NewKey {
            value: Some(Unsaid::new(value.to_owned())),
            plans: plans.iter().map(|plan| (*plan).to_owned()).collect(),
            throttle,
            ..NewKey::default()
        };
        self.order(&KeyOrder::Create(new)).unwrap()
    }

    fn mac(&self, value: &str) -> ValueMac {
        self.store.keys().mac_of(value.as_bytes())
    }

    pub(crate) fn install(&self, plans: &[UsagePlan]) {
        let ring = self.rings.prepare(plans).unwrap();
        self.rings.install(ring, NOW_NS).unwrap();
    }

    /// Takes over keys that have changed.
    pub(crate) fn install_keys(&self) {
        let ring = self.rings.prepare_keys(&self.store.keys().all()).unwrap();
        self.rings.install_keys(ring, NOW_NS).unwrap();
    }

    /// What the slots in use are called, which are those of all keys under these plans.
    fn slot_names(&self, plans: &[UsagePlan]) -> BTreeMap<u64, String> {
        let keys = self.store.keys().all();
        let names = self.rings.current().slot_names();
        let names: BTreeMap<u64, String> = names.into_iter().collect();
        let tags: BTreeSet<u64> = slot_tags(&keys, plans).collect();
        assert!(names.keys().eq(&tags));
        names
    }

    fn finds(&self, value: &str, stage: &str) -> Result<String, Unmatched> {
        let ring = self.rings.current();
        let found = ring.find(&self.mac(value), "pets", stage);
        found.map(|key| key.plan().name.to_string())
    }
}

/// A configuration that nobody asks for its plans.
fn rules() -> KeyRules {
    KeyRules {
        keys_max: 100_000,
        keeps_values: false,
        plans: KnownPlans(None),
    }
}

pub(crate) fn value(number: u32) -> String {
    format!("aValueOfAKeyWithTheNumber{number:08}")
}

fn throttle(burst: u64) -> Throttle {
    Throttle {
        limit: Limit::new(Rate::per_second(1), burst, 1).unwrap(),
        share: None,
        is_monitored: false,
    }
}

/// A plan for these stages of the API `pets`, with a bucket for a route of each.
pub(crate) fn plan(name: &str, stages: &[&str]) -> UsagePlan {
    let stages = stages.iter().map(|stage| PlanStage {
        api: ApiName::new("pets"),
        stage: StageName::new(stage),
        routes: BTreeMap::from([(RouteKey::new(ROUTE), throttle(1))]),
    });
    UsagePlan {
        name: UsagePlanName::new(name),
        stages: stages.collect(),
        throttle: Some(throttle(2)),
        quota: None,
    }
}

fn with_quota(quota: Quota) -> UsagePlan {
    UsagePlan {
        quota: Some(quota),
        ..plan("gold", &["prod"])
    }
}

const DAILY: Quota = Quota {
    limit: 3,
    offset: 0,
    period: Period::Day,
    is_monitored: false,
    across: None,
};

#[track_caller]
fn admits(account: Option<Account<'_>>) -> bool {
    let accounts = [account.unwrap()];
    crate::store::charge::charge_all(&accounts, NOW_NS).is_ok()
}

#[test]
fn a_value_opens_the_stages_of_the_plans_of_its_key() {
    let bench = Bench::new();
    bench.key(&value(1), &["gold", "test"], None);
    bench.key(&value(2), &["elsewhere"], None);
    let disabled = bench.key(&value(3), &["gold"], None);
    bench.order(&KeyOrder::Disable {
        id: Unsaid::new(disabled.to_string()),
    });
    assert_eq!(bench.finds(&value(1), "prod"), Err(Unmatched::Unknown));
    bench.install(&[plan("gold", &["prod", "beta"]), plan("test", &["test"])]);
    for (number, stage, found) in [
        (1, "prod", Ok("gold")),
        (1, "beta", Ok("gold")),
        (1, "test", Ok("test")),
        (1, "other", Err(Unmatched::NoPlan)),
        // A plan that the configuration does not have opens nothing.
        (2, "prod", Err(Unmatched::NoPlan)),
        (3, "prod", Err(Unmatched::Disabled)),
        (4, "prod", Err(Unmatched::Unknown)),
    ] {
        let found = found.map(str::to_owned);
        assert_eq!(
            bench.finds(&value(number), stage),
            found,
            "{number} {stage}"
        );
    }
    let ring = bench.rings.current();
    let elsewhere = ring.find(&bench.mac(&value(1)), "other", "prod");
    assert_eq!(elsewhere.unwrap_err(), Unmatched::NoPlan);
}

#[test]
fn a_ring_carries_over_what_did_not_change_with_everything_that_it_owes() {
    let bench = Bench::new();
    let throttle = NewThrottle {
        rate_micro_per_second: 1_000_000,
        burst: 3,
        monitor: false,
    };
    bench.key(&value(1), &["gold"], Some(throttle));
    bench.install(&[plan("gold", &["prod"])]);
    let of = |pick: for<'r> fn(&InUse<'r>) -> Option<Account<'r>>| {
        let ring = bench.rings.current();
        let key = ring.find(&bench.mac(&value(1)), "pets", "prod").unwrap();
        admits(pick(&key))
    };
    assert!(of(|key| key.route(ROUTE)));
    assert!(of(|key| key.all()) && of(|key| key.all()));
    assert!(of(|key| key.own()) && of(|key| key.own()) && of(|key| key.own()));
    let before = std::sync::Arc::clone(&bench.rings.current());

    bench.key(&value(2), &["gold"], None);
    bench.install_keys();
    let held = |ring: &KeyRing| {
        let key = ring.find(&bench.mac(&value(1)), "pets", "prod").unwrap();
        std::ptr::from_ref(key.held)
    };
    assert_eq!(held(&before), held(&bench.rings.current()));
    drop(before);
    // Made anew with another plan, and charged to the same buckets all the same.
    let gold = plan("gold", &["prod", "beta"]);
    bench.install(&[gold]);
    assert!(!of(|key| key.route(ROUTE)) && !of(|key| key.all()) && !of(|key| key.own()));
    let ring = bench.rings.current();
    let other = ring.find(&bench.mac(&value(2)), "pets", "prod").unwrap();
    assert!(admits(other.route(ROUTE)) && admits(other.all()));
    assert!(other.own().is_none() && other.route("GET /").is_none());
}

#[test]
fn two_plans_of_a_key_cannot_have_one_stage() {
    let bench = Bench::new();
    let id = bench.key(&value(1), &["gold", "test"], None);
    bench.install(&[plan("gold", &["prod"]), plan("test", &["test"])]);
    let both = [plan("gold", &["prod"]), plan("test", &["test", "prod"])];
    let refused = bench.rings.prepare(&both).unwrap_err().to_string();
    for part in [
        id.as_str(),
        "`gold` and `test`",
        "the stage `prod` of API `pets`",
        &format!("gateway keys detach {id} --plan test"),
    ] {
        assert!(refused.contains(part), "{refused}");
    }
    assert_eq!(bench.finds(&value(1), "prod"), Ok("gold".to_owned()));
}

#[test]
fn of_plans_and_keys_that_change_at_once_the_last_ones_count() {
    let bench = Bench::new();
    bench.key(&value(1), &["gold"], None);
    bench.install(&[plan("gold", &["prod"])]);
    // Keys change while a reload is being prepared.
    let reload = bench.rings.prepare(&[plan("gold", &["beta"])]).unwrap();
    bench.key(&value(2), &["gold"], None);
    bench.install_keys();
    bench.rings.install(reload, NOW_NS).unwrap();
    assert_eq!(bench.finds(&value(2), "beta"), Ok("gold".to_owned()));
    assert_eq!(bench.finds(&value(2), "prod"), Err(Unmatched::NoPlan));
    // And plans while an order is being followed.
    let order = bench.rings.prepare_keys(&bench.store.keys().all()).unwrap();
    bench.install(&[plan("gold", &["test"])]);
    bench.rings.install_keys(order, NOW_NS).unwrap();
    assert_eq!(bench.finds(&value(1), "test"), Ok("gold".to_owned()));
    // Of two orders the later one, whichever comes first here.
    bench.key(&value(3), &["gold"], None);
    let earlier = bench.rings.prepare_keys(&bench.store.keys().all()).unwrap();
    bench.key(&value(4), &["gold"], None);
    bench.install_keys();
    bench.rings.install_keys(earlier, NOW_NS).unwrap();
    assert_eq!(bench.finds(&value(4), "test"), Ok("gold".to_owned()));
}

#[test]
fn slots_are_named_as_they_are_taken_and_given_back_with_their_key() {
    let bench = Bench::new();
    let throttle = NewThrottle {
        rate_micro_per_second: 1_000_000,
        burst: 3,
        monitor: false,
    };
    let id = bench.key(&value(1), &["gold", "elsewhere"], Some(throttle));
    bench.key(&value(2), &["gold"], None);
    let plans = [plan("gold", &["prod", "beta"])];
    bench.install(&plans);
    let names = bench.slot_names(&plans);
    let tags: BTreeSet<u64> = names.keys().copied().collect();
    // The key's own, and of each key one for the plan and one for the route of each stage.
    assert_eq!(tags.len(), 1 + 2 * 3);
    assert_eq!(bench.buckets.slots_claimed(), tags.len());
    assert_eq!(bench.slots.retain(&tags.into_iter().collect()), 0);
    let names: BTreeSet<String> = names.into_values().collect();
    for name in [
        format!("key {id}"),
        format!("key {id} gold"),
        format!("key {id} gold pets beta {ROUTE}"),
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    bench.order(&KeyOrder::Delete {
        id: Unsaid::new(id.to_string()),
    });
    bench.install_keys();
    assert_eq!(bench.buckets.slots_claimed(), 3);
}

#[test]
fn a_quota_has_a_slot_of_its_own_to_count_in_that_outlives_rings() {
    let bench = Bench::new();
    let id = bench.key(&value(1), &["gold"], None);
    let plans = [with_quota(DAILY)];
    bench.install(&plans);
    let names = bench.slot_names(&plans);
    let tags: BTreeSet<u64> = names.keys().copied().collect();
    assert_eq!(bench.buckets.slots_claimed(), tags.len());
    let name = format!("key {id} quota gold");
    let (tag, _) = names.iter().find(|(_, it)| **it == name).unwrap();
    let count = || {
        let ring = bench.rings.current();
        let key = ring.find(&bench.mac(&value(1)), "pets", "prod").unwrap();
        key.count_refused_by_quota();
    };
    count();
    bench.install(&[with_quota(Quota { limit: 7, ..DAILY })]);
    count();
    let slot = bench.slots.lease(*tag).unwrap();
    let counted = &slot.slot().rejected;
    assert_eq!(counted.load(std::sync::atomic::Ordering::Relaxed), 2);
    drop(slot);
    bench.install(&[plan("gold", &["prod"])]);
    assert_eq!(bench.buckets.slots_claimed(), tags.len() - 1);
}

#[test]
fn keys_for_whose_buckets_there_is_no_room_are_refused_and_change_nothing() {
    let bench = Bench::new();
    bench.key(&value(1), &["gold"], None);
    bench.install(&[plan("gold", &["prod"])]);
    let taken = bench.buckets.slots_claimed() as u64;
    for tag in 1..=u64::from(BucketTables::default().throttles()) - taken {
        bench.buckets.claim_slot(tag).unwrap();
    }
    bench.key(&value(2), &["gold"], None);
    let refused = bench.rings.prepare_keys(&bench.store.keys().all());
    assert!(matches!(refused, Err(NoRing::Slots(_))), "{refused:?}");
    assert_eq!(bench.finds(&value(1), "prod"), Ok("gold".to_owned()));
    assert_eq!(bench.finds(&value(2), "prod"), Err(Unmatched::Unknown));
}

#[test]
fn a_quota_counts_under_its_plan_and_outlives_rings_and_processes() {
    let bench = Bench::new();
    let id = bench.key(&value(1), &["gold"], None);
    bench.install(&[with_quota(DAILY)]);
    let uses = |bench: &Bench, requests: u32, now: u64| {
        let ring = bench.rings.current();
        let key = ring.find(&bench.mac(&value(1)), "pets", "prod").unwrap();
        let used = (0..requests).filter(|_| key.count(now).is_ok()).count();
        (used, key.exhausted(now).map(|exhausted| exhausted.seconds))
    };
    assert_eq!(uses(&bench, 2, NOON), (2, None));
    // Made anew with another limit.
    bench.install(&[with_quota(Quota { limit: 4, ..DAILY })]);
    assert_eq!(uses(&bench, 3, NOON), (2, Some(12 * 3_600)));
    assert_eq!(uses(&bench, 1, NOON + 12 * 3_600), (1, None));
    let ring = bench.rings.current();
    let key = ring.find(&bench.mac(&value(1)), "pets", "prod").unwrap();
    key.count(NOON + 12 * 3_600).unwrap().give_back();
    let (quota, standing) = key.standing(NOON + 12 * 3_600).unwrap();
    assert_eq!((quota.limit, standing.used, standing.remaining), (4, 1, 3));
    drop(ring);

    bench.usage.commit(NOON + 12 * 3_600).unwrap();
    let Bench {
        store,
        usage,
        slots,
        rings,
        directory,
        buckets: _,
    } = bench;
    drop((store, usage, slots, rings));
    let usage = Usage::open(directory.path(), NOON + 12 * 3_600).unwrap();
    let cell = usage.cell(&UsagePlanName::new("gold"), &id);
    let terms = crate::store::usage::QuotaTerms {
        limit: 4,
        offset: 0,
        period: Period::Day,
        since: NOON,
    };
    assert_eq!(cell.standing(&terms, NOON + 12 * 3_600).used, 1);
}

#[test]
fn an_offset_counts_in_the_period_in_which_the_key_joined() {
    let bench = Bench::new();
    bench.key(&value(1), &["gold"], None);
    bench.install(&[with_quota(Quota { offset: 2, ..DAILY })]);
    let ring = bench.rings.current();
    let key = ring.find(&bench.mac(&value(1)), "pets", "prod").unwrap();
    let uses = |now: u64| (0..9).filter(|_| key.count(now).is_ok()).count();
    assert_eq!((uses(NOON), uses(NOON + 24 * 3_600)), (1, 3));
}

#[test]
fn a_quota_that_is_only_monitored_refuses_nobody_and_says_whom_it_would() {
    let bench = Bench::new();
    bench.key(&value(1), &["gold"], None);
    bench.install(&[with_quota(Quota {
        is_monitored: true,
        ..DAILY
    })]);
    let ring = bench.rings.current();
    let key = ring.find(&bench.mac(&value(1)), "pets", "prod").unwrap();
    let would = |_| key.count(NOON).unwrap().would_refuse;
    let said: Vec<bool> = (0..5).map(would).collect();
    assert_eq!(said, [false, false, false, true, true]);
    assert_eq!(key.exhausted(NOON), None);
    assert_eq!(key.standing(NOON).unwrap().1.used, 5);
}
