//! TLS of custom domains: certificates, security policies, and requests that come in by another name.

use std::sync::Arc;

use gateway_tests::authority::Authority;
use gateway_tests::client::{Client, HOST_NAME, get, tls, with};
use gateway_tests::gateway::Gateway;
use gateway_tests::setup::Setup;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, HandshakeKind};
use serde_json::{Value, json};

use super::mutual_tls::visit;

/// A listener whose certificate is for everything, and the domains of `domains`, which may lead to a
/// REST API.
async fn start(authority: &Authority, domains: Value) -> Gateway {
    let setup = Setup::new();
    let certificate = authority.write_certificate(
        setup.directory(),
        "all",
        &[HOST_NAME, "a.test", "b.test", "*.w.test"],
    );
    let own = authority.write_certificate(setup.directory(), "own", &["a.test"]);
    let text = domains.to_string().replace("\"OWN\"", &own.to_string());
    let domains: Value = serde_json::from_str(&text).unwrap();
    let setup = setup
        .listener("tls", json!({"certificates": [certificate]}))
        .set(
            &["apis", "main"],
            json!({
                "type": "rest",
                                "stages": {"prod": {}},
                "routes": {"GET /x": {
                    "authorizer": "none",
                    "integration": {
                        "type": "mock",
                        "request_templates": {"application/json": "{\"statusCode\": 200}"},
                        "responses": {"default": {"status": 200}},
                    },
                }},
            }),
        )
        .set(&["domains"], domains);
    Gateway::start(setup).await
}

/// A client of this provider.
fn client_with(authority: &Authority, change: impl Fn(&mut CryptoProvider)) -> Arc<ClientConfig> {
    let mut provider = aws_lc_rs::default_provider();
    change(&mut provider);
    authority.client_by(provider, &["h2"])
}

/// The status of one request to `host` over a connection that asked for `name`.
async fn status(gateway: &Gateway, client: &Arc<ClientConfig>, name: &str, host: &str) -> u16 {
    let stream = tls(gateway.address().await, client, name).await.unwrap();
    let client = Client::over_tls(stream).await;
    let request = with(get("/x"), &[("host", host)]);
    client.send(request).await.status
}

