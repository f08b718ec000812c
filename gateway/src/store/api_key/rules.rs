//! What a configuration says of API keys.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{ApiName, StageName, UsagePlanName};

/// What a configuration says of API keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRules {
    /// How many there may be.
    pub keys_max: usize,
    /// Whether values of new keys are kept so that they can be read back.
    pub keeps_values: bool,
    /// The usage plans.
    pub plans: KnownPlans,
}

/// The usage plans of a configuration, each with the stages that it is for; `None` where the
/// configuration is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownPlans(pub Option<BTreeMap<UsagePlanName, BTreeSet<(ApiName, StageName)>>>);

impl KnownPlans {
    /// Whether the configuration is known, and has no plan of this name.
    #[must_use]
    pub fn lack(&self, plan: &UsagePlanName) -> bool {
        self.0
            .as_ref()
            .is_some_and(|plans| !plans.contains_key(plan))
    }

    /// A stage that both plans are for. No key can belong to both: by which of them its requests
    /// there would count is not said.
    #[must_use]
    pub fn shared_stage(
        &self,
        plan: &UsagePlanName,
        other: &UsagePlanName,
    ) -> Option<&(ApiName, StageName)> {
        let plans = self.0.as_ref()?;
        plans.get(plan)?.intersection(plans.get(other)?).next()
    }
}
