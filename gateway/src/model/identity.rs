//! Under which names the gateway's APIs are known, as those of an AWS account are.

use super::{ApiId, StageName};

/// What the ARNs and the hosts of all APIs have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Twelve digits; default `000000000000`.
    pub account: String,
    /// Default `local`.
    pub region: String,
    /// Default `aws`.
    pub partition: String,
    /// What the hosts of API endpoints end with; default `localhost`, below which every name is
    /// this host's (RFC 6761, section 6.3).
    pub host_suffix: String,
}

impl Identity {
    /// The host of an API's own endpoint: `{apiId}.execute-api.{region}.{hostSuffix}`.
    #[must_use]
    pub fn endpoint_host(&self, id: &ApiId) -> String {
        let Self {
            region,
            host_suffix,
            ..
        } = self;
        format!("{id}.execute-api.{region}.{host_suffix}")
    }

    /// What the ARNs of a stage's methods begin with.
    #[must_use]
    pub fn stage_arn(&self, id: &ApiId, stage: &StageName) -> String {
        let Self {
            account,
            region,
            partition,
            ..
        } = self;
        format!("arn:{partition}:execute-api:{region}:{account}:{id}/{stage}/")
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            account: "000000000000".to_owned(),
            region: "local".to_owned(),
            partition: "aws".to_owned(),
            host_suffix: "localhost".to_owned(),
        }
    }
}
