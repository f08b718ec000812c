//! Mutual TLS: whom a truststore vouches for comes in, and nobody else, whatever way they take.

use std::sync::Arc;

use gateway_tests::authority::Authority;
use gateway_tests::client::{Answer, Client, HOST_NAME, get, tls, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::identities::{ClientIdentity, Issuing};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use rustls::{ClientConfig, HandshakeKind};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const FORBIDDEN: &str = r#"{"message":"Forbidden"}"#;

/// `a.test` and the harness's own host trust these authorities, `b.test` asks for nothing. All lead to an HTTP API, and below
/// `/rest` to a REST API.
async fn start(authority: &Authority, upstream: &Upstream, trusted: &[&Issuing]) -> Gateway {
    let mapping = json!({
        "/": {"api": "main"},
        "rest": {"api": "legacy", "stage": "prod"},
    });
    let setup = Setup::new().upstream("main", upstream.address);
    let names = [HOST_NAME, "a.test", "b.test"];
    let certificate = authority.write_certificate(setup.directory(), "all", &names);
    let setup = setup
        .route(
            "$default",
            json!({"integration": {"request_parameters": {
                "overwrite:header.x-subject": "$context.identity.clientCert.subjectDN",
                "overwrite:header.x-serial": "$context.identity.clientCert.serialNumber",
                "overwrite:header.x-pem": "$context.identity.clientCert.clientCertPem",
                "append:header.x-also": "$context.identity.clientCert.subjectDN",
                "overwrite:querystring.subject": "$context.identity.clientCert.subjectDN",
            }}}),
        )
        .set(
            &["apis", "legacy"],
            json!({
                "type": "rest",
                "hosts": ["legacy.test"],
                "stages": {"prod": {}},
                "routes": {"GET /who": {"authorizer": "none", "integration": {
                    "upstream": "main",
                    "request_parameters": {
                        "integration.request.header.X-Issuer":
                            "context.identity.clientCert.issuerDN",
                        "integration.request.header.X-After":
                            "context.identity.clientCert.validity.notAfter",
                    },
                }}},
            }),
        )
        .listener("tls", json!({"certificates": [certificate]}))
        .set(
            &["domains"],
            json!({
                "a.test": {"mappings": mapping, "mutual_tls": {"truststore": "trusted.pem"}},
                HOST_NAME: {"mappings": mapping, "mutual_tls": {"truststore": "trusted.pem"}},
                "b.test": {"mappings": mapping},
            }),
        );
    trust(&setup, trusted);
    Gateway::start(setup).await
}

fn trust(setup: &Setup, trusted: &[&Issuing]) {
    let pem: String = trusted.iter().map(|issuing| issuing.pem.as_str()).collect();
    drop(setup.file("trusted.pem", &pem));
}

fn presenting(authority: &Authority, identity: &ClientIdentity) -> Arc<ClientConfig> {
    identity
        .clone()
        .presented_by(&authority.client(&["http/1.1"]))
}

async fn connect(gateway: &Gateway, config: &Arc<ClientConfig>, name: &str) -> Client {
    let stream = tls(gateway.address().await, config, name).await.unwrap();
    Client::over_tls(stream).await
}

async fn ask(client: &Client, host: &str, path: &str) -> Answer {
    client.send(with(get(path), &[("host", host)])).await
}

#[tokio::test]
async fn who_is_vouched_for_comes_in_and_is_told_to_backends() {
    let (authority, upstream) = (Authority::new(), Upstream::echo().await);
    let root = Issuing::root("root");
    let issuing = root.below("issuing");
    let gateway = start(&authority, &upstream, &[&root, &issuing]).await;
    let direct = root.client("direct");
    let client = connect(&gateway, &presenting(&authority, &direct), "a.test").await;
    assert_eq!(ask(&client, "a.test", "/direct").await.status, 200);

    let below = issuing.client("below");
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let config = authority.client_of(&["http/1.1"], &[version]);
        let config = below.clone().presented_by(&config);
        let stream = tls(gateway.address().await, &config, "a.test")
            .await
            .unwrap();
        let client = Client::over_tls(stream).await;
        let http = ask(&client, "a.test", "/below").await.json();
        assert_eq!(http["headers"]["x-subject"], "CN=below", "{http}");
        let serial = http["headers"]["x-serial"].as_str().unwrap().to_owned();
        assert_eq!(serial.split(':').next().unwrap().len(), 2, "{serial}");
        let pem = http["headers"]["x-pem"].as_str().unwrap();
        let pem = pem.replace("%0A", "\n").replace("%20", " ");
        assert_eq!(pem, below.pem.replace('\r', ""));
        let rest = ask(&client, "a.test", "/rest/who").await.json();
        assert_eq!(rest["headers"]["x-issuer"], "CN=issuing", "{rest}");
        let after = rest["headers"]["x-after"].as_str().unwrap();
        assert!(after.ends_with(" GMT"), "{after}");
        let record = gateway.path("/below").await;
        assert_eq!(record["client_subject"], "CN=below");
        assert_eq!(record["client_issuer"], "CN=issuing");
        assert_eq!(record["client_serial"], serial);
    }
}

