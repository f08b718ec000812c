//! What the demo proves itself with: a self-signed certificate, a key set of one ES256 key, and one
//! token signed with it that is valid for a day.
//!
//! Everything is written mode 0600 into a directory that must already exist. The signing key is
//! kept so that more tokens can be made from it, and trusted by nobody but the demo.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// Names the certificate answers to.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// How long the token lasts.
const TOKEN_SECONDS: i64 = 24 * 60 * 60;

/// The key's name in the key set and in the token.
const KEY_ID: &str = "demo";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Who the token says it is from.
    #[arg(long)]
    issuer: String,
    /// Whom the token says it is for.
    #[arg(long)]
    audience: String,
    /// Where to write `certificate.pem`, `certificate.key`, `keys.json`, `signing.key` and
    /// `authorization`, a request header with the token.
    directory: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let directory = &arguments.directory;
    let names = NAMES.map(str::to_owned);
    let certified = rcgen::generate_simple_self_signed(names).context("self-signed certificate")?;
    write(
        &directory.join("certificate.pem"),
        certified.cert.pem().as_bytes(),
    )?;
    write(
        &directory.join("certificate.key"),
        certified.signing_key.serialize_pem().as_bytes(),
    )?;

    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
        .context("generation of an ES256 key")?;
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref())
        .context("reading back the ES256 key")?;
    write(&directory.join("signing.key"), document.as_ref())?;
    write(
        &directory.join("keys.json"),
        key_set(key.public_key().as_ref())?.to_string().as_bytes(),
    )?;

    let now = clock_gettime(ClockId::Realtime).tv_sec;
    let token = sign(&key, &random, &claims(arguments, now))?;
    write(
        &directory.join("authorization"),
        format!("Authorization: Bearer {token}\n").as_bytes(),
    )
}

fn claims(arguments: &Arguments, now: i64) -> Value {
    json!({
        "iss": arguments.issuer,
        "aud": arguments.audience,
        "sub": "demo-caller",
        "iat": now,
        "nbf": now,
        "exp": now + TOKEN_SECONDS,
    })
}

/// RFC 7518 section 6.2.1; `point` is the uncompressed form of SEC 1 section 2.3.3.
fn key_set(point: &[u8]) -> anyhow::Result<Value> {
    let (x, y) = point
        .strip_prefix(&[4])
        .and_then(|coordinates| coordinates.split_at_checked(32))
        .filter(|(_, y)| y.len() == 32)
        .with_context(|| {
            format!(
                "an uncompressed P-256 point has 65 bytes, this one `{}`",
                point.len()
            )
        })?;
    Ok(json!({ "keys": [{
        "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID,
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    }]}))
}

/// RFC 7515 section 3.1, compact form; RFC 7518 section 3.4 for the signature.
fn sign(key: &EcdsaKeyPair, random: &SystemRandom, claims: &Value) -> anyhow::Result<String> {
    let header = json!({ "alg": "ES256", "typ": "JWT", "kid": KEY_ID });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(claims));
    let signature = key
        .sign(random, signed.as_bytes())
        .context("signature of the token")?;
    Ok(format!(
        "{signed}.{}",
        URL_SAFE_NO_PAD.encode(signature.as_ref())
    ))
}

/// Refuses to replace a file: the directory is expected to be fresh.
fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(content))
        .with_context(|| format!("writing `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    fn minted() -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let arguments = Arguments {
            issuer: "https://issuer.test/".into(),
            audience: "someone".into(),
            directory: directory.path().to_owned(),
        };
        run(&arguments).expect("credentials");
        directory
    }

    fn decoded(part: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
    }

    #[test]
    fn the_token_verifies_against_the_key_set_and_lasts_a_day() {
        let directory = minted();
        let header =
            std::fs::read_to_string(directory.path().join("authorization")).expect("header");
        let token = header
            .trim_end()
            .strip_prefix("Authorization: Bearer ")
            .expect("a bearer token");
        let (signed, signature) = token.rsplit_once('.').expect("three parts");
        let (head, claims) = signed.split_once('.').expect("three parts");

        let keys: Value = serde_json::from_slice(
            &std::fs::read(directory.path().join("keys.json")).expect("keys"),
        )
        .expect("a key set");
        let key = &keys["keys"][0];
        let coordinate = |name: &str| {
            URL_SAFE_NO_PAD
                .decode(key[name].as_str().expect("text"))
                .expect("base64url")
        };
        let point = [vec![4], coordinate("x"), coordinate("y")].concat();
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point)
            .verify(signed.as_bytes(), &signature)
            .expect("the signature verifies");

        assert_eq!(decoded(head)["kid"], key["kid"]);
        let claims = decoded(claims);
        assert_eq!(claims["iss"], "https://issuer.test/");
        assert_eq!(claims["aud"], "someone");
        assert_eq!(
            claims["exp"].as_i64().expect("exp") - claims["iat"].as_i64().expect("iat"),
            TOKEN_SECONDS
        );
    }

    #[test]
    fn every_file_is_its_owners_alone() {
        let directory = minted();
        for name in [
            "certificate.pem",
            "certificate.key",
            "keys.json",
            "signing.key",
            "authorization",
        ] {
            let mode = std::fs::metadata(directory.path().join(name))
                .expect(name)
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn refuses_a_point_that_is_not_uncompressed_p256() {
        for point in [&[][..], &[4; 64], &[2; 33], &[4; 66]] {
            assert!(key_set(point).is_err(), "{} bytes", point.len());
        }
    }
}
