//! What a token endpoint is asked. Source: RFC 6749 sections 2.3.1, 4.4.2 and appendix B.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use form_urlencoded::{Serializer, byte_serialize};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Uri};

use crate::model::{ClientAuthentication, OAuthClient};

/// A client that no token can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The path of its URL cannot be asked for.
    #[error("the path of `token_url` cannot be asked for")]
    Path,
    /// Id and secret are too long for a header.
    #[error("id and secret cannot stand in a header")]
    Credentials,
}

/// The request for a token.
pub(super) fn request(client: &OAuthClient) -> Result<Request<Bytes>, RequestError> {
    const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    let (id, secret) = (client.client_id.as_str(), client.secret.expose());
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if !client.scopes.is_empty() {
        form.append_pair("scope", &client.scopes.join(" "));
    }
    if let Some(audience) = &client.audience {
        form.append_pair("audience", audience);
    }
    let authorization = match client.authentication {
        ClientAuthentication::Basic => Some(basic(id, secret)?),
        ClientAuthentication::Post => {
            form.append_pair("client_id", id);
            form.append_pair("client_secret", secret);
            None
        }
    };
    let uri = Uri::try_from(&client.token_url.path).map_err(|_error| RequestError::Path)?;
    let mut request = Request::new(Bytes::from(form.finish()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, FORM);
    headers.insert(ACCEPT, JSON);
    if let Some(value) = authorization {
        headers.insert(AUTHORIZATION, value);
    }
    Ok(request)
}

/// Both parts are encoded before they are joined, so that a colon in one is none between them.
fn basic(id: &str, secret: &str) -> Result<HeaderValue, RequestError> {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let both = format!("{}:{}", encoded(id), encoded(secret));
    let value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(both)));
    let mut value = value.map_err(|_may_quote_it| RequestError::Credentials)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{OAuthClientName, Remote, SecretText, UpstreamTarget};

    fn client(authentication: ClientAuthentication) -> OAuthClient {
        OAuthClient {
            name: OAuthClientName::new("people"),
            token_url: Remote {
                origin: UpstreamTarget {
                    tls: None,
                    host: "127.0.0.1".to_owned(),
                    port: 80,
                    base_path: String::new(),
                },
                path: "/oauth2/token?tenant=a".to_owned(),
            },
            client_id: "the gateway: one".to_owned(),
            secret: SecretText::new("a+b/c%d \u{e9}".to_owned()),
            scopes: vec!["people.read".to_owned(), "x".to_owned()],
            audience: Some("https://people.example.com".to_owned()),
            authentication,
        }
    }

    #[test]
    fn id_and_secret_are_encoded_before_they_are_joined() {
        let asked = request(&client(ClientAuthentication::Basic)).unwrap();
        assert_eq!(asked.method(), Method::POST);
        assert_eq!(asked.uri(), "/oauth2/token?tenant=a");
        let shown = asked.headers()[AUTHORIZATION].to_str().unwrap();
        let shown = STANDARD.decode(shown.strip_prefix("Basic ").unwrap());
        assert_eq!(
            String::from_utf8(shown.unwrap()).unwrap(),
            "the+gateway%3A+one:a%2Bb%2Fc%25d+%C3%A9"
        );
        assert!(asked.headers()[AUTHORIZATION].is_sensitive());
        assert_eq!(
            asked.into_body(),
            "grant_type=client_credentials&scope=people.read+x&\
             audience=https%3A%2F%2Fpeople.example.com"
        );
    }

    #[test]
    fn in_the_body_they_stand_beside_the_rest() {
        let client = OAuthClient {
            scopes: Vec::new(),
            audience: None,
            ..client(ClientAuthentication::Post)
        };
        let asked = request(&client).unwrap();
        assert!(!asked.headers().contains_key(AUTHORIZATION));
        assert_eq!(
            asked.into_body(),
            "grant_type=client_credentials&client_id=the+gateway%3A+one&\
             client_secret=a%2Bb%2Fc%25d+%C3%A9"
        );
        assert!(!format!("{client:?}").contains("a+b"));
    }
}
