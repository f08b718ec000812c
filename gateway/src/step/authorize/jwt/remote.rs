//! Where keys come from that are not in a file: a URL, or an issuer that says itself where they are.
//!
//! The latter is OpenID Connect Discovery 1.0: the document at
//! `{issuer}/.well-known/openid-configuration` names the URL of the keys. It is read before each
//! fetch of the keys, so that an issuer may move them. It has to name the very issuer that was asked
//! (section 4.3), and the keys have to be on HTTPS: either document is judged as [`Fetcher`] does.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::InvalidUri;
use rustls::ClientConfig;
use serde::Deserialize;

use super::fetch::{FetchError, Fetcher, harmless};
use super::key_set::KeySetError;
use crate::model::{Jwks, JwksSource};

/// Most characters of what a discovery document says that are repeated in an error.
const SHOWN_MAX: usize = 200;

/// Why a discovery document did not lead to keys.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// Not a JSON object with the texts `issuer` and `jwks_uri`.
    #[error("the discovery document is not JSON with `issuer` and `jwks_uri`")]
    NotADocument(#[source] serde_json::Error),
    /// The document is of another issuer than the one that was asked for.
    #[error("the discovery document is of the issuer `{found}`, not of the configured one")]
    AnotherIssuer {
        /// What it says, cut where it is long.
        found: String,
    },
    /// `jwks_uri` is no URL. What it is may hold a password, and is not repeated.
    #[error("what the discovery document says of where the keys are is no URL")]
    NotAUrl(#[source] InvalidUri),
    /// The keys were not fetched from where the document says.
    #[error("fetching the keys from `{url}` failed")]
    Keys {
        /// What the document says, cut where it is long.
        url: String,
        /// Why.
        #[source]
        source: Box<FetchError>,
    },
}

/// A source of keys that is fetched.
#[derive(Debug)]
pub(super) enum Remote {
    /// The keys themselves.
    Keys(Fetcher),
    /// The discovery document of an issuer.
    Issuer { issuer: String, document: Fetcher },
}

/// What is read of a discovery document.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

impl Remote {
    /// What `jwks` names; `None` for a file.
    pub(super) fn new(jwks: &Jwks, tls: &Arc<ClientConfig>) -> Result<Option<Self>, FetchError> {
        let fetcher = |url: &Uri| Fetcher::new(url, Arc::clone(tls), jwks.timeout, jwks.bytes_max);
        Ok(match &jwks.source {
            JwksSource::File(_) => None,
            JwksSource::Url(url) => Some(Self::Keys(fetcher(url)?)),
            JwksSource::Discovery { issuer, document } => Some(Self::Issuer {
                issuer: issuer.clone(),
                document: fetcher(document)?,
            }),
        })
    }

    /// Fetches the keys once.
    ///
    /// # Errors
    /// The first document that could not be had, or leads nowhere.
    pub(super) async fn fetch(&self) -> Result<Vec<u8>, KeySetError> {
        match self {
            Self::Keys(keys) => Ok(keys.fetch().await?),
            Self::Issuer { issuer, document } => {
                let url = keys_of(issuer, &document.fetch().await?)?;
                let at_url = |error| DiscoveryError::Keys {
                    url: shown(&harmless(&url)),
                    source: Box::new(error),
                };
                let keys = document.to(&url).map_err(at_url)?;
                Ok(keys.fetch().await.map_err(at_url)?)
            }
        }
    }

    /// Longest time that [`Self::fetch`] takes.
    pub(super) fn time_max(&self) -> Duration {
        match self {
            Self::Keys(keys) => keys.timeout(),
            Self::Issuer { document, .. } => document.timeout().saturating_mul(2),
        }
    }
}

/// Where the keys of `issuer` are, as its discovery document says.
fn keys_of(issuer: &str, document: &[u8]) -> Result<Uri, DiscoveryError> {
    let document: Document =
        serde_json::from_slice(document).map_err(DiscoveryError::NotADocument)?;
    if document.issuer != issuer {
        return Err(DiscoveryError::AnotherIssuer {
            found: shown(&document.issuer),
        });
    }
    let url = document.jwks_uri.parse();
    url.map_err(DiscoveryError::NotAUrl)
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX).collect()
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keys(keys) => keys.fmt(f),
            Self::Issuer { document, .. } => document.fmt(f),
        }
    }
}
