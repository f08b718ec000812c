//! The signing test suite of AWS, as it comes with the package of its SDK for Rust.
//!
//! Each case is a request as it was signed, in its headers and in its query, with the canonical form and
//! the signature. What the gateway reads differently stands in a list, with the reason.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use gateway::aws::sigv4::{
    Canonical, Claim, Form, Payload, Secret, SignedRequest, SigningKey, payload_hash,
};
use gateway_tests::capability::or_skip;
use gateway_tests::process::output;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// What every case is signed with.
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// Cases that are read differently here, in the order of the alphabet.
const DIFFERENT: &[(&str, &[&str])] = &[
    // The request is of another day than its canonical form.
    ("double-encode-path", &["header"]),
    // Paths as Amazon S3 has them. All other services normalize them, and so does the gateway.
    ("get-relative-relative-unnormalized", BOTH),
    ("get-relative-unnormalized", BOTH),
    ("get-slash-dot-slash-unnormalized", BOTH),
    ("get-slash-pointless-dot-unnormalized", BOTH),
    ("get-slash-unnormalized", BOTH),
    ("get-slashes-unnormalized", BOTH),
    // A session token that is not signed, for which nobody vouches: it is refused.
    ("post-sts-header-after", BOTH),
];

const BOTH: &[&str] = &["header", "query"];

/// Where the suite is, which a package manager has downloaded by a lock file.
fn suite() -> anyhow::Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/signing/Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--locked", "--format-version", "1"];
    let output = output(
        Command::new(cargo)
            .args(arguments)
            .arg("--manifest-path")
            .arg(manifest),
    )?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo metadata: {said}");
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata.get("packages").and_then(Value::as_array);
    let mut packages = packages.into_iter().flatten();
    let package = packages.find(|package| package["name"] == "aws-sigv4");
    let path = package.and_then(|package| package["manifest_path"].as_str());
    let path = Path::new(path.context("it has the package")?);
    Ok(path.with_file_name("aws-signing-test-suite").join("v4"))
}

/// A request as it stands in a file.
struct Sent {
    method: String,
    path: String,
    query: String,
    headers: HeaderMap,
    body: String,
}

impl Sent {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let (line, lines) = head.split_once('\n').unwrap();
        let line = line.strip_suffix(" HTTP/1.1").unwrap_or(line);
        let (method, target) = line.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        // A line that goes on is one line with spaces (RFC 9112, section 5.2).
        let lines = lines.replace("\n ", "  ");
        let mut headers = HeaderMap::new();
        for line in lines.lines() {
            let (name, value) = line.split_once(':').unwrap();
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value.trim()).unwrap());
        }
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            body: body.to_owned(),
        }
    }

    /// What the gateway makes of its signature: nothing, or what is wrong.
    fn judged(&self, expected: &str) -> Result<(), String> {
        let claim = Claim::of(&self.headers, &self.query).map_err(|error| error.to_string())?;
        let hash = match &claim.payload {
            Payload::Body => payload_hash(self.body.as_bytes()),
            Payload::Hash(hash) => hash.clone(),
            Payload::Unsigned => return Err("its payload is not signed".to_owned()),
        };
        let request = SignedRequest {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            unsigned_parameter: match claim.form {
                Form::Header => None,
                Form::Query { .. } => Some("X-Amz-Signature"),
            },
            headers: &self.headers,
            authority: "",
            signed: &claim.signed_headers,
        };
        let canonical = Canonical::of(&request, &hash);
        let canonical = canonical.map_err(|error| error.to_string())?;
        let to_sign = claim.scope.string_to_sign(&claim.signed_at, &canonical);
        let key = SigningKey::derive(&Secret::new(SECRET.to_owned()), &claim.scope);
        let form = String::from_utf8_lossy(canonical.as_bytes());
        if form != expected {
            return Err(format!("another form:\n{form}\ninstead of\n{expected}"));
        }
        if !key.verifies(&to_sign, &claim.signature) {
            return Err("another signature".to_owned());
        }
        Ok(())
    }
}

#[test]
fn every_case_of_the_suite_is_read_as_it_was_signed() {
    let Some(suite) = or_skip(suite()) else {
        return;
    };
    let mut cases: Vec<PathBuf> = std::fs::read_dir(suite)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(cases.len() >= 40, "{cases:?}");
    let (mut different, mut count) = (Vec::new(), 0);
    for case in &cases {
        let name = case.file_name().unwrap().to_str().unwrap();
        let read = |file: &str| std::fs::read_to_string(case.join(file)).unwrap();
        for form in ["header", "query"] {
            let sent = format!("{form}-signed-request.txt");
            // Two cases are signed in their headers alone.
            if !case.join(&sent).exists() {
                continue;
            }
            count += 1;
            let expected = read(&format!("{form}-canonical-request.txt"));
            if let Err(why) = Sent::parse(&read(&sent)).judged(&expected) {
                different.push((format!("{form} {name}"), why));
            }
        }
    }
    assert!(count >= 78, "{count}");
    let found: Vec<&str> = different.iter().map(|(case, _)| case.as_str()).collect();
    let known = DIFFERENT.iter();
    let known: Vec<String> = known
        .flat_map(|(name, forms)| forms.iter().map(move |form| format!("{form} {name}")))
        .collect();
    assert_eq!(found, known, "{different:#?}");
}
