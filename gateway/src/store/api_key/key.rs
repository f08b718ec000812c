//! An API key, as it is known: everything but its value.

use std::fmt;
use std::sync::Arc;

use gateway_common::limit::{Limit, LimitError, Rate};

use crate::model::{ApiKeyId, UsagePlanName};

/// An API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// What it is called; never changes.
    pub id: ApiKeyId,
    /// What its value is recognized by; never changes.
    pub mac: ValueMac,
    /// What operators call it; need not be unique.
    pub name: Option<Box<str>>,
    /// Whose it is, as whoever sells access knows them.
    pub customer: Option<Box<str>>,
    /// What is said of it.
    pub description: Option<Box<str>>,
    /// Whether it is good for anything.
    pub is_enabled: bool,
    /// When it was made, in seconds since 1970.
    pub created_unix_seconds: u64,
    /// When anything of it was changed last, in seconds since 1970.
    pub updated_unix_seconds: u64,
    /// The usage plans that it belongs to, in the order in which they were added; at most
    /// [`super::PLANS_MAX`].
    pub plans: Vec<Membership>,
    /// How often it may be used, whatever its plans say.
    pub throttle: Option<KeyThrottle>,
    /// Whether its value is kept so that it can be read back.
    pub is_readable: bool,
}

impl ApiKey {
    /// Whether it belongs to this plan.
    #[must_use]
    pub fn belongs_to(&self, plan: &UsagePlanName) -> bool {
        self.plans.iter().any(|membership| membership.plan == *plan)
    }
}

/// That a key belongs to a usage plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The plan, which the configuration need not have just now.
    pub plan: UsagePlanName,
    /// Since when, in seconds since 1970.
    pub added_unix_seconds: u64,
}

/// Rate and burst in requests, of a key alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyThrottle {
    rate: Rate,
    burst: u64,
    limit: Limit,
    is_monitored: bool,
}

impl KeyThrottle {
    /// Of a rate and a burst, in requests.
    ///
    /// # Errors
    /// They cannot be kept.
    pub fn new(rate: Rate, burst: u64, is_monitored: bool) -> Result<Self, LimitError> {
        let limit = Limit::new(rate, burst, 1)?;
        Ok(Self {
            rate,
            burst,
            limit,
            is_monitored,
        })
    }

    /// As written.
    #[must_use]
    pub const fn rate(self) -> Rate {
        self.rate
    }

    /// As written.
    #[must_use]
    pub const fn burst(self) -> u64 {
        self.burst
    }

    /// Whether it is only noted what it would refuse.
    #[must_use]
    pub const fn is_monitored(self) -> bool {
        self.is_monitored
    }

    /// As buckets compute with it.
    #[must_use]
    pub const fn limit(self) -> Limit {
        self.limit
    }
}

/// HMAC-SHA-256 of a value under a key of the instance: what a value is recognized by. Without that
/// key it neither tells the value nor whether a guess is right.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueMac(pub [u8; 32]);

impl fmt::Debug for ValueMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ValueMac(..)")
    }
}

/// All API keys of one moment.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    generation: u64,
    keys: Box<[Arc<ApiKey>]>,
}

impl KeySet {
    /// `keys` are sorted by their ids.
    pub(super) fn new(generation: u64, keys: Box<[Arc<ApiKey>]>) -> Self {
        Self { generation, keys }
    }

    /// Counts the changes since the store was opened.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Every key, in the order of their ids.
    #[must_use]
    pub const fn keys(&self) -> &[Arc<ApiKey>] {
        &self.keys
    }

    /// The key of this id.
    #[must_use]
    pub fn find(&self, id: &ApiKeyId) -> Option<&Arc<ApiKey>> {
        let place = self.keys.binary_search_by(|key| key.id.cmp(id)).ok()?;
        self.keys.get(place)
    }

    /// Up to `count` keys behind `after`, or the first ones, of those that belong to `plan` if one is
    /// named; and whether there are more.
    #[must_use]
    pub fn page(
        &self,
        after: Option<&ApiKeyId>,
        plan: Option<&UsagePlanName>,
        count: usize,
    ) -> (Vec<Arc<ApiKey>>, bool) {
        let start = after.map_or(0, |after| self.keys.partition_point(|key| key.id <= *after));
        let rest = self.keys.iter().skip(start);
        let mut wanted = rest.filter(|key| plan.is_none_or(|plan| key.belongs_to(plan)));
        let page = wanted.by_ref().take(count).map(Arc::clone).collect();
        (page, wanted.next().is_some())
    }
}