#[tokio::test]
async fn a_domain_has_a_certificate_of_its_own_which_a_reload_renews() {
    let authority = Authority::new();
    let domains = json!({
        "a.test": {"certificate": "OWN", "mappings": {"/": {"api": "main", "stage": "prod"}}},
        "*.w.test": {"mappings": {"/": {"api": "main", "stage": "prod"}}},
    });
    let mut gateway = start(&authority, domains).await;
    let address = gateway.address().await;
    let client = authority.client(&["http/1.1"]);
    let leaf = |stream: &tokio_rustls::client::TlsStream<tokio::net::TcpStream>| {
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let own = leaf(&tls(address, &client, "a.test").await.unwrap());
    for name in ["b.test", "x.w.test", HOST_NAME] {
        assert_ne!(
            leaf(&tls(address, &client, name).await.unwrap()),
            own,
            "{name}"
        );
    }
    assert_eq!(status(&gateway, &client, "x.w.test", "x.w.test").await, 200);
    drop(authority.write_certificate(gateway.setup().directory(), "own", &["a.test"]));
    assert_eq!(gateway.reload().await["answer"], "done");
    assert_ne!(leaf(&tls(address, &client, "a.test").await.unwrap()), own);
    // A certificate that is not for the domain is refused, and the old one stays.
    let other = authority.write_certificate(gateway.setup().directory(), "other", &["b.test"]);
    gateway
        .setup()
        .change(&["domains", "a.test", "certificate"], other);
    let refused = gateway.reload().await.to_string();
    assert!(
        refused.contains("is for `b.test` and not for this domain"),
        "{refused}"
    );
    assert_eq!(status(&gateway, &client, "a.test", "a.test").await, 200);
}

#[tokio::test]
async fn a_security_policy_bounds_versions_suites_and_groups() {
    let authority = Authority::new();
    for (policy, offers, accepted) in [
        ("TLS_1_2", "tls12", true),
        ("TLS_1_2", "tls12 chacha", false),
        ("TLS_1_2", "tls13", true),
        ("TLS_1_2", "tls13 chacha", true),
        ("TLS_1_2", "tls13 pq", false),
        ("TLS_1_0", "tls12", true),
        ("TLS_1_0", "tls12 chacha", false),
        ("SecurityPolicy_TLS13_1_3_2025_09", "tls12", false),
        ("SecurityPolicy_TLS13_1_3_2025_09", "tls13 chacha", true),
        ("SecurityPolicy_TLS13_1_3_2025_09", "tls13 pq", false),
        (
            "SecurityPolicy_TLS13_1_3_FIPS_2025_09",
            "tls13 chacha",
            false,
        ),
        (
            "SecurityPolicy_TLS13_1_3_FIPS_2025_09",
            "tls13 x25519",
            false,
        ),
        ("SecurityPolicy_TLS13_1_3_FIPS_2025_09", "tls13 p256", true),
        ("SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09", "tls13 pq", true),
        ("SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09", "tls12", true),
        (
            "SecurityPolicy_TLS13_1_2_FIPS_PFS_PQ_2025_09",
            "tls13 pq",
            true,
        ),
        (
            "SecurityPolicy_TLS13_1_2_FIPS_PQ_2025_09",
            "tls12 x25519",
            false,
        ),
        ("SecurityPolicy_TLS13_1_2_PQ_2025_09", "tls13 pq", true),
        ("SecurityPolicy_TLS13_1_2_2021_06", "tls13 pq", false),
        ("SecurityPolicy_TLS13_2025_EDGE", "tls12", false),
        ("SecurityPolicy_TLS12_PFS_2025_EDGE", "tls12", true),
        ("SecurityPolicy_TLS12_2018_EDGE", "tls12 chacha", false),
    ] {
        let domain = json!({"a.test": {
            "security_policy": policy,
            "endpoint_access_mode": "basic",
            "certificate": "OWN",
            "mappings": {"/": {"api": "main", "stage": "prod"}},
        }});
        let gateway = start(&authority, domain).await;
        let client = client_with(&authority, |provider| {
            provider.cipher_suites.retain(|suite| {
                let name = format!("{:?}", suite.suite());
                let is_1_3 = name.starts_with("TLS13");
                is_1_3 == offers.contains("tls13")
                    && (!offers.contains("chacha") || name.contains("CHACHA20"))
            });
            provider.kx_groups.retain(|group| {
                let name = format!("{:?}", group.name());
                (!offers.contains("pq") || name.contains("MLKEM"))
                    && (!offers.contains("x25519") || name == "X25519")
                    && (!offers.contains("p256") || name == "secp256r1")
            });
        });
        let handshake = tls(gateway.address().await, &client, "a.test").await;
        assert_eq!(handshake.is_ok(), accepted, "{policy} {offers}");
        // What other hosts are served with is as wide as before.
        let other = tls(gateway.address().await, &client, HOST_NAME).await;
        assert!(other.is_ok(), "{policy} {offers}");
    }
}

#[tokio::test]
async fn a_connection_serves_no_host_whose_policy_is_another_one() {
    let authority = Authority::new();
    let mapping = json!({"/": {"api": "main", "stage": "prod"}});
    let domains = json!({
        "a.test": {
            "security_policy": "SecurityPolicy_TLS13_1_3_2025_09",
            "endpoint_access_mode": "basic",
            "mappings": mapping,
        },
        "b.test": {"mappings": mapping},
    });
    let gateway = start(&authority, domains).await;
    let client = authority.client(&["http/1.1"]);
    for (name, host, expected) in [
        ("a.test", "a.test", 200),
        ("b.test", "b.test", 200),
        (HOST_NAME, "b.test", 200),
        ("b.test", "a.test", 421),
        (HOST_NAME, "a.test", 421),
        ("a.test", "b.test", 421),
    ] {
        let found = status(&gateway, &client, name, host).await;
        assert_eq!(found, expected, "{name} {host}");
    }
    assert_eq!(gateway.reason("misdirected").await["status"], 421);
}

#[tokio::test]
async fn what_a_wildcard_asks_for_is_not_asked_of_hosts_with_a_place_of_their_own() {
    let authority = Authority::new();
    let mapping = json!({"/": {"api": "main", "stage": "prod"}});
    let domains = json!({
        "*.w.test": {
            "security_policy": "SecurityPolicy_TLS13_1_3_2025_09",
            "endpoint_access_mode": "basic",
            "mappings": mapping,
        },
        "own.w.test": {"mappings": mapping},
    });
    let gateway = start(&authority, domains).await;
    let client = authority.client(&["http/1.1"]);
    for (name, host, expected) in [
        ("own.w.test", "own.w.test", 200),
        ("other.w.test", "other.w.test", 200),
        ("own.w.test", "other.w.test", 421),
        ("other.w.test", "own.w.test", 421),
    ] {
        let found = status(&gateway, &client, name, host).await;
        assert_eq!(found, expected, "{name} {host}");
    }
}

#[tokio::test]
async fn a_lowest_version_holds_for_open_connections_and_for_every_policy() {
    let authority = Authority::new();
    let mapping = json!({"/": {"api": "main", "stage": "prod"}});
    let domains = json!({
        "a.test": {"security_policy": "TLS_1_2", "mappings": mapping},
        "b.test": {"mappings": mapping},
    });
    let mut gateway = start(&authority, domains).await;
    let old = authority.client_of(&["http/1.1"], &[&rustls::version::TLS12]);
    let mut open = Vec::new();
    for host in ["a.test", "b.test"] {
        let stream = tls(gateway.address().await, &old, host).await.unwrap();
        let client = Client::over_tls(stream).await;
        let request = with(get("/x"), &[("host", host)]);
        assert_eq!(client.send(request).await.status, 200, "{host}");
        open.push((host, client));
    }
    let listener = ["listeners", "main", "tls", "version_min"];
    gateway.setup().change(&listener, json!("1.3"));
    assert_eq!(gateway.reload().await["answer"], "done");
    for (host, client) in open {
        let request = with(get("/x"), &[("host", host)]);
        assert_eq!(client.send(request).await.status, 421, "{host}");
        assert!(
            tls(gateway.address().await, &old, host).await.is_err(),
            "{host}"
        );
        let new = authority.client(&["http/1.1"]);
        assert_eq!(status(&gateway, &new, host, host).await, 200, "{host}");
    }
}

#[tokio::test]
async fn a_session_goes_on_under_the_terms_it_began_with_alone() {
    let authority = Authority::new();
    let mapping = json!({"/": {"api": "main", "stage": "prod"}});
    let mut gateway = start(&authority, json!({"a.test": {"mappings": mapping}})).await;
    let mut policy = None;
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let client = authority.client_of(&["http/1.1"], &[version]);
        assert_eq!(visit(&gateway, &client).await.0, HandshakeKind::Full);
        assert_eq!(visit(&gateway, &client).await.0, HandshakeKind::Resumed);
        let next = if policy.is_none() {
            "TLS_1_2"
        } else {
            "TLS_1_0"
        };
        policy = Some(next);
        let at = ["domains", "a.test", "security_policy"];
        gateway.setup().change(&at, json!(next));
        assert_eq!(gateway.reload().await["answer"], "done");
        assert_ne!(visit(&gateway, &client).await.0, HandshakeKind::Resumed);
        assert_eq!(visit(&gateway, &client).await.0, HandshakeKind::Resumed);
    }
}

#[tokio::test]
async fn strict_access_asks_for_the_same_name_twice() {
    let authority = Authority::new();
    let mapping = json!({"/": {"api": "main", "stage": "prod"}});
    let domains = json!({
        "a.test": {"endpoint_access_mode": "strict", "mappings": mapping},
        "b.test": {"endpoint_access_mode": "basic", "mappings": mapping},
        "*.w.test": {"endpoint_access_mode": "strict", "mappings": mapping},
    });
    let gateway = start(&authority, domains).await;
    let client = authority.client(&["http/1.1"]);
    for (name, host, expected) in [
        ("a.test", "a.test", 200),
        ("a.test", "A.test", 200),
        ("b.test", "a.test", 421),
        ("a.test", "b.test", 200),
        ("x.w.test", "x.w.test", 200),
        ("y.w.test", "x.w.test", 421),
    ] {
        let found = status(&gateway, &client, name, host).await;
        assert_eq!(found, expected, "{name} {host}");
    }
}
