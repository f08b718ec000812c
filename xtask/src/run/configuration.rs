//! The demo's configuration, in the gateway's own language.

use std::net::SocketAddr;
use std::path::Path;

/// Who issues the demo's token.
pub(super) const ISSUER: &str = "https://demo.invalid/";

/// Whom it is for.
pub(super) const AUDIENCE: &str = "demo";

/// What varies from one demo to the next.
#[derive(Debug)]
pub(super) struct Setting<'a> {
    pub(super) instance: &'a str,
    pub(super) port: u16,
    pub(super) metrics_port: u16,
    pub(super) upstream: SocketAddr,
    /// Where the gateway keeps its files; `None` leaves it to the gateway's defaults.
    pub(super) directories: Option<&'a Path>,
    /// The user named an interface of their own, which may well do better than generic mode.
    pub(super) other_interface: bool,
}

impl Setting<'_> {
    /// The configuration file's text. Relative paths in it start at the file's own directory.
    pub(super) fn text(&self) -> String {
        let Self {
            instance,
            port,
            metrics_port,
            upstream,
            ..
        } = self;
        let directories = self.directories.map_or_else(String::new, directories);
        let attach = if self.other_interface {
            "auto"
        } else {
            "generic"
        };
        format!(
            r#"# Written by `cargo xtask run`, anew each time. examples/reference.yaml explains every setting.
instance: {instance}
drain_timeout: 5s
{directories}
listeners:
  demo:
    address: 127.0.0.1:{port}
    tls:
      certificates:
        - chain: certificate.pem
          key: certificate.key

xdp:
  interfaces: [lo]
  attach: {attach}
  on_exit: detach

authorizers:
  demo:
    type: jwt
    issuer: {ISSUER}
    audiences: [{AUDIENCE}]
    algorithms: [ES256]
    jwks:
      file: keys.json

upstreams:
  demo:
    url: http://{upstream}

apis:
  demo:
    type: http
    routes:
      GET /hello:
        authorizer: none
        integration:
          upstream: demo
      GET /private/{{name}}:
        authorizer: demo
        integration:
          upstream: demo
      GET /limited:
        authorizer: none
        throttle:
          rate: 0.1
          burst: 1
        integration:
          upstream: demo

telemetry:
  access_log: access.log
  metrics: 127.0.0.1:{metrics_port}
"#
        )
    }
}

fn directories(parent: &Path) -> String {
    let quoted =
        |name: &str| serde_json::Value::from(parent.join(name).to_string_lossy()).to_string();
    format!(
        "runtime_directory: {}\nstate_directory: {}\n\nadmin:\n  socket: {}\n",
        quoted("run"),
        quoted("state"),
        quoted("run/admin.sock"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_survive_characters_that_yaml_gives_a_meaning() {
        let text = directories(Path::new("/tmp/a: \"b\" #c"));
        assert!(
            text.starts_with(r#"runtime_directory: "/tmp/a: \"b\" #c/run""#),
            "{text}"
        );
    }
}
