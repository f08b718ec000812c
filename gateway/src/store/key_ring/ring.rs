//! All API keys of one moment, and who replaces them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::held::{HeldKey, InUse};
use super::place::slot_names;
use crate::model::{ApiKeyId, ApiName, StageName, UsagePlan, UsagePlanName};
use crate::store::api_key::{ApiKey, ApiKeys, KeySet, ValueMac};
use crate::store::bucket::SlotsFull;
use crate::store::fleet::Allowance;
use crate::store::lease::SlotRegistry;
use crate::store::usage::Usage;

/// What requests with keys are matched against.
#[derive(Debug, Default)]
pub struct KeyRing {
    by_value: HashMap<ValueMac, Arc<HeldKey>>,
    plans: Arc<[Arc<UsagePlan>]>,
    generation: u64,
}

/// Why a value opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmatched {
    /// No key has it.
    Unknown,
    /// Its key is disabled.
    Disabled,
    /// None of its key's plans has the stage.
    NoPlan,
}

/// Why keys and plans do not go together.
#[derive(Debug, thiserror::Error)]
pub enum NoRing {
    /// There is no room for their buckets.
    #[error("the buckets of API keys under usage plans")]
    Slots(#[from] SlotsFull),
    /// Two plans of a key have one stage, so that nobody could say which of them counts.
    #[error(
        "the API key `{key}` belongs to the usage plans `{one}` and `{other}`, and both have the stage \
         `{stage}` of API `{api}`: take the stage out of one, or detach the key from one with \
         `gateway keys detach {key} --plan {other}`"
    )]
    TwoPlans {
        /// The key.
        key: ApiKeyId,
        /// The plan that it joined first.
        one: UsagePlanName,
        /// The other one.
        other: UsagePlanName,
        /// The API of the stage.
        api: ApiName,
        /// The stage.
        stage: StageName,
    },
}

impl KeyRing {
    /// The key with this value, as a request to this stage uses it.
    ///
    /// # Errors
    /// See [`Unmatched`].
    pub fn find(&self, mac: &ValueMac, api: &str, stage: &str) -> Result<InUse<'_>, Unmatched> {
        let held = self.by_value.get(mac).ok_or(Unmatched::Unknown)?;
        held.for_stage(api, stage)
    }

    /// What this gateway has in hand of a key's quota under a plan, where all gateways share it.
    #[must_use]
    pub fn quota_across(&self, key: &ApiKeyId, plan: &str) -> Option<Arc<Allowance>> {
        let mut keys = self.by_value.values();
        keys.find(|held| held.key().id == *key)?.quota_across(plan)
    }

    /// The plans that it was made with.
    #[must_use]
    pub const fn plans(&self) -> &Arc<[Arc<UsagePlan>]> {
        &self.plans
    }

    /// What every slot of its keys is called, with its tag, such as `key k81h2j3m4n gold`.
    #[must_use]
    pub fn slot_names(&self) -> Vec<(u64, String)> {
        let keys = self.by_value.values().map(|held| &**held.key());
        slot_names(keys, self.plans.iter().map(|plan| &**plan))
    }

    /// Puts the limits of all keys in force.
    fn put_in_force(&self, now_ns: u64) {
        for held in self.by_value.values() {
            held.put_in_force(now_ns);
        }
    }
}

/// The ring that requests see, and what it is made of. Clones share it.
#[derive(Clone, Debug)]
pub struct KeyRings(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    keys: ApiKeys,
    usage: Usage,
    slots: Arc<SlotRegistry>,
    current: ArcSwap<KeyRing>,
    /// Whoever makes a ring holds this until it is the current one.
    making: Mutex<()>,
}

impl KeyRings {
    /// Without any ring yet: every key is unknown.
    #[must_use]
    pub fn new(keys: ApiKeys, usage: Usage, slots: Arc<SlotRegistry>) -> Self {
        Self(Arc::new(Inner {
            keys,
            usage,
            slots,
            current: ArcSwap::default(),
            making: Mutex::default(),
        }))
    }

    /// What requests are matched against now.
    #[must_use]
    pub fn current(&self) -> arc_swap::Guard<Arc<KeyRing>> {
        self.0.current.load()
    }

