//! Where credentials are, once the configuration and the environment have been asked.
//!
//! With `auto` the first place counts that is set up, in the order of the SDKs: environment, profile,
//! container, instance. Keys in the environment and in files are read then and there; containers and
//! instances are asked later, and again before their keys end. What is set up and cannot be used is
//! refused, never passed over: the next place could be another, more powerful, role.

use std::path::PathBuf;

use http::{HeaderValue, Uri};

use super::environment::{
    ACCESS_KEY_ID, CONTAINER_PATH, CONTAINER_TOKEN, CONTAINER_TOKEN_FILE, CONTAINER_URL,
    METADATA_MODE, METADATA_OFF, METADATA_URL, SECRET, SESSION_TOKEN, WEB_IDENTITY,
};
use super::profile::{self, ProfileError};
use super::{Credentials, Environment, MalformedCredentials};
use crate::model::{BackendTls, CredentialSource, Remote, UpstreamTarget};

/// Where containers of Amazon ECS ask.
const CONTAINER_HOST: &str = "169.254.170.2";

/// Where containers may ask in plaintext: this host, and the agents of ECS and EKS.
const CONTAINER_HOSTS: [&str; 6] = [
    "127.0.0.1",
    "::1",
    "localhost",
    CONTAINER_HOST,
    "169.254.170.23",
    "fd00:ec2::23",
];

/// Where instances of Amazon EC2 ask.
const METADATA_HOSTS: [&str; 2] = ["http://169.254.169.254", "http://[fd00:ec2::254]"];

/// Where credentials are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Here.
    Fixed(Credentials),
    /// A server gives them out.
    Server(Server),
}

/// A server that gives out credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// That of a container: one document.
    Container {
        /// Its URL.
        url: Remote,
        /// What it asks for.
        authorization: Option<Authorization>,
    },
    /// That of an instance: a session, the name of a role, its document.
    Instance {
        /// Its URL.
        url: Remote,
    },
}

/// What the server of a container wants to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// This, which is marked as sensitive.
    Token(HeaderValue),
    /// What this file holds, read for every question.
    File(PathBuf),
}

/// There are no credentials to be had as the configuration and the environment say.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A variable is no text.
    #[error(transparent)]
    NoText(#[from] super::environment::NoText),
    /// A variable is missing.
    #[error("the environment variable `{0}` is not set")]
    Unset(&'static str),
    /// The variables hold no credentials.
    #[error("the environment variables hold no usable credentials")]
    Environment(#[from] MalformedCredentials),
    /// A profile cannot be used.
    #[error("profile")]
    Profile(#[from] ProfileError),
    /// No file has the profile.
    #[error("neither the credentials file nor the configuration file has keys of a profile `{0}`")]
    NoProfile(String),
    /// A URL cannot be asked.
    #[error("the environment variable `{0}` is not a URL that can be asked: {1}")]
    Url(&'static str, &'static str),
    /// Instance metadata are not to be used.
    #[error("the environment variable `{METADATA_OFF}` forbids to ask the instance")]
    MetadataOff,
    /// Tokens of web identities are not exchanged.
    #[error(
        "`{WEB_IDENTITY}` is set, and web identities are not supported: say under \
         `aws.credentials.source` where the credentials are instead"
    )]
    WebIdentity,
    /// Nothing is set up.
    #[error(
        "there are no credentials: neither the environment nor a file has any, no container gives \
         them out, and `{METADATA_OFF}` forbids to ask the instance"
    )]
    Nothing,
}

impl Source {
    /// Finds the place that `wanted` and `environment` lead to.
    ///
    /// # Errors
    /// See [`SourceError`].
    pub fn find(wanted: &CredentialSource, environment: &Environment) -> Result<Self, SourceError> {
        match wanted {
            CredentialSource::Environment => {
                of_environment(environment)?.ok_or(SourceError::Unset(ACCESS_KEY_ID))
            }
            CredentialSource::Profile(name) => {
                let (name, _) = profile::chosen(name.as_deref(), environment);
                let found = profile::read(name, environment)?;
                let credentials = found.ok_or_else(|| SourceError::NoProfile(name.to_owned()))?;
                Ok(Self::Fixed(credentials))
            }
            CredentialSource::Container => {
                of_container(environment)?.ok_or(SourceError::Unset(CONTAINER_PATH))
            }
            CredentialSource::InstanceMetadata => {
                of_instance(environment)?.ok_or(SourceError::MetadataOff)
            }
            CredentialSource::Auto => first(environment),
        }
    }

