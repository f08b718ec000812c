//! The proxies that are compared, each pinned to the same core and idle while the other is measured.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use crate::process::{self, Kept, Programs};

/// How long a proxy may take until it listens, looked at this often.
const LOOKS: u32 = 200;
const LOOK: Duration = Duration::from_millis(50);

/// A running proxy.
#[derive(Debug)]
pub(super) struct Proxy {
    process: Kept,
    address: SocketAddr,
}

/// An empty directory for configurations and logs.
pub(super) fn directory() -> anyhow::Result<PathBuf> {
    let directory = process::target_directory()?.join("bench");
    if directory.exists() {
        fs::remove_dir_all(&directory)
            .with_context(|| format!("clearing `{}`", directory.display()))?;
    }
    fs::create_dir_all(&directory)
        .with_context(|| format!("creating `{}`", directory.display()))?;
    Ok(directory)
}

impl Proxy {
    /// The gateway: one worker, nothing in the kernel, its access log in a file.
    pub(super) fn gateway(
        programs: &Programs,
        directory: &Path,
        upstream: SocketAddr,
        cpu: usize,
    ) -> anyhow::Result<Self> {
        Self::gateway_for(programs, directory, upstream, (cpu, &Task::Forward))
    }

    /// The same with more to do for each request, or less.
    pub(super) fn gateway_for(
        programs: &Programs,
        directory: &Path,
        upstream: SocketAddr,
        (cpu, task): (usize, &Task),
    ) -> anyhow::Result<Self> {
        let address = free_address()?;
        let path = directory.join("gateway.yaml");
        fs::write(&path, task.configuration(directory, address, upstream))
            .with_context(|| format!("writing `{}`", path.display()))?;
        if let Task::Everything { value } = task {
            let mut create = Command::new(&programs.gateway);
            create.args(["keys", "create", "--plan", "bench", "--value-file"]);
            create.arg(value).arg("--config").arg(&path);
            process::quietly(&mut create)?;
        }
        let mut command = tethered(&programs.workbench, cpu);
        command
            .arg(&programs.gateway)
            .args(["run", "--config"])
            .arg(&path);
        Self::start(&mut command, address)
    }

    /// nginx, which `refuses` everything by `limit_req` or nothing: one process, a keep-alive pool to the upstream, its access log in a file. `None` where
    /// it is not installed.
    pub(super) fn nginx(
        programs: &Programs,
        directory: &Path,
        upstream: SocketAddr,
        (cpu, refuses): (usize, bool),
    ) -> anyhow::Result<Option<Self>> {
        let Some(nginx) = installed("nginx") else {
            return Ok(None);
        };
        let address = free_address()?;
        let path = directory.join("nginx.conf");
        fs::write(
            &path,
            nginx_configuration(directory, address, upstream, refuses),
        )
        .with_context(|| format!("writing `{}`", path.display()))?;
        let mut command = tethered(&programs.workbench, cpu);
        command
            .arg(nginx)
            .arg("-p")
            .arg(directory)
            .arg("-e")
            .arg(directory.join("nginx.error"))
            .arg("-c")
            .arg(&path);
        Self::start(&mut command, address).map(Some)
    }

    fn start(command: &mut Command, address: SocketAddr) -> anyhow::Result<Self> {
        let mut process = Kept::start(command)?;
        for _ in 0..LOOKS {
            if TcpStream::connect(address).is_ok() {
                return Ok(Self { process, address });
            }
            if let Some(status) = process.ended()? {
                anyhow::bail!(
                    "`{}` ended before it listened: {status}",
                    process::shown(command)
                );
            }
            std::thread::sleep(LOOK);
        }
        anyhow::bail!("`{}` does not listen on {address}", process::shown(command))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Processor time all its threads have used, in nanoseconds: the first field of
    /// /proc/PID/task/TID/schedstat (Documentation/scheduler/sched-stats.rst).
    pub(super) fn cpu_ns(&self) -> anyhow::Result<u64> {
        let tasks = PathBuf::from(format!("/proc/{}/task", self.process.id()));
        let mut total = 0;
        for task in
            fs::read_dir(&tasks).with_context(|| format!("reading `{}`", tasks.display()))?
        {
            let path = task
                .context("a thread of the proxy")?
                .path()
                .join("schedstat");
            let text = fs::read_to_string(&path)
                .with_context(|| format!("reading `{}`", path.display()))?;
            let spent = text
                .split_whitespace()
                .next()
                .context("schedstat is empty: has this kernel CONFIG_SCHED_INFO?")?;
            total += spent
                .parse::<u64>()
                .with_context(|| format!("`{spent}` in `{}`", path.display()))?;
        }
        Ok(total)
    }
}

/// A command line that the caller completes with a program and its arguments.
fn tethered(workbench: &Path, cpu: usize) -> Command {
    let mut command = Command::new(workbench);
    command.args([
        "tether",
        "--parent",
        &std::process::id().to_string(),
        "--cpu",
        &cpu.to_string(),
        "--",
    ]);
    command
}

/// An address that was free a moment ago.
fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("bind of a free port")?;
    Ok(listener.local_addr()?)
}

