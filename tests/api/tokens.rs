//! Who is let in by a token, and what the others are told.

use aws_lc_rs::hmac;
use gateway_tests::client::Client;
use gateway_tests::gateway::Gateway;
use gateway_tests::issuer::{Key, authorize, claims, forged, key_set, now};
use gateway_tests::setup::Setup;
use gateway_tests::upstream::Upstream;
use gateway_tests::wait::until;
use serde_json::{Value, json};

const UNAUTHORIZED: &str = r#"{"message":"Unauthorized"}"#;
const INVALID: &str =
    r#"Bearer scope="read" error="invalid_token" error_description="the token is not valid""#;
const EXPIRED: &str =
    r#"Bearer scope="read" error="invalid_token" error_description="the token has expired""#;
const AUDIENCE: &str = r#"Bearer scope="read" error="invalid_token" error_description="the token does not have a valid audience""#;

struct Row {
    name: &'static str,
    token: String,
    reason: &'static str,
    challenge: &'static str,
}

fn row(name: &'static str, token: String, reason: &'static str, challenge: &'static str) -> Row {
    Row {
        name,
        token,
        reason,
        challenge,
    }
}

/// Tokens that were not made by the issuer.
fn forgeries(ec: &Key, rsa: &Key) -> Vec<Row> {
    let good = claims(json!({}));
    let hs256 = |secret: &[u8], id: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let header = json!({"alg": "HS256", "kid": id});
        forged(&header, &good, |message| {
            hmac::sign(&key, message).as_ref().to_vec()
        })
    };
    let mut tampered = ec.token(&good);
    let place = tampered.len() - 40;
    let changed = if tampered.as_bytes()[place] == b'A' {
        "B"
    } else {
        "A"
    };
    tampered.replace_range(place..=place, changed);
    let none = forged(&json!({"alg": "none"}), &good, |_| Vec::new());
    let odd_none = forged(&json!({"alg": "nOnE", "kid": "ec"}), &good, |_| vec![0]);
    let mixed = ec.token_headed(&json!({"alg": "RS256", "kid": "ec"}), &good);
    let (rsa_pem, ec_pem) = (rsa.public_pem(), ec.public_pem());
    let rows = [
        ("alg none", none, "token_algorithm"),
        ("alg nOnE", odd_none, "token_algorithm"),
        (
            "HS256 with the RSA key",
            hs256(rsa_pem.as_bytes(), "rsa"),
            "token_algorithm",
        ),
        (
            "HS256 with the EC key",
            hs256(ec_pem.as_bytes(), "ec"),
            "token_algorithm",
        ),
        ("RS256 named, EC key", mixed, "token_algorithm"),
        (
            "another's key of that name",
            Key::ec("ec").token(&good),
            "token_signature",
        ),
        (
            "a key nobody has",
            Key::ec("unknown").token(&good),
            "token_unknown_key",
        ),
        ("tampered", tampered, "token_signature"),
        ("not a token", "abc.def".into(), "token_malformed"),
        ("too large", "a".repeat(17_000), "token_too_large"),
    ];
    rows.into_iter()
        .map(|(name, token, reason)| row(name, token, reason, INVALID))
        .collect()
}

/// Tokens of the issuer that are not for here and now.
fn misfits(key: &Key) -> Vec<Row> {
    let rows = [
        (
            "expired",
            json!({"exp": now() - 1}),
            "token_expired",
            EXPIRED,
        ),
        (
            "without exp",
            json!({"exp": null}),
            "token_malformed",
            INVALID,
        ),
        (
            "wrong audience",
            json!({"aud": "cats"}),
            "token_audience",
            AUDIENCE,
        ),
        (
            "no audience",
            json!({"aud": null}),
            "token_audience",
            AUDIENCE,
        ),
        (
            "wrong issuer",
            json!({"iss": "https://issuer.test"}),
            "token_issuer",
            INVALID,
        ),
        (
            "not yet valid",
            json!({"nbf": now() + 60}),
            "token_not_yet_valid",
            INVALID,
        ),
        (
            "from the future",
            json!({"iat": now() + 60}),
            "token_issued_in_future",
            INVALID,
        ),
    ];
    let token = |changes: Value| key.token(&claims(changes));
    rows.into_iter()
        .map(|(name, changes, reason, challenge)| row(name, token(changes), reason, challenge))
        .collect()
}

