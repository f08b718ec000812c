//! Configurations, built piece by piece.
//!
//! A configuration is kept as JSON, of which YAML is a superset, so that tests can change any part
//! of it by its path.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A gateway that has not been started.
#[derive(Debug)]
pub struct Setup {
    config: Value,
    /// What is written instead of the sections that it has.
    text: Option<String>,
    directory: TempDir,
    environment: Vec<(String, String)>,
    descriptors_max: Option<u64>,
    launcher: Vec<String>,
}

/// A route of a REST API that anybody may call, and whose mock says `text`.
#[must_use]
pub fn mock(text: &str) -> Value {
    json!({
        "authorizer": "none",
        "integration": {
            "type": "mock",
            "request_templates": {"application/json": r#"{"statusCode": 200}"#},
            "responses": {"default": {"status": 200, "templates": {"application/json": text}}},
        },
    })
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

impl Setup {
    /// Two workers behind one plaintext listener `main` on loopback; no API yet.
    #[must_use]
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("temporary directories can be made");
        let at = |name: &str| directory.path().join(name).display().to_string();
        let config = json!({
            "workers": 2,
            "runtime_directory": at("run"),
            "state_directory": at("state"),
            "drain_timeout": "20s",
            "listeners": {"main": {"address": "127.0.0.1:0"}},
            "xdp": {"mode": "off"},
            "telemetry": {"access_log": "stdout", "metrics": "127.0.0.1:0"},
        });
        Self {
            config,
            text: None,
            directory,
            environment: Vec::new(),
            descriptors_max: None,
            launcher: Vec::new(),
        }
    }

    /// As [`Setup::new`], with a REST API `main` of one [`mock`] at `GET /say`, and with two stages, of
    /// which `held` does not follow the file.
    #[must_use]
    pub fn saying(text: &str) -> Self {
        let stages = json!({"prod": {}, "held": {"auto_deploy": false}});
        Self::new()
            .set(&["apis", "main", "type"], json!("rest"))
            .set(&["apis", "main", "stages"], stages)
            .set(&["apis", "main", "routes"], json!({"GET /say": mock(text)}))
    }

    /// As [`Setup::new`], with every request forwarded to `upstream` without authorization.
    #[must_use]
    pub fn forwarding(upstream: SocketAddr) -> Self {
        Self::new()
            .upstream("main", upstream)
            .route("$default", json!({}))
    }

    /// Puts `value` at `path`, making what is missing on the way.
    #[must_use]
    pub fn set(mut self, path: &[&str], value: Value) -> Self {
        self.change(path, value);
        self
    }

    /// As [`Setup::set`], in place.
    pub fn change(&mut self, path: &[&str], value: Value) {
        let mut place = &mut self.config;
        for key in path {
            if !place.is_object() {
                *place = json!({});
            }
            place = &mut place[*key];
        }
        *place = value;
    }

    /// Takes away what is at the last key of `path`.
    pub fn remove(&mut self, path: &[&str]) {
        let (last, way) = path.split_last().expect("a path has keys");
        let place = way
            .iter()
            .fold(&mut self.config, |place, key| &mut place[*key]);
        place
            .as_object_mut()
            .expect("it is in a mapping")
            .remove(*last);
    }

    /// An upstream over plaintext.
    #[must_use]
    pub fn upstream(self, name: &str, address: SocketAddr) -> Self {
        self.set(
            &["upstreams", name, "url"],
            json!(format!("http://{address}")),
        )
    }

    /// A route of the API `main`; public, and to the upstream `main`, unless `settings` say
    /// otherwise.
    #[must_use]
    pub fn route(self, key: &str, settings: Value) -> Self {
        let integration = if settings.pointer("/integration/uri").is_none() {
            json!({"upstream": "main"})
        } else {
            json!({})
        };
        let mut route = json!({"authorizer": "none", "integration": integration});
        merge(&mut route, settings);
        let setup = self.set(&["apis", "main", "routes", key], route);
        if setup.config.pointer("/apis/main/type").is_none() {
            return setup.set(&["apis", "main", "type"], json!("http"));
        }
        setup
    }

    /// A setting of the listener `main`, such as `limits` or `timeouts`.
    #[must_use]
    pub fn listener(self, key: &str, value: Value) -> Self {
        self.set(&["listeners", "main", key], value)
    }

    /// A variable of the gateway's environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lets the gateway open at most `count` descriptors.
    #[must_use]
    pub const fn descriptors_max(mut self, count: u64) -> Self {
        self.descriptors_max = Some(count);
        self
    }

    /// Starts the gateway by this command, which is to execute the one appended to it.
    #[must_use]
    pub fn launcher(mut self, command: &[&str]) -> Self {
        self.launcher = command.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// A file of these contents beside the configuration.
    #[must_use]
    pub fn file(&self, name: &str, contents: &str) -> PathBuf {
        let path = self.directory().join(name);
        std::fs::write(&path, contents).expect("temporary files can be written");
        path
    }

    /// Where the configuration and everything else is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where the admin socket is.
    #[must_use]
    pub fn admin_socket(&self) -> PathBuf {
        self.directory().join("run/admin.sock")
    }

    /// As [`Setup::new`], with the listeners and whatever else this YAML has; it must not have what every
    /// gateway of a test has, such as directories.
    #[must_use]
    pub fn of_text(text: String) -> Self {
        let mut setup = Self::new();
        setup.remove(&["listeners"]);
        setup.text = Some(text);
        setup
    }

    /// Writes the configuration down.
    #[must_use]
    pub fn write(&self) -> PathBuf {
        let text = match &self.text {
            None => serde_json::to_string_pretty(&self.config).expect("it is plain JSON"),
            Some(text) => {
                let own = self.config.as_object().into_iter().flatten();
                let own = own.map(|(key, value)| format!("{key}: {value}\n"));
                format!("{text}\n{}", own.collect::<String>())
            }
        };
        self.file("gateway.yaml", &text)
    }

    /// Goes back to a configuration that was written before.
    pub fn restore(&mut self, text: &str) {
        self.config = serde_json::from_str(text).expect("it was written so");
    }

    pub(crate) fn environment_variables(&self) -> &[(String, String)] {
        &self.environment
    }

    pub(crate) fn launcher_words(&self) -> &[String] {
        &self.launcher
    }

    pub(crate) const fn descriptor_limit(&self) -> Option<u64> {
        self.descriptors_max
    }
}

fn merge(into: &mut Value, from: Value) {
    match from {
        Value::Object(members) => {
            if into.is_null() {
                *into = json!({});
            }
            for (key, value) in members {
                merge(&mut into[key], value);
            }
        }
        other => *into = other,
    }
}
