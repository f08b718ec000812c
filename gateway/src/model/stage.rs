//! Stages: where an API is deployed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::language::log_format::LogFormat;

use super::{
    ApiName, Certificate, Definition, DeploymentNumber, Route, Share, StageName, StageSettings,
    StageThrottles,
};

/// One stage of an API.
#[derive(Clone)]
pub struct Stage {
    /// Its name; the first segment of a request's path, unless it is `$default`.
    pub name: StageName,
    /// Whether it serves what the file says as soon as that changes; default true.
    pub auto_deploy: bool,
    /// Its variables.
    pub variables: BTreeMap<String, String>,
    /// How often its routes may be called.
    pub throttles: StageThrottles,
    /// What the access log says of its requests; `None` for the gateway's own record.
    pub log_format: Option<Arc<LogFormat>>,
    /// What HTTPS backends are shown that ask who calls; `None` shows nothing. REST APIs only.
    pub client_certificate: Option<Certificate>,
    /// What else is logged and counted of its routes.
    pub settings: StageSettings,
    /// What it serves.
    pub definition: Arc<Definition>,
    /// The deployment that is; `None` where nobody keeps deployments.
    pub deployment: Option<DeploymentNumber>,
    /// What it tries on a share of its requests; REST APIs only.
    pub canary: Option<Canary>,
}

impl Stage {
    /// What it serves, and what its canary does.
    pub fn definitions(&self) -> impl Iterator<Item = &Definition> {
        let canary = self.canary.iter().map(|canary| &*canary.definition);
        [&*self.definition].into_iter().chain(canary)
    }

    /// The routes that it serves, those of its canary last; of most there are two then.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.definitions().flat_map(|definition| &definition.routes)
    }
}

/// What a stage tries on a share of its requests.
#[derive(Clone)]
pub struct Canary {
    /// How many requests get it.
    pub share: Share,
    /// The variables of the stage with those that win over them.
    pub variables: BTreeMap<String, String>,
    /// What it serves.
    pub definition: Arc<Definition>,
    /// The deployment that is.
    pub deployment: DeploymentNumber,
}

/// Without the definition, which several stages have in common.
impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            auto_deploy,
            variables,
            throttles,
            log_format,
            client_certificate,
            settings,
            definition: _,
            deployment,
            canary,
        } = self;
        f.debug_struct("Stage")
            .field("name", name)
            .field("auto_deploy", auto_deploy)
            .field("variables", variables)
            .field("throttles", throttles)
            .field("log_format", log_format)
            .field("client_certificate", client_certificate)
            .field("settings", settings)
            .field("deployment", deployment)
            .field("canary", canary)
            .finish_non_exhaustive()
    }
}

/// Without the definition, as of a stage.
impl fmt::Debug for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            share,
            variables,
            definition: _,
            deployment,
        } = self;
        f.debug_struct("Canary")
            .field("share", share)
            .field("variables", variables)
            .field("deployment", deployment)
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

impl Variant {
    /// The command that has it serve another deployment, of the API `api`.
    #[must_use]
    pub fn way_out(&self, api: &ApiName) -> String {
        let stage = &self.stage;
        match self.track {
            Track::Base => format!("gateway rollback {api} --stage {stage} --to <number>"),
            Track::Canary => format!("gateway canary stop {api} --stage {stage}"),
        }
    }
}
