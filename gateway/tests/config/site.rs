//! A directory with the files that configurations name.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gateway::config::{Loaded, load_text};
use tempfile::TempDir;

/// Policies, entities and records that nothing can be done with, or that probably should not be.
const BROKEN: [(&str, &str); 5] = [
    (
        "broken.cedar",
        "permit (principal in Shop::Role::\"customer\", action, resource)\n\
         when { principal.verified };\n\
         forbid (principal in ?principal, action, resource);\n",
    ),
    (
        "broken.json",
        "[\n  {\"uid\": {\"type\": \"Shop::Role\", \"id\": \"a\"}, \"attrs\": {}, \"parents\": []},\n  \
         {\"uid\": {\"type\": \"Shop::Rule\", \"id\": \"b\"}, \"attrs\": {}, \"parents\": []}\n]\n",
    ),
    ("open.cedar", "\npermit (principal, action, resource);\n"),
    (
        "people-broken.json",
        "{\"ann\": {\"team\": \"red\"}, \"bob\": [], \"ann\": {\"team\": \"blue\"}}",
    ),
    ("people-list.json", "[\n  {\"ann\": {}}\n]\n"),
];

/// Certificates of the names that examples use, a key set, and lists of prefixes.
#[derive(Debug)]
pub(crate) struct Site(TempDir);

/// Access keys.
const SIGNERS: &str = "credentials:
  AKIDEXAMPLE: {secret: a-secret, principal: 'arn:aws:iam::111122223333:user/ann'}
";

impl Site {
    pub(crate) fn new() -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        let certs = site.path().join("certs");
        std::fs::create_dir(&certs).unwrap();
        let mut root = rcgen::CertificateParams::default();
        root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = root.self_signed(&rcgen::KeyPair::generate().unwrap());
        std::fs::write(certs.join("clients.pem"), root.unwrap().pem()).unwrap();
        for name in [
            "api.example.com",
            "www.example.com",
            "to-backends",
            "redis.example",
        ] {
            let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
            let key = certs.join(format!("{name}.key"));
            std::fs::write(certs.join(format!("{name}.pem")), made.cert.pem()).unwrap();
            std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
            std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        }
        // The public key of RFC 8037, appendix A.2.
        let key =
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        std::fs::write(
            site.path().join("keys.json"),
            format!(r#"{{"keys": [{key}]}}"#),
        )
        .unwrap();
        let signers = site.path().join("signers.yaml");
        std::fs::write(&signers, SIGNERS).unwrap();
        std::fs::set_permissions(&signers, PermissionsExt::from_mode(0o600)).unwrap();
        // What the documentation calls `pets.yaml`: JSON is YAML.
        let definition = crate::files::repository().join("examples/openapi/petstore-rest.json");
        std::fs::copy(definition, site.path().join("pets.yaml")).unwrap();
        // What the service exported: for the documentation, and for the example.
        let export = crate::files::repository().join("examples/openapi/members-rest.json");
        std::fs::create_dir(site.path().join("openapi")).unwrap();
        for name in ["members.json", "openapi/members-rest.json"] {
            std::fs::copy(&export, site.path().join(name)).unwrap();
        }
        let lists = site.path().join("lists");
        std::fs::create_dir(&lists).unwrap();
        std::fs::write(lists.join("drop.netset"), "192.0.2.0/24\n").unwrap();
        let partners = r#"["198.51.100.0/24", "2001:db8::/32"]"#;
        std::fs::write(lists.join("partners.json"), partners).unwrap();
        let policies = site.path().join("policies");
        std::fs::create_dir(&policies).unwrap();
        let policy = r#"{"Statement": {"Effect": "Allow", "Principal": "*",
            "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}}"#;
        std::fs::write(policies.join("legacy.json"), policy).unwrap();
        // Those of the examples, and some with mistakes.
        let examples = crate::files::repository().join("examples/policies");
        for entry in std::fs::read_dir(examples).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, policies.join(path.file_name().unwrap())).unwrap();
        }
        for name in [
            "oso-key",
            "people-secret",
            "gateway-secret",
            "tenants-token",
            "redis-password",
        ] {
            let key = policies.join(name);
            std::fs::write(&key, "key").unwrap();
            std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        }
        for (name, text) in BROKEN {
            std::fs::write(policies.join(name), text).unwrap();
        }
        std::fs::write(site.path().join("empty"), "\n").unwrap();
        std::fs::write(site.path().join("empty.json"), r#"{"keys": []}"#).unwrap();
        site
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

#[track_caller]
pub(crate) fn accepted(name: &str, text: &str, site: &Site) -> Loaded {
    load_text(name, text, site.path()).unwrap_or_else(|report| panic!("refused:\n{report}"))
}