fn protected(upstream: &Upstream, keys: &[&Key]) -> Setup {
    authorize(Setup::new().upstream("main", upstream.address), keys)
        .route(
            "GET /{any+}",
            json!({"authorizer": "main", "scopes": ["read"]}),
        )
        .route("GET /open", json!({}))
        .set(
            &["apis", "main", "limits"],
            json!({"header_bytes_max": "20KiB"}),
        )
}

#[tokio::test]
async fn only_a_good_token_is_let_in() {
    let upstream = Upstream::echo().await;
    let (ec, rsa) = (Key::ec("ec"), Key::rsa("rsa"));
    let gateway = Gateway::start(protected(&upstream, &[&ec, &rsa])).await;
    let client = Client::http1(gateway.address().await).await;
    let rows = forgeries(&ec, &rsa).into_iter().chain(misfits(&ec));
    for (number, row) in rows.enumerate() {
        let path = format!("/bad/{number}");
        let answer = client
            .get_with(
                &path,
                &[("authorization", &format!("Bearer {}", row.token))],
            )
            .await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (401, UNAUTHORIZED),
            "{}",
            row.name
        );
        assert_eq!(
            answer.header("www-authenticate"),
            row.challenge,
            "{}",
            row.name
        );
        assert_eq!(
            gateway.path(&path).await["reason"],
            row.reason,
            "{}",
            row.name
        );
    }
    assert_eq!(upstream.seen().connections, 0);
    for (path, token) in [
        ("/ec", ec.token(&claims(json!({})))),
        ("/rsa", rsa.token(&claims(json!({})))),
    ] {
        for form in [
            format!("Bearer {token}"),
            format!("bearer  {token}"),
            token.clone(),
        ] {
            assert_eq!(
                client
                    .get_with(path, &[("authorization", &form)])
                    .await
                    .status,
                200
            );
        }
        assert_eq!(gateway.path(path).await["subject"], "user-1");
    }
}

