//! Tokens that the gateway gets for itself.

use schemars::JsonSchema;
use serde::Deserialize;

/// How the gateway gets tokens for itself, by the client credentials grant of OAuth 2.0.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OAuthClient {
    /// Token endpoint of the authorization server: `https`, or `http` to this host itself.
    pub(crate) token_url: String,
    /// What the server calls the gateway: 1 to 256 printable ASCII characters.
    pub(crate) client_id: String,
    /// File whose content proves that it is the gateway.
    pub(crate) client_secret_file: String,
    /// What is asked for: at most 64 words. Default: what the server gives by itself.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub(crate) scopes: Vec<String>,
    /// For whom the token is to be, sent as `audience`. Default: nothing is said.
    pub(crate) audience: Option<String>,
    /// Where id and secret stand: `basic`, in a header, or `post`, in the body. Default `basic`.
    pub(crate) authentication: Option<ClientAuthentication>,
}

/// Where id and secret of a client stand.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientAuthentication {
    /// In a header, as HTTP's basic authentication.
    Basic,
    /// In the body.
    Post,
}
