//! Certificates that stages show backends: what is refused, and what is warned of.

use std::os::unix::fs::PermissionsExt;

use gateway::config::load_text;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};

use crate::site::{Site, accepted};

/// An API of this type whose stage shows `shown.pem`, with the key in `shown.key`.
fn written(kind: &str) -> String {
    format!(
        "listeners: {{l: {{address: '127.0.0.1:8080'}}}}
upstreams: {{u: {{url: 'https://127.0.0.1:9000'}}}}
apis:
  a:
    type: {kind}
    stages: {{prod: {{client_certificate: {{chain: shown.pem, key: shown.key}}}}}}
    routes: {{GET /a: {{authorizer: none, integration: {{upstream: u}}}}}}
"
    )
}

/// Files with a certificate made of `change`, and its key.
fn site(change: impl FnOnce(&mut CertificateParams)) -> Site {
    let site = Site::new();
    let mut params = CertificateParams::default();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let at = |name: &str| site.path().join(name);
    std::fs::write(at("shown.pem"), certificate.pem()).unwrap();
    std::fs::write(at("shown.key"), key.serialize_pem()).unwrap();
    std::fs::set_permissions(at("shown.key"), PermissionsExt::from_mode(0o600)).unwrap();
    site
}

#[track_caller]
fn warns(site: &Site, expected: &[&str]) {
    let loaded = accepted("shown.yaml", &written("rest"), site);
    let found: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{found}");
    }
}

#[track_caller]
fn refused(site: &Site, kind: &str, expected: &str) {
    let report = load_text("shown.yaml", &written(kind), site.path()).unwrap_err();
    let found = report.to_string();
    assert!(found.contains(expected), "{found}");
}

#[test]
fn what_backends_will_not_take_is_warned_of() {
    warns(&site(|_| {}), &[]);
    let clients = vec![ExtendedKeyUsagePurpose::ClientAuth];
    warns(&site(|params| params.extended_key_usages = clients), &[]);
    let servers = vec![ExtendedKeyUsagePurpose::ServerAuth];
    warns(
        &site(|params| params.extended_key_usages = servers),
        &["apis.a.stages.prod.client_certificate.chain: this certificate is not for clients"],
    );
    let old = site(|params| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2019, 12, 31);
    });
    warns(
        &old,
        &["it is from Jan  1 00:00:00 2019 +00:00 to Dec 31 00:00:00 2019 +00:00"],
    );
    let early = site(|params| params.not_before = date_time_ymd(4000, 1, 1));
    warns(&early, &["this certificate is not valid now"]);
    let open = site(|_| {});
    let key = open.path().join("shown.key");
    std::fs::set_permissions(key, PermissionsExt::from_mode(0o644)).unwrap();
    warns(
        &open,
        &["client_certificate.key: every user can read this secret"],
    );
}

#[test]
fn what_cannot_be_shown_is_refused() {
    refused(
        &site(|_| {}),
        "http",
        "shown.yaml:6:21: apis.a.stages.prod.client_certificate: only REST APIs show backends",
    );
    let place = "shown.yaml:6:65: apis.a.stages.prod.client_certificate.key: ";
    let with_key = |content: &str, expected: &str| {
        let site = site(|_| {});
        std::fs::write(site.path().join("shown.key"), content).unwrap();
        refused(&site, "rest", &format!("{place}{expected}"));
    };
    let other = KeyPair::generate().unwrap().serialize_pem();
    with_key(&other, "this key does not belong to the first certificate");
    let absent = site(|_| {});
    std::fs::remove_file(absent.path().join("shown.key")).unwrap();
    refused(&absent, "rest", &format!("{place}cannot read"));
}
