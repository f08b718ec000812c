//! API keys.

use crate::config::written::{ApiKeys, KeyValuesWord, Quotas};
use crate::model::{ApiKeySettings, KeyValues};

/// Lowers what is said of API keys.
pub(super) const fn lower(written: &ApiKeys, quotas: Option<Quotas>) -> ApiKeySettings {
    ApiKeySettings {
        keys_max: match quotas {
            Some(Quotas::Aws) => ApiKeySettings::AWS_KEYS_MAX,
            None => ApiKeySettings::KEYS_MAX,
        },
        values: match written.values {
            KeyValuesWord::Hashed => KeyValues::Hashed,
            KeyValuesWord::Encrypted => KeyValues::Encrypted,
        },
    }
}
