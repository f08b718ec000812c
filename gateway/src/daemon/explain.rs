//! What would become of a request, for the command line.

use std::rc::Rc;

use http::header::HOST;
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::admin::Reached;
use super::protocol::ExplainRequest;
use crate::entry::explain::{Charged, Explanation, Question, explain};
use crate::model::Listener;
use crate::step::attempt::{Asking, Purpose};
use crate::upstream::Pool;

/// Explains what is asked about with what runs now.
///
/// # Errors
/// What is asked about is no request, or no listener or several could be meant: cause and fix.
pub(super) async fn explained(
    asked: ExplainRequest,
    reached: &Reached,
) -> Result<Explanation, String> {
    let snapshot = reached.snapshot.load_full();
    let url: Uri = asked
        .url
        .parse()
        .map_err(|error| format!("the URL: {error}"))?;
    let listener = listener(&snapshot.listeners, asked.listener.as_deref(), &url)?;
    let method = Method::from_bytes(asked.method.as_bytes());
    let method = method.map_err(|_invalid| "the method is no word of HTTP".to_owned())?;
    let headers = headers(&asked.headers, &url)?;
    // Requests carry path and query alone.
    let uri = url.path_and_query().cloned();
    let uri = uri.map(Uri::from).unwrap_or_default();
    let question = Question {
        listener,
        client: asked.client,
        method,
        uri,
        headers,
    };
    let asking = Asking {
        pool: &Rc::new(Pool::default()),
        budget: &reached.body_budget,
        buckets: &reached.buckets,
        purpose: Purpose::Explain { calls: asked.calls },
    };
    let charged = Charged {
        buckets: &reached.buckets,
        rings: &reached.rings,
    };
    Ok(explain(&snapshot, charged, question, asking).await)
}

/// The listener that is named or, where none is, the one at the port of the URL that speaks its
/// scheme; where none is at that port, the only one that speaks it.
fn listener<'l>(
    listeners: &'l [Listener],
    named: Option<&str>,
    url: &Uri,
) -> Result<&'l Listener, String> {
    let names = |of: &[&Listener]| {
        let names = of.iter().map(|listener| format!("`{}`", listener.name));
        names.collect::<Vec<_>>().join(", ")
    };
    let all: Vec<_> = listeners.iter().collect();
    if let Some(name) = named {
        let mut listeners = listeners.iter();
        let found = listeners.find(|listener| listener.name.as_str() == name);
        return found.ok_or_else(|| {
            format!(
                "there is no listener `{name}`: choose one of {}",
                names(&all)
            )
        });
    }
    let is_encrypted = match url.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(scheme) if *scheme == Scheme::HTTP => false,
        Some(_) | None => {
            return Err("the URL begins with neither http:// nor https://".to_owned());
        }
    };
    let port = url
        .port_u16()
        .unwrap_or(if is_encrypted { 443 } else { 80 });
    let speak = all.iter().copied();
    let speak: Vec<_> = speak
        .filter(|listener| listener.tls.is_some() == is_encrypted)
        .collect();
    let at_port = speak.iter().copied();
    let at_port: Vec<_> = at_port
        .filter(|listener| listener.address.port() == port)
        .collect();
    match (at_port.as_slice(), speak.as_slice()) {
        ([only], _) | ([], [only]) => Ok(only),
        ([], []) => Err(format!(
            "no listener speaks this scheme: name one of {} with --listener",
            names(&all)
        )),
        ([], several) | (several, _) => Err(format!(
            "several listeners could be meant: name one of {} with --listener",
            names(several)
        )),
    }
}

/// The headers of the request; `Host` is that of the URL, unless another one is given.
fn headers(written: &[(String, String)], url: &Uri) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in written {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_invalid| format!("`{name}` is no name of a header"))?;
        // Values may be credentials, and are not repeated.
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_invalid| format!("what is given for `{name}` is no value of a header"))?;
        headers.append(name, value);
    }
    if !headers.contains_key(HOST) {
        let authority = url.authority().map(|authority| authority.as_str());
        let authority = authority.ok_or("the URL names no host")?;
        let host = HeaderValue::from_str(authority);
        headers.insert(HOST, host.map_err(|_invalid| "the URL names no host")?);
    }
    Ok(headers)
}
