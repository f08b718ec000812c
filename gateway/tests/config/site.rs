//! A directory with the files that configurations name.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gateway::config::{Loaded, load_text};
use tempfile::TempDir;

/// Certificates of the names that examples use, and a key set.
#[derive(Debug)]
pub(crate) struct Site(TempDir);

impl Site {
    pub(crate) fn new() -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        let certs = site.path().join("certs");
        std::fs::create_dir(&certs).unwrap();
        for name in ["api.example.com", "www.example.com"] {
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