#[tokio::test]
async fn everybody_else_is_forbidden_and_the_log_says_why() {
    let (authority, upstream) = (Authority::new(), Upstream::echo().await);
    let (root, other) = (Issuing::root("root"), Issuing::root("other"));
    let (one, two, three);
    one = root.below("one");
    two = one.below("two");
    three = two.below("three");
    // Of the same name as the one that is trusted.
    let impostor = Issuing::root("root");
    let gateway = start(&authority, &upstream, &[&root, &one, &two, &three]).await;
    let unsent = other.below("unsent");
    let mut with_chain = root.below("unlisted").client("unlisted");
    with_chain.chain.extend(unsent.client("x").chain);
    assert_eq!(
        ask_as(&gateway, &authority, &two.client("four"))
            .await
            .status,
        200
    );
    for (path, identity, detail) in [
        ("/other", other.client("other"), "UnknownIssuer"),
        (
            "/impostor",
            impostor.client("impostor"),
            "InvalidSignatureForPublicKey",
        ),
        ("/expired", root.expired_client("expired"), "CertExpired"),
        ("/server", root.server("server"), "RequiredEkuNotFound"),
        ("/unlisted", with_chain, "UnknownIssuer"),
        ("/long", three.client("long"), "MaximumPathDepthExceeded"),
    ] {
        let client = connect(&gateway, &presenting(&authority, &identity), "a.test").await;
        let answer = ask(&client, "a.test", path).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (403, FORBIDDEN),
            "{path}"
        );
        assert_eq!(
            answer.header("x-amzn-errortype"),
            "ForbiddenException",
            "{path}"
        );
        assert!(!answer.header("x-amzn-requestid").is_empty(), "{path}");
        let record = gateway.path(path).await;
        assert_eq!(record["reason"], "client_certificate_untrusted");
        assert_eq!(record["client_subject"], path.replace('/', "CN="));
        let found = record["detail"].as_str().unwrap();
        assert!(found.starts_with(detail), "{path}: {found}");
    }
    let nobody = authority.client(&["http/1.1"]);
    let client = connect(&gateway, &nobody, "a.test").await;
    let answer = ask(&client, "a.test", "/nobody").await;
    assert_eq!((answer.status, answer.text().as_str()), (403, FORBIDDEN));
    let record = gateway.path("/nobody").await;
    assert_eq!(record["reason"], "client_certificate_missing");
    assert_eq!(record["client_subject"], json!(null));
    // A kind of key that the service does not know is not asked for.
    let edwards = root.client_with_key("edwards", &rcgen::PKCS_ED25519);
    let client = connect(&gateway, &presenting(&authority, &edwards), "a.test").await;
    assert_eq!(ask(&client, "a.test", "/edwards").await.status, 403);
    assert_eq!(
        gateway.path("/edwards").await["reason"],
        "client_certificate_missing"
    );
}

