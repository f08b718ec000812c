//! What a gateway that is measured does for each request, as its configuration says it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What a gateway does for each request.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// It forwards it.
    Forward,
    /// The same as a REST API does, which renames headers, and names the request for the upstream.
    ForwardRest,
    /// It refuses it, because its route is called too often.
    Refuse,
    /// The same over TLS, with what `workbench credentials` has written.
    RefuseOverTls,
    /// It forwards it for who sends a token and an API key, with a plan, buckets and a quota.
    Everything {
        /// The file with the value of the key.
        value: PathBuf,
    },
    /// It forwards it for who sends an API key: one of a plan without limits, or one of a plan that has ten
    /// requests per second, whose holders are penalised where they go on.
    Plans {
        /// The file that the keys are imported from.
        keys: PathBuf,
    },
}

/// Whom tokens are from and for.
pub(super) const ISSUER: &str = "https://bench.example";
pub(super) const AUDIENCE: &str = "bench";

const FORWARD_API: &str = "
    type: http
    routes:
      GET /fixed:
        authorizer: none
        integration:
          upstream: fixed";
const FORWARD_REST_API: &str = "
    type: rest
    stages: { prod: {} }
    routes:
      GET /fixed:
        authorizer: none
        integration:
          upstream: fixed
          path: /fixed";
const REFUSE_API: &str = "
    type: http
    routes:
      GET /fixed:
        authorizer: none
        throttle: { rate: 0.0001, burst: 1 }
        integration:
          upstream: fixed";
const EVERYTHING_API: &str = "
    type: rest
    stages: { prod: {} }
    routes:
      GET /fixed:
        authorizer: main
        api_key_required: true
        throttle: { rate: 1000000, burst: 1000000 }
        integration:
          upstream: fixed
          path: /fixed";
const EVERYTHING_BESIDE: &str = "
authorizers:
  main:
    type: jwt
    issuer: https://bench.example
    audiences: [bench]
    algorithms: [ES256]
    jwks:
      file: credentials/keys.json
usage_plans:
  bench:
    stages:
      - api: bench
        stage: prod
        routes:
          GET /fixed:
            throttle: { rate: 1000000, burst: 1000000 }
    throttle: { rate: 1000000, burst: 1000000 }
    quota: { limit: 500000000000, period: month }";
const PLANS_API: &str = "
    type: rest
    stages: { prod: {} }
    routes:
      GET /fixed:
        authorizer: none
        api_key_required: true
        integration:
          upstream: fixed
          path: /fixed";
const PLANS_BESIDE: &str = "
usage_plans:
  honest:
    stages: [{ api: bench, stage: prod }]
  abuser:
    stages: [{ api: bench, stage: prod }]
    throttle: { rate: 10, burst: 10 }";

const TLS: &str = "
    tls:
      certificates:
        - chain: credentials/certificate.pem
          key: credentials/certificate.key";

/// What a configuration has for a task, where it differs from merely forwarding in plaintext.
#[derive(Clone, Copy, Debug)]
struct Parts {
    api: &'static str,
    /// What stands beside the API.
    beside: &'static str,
    tls: &'static str,
    metrics: &'static str,
    penalties: &'static str,
}

const FORWARD: Parts = Parts {
    api: FORWARD_API,
    beside: "",
    tls: "",
    metrics: "off",
    penalties: "off",
};
const REFUSE: Parts = Parts {
    api: REFUSE_API,
    ..FORWARD
};

impl Task {
    const fn parts(&self) -> Parts {
        match self {
            Self::Forward => FORWARD,
            Self::ForwardRest => Parts {
                api: FORWARD_REST_API,
                ..FORWARD
            },
            Self::Refuse => REFUSE,
            Self::RefuseOverTls => Parts { tls: TLS, ..REFUSE },
            Self::Everything { .. } => Parts {
                api: EVERYTHING_API,
                beside: EVERYTHING_BESIDE,
                metrics: "127.0.0.1:0",
                ..FORWARD
            },
            Self::Plans { .. } => Parts {
                api: PLANS_API,
                beside: PLANS_BESIDE,
                penalties: "enforce",
                ..FORWARD
            },
        }
    }

    /// The whole configuration.
    pub(super) fn configuration(
        &self,
        directory: &Path,
        address: SocketAddr,
        upstream: SocketAddr,
    ) -> String {
        let Parts {
            api,
            beside,
            tls,
            metrics,
            penalties,
        } = self.parts();
        let quoted = |name: &str| {
            serde_json::Value::from(directory.join(name).to_string_lossy()).to_string()
        };
        format!(
            "\
instance: bench
workers: 1
runtime_directory: {run}
state_directory: {state}
listeners:
  plain:
    address: {address}{tls}
xdp:
  mode: off
  penalties:
    mode: {penalties}
upstreams:
  fixed:
    url: http://{upstream}
{beside}
apis:
  bench:{api}
telemetry:
  access_log: gateway.log
  metrics: {metrics}
admin:
  socket: {socket}
",
            run = quoted("run"),
            state = quoted("state"),
            socket = quoted("run/admin.sock"),
        )
    }
}
