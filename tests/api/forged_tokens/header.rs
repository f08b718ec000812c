//! Headers that ask for more than a key of the issuer.

use gateway_tests::issuer::{Key, KeyServer, claims, forged, key_set};
use serde_json::{Value, json};

use super::{ALGORITHM, MALFORMED, Row, SIGNATURE, UNAVAILABLE, UNKNOWN, check, good, row};

/// A token of good claims.
fn headed(key: &Key, header: &Value) -> String {
    key.token_headed(header, &claims(json!({})))
}

const ALGORITHMS: [&str; 17] = [
    "none",
    "None",
    "NONE",
    "nOnE",
    "",
    "HS256",
    "HS384",
    "HS512",
    "es256",
    "ES256K",
    "ES512",
    "RS512",
    "RSA-OAEP",
    "dir",
    "ES256\u{0}",
    " ES256",
    "\u{415}S256",
];

#[tokio::test]
async fn algorithms_are_those_of_the_authorizer_and_of_the_key() {
    let (ec, rsa) = (Key::ec("ec"), Key::rsa("rsa"));
    let mut rows: Vec<Row> = Vec::new();
    for algorithm in ALGORITHMS {
        let header = json!({"alg": algorithm, "kid": "ec"});
        let unsigned = forged(&header, &claims(json!({})), |_| Vec::new());
        rows.push(row(algorithm, headed(&ec, &header), ALGORITHM));
        rows.push(row(algorithm, unsigned, ALGORITHM));
    }
    for (name, key, algorithm, kid) in [
        ("the curve of another", &ec, "ES384", "ec"),
        ("an EC key for RSA", &ec, "RS256", "ec"),
        ("an EC key for EdDSA", &ec, "EdDSA", "ec"),
        ("an RSA key for EC", &rsa, "ES256", "rsa"),
        ("EC by the name of RSA", &ec, "ES256", "rsa"),
    ] {
        let token = headed(key, &json!({"alg": algorithm, "kid": kid}));
        rows.push(row(name, token, ALGORITHM));
    }
    let pss = headed(&rsa, &json!({"alg": "PS256", "kid": "rsa"}));
    rows.push(row("PKCS #1 for PSS", pss, SIGNATURE));
    check(&[&ec, &rsa], rows).await;
}

const KIDS: [&str; 21] = [
    "../../../../../../dev/null",
    "/etc/hostname",
    "file:///dev/null",
    "https://evil.test/jwks",
    "x' UNION SELECT 'key' --",
    "' OR '1'='1",
    "ec|/usr/bin/id",
    "$(id)",
    "`id`",
    "ec\u{0}",
    "EC",
    " ec",
    "ec ",
    "",
    "\u{435}\u{441}",
    "off",
    "oct",
    "*",
    "e?",
    "0",
    "__proto__",
];

#[tokio::test]
async fn a_key_is_named_letter_by_letter() {
    let ec = Key::ec("ec");
    let of = |kid: &Value| headed(&ec, &json!({"alg": "ES256", "kid": kid}));
    let mut rows: Vec<Row> = Vec::new();
    let long = "e".repeat(8_000);
    for kid in KIDS.into_iter().chain([long.as_str()]) {
        // Those two are in the key set, and no keys that verify anything.
        let reason = match kid {
            "off" | "oct" => UNAVAILABLE,
            _ => UNKNOWN,
        };
        rows.push(row(kid, of(&json!(kid)), reason));
    }
    rows.push(row(
        "no kid",
        headed(&ec, &json!({"alg": "ES256"})),
        MALFORMED,
    ));
    for kid in [
        json!(["ec"]),
        json!({"ec": 1}),
        json!(1),
        json!(null),
        json!(true),
    ] {
        rows.push(row("no text", of(&kid), MALFORMED));
    }
    check(&[&ec], rows).await;
}

#[tokio::test]
async fn what_must_be_understood_is_not() {
    let ec = Key::ec("ec");
    let critical = [
        json!(["b64"]),
        json!(["exp"]),
        json!([]),
        json!("b64"),
        json!(null),
    ];
    let rows = critical.map(|crit| {
        let header = json!({"alg": "ES256", "kid": "ec", "crit": crit, "b64": false});
        row(&crit.to_string(), headed(&ec, &header), MALFORMED)
    });
    check(&[&ec], rows.into()).await;
}

/// Keys that a token brings are looked at by nobody, whoever has signed it.
#[tokio::test]
async fn keys_that_a_token_brings_lead_nowhere() {
    let (ec, thief) = (Key::ec("ec"), Key::ec("ec"));
    let theirs = KeyServer::start(&[&thief]).await;
    let url = format!("{}/keys", theirs.issuer());
    let set: Value = serde_json::from_str(&key_set(&[&thief])).unwrap();
    let mut rows: Vec<Row> = Vec::new();
    for (member, value) in [
        ("jwk", set["keys"][0].clone()),
        ("jku", json!(url)),
        ("x5u", json!(url)),
        ("x5c", json!(["MIIB"])),
        ("x5t#S256", json!("abc")),
        ("iss", json!(theirs.issuer())),
        ("typ", json!("at+jwt")),
        ("b64", json!(false)),
    ] {
        let mut header = json!({"alg": "ES256", "kid": "ec"});
        header[member] = value;
        rows.push(good(member, headed(&ec, &header)));
        rows.push(row(member, headed(&thief, &header), SIGNATURE));
        header["kid"] = json!("thief");
        rows.push(row(member, headed(&thief, &header), UNKNOWN));
    }
    check(&[&ec], rows).await;
    assert_eq!(theirs.fetches(), 0, "a token has led the gateway somewhere");
}
