//! API keys, as far as a configuration says something of them.

/// What a configuration says of API keys. The keys themselves are made while a gateway runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiKeySettings {
    /// How many there may be; default 100,000, and 10,000 with `limits: aws`.
    pub keys_max: usize,
    /// What is kept of the values of new keys.
    pub values: KeyValues,
}

/// What is kept of the value of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyValues {
    /// What it is recognized by, and nothing by which it could be found out.
    #[default]
    Hashed,
    /// As well the value itself, encrypted, so that it can be read back.
    Encrypted,
}

impl ApiKeySettings {
    /// Most API keys.
    pub const KEYS_MAX: usize = 100_000;
    /// Most API keys with `limits: aws`.
    ///
    /// Source: "Quotas for configuring and running a REST API" in the developer guide of Amazon API
    /// Gateway.
    pub const AWS_KEYS_MAX: usize = 10_000;
}
