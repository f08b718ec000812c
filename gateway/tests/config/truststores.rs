//! Truststores of mutual TLS: what is left out, what is warned of, and what is refused.

use gateway::config::load_text;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyPair,
    PKCS_ED25519, SignatureAlgorithm, date_time_ymd,
};

use crate::site::{Site, accepted};

type Authority = (Issuer<'static, KeyPair>, String);

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn made(
    params: CertificateParams,
    kind: &'static SignatureAlgorithm,
    above: Option<&Authority>,
) -> Authority {
    let key = KeyPair::generate_for(kind).unwrap();
    let made = match above {
        None => params.self_signed(&key).unwrap(),
        Some((issuer, _)) => params.signed_by(&key, issuer).unwrap(),
    };
    (Issuer::new(params, key), made.pem())
}

fn root(name: &str) -> Authority {
    made(params(name), &rcgen::PKCS_ECDSA_P256_SHA256, None)
}

fn below(name: &str, above: &Authority) -> Authority {
    made(params(name), &rcgen::PKCS_ECDSA_P256_SHA256, Some(above))
}

/// The configuration with this truststore, and what of it is about something else than the
/// truststore.
fn written(site: &Site, content: &str) -> String {
    std::fs::write(site.path().join("clients.pem"), content).unwrap();
    "listeners: {l: {address: '127.0.0.1:8443', tls: {certificates: \
     [{chain: certs/api.example.com.pem, key: certs/api.example.com.key}]}}}\n\
     upstreams: {u: {url: 'http://127.0.0.1:9000'}}\n\
     apis: {a: {type: http, hosts: [], default_endpoint: false, \
     routes: {$default: {authorizer: none, integration: {upstream: u}}}}}\n\
     domains: {api.example.com: {mutual_tls: {truststore: clients.pem}, mappings: {/: {api: a}}}}\n"
        .to_owned()
}

#[track_caller]
fn warnings(content: &str, expected: &[&str]) {
    let site = Site::new();
    let loaded = accepted("mutual.yaml", &written(&site, content), &site);
    let place = "mutual.yaml:4:42: domains.\"api.example.com\".mutual_tls.truststore: ";
    let path = site.path().display().to_string();
    let found: Vec<String> = loaded
        .warnings
        .iter()
        .map(|warning| {
            warning
                .to_string()
                .replace(place, "")
                .replace(&path, "SITE")
        })
        .collect();
    assert_eq!(found, expected);
}

#[track_caller]
fn refused(content: &str, expected: &str) {
    let site = Site::new();
    let report = load_text("mutual.yaml", &written(&site, content), site.path()).unwrap_err();
    let found = report.to_string();
    assert!(found.contains(expected), "{found}");
}

#[test]
fn what_cannot_be_used_is_left_out_and_said() {
    let sound = root("root");
    let mut leaf = params("leaf");
    leaf.is_ca = IsCa::NoCa;
    let leaf = made(leaf, &rcgen::PKCS_ECDSA_P256_SHA256, None);
    let mut old = params("old");
    old.not_before = date_time_ymd(2019, 1, 1);
    old.not_after = date_time_ymd(2019, 12, 31);
    let old = made(old, &rcgen::PKCS_ECDSA_P256_SHA256, None);
    let edwards = made(params("edwards"), &PKCS_ED25519, None);
    let mut strange = params("strange");
    let mut unknown = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
    unknown.set_criticality(true);
    strange.custom_extensions = vec![unknown];
    let strange = made(strange, &rcgen::PKCS_ECDSA_P256_SHA256, None);
    let content = [sound.1, leaf.1, old.1, edwards.1, strange.1].concat();
    warnings(
        &content,
        &[
            "certificate 2 of `SITE/clients.pem` is left out: it is not that of an authority",
            "certificate 3 of `SITE/clients.pem` is left out: it is not valid at this time",
            "certificate 4 of `SITE/clients.pem` is left out: it is not signed by RSA or ECDSA with \
             SHA-256 or stronger",
            "certificate 5 of `SITE/clients.pem` is left out: its form, or an extension of it that is \
             critical, is not supported",
        ],
    );
}

#[test]
fn chains_without_end_and_long_ones_are_warned_of() {
    let top = root("top");
    let (one, other) = (below("one", &top), below("adrift", &below("absent", &top)));
    let two = below("two", &one);
    let three = below("three", &two);
    let content = [top.1, one.1, two.1, three.1, other.1].concat();
    warnings(
        &content,
        &[
            "no certificate that `CN=three` issued is accepted: its chain has more than 4",
            "no certificate that `CN=adrift` issued is accepted: its chain ends below a root, add \
             `CN=absent`",
        ],
    );
}

#[test]
fn what_says_two_things_or_nothing_is_refused() {
    let (one, two) = (root("one"), root("two"));
    let twice = [&below("same", &one).1, &below("same", &two).1];
    refused(
        &format!("{}{}{}{}", one.1, two.1, twice[0], twice[1]),
        "the certificate subject `CN=same` conflicts with an existing certificate from a different \
         issuer",
    );
    refused(&below("alone", &one).1, "holds no root that can be used");
    refused("", "holds no root that can be used");
    let broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    refused(broken, "does not hold certificates in PEM form");
}
