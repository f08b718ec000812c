//! Why an order cannot be followed.

use crate::model::{ApiName, DeploymentNumber, ShareError, StageName};

use super::DESCRIPTION_BYTES_MAX;

/// Why an order cannot be followed. Nothing has changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No API of this name or id.
    #[error("there is no API `{asked}`: {}", known(names))]
    NoApi {
        /// As asked for.
        asked: String,
        /// Those that there are.
        names: Vec<String>,
    },
    /// No stage of this name.
    #[error(
        "the API `{api}` has no stage `{asked}`: {}; a new one is written under `stages` of the API",
        known(names)
    )]
    NoStage {
        /// The API.
        api: ApiName,
        /// As asked for.
        asked: String,
        /// Those that there are.
        names: Vec<String>,
    },
    /// Several stages, of which none was named.
    #[error("name one of the stages of `{api}` with --stage: {}", known(names))]
    WhichStage {
        /// The API.
        api: ApiName,
        /// Those that there are.
        names: Vec<String>,
    },
    /// No deployment of this number is kept.
    #[error("the API `{api}` has no deployment {number}: `gateway deployments {api}` lists them")]
    NoDeployment {
        /// The API.
        api: ApiName,
        /// As asked for.
        number: DeploymentNumber,
    },
    /// The stage served nothing else, as far as that is kept.
    #[error(
        "the stage `{stage}` serves deployment {number}, and nothing that it served before is kept: \
         name a deployment with --to"
    )]
    NothingBefore {
        /// The stage.
        stage: StageName,
        /// What it serves.
        number: DeploymentNumber,
    },
    /// It does already.
    #[error("the stage `{stage}` serves deployment {number} already")]
    ServedAlready {
        /// The stage.
        stage: StageName,
        /// What it serves.
        number: DeploymentNumber,
    },
    /// A stage of an HTTP API follows its file.
    #[error(
        "the stage `{stage}` deploys what the file says by itself: reload, or write `auto_deploy: \
         false` there"
    )]
    AutoDeploys {
        /// The stage.
        stage: StageName,
    },
    /// A stage with a canary takes no other deployment.
    #[error(
        "the stage `{stage}` of `{api}` has a canary: --canary PERCENT gives it this deployment, \
         `gateway canary promote` and `gateway canary stop` end it"
    )]
    HasCanary {
        /// The API.
        api: ApiName,
        /// The stage.
        stage: StageName,
    },
    /// There is none.
    #[error(
        "the stage `{stage}` of `{api}` has no canary: `gateway deploy {api} --stage {stage} \
         --canary PERCENT` makes one"
    )]
    NoCanary {
        /// The API.
        api: ApiName,
        /// The stage.
        stage: StageName,
    },
    /// HTTP APIs have no canaries.
    #[error("`{api}` is an HTTP API, and only stages of REST APIs have canaries")]
    NoCanaries {
        /// The API.
        api: ApiName,
    },
    /// A canary is one of a stage.
    #[error("a canary takes a share of a stage's requests: name the stage with --stage")]
    CanaryWithoutStage,
    /// The share is none.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// Too long, or not one line.
    #[error("a description is one line of at most {DESCRIPTION_BYTES_MAX} bytes")]
    Description,
    /// No number is left for another deployment.
    #[error("the API `{api}` has had as many deployments as can be counted: give it another `id`")]
    NumbersUsedUp {
        /// The API.
        api: ApiName,
    },
}

fn known(names: &[String]) -> String {
    const SHOWN_MAX: usize = 20;
    match names {
        [] => "there is none".to_owned(),
        [only] => format!("there is only `{only}`"),
        names => {
            let shown: Vec<String> = names
                .iter()
                .take(SHOWN_MAX)
                .map(|name| format!("`{name}`"))
                .collect();
            let more = if names.len() > SHOWN_MAX {
                " and more"
            } else {
                ""
            };
            format!("choose from {}{more}", shown.join(", "))
        }
    }
}
