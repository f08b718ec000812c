//! Stages: where an API is deployed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{Definition, StageName, StageThrottles};

/// One stage of an API.
#[derive(Clone)]
pub struct Stage {
    /// Its name; the first segment of a request's path, unless it is `$default`.
    pub name: StageName,
    /// Its variables.
    pub variables: BTreeMap<String, String>,
    /// How often its routes may be called.
    pub throttles: StageThrottles,
    /// What it serves.
    pub definition: Arc<Definition>,
}

/// Without the definition, which several stages have in common.
impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            variables,
            throttles,
            definition: _,
        } = self;
        f.debug_struct("Stage")
            .field("name", name)
            .field("variables", variables)
            .field("throttles", throttles)
            .finish_non_exhaustive()
    }
}

/// Which of the two things that a stage may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Track {
    /// What it serves to everybody.
    Base,
    /// What it tries on a share of its requests.
    Canary,
}

/// A track of a stage, which has variables of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Variant {
    /// The stage.
    pub stage: StageName,
    /// Its track.
    pub track: Track,
}
