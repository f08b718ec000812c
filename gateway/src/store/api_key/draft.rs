//! What orders make of the keys that there are, before anything of it is written.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use gateway_common::limit::Rate;

use super::database::Rows;
use super::import::{import, no_plan};
use super::key::{ApiKey, KeySet, KeyThrottle, Membership, ValueMac};
use super::order::{KeyOrder, NewKey, Unsaid};
use super::refusal::KeyRefusal;
use super::rules::KeyRules;
use super::store::{FollowError, Followed};
use super::value::{KeyValue, draw_id};
use super::vault::Vault;
use super::{PLANS_MAX, TEXT_BYTES_MAX, record};
use crate::model::{ApiKeyId, UsagePlanName};

/// The keys as they are to be.
pub(super) struct Draft<'a> {
    vault: &'a Vault,
    rules: &'a KeyRules,
    now_unix_seconds: u64,
    keys: BTreeMap<ApiKeyId, Arc<ApiKey>>,
    by_mac: HashMap<ValueMac, ApiKeyId>,
    /// What is to stand in the database of the keys that are not as they were.
    rows: Rows,
}

/// A key that was made.
pub(super) struct Created {
    pub(super) id: ApiKeyId,
    /// Its value, where that was drawn.
    pub(super) drawn: Option<KeyValue>,
    /// Plans of it that the configuration does not have.
    pub(super) unknown_plans: Vec<UsagePlanName>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        found: &KeySet,
        vault: &'a Vault,
        rules: &'a KeyRules,
        now_unix_seconds: u64,
    ) -> Self {
        let keys = || found.keys().iter();
        Self {
            vault,
            rules,
            now_unix_seconds,
            keys: keys()
                .map(|key| (key.id.clone(), Arc::clone(key)))
                .collect(),
            by_mac: keys().map(|key| (key.mac, key.id.clone())).collect(),
            rows: Rows::default(),
        }
    }

    /// Follows an order.
    pub(super) fn follow(&mut self, order: &KeyOrder) -> Result<Followed, FollowError> {
        let note = match order {
            KeyOrder::Create(new) => return self.create_one(new),
            KeyOrder::Import {
                csv,
                fail_on_warnings,
            } => return import(self, csv.expose(), *fail_on_warnings),
            KeyOrder::Enable { id } => self.switch(id, true)?,
            KeyOrder::Disable { id } => self.switch(id, false)?,
            KeyOrder::Delete { id } => self.delete(id)?,
            KeyOrder::Attach { id, plan } => return self.attach(id, plan),
            KeyOrder::Detach { id, plan } => self.detach(id, plan)?,
        };
        Ok(Followed::noted(note))
    }

    /// What is to be written, and what is known then.
    pub(super) fn finish(self) -> (Rows, Box<[Arc<ApiKey>]>) {
        (self.rows, self.keys.into_values().collect())
    }

    fn create_one(&mut self, new: &NewKey) -> Result<Followed, FollowError> {
        let created = self.create(new)?;
        Ok(Followed {
            remarks: created.unknown_plans.iter().map(no_plan).collect(),
            made: vec![created.id],
            drawn: created.drawn,
            ..Followed::default()
        })
    }

    /// Makes a key. Where that is refused, nothing has changed.
    pub(super) fn create(&mut self, new: &NewKey) -> Result<Created, FollowError> {
        let keys_max = self.rules.keys_max;
        if self.keys.len() >= keys_max {
            return Err(KeyRefusal::TooMany { max: keys_max }.into());
        }
        let (value, drawn) = match &new.value {
            Some(written) => (
                KeyValue::parse(written.expose()).map_err(KeyRefusal::from)?,
                None,
            ),
            None => {
                let value = KeyValue::draw()?;
                (value.clone(), Some(value))
            }
        };
        let mac = self.vault.mac_of(value.expose().as_bytes());
        if let Some(taken) = self.by_mac.get(&mac) {
            return Err(KeyRefusal::ValueTaken(taken.clone()).into());
        }
        let now = self.now_unix_seconds;
        let mut plans: Vec<Membership> = Vec::with_capacity(new.plans.len().min(PLANS_MAX));
        for plan in &new.plans {
            let plan = UsagePlanName::parse(plan).map_err(KeyRefusal::from)?;
            if plans.iter().any(|known| known.plan == plan) {
                return Err(KeyRefusal::PlanTwice(plan).into());
            }
            self.check_room(&plans, &plan)?;
            plans.push(Membership {
                plan,
                added_unix_seconds: now,
            });
        }
        let id = self.id_for(new)?;
        let unknown_plans = plans.iter().map(|known| known.plan.clone());
        let unknown_plans = unknown_plans
            .filter(|plan| self.rules.plans.lack(plan))
            .collect();
        let key = ApiKey {
            id: id.clone(),
            mac,
            name: text("name", new.name.as_deref())?,
            customer: text("customer", new.customer.as_deref())?,
            description: text("description", new.description.as_deref())?,
            is_enabled: !new.disabled,
            created_unix_seconds: now,
            updated_unix_seconds: now,
            plans,
            throttle: new.throttle.map(throttle).transpose()?,
            is_readable: self.rules.keeps_values,
        };
        let hidden = self
            .rules
            .keeps_values
            .then(|| self.vault.hide(&id, &value));
        if let Some(hidden) = hidden.transpose()? {
            self.rows.hidden.insert(id.clone(), Some(hidden));
        }
        self.by_mac.insert(mac, id.clone());
        self.put(key)?;
        Ok(Created {
            id,
            drawn,
            unknown_plans,
        })
    }

    /// The id that a key is to have, or one that no key has.
    fn id_for(&self, new: &NewKey) -> Result<ApiKeyId, FollowError> {
        if let Some(written) = &new.id {
            let id = ApiKeyId::parse(written.expose()).map_err(KeyRefusal::from)?;
            return match self.keys.contains_key(&id) {
                true => Err(KeyRefusal::IdTaken(id).into()),
                false => Ok(id),
            };
        }
        let mut id = draw_id()?;
        while self.keys.contains_key(&id) {
            id = draw_id()?;
        }
        Ok(id)
    }

    fn switch(&mut self, id: &Unsaid, is_enabled: bool) -> Result<String, FollowError> {
        let key = self.find(id)?;
        let word = if is_enabled { "enabled" } else { "disabled" };
        let id = key.id.clone();
        if key.is_enabled == is_enabled {
            return Ok(format!("the API key `{id}` is {word} already"));
        }
        self.change(ApiKey { is_enabled, ..key })?;
        Ok(format!("the API key `{id}` is {word}"))
    }

    fn delete(&mut self, id: &Unsaid) -> Result<String, FollowError> {
        let key = self.find(id)?;
        self.keys.remove(&key.id);
        self.by_mac.remove(&key.mac);
        self.rows.records.insert(key.id.clone(), None);
        self.rows.hidden.insert(key.id.clone(), None);
        Ok(format!("the API key `{}` is deleted", key.id))
    }

    fn attach(&mut self, id: &Unsaid, plan: &str) -> Result<Followed, FollowError> {
        let mut key = self.find(id)?;
        let plan = UsagePlanName::parse(plan).map_err(KeyRefusal::from)?;
        let id = key.id.clone();
        if key.belongs_to(&plan) {
            return Err(KeyRefusal::InPlan { id, plan }.into());
        }
        self.check_room(&key.plans, &plan)?;
        key.plans.push(Membership {
            plan: plan.clone(),
            added_unix_seconds: self.now_unix_seconds,
        });
        self.change(key)?;
        let unknown = self.rules.plans.lack(&plan);
        Ok(Followed {
            remarks: unknown.then(|| no_plan(&plan)).into_iter().collect(),
            ..Followed::noted(format!(
                "the API key `{id}` belongs to the usage plan `{plan}`"
            ))
        })
    }

    fn detach(&mut self, id: &Unsaid, plan: &str) -> Result<String, FollowError> {
        let mut key = self.find(id)?;
        let plan = UsagePlanName::parse(plan).map_err(KeyRefusal::from)?;
        let id = key.id.clone();
        if !key.belongs_to(&plan) {
            return Err(KeyRefusal::NotInPlan { id, plan }.into());
        }
        key.plans.retain(|known| known.plan != plan);
        self.change(key)?;
        Ok(format!(
            "the API key `{id}` does not belong to the usage plan `{plan}` any more"
        ))
    }

    /// Whether a key that belongs to these plans can belong to another one.
    fn check_room(&self, known: &[Membership], plan: &UsagePlanName) -> Result<(), KeyRefusal> {
        if known.len() >= PLANS_MAX {
            return Err(KeyRefusal::TooManyPlans);
        }
        for Membership { plan: other, .. } in known {
            if let Some((api, stage)) = self.rules.plans.shared_stage(plan, other) {
                return Err(KeyRefusal::SameStage {
                    plan: plan.clone(),
                    other: other.clone(),
                    api: api.clone(),
                    stage: stage.clone(),
                });
            }
        }
        Ok(())
    }

    /// A copy of the key of this id.
    fn find(&self, id: &Unsaid) -> Result<ApiKey, KeyRefusal> {
        let id = ApiKeyId::parse(id.expose())?;
        let found = self.keys.get(&id).map(|key| ApiKey::clone(key));
        found.ok_or(KeyRefusal::NoKey(id))
    }

    fn change(&mut self, key: ApiKey) -> Result<(), FollowError> {
        self.put(ApiKey {
            updated_unix_seconds: self.now_unix_seconds,
            ..key
        })
    }

    fn put(&mut self, key: ApiKey) -> Result<(), FollowError> {
        let written = record::write(self.vault, &key).map_err(FollowError::Unwritable)?;
        self.rows.records.insert(key.id.clone(), Some(written));
        self.keys.insert(key.id.clone(), Arc::new(key));
        Ok(())
    }
}

/// A text of a key; nothing where it is empty.
fn text(what: &'static str, written: Option<&str>) -> Result<Option<Box<str>>, KeyRefusal> {
    let written = written.filter(|text| !text.is_empty());
    let is_line = |text: &str| text.len() <= TEXT_BYTES_MAX && !text.contains(char::is_control);
    if written.is_some_and(|text| !is_line(text)) {
        return Err(KeyRefusal::Text { what });
    }
    Ok(written.map(Box::from))
}

fn throttle(new: super::NewThrottle) -> Result<KeyThrottle, KeyRefusal> {
    let micro_per_second = new.rate_micro_per_second;
    let throttle = KeyThrottle::new(Rate { micro_per_second }, new.burst, new.monitor);
    throttle.map_err(KeyRefusal::Limit)
}
