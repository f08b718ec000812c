//! Functions that authorize callers, at a URL.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::upstream::{Reply, Upstream, reply, sent};

/// A function that answers at a URL and keeps the events that it was told.
#[derive(Debug)]
pub struct Function {
    upstream: Upstream,
    events: Arc<Mutex<Vec<Value>>>,
}

impl Function {
    /// A function that answers with what `answer` makes of events.
    pub async fn start(answer: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> Self {
        let events = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (Arc::clone(&events), Arc::new(answer));
        let upstream = Upstream::http(move |request| {
            let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
            async move {
                assert_eq!(request.method(), "POST");
                assert_eq!(request.headers()["content-type"], "application/json");
                let event = sent(request).await;
                let event: Value = serde_json::from_slice(&event).expect("events are JSON");
                let made = answer(&event);
                kept.lock().expect("nobody panics with it").push(event);
                made
            }
        });
        let upstream = upstream.await;
        Self { upstream, events }
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.upstream.address
    }

    /// Where it is asked.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/authorize?v=1", self.upstream.address)
    }

    /// What it was told, in the order of its answers.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.events.lock().expect("nobody panics with it").clone()
    }

    /// How often it was asked.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.events.lock().expect("nobody panics with it").len()
    }

    /// The last of [`Self::events`].
    #[must_use]
    pub fn last(&self) -> Value {
        self.events().pop().expect("it was asked")
    }
}

/// What a function returns that lets `user-7` do what these statements say.
#[must_use]
pub fn returned(statements: &Value) -> Value {
    json!({
        "principalId": "user-7",
        "policyDocument": {"Version": "2012-10-17", "Statement": statements},
        "context": {"tenant": "t1", "level": 3, "beta": true},
        "usageIdentifierKey": "secret-api-key",
    })
}

/// A statement about calls of these methods.
#[must_use]
pub fn statement(effect: &str, resource: &str) -> Value {
    json!({"Action": "execute-api:Invoke", "Effect": effect, "Resource": [resource]})
}

/// An answer that lets the caller do everything that `resource` stands for.
#[must_use]
pub fn allowing(resource: &str) -> Reply {
    reply(
        200,
        returned(&json!([statement("Allow", resource)])).to_string(),
    )
}

/// An answer of a function that has thrown an error with this message.
#[must_use]
pub fn thrown(message: &str) -> Reply {
    let error = json!({"errorMessage": message, "errorType": "Error", "trace": []});
    reply(200, error.to_string())
}