    /// The URL of the server that has them.
    #[must_use]
    pub const fn url(&self) -> Option<&Remote> {
        match self {
            Self::Fixed(_) => None,
            Self::Server(Server::Container { url, .. } | Server::Instance { url }) => Some(url),
        }
    }
}

/// The first place that is set up.
fn first(environment: &Environment) -> Result<Source, SourceError> {
    if let Some(source) = of_environment(environment)? {
        return Ok(source);
    }
    let (name, is_chosen) = profile::chosen(None, environment);
    match profile::read(name, environment)? {
        Some(credentials) => return Ok(Source::Fixed(credentials)),
        None if is_chosen => return Err(SourceError::NoProfile(name.to_owned())),
        None => {}
    }
    if environment.get(WEB_IDENTITY).is_some() {
        return Err(SourceError::WebIdentity);
    }
    if let Some(source) = of_container(environment)? {
        return Ok(source);
    }
    of_instance(environment)?.ok_or(SourceError::Nothing)
}

fn of_environment(environment: &Environment) -> Result<Option<Source>, SourceError> {
    let (id, secret) = match (environment.get(ACCESS_KEY_ID), environment.get(SECRET)) {
        (None, None) => return Ok(None),
        (Some(id), Some(secret)) => (id, secret),
        (None, Some(_)) => return Err(SourceError::Unset(ACCESS_KEY_ID)),
        (Some(_), None) => return Err(SourceError::Unset(SECRET)),
    };
    let token = environment.get(SESSION_TOKEN);
    let credentials = Credentials::new(id, secret, token, None)?;
    Ok(Some(Source::Fixed(credentials)))
}

fn of_container(environment: &Environment) -> Result<Option<Source>, SourceError> {
    let url = match (
        environment.get(CONTAINER_PATH),
        environment.get(CONTAINER_URL),
    ) {
        (None, None) => return Ok(None),
        (Some(path), _) => {
            let url = format!("http://{CONTAINER_HOST}{path}");
            remote(&url).ok_or(SourceError::Url(CONTAINER_PATH, "write a path"))?
        }
        (None, Some(url)) => {
            let url = remote(url);
            let url = url.ok_or(SourceError::Url(CONTAINER_URL, "write `http://host/path`"))?;
            let is_near = CONTAINER_HOSTS.contains(&url.origin.host.as_str());
            if url.origin.tls.is_none() && !is_near {
                let why = "in plaintext only this host and the agents of ECS and EKS are asked";
                return Err(SourceError::Url(CONTAINER_URL, why));
            }
            url
        }
    };
    let file = environment.get(CONTAINER_TOKEN_FILE);
    let authorization = match (file, environment.get(CONTAINER_TOKEN)) {
        (Some(file), _) => Some(Authorization::File(PathBuf::from(file))),
        (None, Some(token)) => {
            let value = HeaderValue::from_str(token);
            let mut value = value.map_err(|_may_quote_it| MalformedCredentials::SessionToken)?;
            value.set_sensitive(true);
            Some(Authorization::Token(value))
        }
        (None, None) => None,
    };
    Ok(Some(Source::Server(Server::Container {
        url,
        authorization,
    })))
}

fn of_instance(environment: &Environment) -> Result<Option<Source>, SourceError> {
    let is_off = environment.get(METADATA_OFF);
    if is_off.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    let mode = environment.get(METADATA_MODE).unwrap_or_default();
    let [four, six] = METADATA_HOSTS;
    let usual = if mode.eq_ignore_ascii_case("ipv6") {
        six
    } else {
        four
    };
    let written = environment.get(METADATA_URL).unwrap_or(usual);
    let url = remote(written).ok_or(SourceError::Url(METADATA_URL, "write `http://host`"))?;
    Ok(Some(Source::Server(Server::Instance { url })))
}

/// The URL in `written`; `None` where that is none of http or https with a host.
fn remote(written: &str) -> Option<Remote> {
    let url: Uri = written.parse().ok()?;
    let tls = match url.scheme_str()? {
        "http" => None,
        "https" => Some(BackendTls::default()),
        _ => return None,
    };
    let authority = url.authority().filter(|it| !it.as_str().contains('@'))?;
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let standard = if tls.is_some() { 443 } else { 80 };
    Some(Remote {
        origin: UpstreamTarget {
            host: host.to_ascii_lowercase(),
            port: authority.port_u16().unwrap_or(standard),
            tls,
            base_path: String::new(),
        },
        path: url.path_and_query()?.to_string(),
    })
}