#[tokio::test]
async fn certificates_that_are_large_or_cannot_be_understood_come_to_nothing() {
    let (authority, upstream) = (Authority::new(), Upstream::echo().await);
    let root = Issuing::root("root");
    let gateway = start(&authority, &upstream, &[&root]).await;
    let large = root.client(&"x".repeat(17_000));
    let client = connect(&gateway, &presenting(&authority, &large), "a.test").await;
    assert_eq!(ask(&client, "a.test", "/large").await.status, 403);
    let record = gateway.path("/large").await;
    assert_eq!(record["reason"], "client_certificate_untrusted");
    assert_eq!(record["detail"], "it has more than 16384 bytes");
    assert_eq!(record["client_subject"], json!(null));
    // Whether the client has its key cannot be checked, so there is nobody to answer.
    let strange = root.client_with_unknown_extension("strange");
    let config = authority.client_of(&["http/1.1"], &[&rustls::version::TLS12]);
    let config = strange.presented_by(&config);
    assert!(
        tls(gateway.address().await, &config, "a.test")
            .await
            .is_err()
    );
    assert_eq!(
        gateway.reason("handshake_failed").await["kind"],
        "connection"
    );
}

async fn ask_as(gateway: &Gateway, authority: &Authority, identity: &ClientIdentity) -> Answer {
    let client = connect(gateway, &presenting(authority, identity), "a.test").await;
    ask(&client, "a.test", "/four").await
}

#[tokio::test]
async fn no_connection_to_another_host_leads_around_it() {
    let (authority, upstream) = (Authority::new(), Upstream::echo().await);
    let root = Issuing::root("root");
    let gateway = start(&authority, &upstream, &[&root]).await;
    let trusted = root.client("trusted");
    let known = presenting(&authority, &trusted);
    // Who named the other host was asked for nothing, whatever it could have shown.
    let client = connect(&gateway, &known, "b.test").await;
    assert_eq!(ask(&client, "a.test", "/around").await.status, 421);
    assert_eq!(ask(&client, "b.test", "/").await.status, 200);
    // Over HTTP/2 clients reuse connections for every host that the certificate is for.
    let offering = trusted.clone().presented_by(&authority.client(&["h2"]));
    for (name, expected) in [("b.test", 421), ("a.test", 200), (HOST_NAME, 200)] {
        let client = connect(&gateway, &offering, name).await;
        assert!(client.is_http2());
        assert_eq!(client.get("/").await.status, expected, "{name}");
    }
    assert_eq!(gateway.path("/around").await["reason"], "misdirected");
    // The other way round the certificate is nobody's business.
    let stranger = presenting(&authority, &Issuing::root("other").client("stranger"));
    for config in [&known, &stranger] {
        let client = connect(&gateway, config, "a.test").await;
        let answer = ask(&client, "b.test", "/other-host").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["headers"]["x-subject"], json!(null));
        assert_eq!(
            gateway.path("/other-host").await["client_subject"],
            json!(null)
        );
    }
}

#[tokio::test]
async fn no_client_says_what_its_certificate_does_not() {
    let (authority, upstream) = (Authority::new(), Upstream::echo().await);
    let root = Issuing::root("root");
    let gateway = start(&authority, &upstream, &[&root]).await;
    let nobody = authority.client(&["http/1.1"]);
    let client = connect(&gateway, &nobody, "b.test").await;
    let forged = [
        ("host", "b.test"),
        ("x-subject", "CN=forged"),
        ("x-pem", "forged"),
        ("x-also", "own"),
        ("x-issuer", "CN=forged"),
        ("x-after", "forged"),
    ];
    let seen = client
        .send(with(get("/?subject=forged&a=1"), &forged))
        .await;
    let seen = seen.json();
    assert_eq!(seen["uri"], "/?a=1");
    for (name, expected) in [
        ("x-subject", json!(null)),
        ("x-pem", json!(null)),
        ("x-also", json!("own")),
    ] {
        assert_eq!(seen["headers"][name], expected, "{name}");
    }
    let seen = client.send(with(get("/rest/who"), &forged)).await.json();
    for name in ["x-issuer", "x-after"] {
        assert_eq!(seen["headers"][name], json!(null), "{name}");
    }
    // What there is takes the place of what the client wrote.
    let known = presenting(&authority, &root.client("known"));
    let client = connect(&gateway, &known, "a.test").await;
    let headers = [("host", "a.test"), ("x-subject", "CN=forged")];
    let seen = client.send(with(get("/?subject=forged"), &headers)).await;
    let seen = seen.json();
    assert_eq!(seen["headers"]["x-subject"], "CN=known");
    assert_eq!(seen["uri"], "/?subject=CN%3Dknown");
    // The log knows the client also where its request leads nowhere.
    assert_eq!(ask(&client, "a.test", "/a/%2e%2e/b").await.status, 400);
    assert_eq!(
        gateway.reason("bad_path").await["client_subject"],
        "CN=known"
    );
}

