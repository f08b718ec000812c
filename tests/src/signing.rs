//! A client that signs its requests, and files of access keys.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use gateway::aws::sigv4::{
    ALGORITHM, Canonical, Scope, Secret, SignedAt, SignedRequest, SigningKey, payload_hash,
};
use http::{HeaderMap, HeaderName, Request};
use serde_json::{Value, json};

use crate::client::{HOST_NAME, Outgoing};
use crate::issuer::now;
use crate::setup::Setup;

/// The region that tests sign for.
pub const REGION: &str = "test-1";

/// The account of APIs in tests.
pub const ACCOUNT: &str = "111122223333";

/// What signs, and how.
#[derive(Clone, Debug)]
pub struct Signing {
    /// Id of the access key.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// Its session token.
    pub token: Option<String>,
    /// When, in seconds since 1970.
    pub at: u64,
    /// The region signed for.
    pub region: String,
    /// The service signed for.
    pub service: String,
    /// What is sent as `X-Amz-Content-Sha256`.
    pub content: Option<String>,
}

impl Signing {
    /// With this access key, now, for the tests' region; what the body is goes into the signature.
    #[must_use]
    pub fn new(id: &str, secret: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
            token: None,
            at: now(),
            region: REGION.to_owned(),
            service: "execute-api".to_owned(),
            content: None,
        }
    }

    fn scope(&self) -> Scope {
        Scope {
            date: self.time().date(),
            region: self.region.clone(),
            service: self.service.clone(),
        }
    }

    /// When, as signatures say it.
    #[must_use]
    pub fn time(&self) -> SignedAt {
        SignedAt::from_unix_seconds(i64::try_from(self.at).expect("tests are of this age"))
    }

    fn signature(
        &self,
        request: &Request<Outgoing>,
        query: &str,
        headers: &HeaderMap,
        signed: &[HeaderName],
        payload: &str,
    ) -> String {
        let form = SignedRequest {
            method: request.method().as_str(),
            path: request.uri().path(),
            query,
            unsigned_parameter: None,
            headers,
            authority: HOST_NAME,
            signed,
        };
        let canonical = Canonical::of(&form, payload).expect("what is signed is there");
        let key = SigningKey::derive(&Secret::new(self.secret.clone()), &self.scope());
        key.sign(&self.scope().string_to_sign(&self.time(), &canonical))
    }

    /// `request`, whose body is `body`, signed in its headers: all that it has, and the host.
    #[must_use]
    pub fn header(&self, mut request: Request<Outgoing>, body: &[u8]) -> Request<Outgoing> {
        let mut add = |name: &'static str, value: &str| {
            let value = value.parse().expect("it is a header");
            request.headers_mut().insert(name, value);
        };
        add("x-amz-date", &self.time().to_string());
        if let Some(token) = &self.token {
            add("x-amz-security-token", token);
        }
        if let Some(content) = &self.content {
            add("x-amz-content-sha256", content);
        }
        let mut signed: Vec<HeaderName> = request.headers().keys().cloned().collect();
        if !signed.contains(&http::header::HOST) {
            signed.push(http::header::HOST);
        }
        signed.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        let hash = payload_hash(body);
        let payload = self.content.as_deref().unwrap_or(&hash);
        let query = request.uri().query().unwrap_or_default();
        let signature = self.signature(&request, query, request.headers(), &signed, payload);
        let names: Vec<&str> = signed.iter().map(HeaderName::as_str).collect();
        let authorization = format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={signature}",
            self.id,
            self.scope(),
            names.join(";")
        );
        let value = authorization.parse().expect("it is a header");
        request.headers_mut().insert("authorization", value);
        request
    }

    /// `request`, whose body is `body`, signed in its query for so many seconds.
    #[must_use]
    pub fn query(
        &self,
        mut request: Request<Outgoing>,
        body: &[u8],
        expires: u32,
    ) -> Request<Outgoing> {
        let credential = format!("{}/{}", self.id, self.scope()).replace('/', "%2F");
        let mut query = request.uri().query().unwrap_or_default().to_owned();
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(&format!(
            "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={credential}&X-Amz-Date={}\
             &X-Amz-Expires={expires}&X-Amz-SignedHeaders=host",
            self.time()
        ));
        if let Some(token) = &self.token {
            query.push_str(&format!("&X-Amz-Security-Token={token}"));
        }
        let host = [http::header::HOST];
        let headers = request.headers();
        let signature = self.signature(&request, &query, headers, &host, &payload_hash(body));
        let path = request.uri().path();
        let target = format!("{path}?{query}&X-Amz-Signature={signature}");
        *request.uri_mut() = target.parse().expect("it is a path");
        request
    }
}

/// An access key of a user with this secret, and with policies of these statements.
#[must_use]
pub fn user(account: &str, secret: &str, statements: &[Value]) -> Value {
    json!({
        "secret": secret,
        "principal": format!("arn:aws:iam::{account}:user/team/ann"),
        "user_id": "AIDAANN",
        "policies": statements.iter().map(policy).collect::<Vec<_>>(),
    })
}

fn policy(statement: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statement})
}

/// A statement about calling `resource`.
#[must_use]
pub fn statement(effect: &str, resource: &str) -> Value {
    json!({"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource})
}

/// Writes these access keys down, as the file of the authorizer `main`.
pub fn write_keys(setup: &Setup, keys: &Value) -> PathBuf {
    let text = json!({"credentials": keys}).to_string();
    let path = setup.file("keys.json", &text);
    let owner_alone = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&path, owner_alone).expect("it is ours");
    path
}

/// The authorizer `main` knows these access keys; the gateway is of the tests' account and region.
#[must_use]
pub fn authorize(setup: Setup, keys: &Value) -> Setup {
    let file = write_keys(&setup, keys);
    setup
        .set(&["gateway"], json!({"account": ACCOUNT, "region": REGION}))
        .set(
            &["authorizers", "main"],
            json!({"type": "iam", "credentials": file}),
        )
}
