//! What pages of other origins may do with an HTTP API.
//!
//! A preflight is answered before any route is asked, because a browser sends it without
//! credentials. Every other answer, a refusal too, says whether the page that asked may read it, in
//! the API's words and never in the backend's.
//!
//! Source: Amazon API Gateway Developer Guide, "Configure CORS for HTTP APIs in API Gateway"; the
//! Fetch standard, section 3.3.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, InvalidHeaderValue, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::model::{AllowedOrigin, Cors};

/// What one API tells browsers.
#[derive(Debug)]
pub struct CorsPlan {
    origins: Vec<AllowedOrigin>,
    /// Whether every origin gets the same answer.
    is_for_all: bool,
    /// What a preflight gets besides its origin.
    preflight: Vec<(HeaderName, HeaderValue)>,
    /// What every other request gets.
    actual: Vec<(HeaderName, HeaderValue)>,
}

impl CorsPlan {
    /// From what is configured.
    ///
    /// # Errors
    /// For names that no header can hold, which no configuration lets through.
    pub fn compile(cors: &Cors) -> Result<Self, InvalidHeaderValue> {
        let mut plan = Self {
            origins: cors.origins.clone(),
            is_for_all: cors.origins.contains(&AllowedOrigin::Any),
            preflight: Vec::new(),
            actual: Vec::new(),
        };
        let list = |names: &[String]| HeaderValue::from_str(&names.join(","));
        if !cors.methods.is_empty() {
            let methods = list(&cors.methods)?;
            plan.preflight.push((ACCESS_CONTROL_ALLOW_METHODS, methods));
        }
        if !cors.headers.is_empty() {
            let headers = list(&cors.headers)?;
            plan.preflight.push((ACCESS_CONTROL_ALLOW_HEADERS, headers));
        }
        if let Some(age) = cors.max_age {
            let age = HeaderValue::from(age.as_secs());
            plan.preflight.push((ACCESS_CONTROL_MAX_AGE, age));
        }
        if !cors.exposed.is_empty() {
            let exposed = list(&cors.exposed)?;
            plan.actual.push((ACCESS_CONTROL_EXPOSE_HEADERS, exposed));
        }
        if cors.credentials {
            let yes = HeaderValue::from_static("true");
            for headers in [&mut plan.preflight, &mut plan.actual] {
                headers.push((ACCESS_CONTROL_ALLOW_CREDENTIALS, yes.clone()));
            }
        }
        Ok(plan)
    }

    /// What the answer to a request says; nothing where the origin is not allowed or there is none.
    #[must_use]
    pub fn headers(&self, method: &Method, request: &HeaderMap) -> HeaderMap {
        let mut said = HeaderMap::new();
        if let Some(origin) = self.allowed(request) {
            said.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            let others = if is_preflight(method, request) {
                &self.preflight
            } else {
                &self.actual
            };
            said.extend(others.iter().cloned());
        }
        if !self.is_for_all {
            said.insert(VARY, HeaderValue::from_static("Origin"));
        }
        said
    }

    /// What the request's origin is allowed as.
    fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = only(request, &ORIGIN)?;
        if self.is_for_all {
            return Some(HeaderValue::from_static("*"));
        }
        let bytes = origin.as_bytes();
        let is_allowed = |allowed: &AllowedOrigin| match allowed {
            AllowedOrigin::Any => true,
            AllowedOrigin::Scheme(scheme) => bytes.starts_with(scheme.as_bytes()),
            AllowedOrigin::Exact(exact) => bytes == exact.as_bytes(),
        };
        self.origins.iter().any(is_allowed).then(|| origin.clone())
    }
}

/// Whether a browser asks if it may send a request.
#[must_use]
pub fn is_preflight(method: &Method, request: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && only(request, &ORIGIN).is_some()
        && request.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Puts `said` in the place of what a backend says of other origins.
pub fn replace(headers: &mut HeaderMap, said: HeaderMap) {
    let theirs = headers
        .keys()
        .filter(|name| name.as_str().starts_with("access-control-"));
    let theirs: Vec<HeaderName> = theirs.cloned().collect();
    for name in theirs {
        headers.remove(name);
    }
    for (name, value) in &said {
        // What else an answer depends on stays.
        headers.append(name, value.clone());
    }
}

fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
#[path = "cors_tests.rs"]
mod tests;
