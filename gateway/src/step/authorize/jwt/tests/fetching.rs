//! One fetch, from issuers that behave and issuers that do not.

use std::time::Duration;

use super::super::fetch::Fetcher;
use super::super::{FetchError, KeySet, KeySetError};
use super::issuer::{RSA, document, model};
use super::server::{Answer, Server};
use crate::model::JwksSource;
use crate::upstream::tls::client_config;

const PATIENT: Duration = Duration::from_secs(10);
const LIMIT: usize = 20_000;

async fn fetch(answer: Answer, timeout: Duration) -> Result<Vec<u8>, FetchError> {
    let server = Server::start(answer).await;
    let fetcher = Fetcher::new(&server.url(), server.tls(), timeout, LIMIT).expect("a good URL");
    fetcher.fetch().await
}

async fn fetch_bytes(bytes: &str) -> Result<Vec<u8>, FetchError> {
    fetch(Answer::Bytes(bytes.as_bytes().to_vec()), PATIENT).await
}

#[tokio::test]
async fn fetches_a_document_however_its_length_is_told() {
    let text = document(&[&RSA]);
    let fetched = fetch(Answer::Document(text.clone()), PATIENT)
        .await
        .expect("a good answer");
    assert_eq!(fetched, text.as_bytes());
    let chunked =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    assert_eq!(fetch_bytes(chunked).await.expect("chunks"), b"abc");
    assert_eq!(
        fetch_bytes("HTTP/1.1 200 OK\r\n\r\nabc")
            .await
            .expect("until the end"),
        b"abc"
    );
    // What follows the announced length is not part of the document.
    let longer = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcdef";
    assert_eq!(fetch_bytes(longer).await.expect("three bytes"), b"abc");
}

#[tokio::test]
async fn bounds_the_document() {
    let exact = Answer::Document("x".repeat(LIMIT));
    assert_eq!(
        fetch(exact, PATIENT)
            .await
            .expect("exactly the limit")
            .len(),
        LIMIT
    );
    for answer in [
        Answer::Document("x".repeat(LIMIT + 1)),
        Answer::Endless,
        // Announced and never sent: refused without waiting for it.
        Answer::Bytes(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec()),
    ] {
        let outcome = fetch(answer, PATIENT).await;
        assert!(
            matches!(outcome, Err(FetchError::TooLarge { bytes_max: LIMIT })),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn refuses_answers_that_are_cut_short_or_not_http() {
    for bytes in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.1 200",
        "hello\r\n\r\n",
        "",
    ] {
        let outcome = fetch_bytes(bytes).await;
        assert!(
            matches!(outcome, Err(FetchError::Http(_))),
            "{bytes:?}: {outcome:?}"
        );
    }
    let head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    assert!(matches!(fetch_bytes(&head).await, Err(FetchError::Http(_))));
}

#[tokio::test]
async fn follows_no_redirect_and_takes_no_other_status() {
    for (status, head) in [
        (
            302,
            "HTTP/1.1 302 Found\r\nlocation: https://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        ),
        (204, "HTTP/1.1 204 No Content\r\n\r\n"),
        (500, "HTTP/1.1 500 Oops\r\ncontent-length: 2\r\n\r\n{}"),
    ] {
        let outcome = fetch_bytes(head).await;
        assert!(
            matches!(outcome, Err(FetchError::Status(got)) if got == status),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn one_deadline_covers_everything() {
    let short = Duration::from_millis(50);
    let outcome = fetch(Answer::Silence, short).await;
    assert!(matches!(outcome, Err(FetchError::Deadline { timeout }) if timeout == short));
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\na".to_vec();
    assert!(matches!(
        fetch(Answer::Bytes(half), PATIENT).await,
        Err(FetchError::Http(_))
    ));
    // Accepted by the kernel, never answered: the handshake waits.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!("https://{}/", listener.local_addr().expect("an address"));
    let tls = client_config(rustls::RootCertStore::empty());
    let fetcher = Fetcher::new(&url.parse().expect("a URL"), tls, short, LIMIT).expect("good");
    assert!(matches!(
        fetcher.fetch().await,
        Err(FetchError::Deadline { .. })
    ));
}

#[tokio::test]
async fn trusts_only_the_given_roots_and_the_right_name() {
    let server = Server::start(Answer::Document(document(&[&RSA]))).await;
    let other = Server::start(Answer::Silence).await;
    let empty = client_config(rustls::RootCertStore::empty());
    let by_name = format!("https://localhost:{}/keys?set=1", server.address.port());
    for (name, url, tls) in [
        ("no roots", server.url(), empty),
        ("another root", server.url(), other.tls()),
        (
            "another name",
            by_name.parse().expect("a URL"),
            server.tls(),
        ),
    ] {
        let fetcher = Fetcher::new(&url, tls, PATIENT, LIMIT).expect("a good URL");
        let outcome = fetcher.fetch().await;
        assert!(
            matches!(outcome, Err(FetchError::Tls { .. })),
            "{name}: {outcome:?}"
        );
    }
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn a_closed_port_is_a_failed_connection() {
    let server = Server::start(Answer::Silence).await;
    // Bound and not listening: nobody else gets the port, and connecting is refused.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket
        .bind("127.0.0.1:0".parse().expect("an address"))
        .expect("a port");
    let url = format!("https://{}/", socket.local_addr().expect("an address"));
    let url = url.parse().expect("a URL");
    let fetcher = Fetcher::new(&url, server.tls(), PATIENT, LIMIT).expect("a good URL");
    assert!(matches!(
        fetcher.fetch().await,
        Err(FetchError::Connect { .. })
    ));
}

#[test]
fn takes_only_https_urls_of_a_host() {
    let tls = client_config(rustls::RootCertStore::empty());
    let open = |url: &str| {
        let source = JwksSource::Url(url.parse().expect("the test writes URLs"));
        KeySet::open(&model(source).issuers[0].jwks, &tls)
    };
    for url in [
        "https://a.example",
        "https://a.example:8443/x?y",
        "https://[::1]/keys",
    ] {
        assert!(open(url).is_ok(), "{url}");
    }
    for url in [
        "http://a.example/",
        "/keys",
        "https://me:secret@a.example/",
        "https://a..b/",
    ] {
        let outcome = open(url);
        let refused = matches!(outcome, Err(KeySetError::Fetch(FetchError::BadUrl { .. })));
        assert!(refused, "{url}: {outcome:?}");
        assert!(!format!("{outcome:?}").contains("secret"), "{url}");
    }
}
