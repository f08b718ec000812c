//! One API key, with what its requests are charged to.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::place::KeyPlace;
use super::ring::Unmatched;
use crate::clock;
use crate::model::{ApiKeyId, ApiName, Quota, RouteKey, StageName, Throttle, UsagePlan};
use crate::store::api_key::ApiKey;
use crate::store::bucket::SlotsFull;
use crate::store::charge::Account;
use crate::store::fleet::{Allowance, Claim, Fleet, Terms, Verdict};
use crate::store::lease::{SlotLease, SlotRegistry};
use crate::store::usage::{Exhausted, QuotaCell, QuotaTerms, Standing, Taken, Usage};

/// A key of a ring.
#[derive(Debug)]
pub struct HeldKey {
    key: Arc<ApiKey>,
    plans: Box<[HeldPlan]>,
    /// What limits it whatever its plans say.
    own: Option<(SlotLease, Throttle)>,
}

/// A plan that a key belongs to.
#[derive(Debug)]
pub(super) struct HeldPlan {
    plan: Arc<UsagePlan>,
    all: Option<SlotLease>,
    /// Of single routes, for each stage of the plan.
    stages: Box<[HashMap<RouteKey, SlotLease>]>,
    used: Arc<QuotaCell>,
    /// What its quota admitted and refused is counted here, where it has one.
    quota: Option<SlotLease>,
    /// What this gateway has in hand of the quota, where all gateways share it.
    across: Option<Arc<Allowance>>,
    since_unix_seconds: u64,
}

/// A key as one request uses it: under the plan that has the stage.
#[derive(Clone, Copy, Debug)]
pub struct InUse<'r> {
    /// The key.
    pub held: &'r HeldKey,
    plan: &'r HeldPlan,
    stage: usize,
}

/// A request that was counted for a key.
#[must_use = "a request that is refused later is given back"]
#[derive(Clone, Copy, Debug)]
pub struct Counted<'r> {
    taken: Taken<'r>,
    /// Of what all gateways share.
    across: Option<Claim<'r>>,
    /// Whether the quota would have refused it if it were not only monitored.
    pub would_refuse: bool,
}

impl Counted<'_> {
    /// Takes the request back, because something else refuses it.
    pub fn give_back(self) {
        if let Some(claim) = self.across {
            claim.give_back();
        }
        self.taken.give_back();
    }
}

impl HeldPlan {
    /// What its quota grants; `None` where it has none.
    fn terms(&self) -> Option<QuotaTerms> {
        Some(terms(&self.plan.quota?, self.since_unix_seconds))
    }
}

/// What `quota` grants a key that joined then.
const fn terms(quota: &Quota, since: u64) -> QuotaTerms {
    QuotaTerms {
        limit: quota.limit,
        offset: quota.offset,
        period: quota.period,
        since,
    }
}

/// What this gateway has in hand of the quota of `key` under `plan`, where all gateways share it.
fn across(key: &ApiKeyId, plan: &UsagePlan, since: u64, fleet: &Fleet) -> Option<Arc<Allowance>> {
    let quota = plan.quota.filter(|quota| quota.across.is_some())?;
    let place = KeyPlace::Quota(plan);
    let terms = Terms::Quota(terms(&quota, since));
    Some(fleet.named(place.tag(key), || place.name(key), terms))
}

impl HeldKey {
    /// `key` with the plans that it belongs to, as far as `plans` has them.
    pub(super) fn new(
        key: &Arc<ApiKey>,
        plans: &[Arc<UsagePlan>],
        slots: &Arc<SlotRegistry>,
        usage: &Usage,
    ) -> Result<Self, SlotsFull> {
        let mut held = Vec::new();
        for membership in &key.plans {
            let Some(plan) = plans.iter().find(|plan| plan.name == membership.plan) else {
                continue;
            };
            let lease = |place: KeyPlace<'_>, throttle: &Throttle| {
                slots.lease_for(place.tag(&key.id), throttle, || place.name(&key.id))
            };
            let quota = plan
                .quota
                .map(|_| slots.lease(KeyPlace::Quota(plan).tag(&key.id)));
            let all = plan.throttle.as_ref();
            let all = all.map(|throttle| lease(KeyPlace::Plan(plan), throttle));
            let stages = plan.stages.iter().map(|stage| {
                let routes = stage.routes.iter().map(|(route, throttle)| {
                    let place = KeyPlace::Route(plan, stage, route);
                    Ok((route.clone(), lease(place, throttle)?))
                });
                routes.collect()
            });
            held.push(HeldPlan {
                all: all.transpose()?,
                stages: stages.collect::<Result<_, _>>()?,
                used: usage.cell(&plan.name, &key.id),
                quota: quota.transpose()?,
                across: across(&key.id, plan, membership.added_unix_seconds, slots.fleet()),
                since_unix_seconds: membership.added_unix_seconds,
                plan: Arc::clone(plan),
            });
        }
        let own = key.throttle.map(|throttle| {
            let lease = slots.lease(KeyPlace::Own.tag(&key.id))?;
            let is_monitored = throttle.is_monitored();
            let throttle = Throttle {
                limit: throttle.limit(),
                share: None,
                is_monitored,
            };
            Ok((lease, throttle))
        });
        Ok(Self {
            key: Arc::clone(key),
            plans: held.into(),
            own: own.transpose()?,
        })
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &Arc<ApiKey> {
        &self.key
    }

