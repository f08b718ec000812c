//! An endpoint of AWS Lambda on loopback, whose functions are real handlers.
//!
//! It answers `Invoke` as the service does, to any client that signs: botocore can call it as the
//! gateway does. Handlers run in processes of their own, which are kept for further events, one event
//! at a time. What was asked is remembered, so that a test can have the signature verified by somebody
//! who knows the secret; the endpoint itself only looks whether there is one.

mod runner;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tempfile::TempDir;

use self::runner::{Language, Runner};
use crate::upstream::{Reply, Upstream, reply, sent};

/// The id of every invocation that a function came to an end of.
pub const INVOCATION: &str = "6f7a4f4e-0000-4000-8000-000000000001";

/// The service. Dropping it ends it and its functions.
#[derive(Debug)]
pub struct Lambda {
    upstream: Upstream,
    state: Arc<State>,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub target: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Asked {
    /// The event of an invocation.
    ///
    /// # Panics
    /// When the body is no JSON.
    #[must_use]
    pub fn event(&self) -> Value {
        serde_json::from_slice(&self.body).expect("events are JSON")
    }
}

#[derive(Debug)]
struct State {
    directory: TempDir,
    functions: Mutex<HashMap<String, Arc<Function>>>,
    asked: Mutex<Vec<Asked>>,
}

#[derive(Debug)]
enum Function {
    /// A handler, and processes that wait for its next event.
    Handler {
        language: Language,
        file: PathBuf,
        idle: Mutex<Vec<Runner>>,
    },
    /// One outcome for every event.
    Outcome(Value),
    /// What the service answers instead.
    Refusal { status: u16, error: String },
    /// It never ends.
    Endless,
}

impl Lambda {
    /// A service without functions.
    pub async fn start() -> Self {
        let state = Arc::new(State {
            directory: tempfile::tempdir().expect("temporary directories can be made"),
            functions: Mutex::default(),
            asked: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let upstream = Upstream::http(move |request| {
            let state = Arc::clone(&shared);
            async move { state.answer(request).await }
        });
        Self {
            upstream: upstream.await,
            state,
        }
    }

    /// Where it is, as clients are told.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.upstream.address)
    }

    /// A function in Python, whose `source` defines `handler(event, context)`. One of that name before
    /// is replaced.
    pub fn python(&self, name: &str, source: &str) {
        self.handler(name, Language::Python, source);
    }

    /// A function for Node.js, whose `source` exports `handler(event, context)`.
    pub fn node(&self, name: &str, source: &str) {
        self.handler(name, Language::Node, source);
    }

    /// Has every invocation of `name` answered with an error of the service, such as 429 and
    /// `TooManyRequestsException`.
    pub fn refuse(&self, name: &str, status: u16, error: &str) {
        let error = error.to_owned();
        self.put(name, Function::Refusal { status, error });
    }

    /// A function that returns `result`, whatever it is told.
    pub fn returning(&self, name: &str, result: &Value) {
        self.put(name, Function::Outcome(json!({"result": result})));
    }

    /// A function that raises an error, `error` being what its runtime makes of it.
    pub fn raising(&self, name: &str, error: &Value) {
        self.put(name, Function::Outcome(json!({"error": error})));
    }

    /// A function that never comes to an end.
    pub fn endless(&self, name: &str) {
        self.put(name, Function::Endless);
    }

    /// What it was asked so far.
    ///
    /// # Panics
    /// Never: nobody panics while holding it.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.state.asked).clone()
    }

    fn handler(&self, name: &str, language: Language, source: &str) {
        let file = language.file(self.state.directory.path(), name, source);
        self.put(
            name,
            Function::Handler {
                language,
                file,
                idle: Mutex::default(),
            },
        );
    }

    fn put(&self, name: &str, function: Function) {
        lock(&self.state.functions).insert(name.to_owned(), Arc::new(function));
    }
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let asked = Asked {
            method: request.method().clone(),
            target: request.uri().to_string(),
            headers: request.headers().clone(),
            body: sent(request).await.into(),
        };
        lock(&self.asked).push(asked.clone());
        if !asked.headers.contains_key("authorization") {
            let message = "Missing Authentication Token";
            return error(403, "MissingAuthenticationTokenException", message);
        }
        let Some(name) = function_of(&asked) else {
            return error(404, "UnknownOperationException", "there is only Invoke");
        };
        let function = lock(&self.functions).get(&name).map(Arc::clone);
        match function.as_deref() {
            None => {
                let message = format!("Function not found: {name}");
                error(404, "ResourceNotFoundException", &message)
            }
            Some(Function::Refusal {
                status,
                error: kind,
            }) => error(*status, kind, "as the test wants it"),
            Some(Function::Endless) => std::future::pending().await,
            Some(Function::Outcome(fixed)) => outcome(Some(fixed.clone())),
            Some(Function::Handler { .. }) => {
                let running = tokio::task::spawn_blocking(move || {
                    function.and_then(|function| function.run(&name, &asked.body))
                });
                outcome(running.await.ok().flatten())
            }
        }
    }
}

impl Function {
    /// What the handler makes of an event; `None` where it died of it.
    fn run(&self, name: &str, event: &[u8]) -> Option<Value> {
        let Self::Handler {
            language,
            file,
            idle,
        } = self
        else {
            return None;
        };
        let event: Value = serde_json::from_slice(event).ok()?;
        let call = json!({"event": event, "context": {"function_name": name}});
        let known = lock(idle).pop();
        let mut runner = known.unwrap_or_else(|| Runner::start(*language, file));
        let outcome = runner.ask(&call)?;
        lock(idle).push(runner);
        Some(outcome)
    }
}

/// `/2015-03-31/functions/{name or ARN}/invocations`: the name.
fn function_of(asked: &Asked) -> Option<String> {
    let path = asked.target.split('?').next()?;
    let written = path.strip_prefix("/2015-03-31/functions/")?;
    let written = written.strip_suffix("/invocations")?.replace("%3A", ":");
    let name = written
        .rsplit_once(":function:")
        .map_or(&*written, |(_, name)| name);
    (asked.method == Method::POST).then(|| name.split(':').next().unwrap_or(name).to_owned())
}

fn outcome(outcome: Option<Value>) -> Reply {
    let dead = json!({"errorType": "Runtime.ExitError", "errorMessage": "the process ended"});
    let outcome = outcome.unwrap_or_else(|| json!({"error": dead}));
    let error = outcome.get("error");
    let said = error.or_else(|| outcome.get("result"));
    let mut reply = reply(200, said.unwrap_or(&Value::Null).to_string());
    let headers = reply.headers_mut();
    headers.insert("x-amzn-requestid", HeaderValue::from_static(INVOCATION));
    if error.is_some() {
        let unhandled = HeaderValue::from_static("Unhandled");
        headers.insert("x-amz-function-error", unhandled);
    }
    reply
}

fn error(status: u16, kind: &str, message: &str) -> Reply {
    let text = json!({"Type": "User", "Message": message}).to_string();
    let body = Full::new(Bytes::from(text))
        .map_err(|never| match never {})
        .boxed_unsync();
    Response::builder()
        .status(StatusCode::from_u16(status).expect("tests name statuses there are"))
        .header("content-type", "application/json")
        .header("x-amzn-errortype", kind)
        .body(body)
        .expect("a valid response")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while holding it")
}
