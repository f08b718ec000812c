//! Claims that two readers could take for different ones.

use gateway_tests::issuer::{ISSUER, Key, claims, now};
use serde_json::{Value, json};

use super::{MALFORMED, Row, check, good, row};

const HEADER: &str = r#"{"alg": "ES256", "kid": "ec"}"#;

/// What stands in front of claims that are accepted.
const IN_FRONT: [&str; 12] = [
    r#""sub": "admin","#,
    r#""s\u0075b": "admin","#,
    r#""exp": 1,"#,
    r#""iss": "https://issuer.test/","#,
    r#""aud": "pets","#,
    r#""scope": "admin","#,
    r#""name": "\ud800","#,
    r#""number": 01,"#,
    r#""number": 1e999,"#,
    "/* */",
    "'name': 1,",
    ",",
];

/// What is no object of claims.
const NO_CLAIMS: [&[u8]; 6] = [
    b"{\"iss\": \"\xff\"}",
    b"\xff\xfe{\0}\0",
    b"[]",
    b"\"claims\"",
    b"null",
    b"",
];

const HEADERS: [&str; 3] = [
    r#"{"alg": "none", "alg": "ES256", "kid": "ec"}"#,
    r#"{"alg": "ES256", "kid": "x", "k\u0069d": "ec"}"#,
    r#"{"alg": "ES256", "kid": "ec", "crit": ["b64"], "crit": []}"#,
];

#[tokio::test]
async fn what_is_said_twice_or_in_another_way_is_not_read() {
    let ec = Key::ec("ec");
    let usual = claims(json!({})).to_string();
    let inner = usual.strip_prefix('{').unwrap();
    let mut rows: Vec<Row> = vec![good("as it was made", ec.token_of(HEADER, &usual))];
    for more in IN_FRONT {
        let token = ec.token_of(HEADER, format!("{{{more}{inner}"));
        rows.push(row(more, token, MALFORMED));
    }
    for bytes in NO_CLAIMS {
        let name = String::from_utf8_lossy(bytes);
        rows.push(row(&name, ec.token_of(HEADER, bytes), MALFORMED));
    }
    for header in HEADERS {
        rows.push(row(header, ec.token_of(header, &usual), MALFORMED));
    }
    let (open, close) = ("[".repeat(500), "]".repeat(500));
    let deep = format!(r#"{{"deep": {open}{close}, {inner}"#);
    for (name, text) in [
        ("a mark before", format!("\u{feff}{usual}")),
        ("more behind", format!("{usual}{{}}")),
        ("nested deeply", deep),
    ] {
        rows.push(row(name, ec.token_of(HEADER, text), MALFORMED));
    }
    check(&[&ec], rows).await;
}

/// Claims instead of those that are accepted, and what is wrong.
const CHANGED: [(&str, &str); 24] = [
    (r#"{"exp": "9999999999"}"#, MALFORMED),
    (r#"{"exp": [9999999999]}"#, MALFORMED),
    (r#"{"exp": true}"#, MALFORMED),
    (r#"{"nbf": "0"}"#, MALFORMED),
    (r#"{"exp": -1}"#, "token_expired"),
    (r#"{"iss": ["https://issuer.test/"]}"#, "token_issuer"),
    (r#"{"iss": "HTTPS://ISSUER.TEST/"}"#, "token_issuer"),
    (r#"{"iss": "https://iςsuer.test/"}"#, "token_issuer"),
    (r#"{"iss": "https://issuer.test/\u0000"}"#, "token_issuer"),
    (r#"{"iss": " https://issuer.test/"}"#, "token_issuer"),
    (r#"{"aud": "pe\u200bts"}"#, "token_audience"),
    (r#"{"aud": "\uff50ets"}"#, "token_audience"),
    (r#"{"aud": {"pets": true}}"#, "token_audience"),
    (r#"{"aud": [["pets"]]}"#, "token_audience"),
    (r#"{"aud": "pets cats"}"#, "token_audience"),
    (r#"{"aud": null, "\u0430ud": "pets"}"#, "token_audience"),
    (r#"{"scope": null, "\u0455cope": "read"}"#, SCOPE),
    (r#"{"scope": "READ"}"#, SCOPE),
    (r#"{"scope": "write\u00a0read"}"#, SCOPE),
    (r#"{"scope": "read,write"}"#, SCOPE),
    (r#"{"scope": "r\u0435ad"}"#, SCOPE),
    (r#"{"scope": ["read"]}"#, SCOPE),
    (r#"{"scope": null, "scp": {"read": 1}}"#, SCOPE),
    (r#"{"scope": null, "scp": [["read"]]}"#, SCOPE),
];

const SCOPE: &str = "insufficient_scope";

#[tokio::test]
async fn claims_are_compared_letter_by_letter() {
    let ec = Key::ec("ec");
    let instead = |changes: Value| ec.token(&claims(changes));
    let mut rows: Vec<Row> = Vec::new();
    for (changes, reason) in CHANGED {
        let parsed = serde_json::from_str(changes).unwrap();
        rows.push(row(changes, instead(parsed), reason));
    }
    let exp = now() + 600;
    // Escapes are a way to write the same name, for every reader.
    let escaped = format!(
        r#"{{"\u0069ss": "{ISSUER}", "a\u0075d": "p\u0065ts", "exp": {exp}, "scope": "re\u0061d"}}"#
    );
    rows.push(good("escaped", ec.token_of(HEADER, escaped)));
    let scripts =
        json!({"\u{455}ub": "x", "\u{438}\u{43c}\u{44f}": "\u{e9}", "\u{540d}": "\u{1f600}"});
    rows.push(good("many scripts", instead(scripts)));
    check(&[&ec], rows).await;
}

#[tokio::test]
async fn a_token_has_sixteen_kibibytes_at_most() {
    let ec = Key::ec("ec");
    let size = |bytes: usize| ec.token(&claims(json!({"pad": "x".repeat(bytes)})));
    let steps = (0..).step_by(64);
    let fits = steps
        .take_while(|bytes| size(*bytes).len() <= 16 * 1024)
        .last()
        .unwrap();
    let rows = vec![
        good("as large as may be", size(fits)),
        row("larger", size(fits + 64), "token_too_large"),
    ];
    check(&[&ec], rows).await;
}