/// The path of `program`: where a shell finds it, or in the directories of system programs, which
/// Debian leaves out of an ordinary user's path.
fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(system)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// What a gateway does for each request.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// It forwards it.
    Forward,
    /// It refuses it, because its route is called too often.
    Refuse,
    /// It forwards it for who sends a token and an API key, with a plan, buckets and a quota.
    Everything {
        /// The file with the value of the key.
        value: PathBuf,
    },
}

/// Whom tokens are from and for.
pub(super) const ISSUER: &str = "https://bench.example";
pub(super) const AUDIENCE: &str = "bench";

impl Task {
    /// What the API is, and what stands beside it.
    const fn parts(&self) -> (&'static str, &'static str) {
        match self {
            Self::Forward => (
                "
    type: http
    routes:
      GET /fixed:
        authorizer: none
        integration:
          upstream: fixed",
                "",
            ),
            Self::Refuse => (
                "
    type: http
    routes:
      GET /fixed:
        authorizer: none
        throttle: { rate: 0.0001, burst: 1 }
        integration:
          upstream: fixed",
                "",
            ),
            Self::Everything { .. } => (
                "
    type: rest
    stages: { prod: {} }
    routes:
      GET /fixed:
        authorizer: main
        api_key_required: true
        throttle: { rate: 1000000, burst: 1000000 }
        integration:
          upstream: fixed
          path: /fixed",
                "
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
    quota: { limit: 500000000000, period: month }",
            ),
        }
    }

    fn configuration(&self, directory: &Path, address: SocketAddr, upstream: SocketAddr) -> String {
        let metrics = match self {
            Self::Forward | Self::Refuse => "off",
            Self::Everything { .. } => "127.0.0.1:0",
        };
        let (api, beside) = self.parts();
        gateway_configuration(directory, (address, upstream), (api, beside, metrics))
    }
}

fn gateway_configuration(
    directory: &Path,
    (address, upstream): (SocketAddr, SocketAddr),
    (api, beside, metrics): (&str, &str, &str),
) -> String {
    let quoted =
        |name: &str| serde_json::Value::from(directory.join(name).to_string_lossy()).to_string();
    format!(
        "\
instance: bench
workers: 1
runtime_directory: {run}
state_directory: {state}
listeners:
  plain:
    address: {address}
xdp:
  mode: off
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

/// `keepalive_requests` is out of reach because the load keeps its connections through a window;
/// without a master there is one process to measure and to end.
fn nginx_configuration(
    directory: &Path,
    address: SocketAddr,
    upstream: SocketAddr,
    refuses: bool,
) -> String {
    let (zone, limit) = if refuses {
        (
            "limit_req_zone $server_port zone=all:64k rate=1r/m; limit_req_status 429; \
             limit_req_log_level info;",
            "limit_req zone=all;",
        )
    } else {
        ("", "")
    };
    format!(
        "\
daemon off;
master_process off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/nginx.error;
events {{ worker_connections 1024; }}
http {{
    access_log {directory}/nginx.log;
    client_body_temp_path {directory}/nginx.body;
    proxy_temp_path {directory}/nginx.proxy;
    fastcgi_temp_path {directory}/nginx.fastcgi;
    uwsgi_temp_path {directory}/nginx.uwsgi;
    scgi_temp_path {directory}/nginx.scgi;
    keepalive_requests 1000000000;
    {zone}
    upstream fixed {{
        server {upstream};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {address};
        location / {{
            {limit}
            proxy_pass http://fixed;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }}
    }}
}}
",
        directory = directory.display(),
    )
}
