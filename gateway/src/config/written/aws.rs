//! How services of AWS are called.

use schemars::JsonSchema;
use serde::Deserialize;

/// What calls of AWS have in common.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Aws {
    /// Where services are asked that do not say themselves where they are, such as `eu-west-1`.
    pub(crate) region: String,
    /// What calls are signed with.
    #[serde(default)]
    pub(crate) credentials: AwsCredentials,
    /// Where services are that are not at their usual URLs.
    #[serde(default)]
    pub(crate) endpoints: AwsEndpoints,
}

/// What calls are signed with.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AwsCredentials {
    /// Where they come from: `environment`, `profile`, `container`, `instance_metadata`, or `auto`, which
    /// is the first of these that is set up. Default `auto`.
    pub(crate) source: Option<AwsCredentialSource>,
    /// With `source: profile` the profile in the files of the AWS command line. Default: the one that
    /// `AWS_PROFILE` names, or `default`. 1 to 128 bytes.
    pub(crate) profile: Option<String>,
}

/// Where credentials come from.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AwsCredentialSource {
    /// The first of the others that is set up.
    Auto,
    /// Environment variables.
    Environment,
    /// A profile of the files of the AWS command line.
    Profile,
    /// The server that Amazon ECS or EKS gives a container.
    Container,
    /// The metadata of an instance of Amazon EC2.
    InstanceMetadata,
}

/// Where services are that are not at their usual URLs.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AwsEndpoints {
    /// `http://` or `https://` URL of AWS Lambda. Default `https://lambda.{region}.amazonaws.com`.
    pub(crate) lambda: Option<String>,
    /// That of Amazon DynamoDB. Default `https://dynamodb.{region}.amazonaws.com`.
    pub(crate) dynamodb: Option<String>,
    /// That of Amazon Verified Permissions. Default
    /// `https://verifiedpermissions.{region}.amazonaws.com`.
    pub(crate) verifiedpermissions: Option<String>,
}
