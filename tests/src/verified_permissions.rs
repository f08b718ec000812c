//! An endpoint of Amazon Verified Permissions on loopback.
//!
//! It speaks the protocol of the service, so that botocore can call it as the gateway does; what is
//! allowed, the test says.

use std::sync::{Arc, Mutex, MutexGuard};

use http::Request;
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::upstream::{Reply, Upstream, reply, sent};

/// The service. Dropping it closes it.
#[derive(Debug)]
pub struct VerifiedPermissions {
    upstream: Upstream,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl VerifiedPermissions {
    /// A service that allows what `allows` does, of the name and the members of each question.
    pub async fn start(allows: impl Fn(&str, &Value) -> bool + Send + Sync + 'static) -> Self {
        Self::answering(move |operation, question| {
            if allows(operation, question) {
                decision("ALLOW", &["allowing"], 0)
            } else {
                decision("DENY", &[], 0)
            }
        })
        .await
    }

    /// A service that answers what `answer` makes of the name and the members of each question, but
    /// that there is no policy store `missing`.
    pub async fn answering(answer: impl Fn(&str, &Value) -> Reply + Send + Sync + 'static) -> Self {
        let asked: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let (shared, made) = (Arc::clone(&asked), Arc::new(answer));
        let upstream = Upstream::http(move |request| {
            let (asked, made) = (Arc::clone(&shared), Arc::clone(&made));
            async move { answered(request, &asked, &*made).await }
        });
        Self {
            upstream: upstream.await,
            asked,
        }
    }

    /// Where it is, as clients are told.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.upstream.address)
    }

    /// What it was asked so far: names, such as `IsAuthorized`, and members.
    #[must_use]
    pub fn asked(&self) -> Vec<(String, Value)> {
        lock(&self.asked).clone()
    }
}

async fn answered(
    request: Request<Incoming>,
    asked: &Mutex<Vec<(String, Value)>>,
    answer: &(impl Fn(&str, &Value) -> Reply + ?Sized),
) -> Reply {
    let header = |name: &str| {
        let value = request.headers().get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    let operation = header("x-amz-target");
    let operation = operation
        .as_deref()
        .and_then(|it| it.strip_prefix("VerifiedPermissions."));
    let Some(operation @ ("IsAuthorized" | "IsAuthorizedWithToken")) = operation else {
        return fault("UnknownOperationException", "there is no such operation");
    };
    if header("content-type").as_deref() != Some("application/x-amz-json-1.0") {
        return fault("SerializationException", "that is another protocol");
    }
    if header("authorization").is_none() {
        return fault("MissingAuthenticationTokenException", "sign it");
    }
    let operation = operation.to_owned();
    let Ok(question) = serde_json::from_slice::<Value>(&sent(request).await) else {
        return fault("SerializationException", "that is no JSON");
    };
    lock(asked).push((operation.clone(), question.clone()));
    if question.get("policyStoreId").and_then(Value::as_str) == Some("missing") {
        return fault("ResourceNotFoundException", "there is no such policy store");
    }
    answer(&operation, &question)
}

/// A decision for which these policies are responsible, and on which so many others failed.
#[must_use]
pub fn decision(decision: &str, policies: &[&str], errors: usize) -> Reply {
    let policies: Vec<Value> = policies.iter().map(|id| json!({"policyId": id})).collect();
    let error = json!({"errorDescription": "the attribute `hidden` is missing"});
    let answer = json!({
        "decision": decision,
        "determiningPolicies": policies,
        "errors": vec![error; errors],
    });
    reply(200, answer.to_string())
}

/// A fault of the service.
#[must_use]
pub fn fault(name: &str, message: &str) -> Reply {
    let name = format!("com.amazonaws.verifiedpermissions#{name}");
    reply(400, json!({"__type": name, "message": message}).to_string())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while holding it")
}
