//! Tokens that the gateway gets for itself, and those that files hold.

use std::net::IpAddr;

use super::Lowering;
use super::host::parse_url;
use super::upstream::target;
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::config::written;
use crate::model::{
    Authorization, BearerToken, ClientAuthentication, OAuthClient, OAuthClientName, Remote,
    SecretText, UpstreamTarget,
};

/// Where clients stand.
pub(super) const CLIENTS: &str = "oauth_clients";

/// The largest file with a token or a secret.
const SECRET_BYTES_MAX: u64 = 16 * 1024;

/// Longest id of a client, and longest scope.
const NAME_BYTES_MAX: usize = 256;

/// Longest audience.
const AUDIENCE_BYTES_MAX: usize = 2_048;

/// Lowers every client.
pub(super) fn lower(
    written: &written::Named<written::OAuthClient>,
    cx: &mut Lowering<'_>,
) -> Vec<OAuthClient> {
    let section = cx.root.key(CLIENTS);
    let lower = |(name, client): &(String, written::OAuthClient)| {
        let at = section.key(name);
        cx.name(name, &at);
        let token_url = lower_url(&client.token_url, &at.key("token_url"), cx);
        check_id(&client.client_id, &at.key("client_id"), cx);
        let secret = lower_secret(
            &client.client_secret_file,
            &at.key("client_secret_file"),
            cx,
        );
        for (index, scope) in client.scopes.iter().enumerate() {
            check_scope(scope, &at.key("scopes").item(index), cx);
        }
        check_audience(client.audience.as_deref(), &at.key("audience"), cx);
        Some(OAuthClient {
            name: OAuthClientName::new(name),
            token_url: token_url?,
            client_id: client.client_id.clone(),
            secret: secret?,
            scopes: client.scopes.clone(),
            audience: client.audience.clone(),
            authentication: match client.authentication {
                None | Some(written::ClientAuthentication::Basic) => ClientAuthentication::Basic,
                Some(written::ClientAuthentication::Post) => ClientAuthentication::Post,
            },
        })
    };
    written.0.iter().filter_map(lower).collect()
}

/// What the server at `at` is shown, by one of two keys there.
pub(super) fn lower_authorization(
    token_file: Option<&str>,
    oauth_client: Option<&str>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Authorization> {
    let client_at = at.key("oauth_client");
    if let Some(name) = oauth_client {
        cx.reference(CLIENTS, "client", None, name, &client_at);
        if token_file.is_some() {
            let message = "a server is shown one token: take this out, or `token_file`";
            cx.error_at_key(&client_at, message);
        }
        return Some(Authorization::Client(OAuthClientName::new(name)));
    }
    let token = lower_token(token_file?, &at.key("token_file"), cx)?;
    Some(Authorization::Fixed(token))
}

/// The token in a file, without the white space around it. `None` also where files stay closed.
fn lower_token(path: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Option<BearerToken> {
    let (content, _is_exposed) = cx.secret(path, SECRET_BYTES_MAX, at)?;
    let token = BearerToken::new(content.trim_ascii());
    if token.is_none() {
        cx.error(
            at,
            "there is no token in this file: write one, of visible ASCII characters",
        );
    }
    token
}

/// The secret in a file, without the white space around it. `None` also where files stay closed.
pub(super) fn lower_secret(
    path: &str,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<SecretText> {
    let (content, _is_exposed) = cx.secret(path, SECRET_BYTES_MAX, at)?;
    let secret = std::str::from_utf8(content.trim_ascii()).ok();
    let secret = secret.filter(|secret| !secret.is_empty() && secret.bytes().all(is_printable));
    if secret.is_none() {
        cx.error(
            at,
            "there is no secret in this file: write one, of printable ASCII characters",
        );
    }
    Some(SecretText::new(secret?.to_owned()))
}

/// RFC 6749 section 3.2 asks for TLS, as what goes there is a secret and what comes back is one; what
/// never leaves the host needs none.
fn lower_url(written: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Option<Remote> {
    let url = parse_url(written, &["http", "https"], "https` or `http")
        .inspect_err(|error| cx.error(at, error.to_string()))
        .ok()?;
    let origin = target(&url)?;
    if origin.tls.is_none() && !is_this_host(&origin) {
        let message = "the secret would be sent in plaintext: write `https`, or let something on \
                       this host, such as `127.0.0.1`, forward it";
        cx.error(at, message);
    }
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    Some(Remote {
        origin,
        path: path.to_owned(),
    })
}

fn is_this_host(origin: &UpstreamTarget) -> bool {
    let address = origin.host.parse::<IpAddr>();
    address.map_or(origin.host == "localhost", |address| address.is_loopback())
}

fn check_id(id: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    // RFC 6749 appendix A.1.
    if !(1..=NAME_BYTES_MAX).contains(&id.len()) || !id.bytes().all(is_printable) {
        let message = format!(
            "an id is 1 to {NAME_BYTES_MAX} printable ASCII characters: write the one that the server \
             has for the gateway"
        );
        cx.error(at, message);
    }
}

fn check_scope(scope: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    // RFC 6749 section 3.3.
    let is_part = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    if !(1..=NAME_BYTES_MAX).contains(&scope.len()) || !scope.bytes().all(is_part) {
        let shown = shortened(scope);
        let message = format!(
            "`{shown}` is not a scope: write 1 to {NAME_BYTES_MAX} visible ASCII characters without \
             quotes and backslashes, and each scope for itself"
        );
        cx.error(at, message);
    }
}

fn check_audience(audience: Option<&str>, at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    let fits = |audience: &str| (1..=AUDIENCE_BYTES_MAX).contains(&audience.len());
    if audience.is_some_and(|audience| !fits(audience)) {
        let message =
            format!("an audience has 1 to {AUDIENCE_BYTES_MAX} bytes: write it, or take this out");
        cx.error(at, message);
    }
}

fn is_printable(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}
