//! What an operator asks of an API's stages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An order about one API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// Freeze what the file says now and, where a stage is named, have that serve it.
    Deploy {
        /// The stage.
        stage: Option<String>,
        /// What is said of the deployment.
        description: Option<String>,
        /// Only a share of the stage's requests gets it.
        canary: Option<NewCanary>,
    },
    /// Have a stage serve an older deployment.
    Rollback {
        /// The stage; the only one by default.
        stage: Option<String>,
        /// Number of the deployment; what the stage served before by default.
        to: Option<u32>,
    },
    /// Change the canary of a stage.
    SetCanary {
        /// The stage; the only one by default.
        stage: Option<String>,
        /// Its share of requests, in percent.
        percent: Option<String>,
        /// Number of the deployment it serves.
        to: Option<u32>,
        /// Variables that win over those of the stage.
        variables: BTreeMap<String, String>,
        /// Names of variables that win no more.
        unset: Vec<String>,
    },
    /// Have a stage serve everybody what its canary serves.
    PromoteCanary {
        /// The stage; the only one by default.
        stage: Option<String>,
    },
    /// Take the canary of a stage away.
    StopCanary {
        /// The stage; the only one by default.
        stage: Option<String>,
    },
}

/// A canary that comes with a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCanary {
    /// Its share of requests, in percent.
    pub percent: String,
    /// Variables that win over those of the stage.
    pub variables: BTreeMap<String, String>,
}

impl Order {
    /// Whether it is about what the file says now.
    #[must_use]
    pub const fn reads_file(&self) -> bool {
        matches!(self, Self::Deploy { .. })
    }
}