    /// What this gateway has in hand of its quota under a plan, where all gateways share it.
    pub(super) fn quota_across(&self, plan: &str) -> Option<Arc<Allowance>> {
        let mut plans = self.plans.iter();
        let plan = plans.find(|it| it.plan.name.as_str() == plan)?;
        plan.across.clone()
    }

    /// Whether it was made of this very key.
    pub(super) fn is_of(&self, key: &Arc<ApiKey>) -> bool {
        Arc::ptr_eq(&self.key, key)
    }

    /// It as a request to this stage uses it.
    pub(super) fn for_stage(&self, api: &str, stage: &str) -> Result<InUse<'_>, Unmatched> {
        if !self.key.is_enabled {
            return Err(Unmatched::Disabled);
        }
        let found = self.plans.iter().find_map(|plan| {
            let mut stages = plan.plan.stages.iter();
            let stage =
                stages.position(|it| it.api.as_str() == api && it.stage.as_str() == stage)?;
            Some(InUse {
                held: self,
                plan,
                stage,
            })
        });
        found.ok_or(Unmatched::NoPlan)
    }

    /// The first stage that two of its plans have.
    pub(super) fn twice(&self) -> Option<(&UsagePlan, &UsagePlan, (&ApiName, &StageName))> {
        let mut seen: HashMap<(&ApiName, &StageName), &UsagePlan> = HashMap::new();
        for plan in &self.plans {
            for stage in &plan.plan.stages {
                let place = (&stage.api, &stage.stage);
                if let Some(earlier) = seen.insert(place, &plan.plan) {
                    return Some((earlier, &plan.plan, place));
                }
            }
        }
        None
    }

    /// Puts its limits in force.
    pub(super) fn put_in_force(&self, now_ns: u64) {
        if let Some((lease, throttle)) = &self.own {
            lease.put_in_force(&throttle.limit, now_ns);
        }
        for plan in &self.plans {
            if let Some((allowance, terms)) = plan.across.as_ref().zip(plan.terms()) {
                allowance.set_terms(Terms::Quota(terms));
            }
            let all = plan.all.as_ref().zip(plan.plan.throttle.as_ref());
            let routes = plan.stages.iter().zip(&plan.plan.stages);
            let routes = routes.flat_map(|(leases, stage)| {
                let leased = leases.iter();
                leased.filter_map(|(route, lease)| Some((lease, stage.routes.get(route)?)))
            });
            for (lease, throttle) in all.into_iter().chain(routes) {
                lease.put_throttle_in_force(throttle, now_ns);
            }
        }
    }
}