    /// The keys in memory.
    #[must_use]
    pub fn keys(&self) -> &ApiKeys {
        &self.0.keys
    }

    /// The ring of the keys in memory with these plans. It is matched against once it is installed.
    ///
    /// # Errors
    /// See [`NoRing`]; nothing has changed.
    pub fn prepare(&self, plans: &[UsagePlan]) -> Result<KeyRing, NoRing> {
        let previous = self.0.current.load();
        let is_same = previous.plans.iter().map(|plan| &**plan).eq(plans);
        let plans = if is_same {
            Arc::clone(&previous.plans)
        } else {
            plans.iter().cloned().map(Arc::new).collect()
        };
        self.make(&plans, &self.0.keys.all())
    }

    /// The ring of keys that are to be those in memory, with the plans in force. As long as it is held,
    /// there is room for what they are charged to.
    ///
    /// # Errors
    /// See [`NoRing`]; nothing has changed.
    pub fn prepare_keys(&self, keys: &KeySet) -> Result<KeyRing, NoRing> {
        let plans = Arc::clone(&self.0.current.load().plans);
        self.make(&plans, keys)
    }

    /// Has requests matched against a ring that was prepared with plans that are now in force, and with
    /// the keys as they are by now.
    ///
    /// # Errors
    /// See [`NoRing`]; the ring before stays in force. Never where keys have not changed since.
    pub fn install(&self, ring: KeyRing, now_ns: u64) -> Result<(), NoRing> {
        let making = self.making();
        let plans = Arc::clone(&ring.plans);
        let installed = self.settle(ring, &plans, now_ns);
        drop(making);
        installed
    }

    /// Has requests matched against a ring of keys that are now in memory, and with the plans that are in
    /// force by now.
    ///
    /// # Errors
    /// As of [`Self::install`]. Never where plans have not changed since.
    pub fn install_keys(&self, ring: KeyRing, now_ns: u64) -> Result<(), NoRing> {
        let making = self.making();
        let plans = Arc::clone(&self.0.current.load().plans);
        let installed = self.settle(ring, &plans, now_ns);
        drop(making);
        installed
    }

    fn making(&self) -> MutexGuard<'_, ()> {
        self.0.making.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts `ring` in force if it is what is to be, and else the one that is.
    fn settle(
        &self,
        ring: KeyRing,
        plans: &Arc<[Arc<UsagePlan>]>,
        now_ns: u64,
    ) -> Result<(), NoRing> {
        let keys = self.0.keys.all();
        let is_current = ring.generation == keys.generation() && Arc::ptr_eq(&ring.plans, plans);
        let ring = if is_current {
            ring
        } else {
            self.make(plans, &keys)?
        };
        ring.put_in_force(now_ns);
        self.0.current.store(Arc::new(ring));
        Ok(())
    }

    fn make(&self, plans: &Arc<[Arc<UsagePlan>]>, keys: &KeySet) -> Result<KeyRing, NoRing> {
        let previous = self.0.current.load();
        let are_plans_kept = Arc::ptr_eq(&previous.plans, plans);
        let mut by_value = HashMap::with_capacity(keys.keys().len());
        for key in keys.keys() {
            let kept = previous.by_value.get(&key.mac);
            let kept = kept.filter(|held| are_plans_kept && held.is_of(key));
            let held = match kept {
                Some(held) => Arc::clone(held),
                None => Arc::new(self.hold(key, plans)?),
            };
            by_value.insert(key.mac, held);
        }
        Ok(KeyRing {
            by_value,
            plans: Arc::clone(plans),
            generation: keys.generation(),
        })
    }

    fn hold(&self, key: &Arc<ApiKey>, plans: &[Arc<UsagePlan>]) -> Result<HeldKey, NoRing> {
        let held = HeldKey::new(key, plans, &self.0.slots, &self.0.usage)?;
        match held.twice() {
            None => Ok(held),
            Some((one, other, (api, stage))) => Err(NoRing::TwoPlans {
                key: key.id.clone(),
                one: one.name.clone(),
                other: other.name.clone(),
                api: api.clone(),
                stage: stage.clone(),
            }),
        }
    }
}