#[tokio::test]
async fn a_token_in_the_log_is_nowhere() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("ec");
    let gateway = Gateway::start(protected(&upstream, &[&key])).await;
    let client = Client::http1(gateway.address().await).await;
    let token = key.token(&claims(json!({"exp": now() - 1})));
    client
        .get_with("/secret?token=hidden", &[("authorization", &token)])
        .await;
    gateway.path("/secret").await;
    let signature = token.rsplit('.').next().unwrap();
    for line in gateway.log.all().iter().chain(&gateway.errors.all()) {
        assert!(
            !line.contains(signature) && !line.contains("hidden"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn what_is_missing_is_told_apart_from_what_is_wrong() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("ec");
    let gateway = Gateway::start(protected(&upstream, &[&key])).await;
    let client = Client::http1(gateway.address().await).await;
    let token = key.token(&claims(json!({})));
    let twice = [
        ("authorization", token.as_str()),
        ("authorization", token.as_str()),
    ];
    for (path, headers) in [
        ("/none", &[][..]),
        ("/empty", &[("authorization", "Bearer ")][..]),
        ("/twice", &twice[..]),
    ] {
        let answer = client.get_with(path, headers).await;
        assert_eq!(
            (answer.status, answer.header("www-authenticate")),
            (401, "Bearer"),
            "{path}"
        );
        assert_eq!(
            gateway.path(path).await["reason"],
            "token_missing",
            "{path}"
        );
    }
    let narrow = key.token(&claims(json!({"scope": "write"})));
    let answer = client
        .get_with("/scope", &[("authorization", &narrow)])
        .await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (403, r#"{"message":"Forbidden"}"#)
    );
    assert_eq!(
        answer.header("www-authenticate"),
        r#"Bearer scope="read" error="insufficient_scope" error_description="the token does not have a required scope""#
    );
    assert_eq!(gateway.path("/scope").await["reason"], "insufficient_scope");
    assert_eq!(upstream.seen().requests, 0);
    assert_eq!(client.get("/open").await.status, 200);
}

#[tokio::test]
async fn one_of_the_scopes_of_a_route_stands_in_scope_or_scp() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("ec");
    let scoped = json!({"authorizer": "main", "scopes": ["read", "list"]});
    let setup = protected(&upstream, &[&key]).route("GET /scoped", scoped);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    for (changes, status) in [
        (json!({"scope": "write list"}), 200),
        (json!({"scope": "write"}), 403),
        (json!({"scope": null, "scp": ["write", "read"]}), 200),
        (json!({"scope": null, "scp": "list write"}), 200),
        (json!({"scope": "write", "scp": ["list"]}), 200),
        (json!({"scope": "write", "scp": ["other"]}), 403),
        (json!({"scope": null}), 403),
    ] {
        let token = key.token(&claims(changes.clone()));
        let headers = [("authorization", token.as_str())];
        let answer = client.get_with("/scoped", &headers).await;
        assert_eq!(answer.status, status, "{changes}");
    }
}

#[tokio::test]
async fn a_token_may_come_in_the_query() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("ec");
    let setup = protected(&upstream, &[&key]).set(
        &["authorizers", "main", "identity_source"],
        json!("$request.querystring.access_token"),
    );
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let token = key.token(&claims(json!({})));
    assert_eq!(
        client
            .get(&format!("/q?a=1&access_token={token}"))
            .await
            .status,
        200
    );
    for scheme in ["Bearer%20", "bearer+"] {
        let path = format!("/q?access_token={scheme}{token}");
        assert_eq!(client.get(&path).await.status, 200, "{scheme}");
    }
    assert_eq!(
        client
            .get(&format!("/q2?access_token={token}&access_token={token}"))
            .await
            .status,
        401
    );
    assert_eq!(
        client
            .get_with("/q3", &[("authorization", &token)])
            .await
            .status,
        401
    );
    assert_eq!(gateway.path("/q3").await["reason"], "token_missing");
}

#[tokio::test]
async fn a_decision_is_remembered_but_never_beyond_exp() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("ec");
    let gateway = Gateway::start(protected(&upstream, &[&key])).await;
    let client = Client::http1(gateway.address().await).await;
    let token = key.token(&claims(json!({})));
    for _ in 0..5 {
        assert_eq!(
            client
                .get_with("/a", &[("authorization", &token)])
                .await
                .status,
            200
        );
    }
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("gateway_decisions_hits_total"), 4.0);
    assert_eq!(metrics.sum("gateway_decisions_misses_total"), 1.0);
    let short = key.token(&claims(json!({"exp": now() + 2})));
    let headers = [("authorization", short.as_str())];
    let call = || client.get_with("/b", &headers);
    assert_eq!(call().await.status, 200);
    let refused = until("its expiry", || async {
        Some(call().await).filter(|a| a.status == 401)
    });
    assert!(
        refused
            .await
            .header("www-authenticate")
            .contains("has expired")
    );
    assert_eq!(gateway.reason("token_expired").await["path"], "/b");
}

