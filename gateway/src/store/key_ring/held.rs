//! One API key, with what its requests are charged to.

use std::collections::HashMap;
use std::sync::Arc;

use super::place::KeyPlace;
use super::ring::Unmatched;
use crate::model::{ApiName, Quota, RouteKey, StageName, Throttle, UsagePlan};
use crate::store::api_key::ApiKey;
use crate::store::bucket::SlotsFull;
use crate::store::charge::Account;
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
#[derive(Clone, Copy, Debug)]
pub struct Counted<'r> {
    /// What is given back where something else refuses it.
    pub taken: Taken<'r>,
    /// Whether the quota would have refused it if it were not only monitored.
    pub would_refuse: bool,
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
            let lease = |place: KeyPlace<'_>| slots.lease(place.tag(&key.id));
            let all = plan.throttle.map(|_| lease(KeyPlace::Plan(plan)));
            let stages = plan.stages.iter().map(|stage| {
                let routes = stage.routes.keys().map(|route| {
                    let place = KeyPlace::Route(plan, stage, route);
                    Ok((route.clone(), lease(place)?))
                });
                routes.collect()
            });
            held.push(HeldPlan {
                all: all.transpose()?,
                stages: stages.collect::<Result<_, _>>()?,
                used: usage.cell(&plan.name, &key.id),
                since_unix_seconds: membership.added_unix_seconds,
                plan: Arc::clone(plan),
            });
        }
        let own = key.throttle.map(|throttle| {
            let lease = slots.lease(KeyPlace::Own.tag(&key.id))?;
            let throttle = Throttle {
                limit: throttle.limit(),
                is_monitored: false,
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
            let all = plan.all.as_ref().zip(plan.plan.throttle.as_ref());
            let routes = plan.stages.iter().zip(&plan.plan.stages);
            let routes = routes.flat_map(|(leases, stage)| {
                let leased = leases.iter();
                leased.filter_map(|(route, lease)| Some((lease, stage.routes.get(route)?)))
            });
            for (lease, throttle) in all.into_iter().chain(routes) {
                lease.put_in_force(&throttle.limit, now_ns);
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
        let (taken, would_refuse) = match self.plan.plan.quota {
            None => (cell.count(unix_seconds), false),
            Some(quota) if quota.is_monitored => {
                let (taken, refused) = cell.watch(&self.terms(&quota), unix_seconds);
                (taken, refused.is_some())
            }
            Some(quota) => (cell.charge(&self.terms(&quota), unix_seconds)?, false),
        };
        Ok(Counted {
            taken,
            would_refuse,
        })
    }

    /// Why its quota would refuse a request of it now, if it would. Nothing is counted.
    #[must_use]
    pub fn exhausted(&self, unix_seconds: u64) -> Option<Exhausted> {
        let (quota, standing) = self.standing(unix_seconds)?;
        let refuses = standing.remaining == 0 && !quota.is_monitored;
        refuses.then(|| Exhausted {
            seconds: standing.end.saturating_sub(unix_seconds).max(1),
        })
    }

    /// How it stands with its quota; `None` where it has none.
    #[must_use]
    pub fn standing(&self, unix_seconds: u64) -> Option<(Quota, Standing)> {
        let quota = self.plan.plan.quota?;
        let terms = self.terms(&quota);
        Some((quota, self.plan.used.standing(&terms, unix_seconds)))
    }

    const fn terms(&self, quota: &Quota) -> QuotaTerms {
        QuotaTerms {
            limit: quota.limit,
            offset: quota.offset,
            period: quota.period,
            since: self.plan.since_unix_seconds,
        }
    }
}