impl<'r> InUse<'r> {
    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &'r Arc<UsagePlan> {
        &self.plan.plan
    }

    /// What a request to `route` is charged to for that route.
    #[must_use]
    pub fn route(&self, route: &str) -> Option<Account<'r>> {
        let lease = self.plan.stages.get(self.stage)?.get(route)?;
        let throttle = self.plan.plan.stages.get(self.stage)?.routes.get(route)?;
        Some(Account::of_slot(lease, throttle))
    }

    /// What it is charged to for the plan.
    #[must_use]
    pub fn all(&self) -> Option<Account<'r>> {
        let lease = self.plan.all.as_ref()?;
        Some(Account::of_slot(lease, self.plan.plan.throttle.as_ref()?))
    }

    /// What it is charged to for the key, whatever the plan.
    #[must_use]
    pub fn own(&self) -> Option<Account<'r>> {
        let (lease, throttle) = self.held.own.as_ref()?;
        Some(Account::of_slot(lease, throttle))
    }

    /// Counts a request of it.
    ///
    /// # Errors
    /// It has none left in this period, and nothing was counted.
    pub fn count(&self, unix_seconds: u64) -> Result<Counted<'r>, Exhausted> {
        let cell = &*self.plan.used;
        let Some((quota, terms)) = self.plan.plan.quota.zip(self.plan.terms()) else {
            return Ok(Counted {
                taken: cell.count(unix_seconds),
                across: None,
                would_refuse: false,
            });
        };
        let Some(across) = self.plan.across.as_ref() else {
            return self.count_alone(&terms, unix_seconds, None);
        };
        let now_ns = clock::monotonic_ns();
        let (claim, refused) = match across.take(now_ns) {
            Verdict::Alone => {
                let terms = share_of(&quota, terms);
                return self.count_alone(&terms, unix_seconds, Some((across, now_ns)));
            }
            Verdict::Admitted => (Some(Claim::taken(across, now_ns)), None),
            Verdict::Refused { wait_ns } => (None, Some(exhausted_for(wait_ns))),
        };
        if let Some(refused) = refused.filter(|_| !quota.is_monitored) {
            return Err(refused);
        }
        let known = claim.map_or(terms, |claim| QuotaTerms {
            // What is left to the key on all gateways, for those who ask how much it is.
            limit: cell.standing(&terms, unix_seconds).used + claim.allowance().left() + 1,
            offset: 0,
            ..terms
        });
        let (taken, _exhausted) = cell.watch(&known, unix_seconds);
        Ok(Counted {
            taken,
            across: claim,
            would_refuse: refused.is_some(),
        })
    }

    /// Counts it by what this gateway knows, where no other shares the quota or nobody says what others have
    /// used, which is told of the request when somebody does.
    fn count_alone(
        &self,
        terms: &QuotaTerms,
        unix_seconds: u64,
        across: Option<(&'r Arc<Allowance>, u64)>,
    ) -> Result<Counted<'r>, Exhausted> {
        let cell = &*self.plan.used;
        let is_monitored = self.plan.plan.quota.is_some_and(|it| it.is_monitored);
        let (taken, exhausted) = if is_monitored {
            cell.watch(terms, unix_seconds)
        } else {
            (cell.charge(terms, unix_seconds)?, None)
        };
        Ok(Counted {
            taken,
            across: across.map(|(across, now_ns)| Claim::alone(across, now_ns)),
            would_refuse: exhausted.is_some(),
        })
    }

    /// Counts that its quota has admitted a request of it.
    pub fn count_admitted_by_quota(&self) {
        if let Some(quota) = &self.plan.quota {
            quota.slot().admitted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts that its quota has refused a request of it, or would have if it were not only monitored.
    pub fn count_refused_by_quota(&self) {
        if let Some(quota) = &self.plan.quota {
            quota.slot().rejected.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Why its quota would refuse a request of it now, if it would. Nothing is counted.
    #[must_use]
    pub fn exhausted(&self, unix_seconds: u64) -> Option<Exhausted> {
        let quota = self.plan.plan.quota.filter(|quota| !quota.is_monitored)?;
        let terms = self.plan.terms()?;
        let across = self.plan.across.as_ref();
        let terms = match across.map(|across| across.verdict(clock::monotonic_ns())) {
            Some(Verdict::Admitted) => return None,
            Some(Verdict::Refused { wait_ns }) => return Some(exhausted_for(wait_ns)),
            Some(Verdict::Alone) => share_of(&quota, terms),
            None => terms,
        };
        let standing = self.plan.used.standing(&terms, unix_seconds);
        (standing.remaining == 0).then(|| Exhausted {
            seconds: standing.end.saturating_sub(unix_seconds).max(1),
        })
    }

    /// How it stands with its quota; `None` where it has none.
    #[must_use]
    pub fn standing(&self, unix_seconds: u64) -> Option<(Quota, Standing)> {
        let (quota, terms) = (self.plan.plan.quota?, self.plan.terms()?);
        let standing = self.plan.used.standing(&terms, unix_seconds);
        let now_ns = clock::monotonic_ns();
        let across = self.plan.across.as_ref();
        let standing = match across.map(|across| (across, across.verdict(now_ns))) {
            None => standing,
            Some((_, Verdict::Alone)) => {
                let terms = share_of(&quota, terms);
                self.plan.used.standing(&terms, unix_seconds)
            }
            Some((across, _)) => Standing {
                remaining: across.left(),
                ..standing
            },
        };
        Some((quota, standing))
    }
}

/// A refusal for so long.
fn exhausted_for(wait_ns: u64) -> Exhausted {
    Exhausted {
        seconds: wait_ns.div_ceil(1_000_000_000).max(1),
    }
}

/// What one gateway of those that share `quota` has of it on its own.
fn share_of(quota: &Quota, terms: QuotaTerms) -> QuotaTerms {
    let gateways = quota.across.map_or(1, |gateways| u64::from(gateways.get()));
    let limit = (terms.limit / gateways).max(1);
    QuotaTerms {
        limit,
        offset: (terms.offset / gateways).min(limit),
        ..terms
    }
}
