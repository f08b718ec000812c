//! Calling services of AWS as the gateway does, without one.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gateway::aws::credentials::{Credentials, Provider, Source};
use gateway::aws::{Calling, Client};
use gateway::body::BodyBudget;
use gateway::clock::{Clock, unix_seconds};
use gateway::model::{AwsService, AwsTarget, Remote, Upstream, UpstreamTarget};
use gateway::upstream::{CallBounds, Pool, UpstreamPlan};

/// Where everything is.
pub const REGION: &str = "eu-west-1";

/// A client of one service, with connections of its own. Has to be used within a `LocalSet`.
#[derive(Debug)]
pub struct Caller {
    /// The client.
    pub client: Client,
    pool: Rc<Pool>,
    budget: BodyBudget,
}

impl Caller {
    /// A client of the service at `url`, `http://address`.
    ///
    /// # Panics
    /// When it is no such URL.
    #[must_use]
    pub fn new(service: AwsService, url: &str, credentials: &Arc<Provider>) -> Self {
        let address = url.strip_prefix("http://");
        let parts = address.and_then(|address| address.split_once(':'));
        let (host, port) = parts.expect("a host and a port");
        let origin = UpstreamTarget {
            tls: None,
            host: host.to_owned(),
            port: port.parse().expect("a number"),
            base_path: String::new(),
        };
        let plan = Arc::new(plan(&origin));
        let target = AwsTarget {
            service,
            region: REGION.to_owned(),
            remote: Remote {
                origin,
                path: "/".to_owned(),
            },
        };
        Self {
            client: Client::new(&target, plan, Arc::clone(credentials)),
            pool: Rc::default(),
            budget: BodyBudget::new(1 << 20),
        }
    }

    /// What a call is made with, now.
    #[must_use]
    pub fn calling(&self) -> Calling<'_> {
        Calling {
            pool: &self.pool,
            budget: &self.budget,
            bounds: CallBounds {
                timeout: Duration::from_secs(20),
                bytes_max: 1 << 20,
            },
            now: unix_seconds(),
        }
    }
}

/// The way to a server over plaintext.
///
/// # Panics
/// When its host can stand in no header.
#[must_use]
pub fn plan(origin: &UpstreamTarget) -> UpstreamPlan {
    UpstreamPlan::compile(&Upstream::of_origin(origin), None, None).expect("its host is one")
}

/// A key that never ends.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn fixed(access_key_id: &str, secret: &str, session_token: Option<&str>) -> Arc<Provider> {
    let credentials = Credentials::new(access_key_id, secret, session_token, None);
    let source = Source::Fixed(credentials.expect("it is a key"));
    Arc::new(Provider::new(source, None, Clock::system()))
}
