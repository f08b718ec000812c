//! A request that wants to be let in, as the steps see it that find out who sends it and what that
//! caller may do.

use std::borrow::Cow;
use std::rc::Rc;

use http::request::Parts;

use crate::body::BodyBudget;
use crate::exchange::{Exchange, Reason, Rejection};
use crate::store::bucket::Buckets;
use crate::upstream::Pool;

/// What is called, and how.
#[derive(Clone, Debug)]
pub struct Called<'a> {
    /// Head of the request as it arrived.
    pub head: &'a Parts,
    /// Key of the route that was found, such as `GET /pets/{id}`.
    pub route: &'a str,
    /// Its path without the stage, as it arrived.
    pub path: &'a str,
    /// That path decoded as the router compares it, without the slash in front: what the ARN of the
    /// method ends with.
    pub decoded: String,
    /// What a careless backend may make of the path, where that is another one than `decoded`: who is
    /// denied that one is denied this.
    pub folded: Option<String>,
    /// The parameters of the path: decoded, but for a greedy one, which is raw.
    pub parameters: &'a [(&'a str, Cow<'a, str>)],
}

/// Longest ARN of a method that a policy or an authorizer is asked about (1.7 of docs/semantics.md).
pub const ARN_BYTES_MAX: usize = 1_600;

impl Called<'_> {
    /// The ARN of the method that is called.
    ///
    /// # Errors
    /// 414 where it is too long.
    pub fn arn(&self, exchange: &Exchange) -> Result<String, Rejection> {
        self.check_arn(exchange)?;
        Ok(arn_of(exchange, &self.decoded))
    }

    /// Whether somebody can be asked about the ARN of the method.
    ///
    /// # Errors
    /// 414 where it is too long.
    pub fn check_arn(&self, exchange: &Exchange) -> Result<(), Rejection> {
        let method = exchange.head.method.as_str();
        let bytes = base_of(exchange).len() + method.len() + 1 + self.decoded.len();
        if bytes > ARN_BYTES_MAX {
            return Err(Reason::UriTooLong.into());
        }
        Ok(())
    }

    /// The ARN of the method that a careless backend may take this for.
    #[must_use]
    pub fn folded_arn(&self, exchange: &Exchange) -> Option<String> {
        let path = self.folded.as_deref()?;
        Some(arn_of(exchange, path))
    }
}

/// What the ARNs of all methods of a stage begin with.
fn base_of(exchange: &Exchange) -> &str {
    let deployed = exchange.deployed.as_ref();
    deployed.map_or("", |deployed| &deployed.arn)
}

fn arn_of(exchange: &Exchange, path: &str) -> String {
    format!("{}{}/{path}", base_of(exchange), exchange.head.method)
}

/// Whether it matters what is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A request is served: what has to be asked is asked, and what is limited is charged.
    Serve,
    /// Somebody wants to know what would become of a request: nothing is charged.
    Explain {
        /// Whether others are asked what is not remembered.
        calls: bool,
    },
}

/// What only tells what is known.
pub const NEVER_ASKS: Purpose = Purpose::Explain { calls: false };

/// With what, and what for, steps ask others.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// Connections to servers that are asked.
    pub pool: &'a Rc<Pool>,
    /// Memory for what they answer.
    pub budget: &'a BodyBudget,
    /// What limits how often they are.
    pub buckets: &'a Buckets,
    /// What for.
    pub purpose: Purpose,
}

/// One attempt to call.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// What is called.
    pub called: &'a Called<'a>,
    /// What is known of the request.
    pub exchange: &'a Exchange,
    /// How others are asked.
    pub asking: Asking<'a>,
    /// When it is judged, in seconds since 1970.
    pub now: u64,
}