#[tokio::test]
async fn an_authorizer_trusts_several_issuers_and_asks_for_claims() {
    let upstream = Upstream::echo().await;
    let (ours, theirs) = (Key::ec("one"), Key::ec("one"));
    let setup = Setup::new();
    let issuer = |name: &str, key: &Key, audience: &str| {
        let file = setup.file(&format!("{audience}.json"), &key_set(&[key]));
        json!({
            "issuer": name, "audiences": [audience], "algorithms": ["ES256"],
            "jwks": {"file": file},
        })
    };
    let issuers = [
        issuer("https://ours.test/", &ours, "pets"),
        issuer("https://theirs.test/", &theirs, "shared"),
    ];
    let authorizer = json!({"type": "jwt", "issuers": issuers, "claims": {"use": ["access"]}});
    let route = json!({"authorizer": "main", "integration": {"upstream": "main"}});
    let rest = json!({
        "type": "rest", "hosts": ["rest.test"], "stages": {"prod": {}},
        "routes": {"GET /{any+}": route},
    });
    let setup = setup
        .upstream("main", upstream.address)
        .set(&["authorizers", "main"], authorizer)
        .route("GET /{any+}", json!({"authorizer": "main"}))
        .set(&["apis", "rest"], rest);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let said = |issuer: &str, audience: &str, kind: &str| {
        claims(json!({"iss": issuer, "aud": audience, "use": kind}))
    };
    let (our_name, their_name) = ("https://ours.test/", "https://theirs.test/");
    for (token, reason) in [
        (ours.token(&said(our_name, "pets", "access")), None),
        (theirs.token(&said(their_name, "shared", "access")), None),
        (
            theirs.token(&said(our_name, "pets", "access")),
            Some("token_signature"),
        ),
        (
            ours.token(&said(our_name, "shared", "access")),
            Some("token_audience"),
        ),
        (
            ours.token(&said("https://others.test/", "pets", "access")),
            Some("token_issuer"),
        ),
        (
            ours.token(&said(our_name, "pets", "id")),
            Some("token_claim"),
        ),
    ] {
        for (host, path) in [("api.test", "/a"), ("rest.test", "/prod/a")] {
            let headers = [("authorization", token.as_str()), ("host", host)];
            let answer = client.get_with(path, &headers).await;
            let expected = if reason.is_some() { 401 } else { 200 };
            assert_eq!(
                answer.status,
                expected,
                "{host} {reason:?}: {}",
                answer.text()
            );
            if let Some(reason) = reason {
                assert_eq!(gateway.reason(reason).await["status"], 401);
            }
        }
    }
}

#[tokio::test]
async fn claims_are_text_wherever_they_are_named() {
    let upstream = Upstream::echo().await;
    let key = Key::ec("ec");
    let names = [
        "sub",
        "level",
        "admin",
        "cognito:groups",
        "https://example.com/role",
        "gone",
    ];
    let mapped = |target: &str, source: &str| {
        let mapped = names.iter().enumerate().map(|(number, name)| {
            (
                format!("{target}X-{number}"),
                json!(format!("{source}{name}")),
            )
        });
        json!({"upstream": "main", "request_parameters": mapped.collect::<serde_json::Map<_, _>>()})
    };
    let http = mapped("append:header.", "$context.authorizer.claims.");
    let rest = mapped("integration.request.header.", "context.authorizer.claims.");
    let claims_of = names.map(|name| format!("$context.authorizer.claims.{name}"));
    let format = format!("$context.requestId {}", claims_of.join(" "));
    let rest = json!({
        "type": "rest", "hosts": ["rest.test"],
        "stages": {"prod": {"access_log": {"format": format}}},
        "routes": {"GET /a": {"authorizer": "main", "integration": rest}},
    });
    let setup = Setup::new().upstream("main", upstream.address);
    let setup = authorize(setup, &[&key])
        .route("GET /a", json!({"authorizer": "main", "integration": http}))
        .set(&["apis", "rest"], rest);
    let gateway = Gateway::start(setup).await;
    let client = Client::http1(gateway.address().await).await;
    let token = key.token(&claims(json!({
        "level": 3, "admin": true, "cognito:groups": ["keepers", "vets"],
        "https://example.com/role": {"of": "pets"},
    })));
    let expected = ["user-1", "3", "true", "[keepers vets]", r#"{"of":"pets"}"#];
    for (host, path) in [("http.test", "/a"), ("rest.test", "/prod/a")] {
        let headers = [("host", host), ("authorization", token.as_str())];
        let answer = client.get_with(path, &headers).await;
        let sent = answer.json()["headers"].clone();
        for (number, text) in expected.iter().enumerate() {
            assert_eq!(sent[format!("x-{number}")], *text, "{host}");
        }
        assert_eq!(sent["x-5"], Value::Null, "{host}");
    }
    let written = |line: &str| line.contains("user-1 3 true [keepers vets]").then_some(());
    gateway.log.find("the claims", written).await;
}