#[tokio::test]
async fn an_api_without_hosts_is_reached_by_its_domains_alone() {
    let (authority, upstream) = (Authority::new(), Upstream::echo().await);
    let root = Issuing::root("root");
    let setup = Setup::forwarding(upstream.address);
    let names = [HOST_NAME, "a.test", "127.0.0.1"];
    let certificate = authority.write_certificate(setup.directory(), "all", &names);
    let setup = setup
        .set(&["apis", "main", "id"], json!("main"))
        .set(&["apis", "main", "hosts"], json!([]))
        .set(&["apis", "main", "default_endpoint"], json!(false))
        .listener("tls", json!({"certificates": [certificate]}))
        .set(
            &["domains"],
            json!({"a.test": {
                "mappings": {"/": {"api": "main"}},
                "mutual_tls": {"truststore": "trusted.pem"},
            }}),
        );
    trust(&setup, &[&root]);
    let gateway = Gateway::start(setup).await;
    let known = presenting(&authority, &root.client("known"));
    let client = connect(&gateway, &known, "a.test").await;
    assert_eq!(ask(&client, "a.test", "/in").await.status, 200);
    // An address is no server name, so this handshake names none.
    let nobody = authority.client(&["http/1.1"]);
    let client = connect(&gateway, &nobody, "127.0.0.1").await;
    for (host, status) in [
        ("a.test", 421),
        ("main.execute-api.local.localhost", 404),
        ("main", 404),
        ("127.0.0.1", 404),
    ] {
        assert_eq!(ask(&client, host, "/around").await.status, status, "{host}");
    }
}

/// One request on a connection of its own; how its handshake went, and its status line.
pub(super) async fn visit(
    gateway: &Gateway,
    config: &Arc<ClientConfig>,
) -> (HandshakeKind, String) {
    let mut stream = tls(gateway.address().await, config, "a.test")
        .await
        .unwrap();
    let request = b"GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.lines().next().unwrap().to_owned();
    (stream.get_ref().1.handshake_kind().unwrap(), status)
}

#[tokio::test]
async fn nothing_is_resumed_and_a_new_truststore_holds_at_once() {
    let (authority, upstream) = (Authority::new(), Upstream::echo().await);
    let (root, other) = (Issuing::root("root"), Issuing::root("other"));
    let mut gateway = start(&authority, &upstream, &[&root]).await;
    let identity = root.client("known");
    let ok = (HandshakeKind::Full, "HTTP/1.1 200 OK".to_owned());
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let config = authority.client_of(&["http/1.1"], &[version]);
        let config = identity.clone().presented_by(&config);
        assert_eq!(visit(&gateway, &config).await, ok);
        assert_eq!(visit(&gateway, &config).await, ok);
    }
    // A client that got a ticket while nothing was asked for does not use it afterwards.
    let config = presenting(&authority, &identity);
    gateway.setup().remove(&["domains", "a.test", "mutual_tls"]);
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(visit(&gateway, &config).await, ok);
    assert_eq!(visit(&gateway, &config).await.0, HandshakeKind::Resumed);
    let truststore = json!({"truststore": "trusted.pem"});
    gateway
        .setup()
        .change(&["domains", "a.test", "mutual_tls"], truststore);
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(visit(&gateway, &config).await, ok);

    let open = connect(&gateway, &config, "a.test").await;
    assert_eq!(ask(&open, "a.test", "/").await.status, 200);
    trust(gateway.setup(), &[&other]);
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_eq!(ask(&open, "a.test", "/").await.status, 421);
    let forbidden = (HandshakeKind::Full, "HTTP/1.1 403 Forbidden".to_owned());
    assert_eq!(visit(&gateway, &config).await, forbidden);
    let config = presenting(&authority, &other.client("new"));
    assert_eq!(visit(&gateway, &config).await, ok);
}
