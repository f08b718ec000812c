//! The proxies that are compared, each pinned to the same core and idle while the other is measured.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use super::task::Task;
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

/// Writes a file that a proxy or its clients read.
pub(super) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("writing `{}`", path.display()))
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
        write(&path, &task.configuration(directory, address, upstream))?;
        let mut keys = Command::new(&programs.gateway);
        match task {
            Task::Forward | Task::ForwardRest | Task::Refuse | Task::RefuseOverTls => {}
            Task::Everything { value } => {
                keys.args(["keys", "create", "--plan", "bench", "--value-file"]);
                process::quietly(keys.arg(value).arg("--config").arg(&path))?;
            }
            Task::Plans { keys: file } => {
                keys.args(["keys", "import", "--fail-on-warnings"]);
                process::quietly(keys.arg(file).arg("--config").arg(&path))?;
            }
        }
        let mut command = tethered(&programs.workbench, cpu);
        command
            .arg(&programs.gateway)
            .args(["run", "--config"])
            .arg(&path);
        Self::start(&mut command, address)
    }

    /// nginx: one process, a keep-alive pool to the upstream, its access log in a file. `None` where it is not
    /// installed.
    pub(super) fn nginx(
        programs: &Programs,
        directory: &Path,
        upstream: SocketAddr,
        (cpu, limits): (usize, Limits),
    ) -> anyhow::Result<Option<Self>> {
        let Some(nginx) = installed("nginx") else {
            return Ok(None);
        };
        let address = free_address()?;
        let path = directory.join("nginx.conf");
        write(
            &path,
            &nginx_configuration(directory, address, upstream, limits),
        )?;
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

/// What nginx limits by `limit_req`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limits {
    /// Nothing.
    None,
    /// Everything, to one request a minute.
    All,
    /// Each API key but that of honest clients, to ten requests per second.
    PerKey,
}

/// `keepalive_requests` is out of reach because the load keeps its connections through a window;
/// without a master there is one process to measure and to end.
fn nginx_configuration(
    directory: &Path,
    address: SocketAddr,
    upstream: SocketAddr,
    limits: Limits,
) -> String {
    let (zone, limit) = match limits {
        Limits::None => ("", ""),
        Limits::All => (
            "limit_req_zone $server_port zone=all:64k rate=1r/m; limit_req_status 429; \
             limit_req_log_level info;",
            "limit_req zone=all;",
        ),
        // The key of honest clients is all zeros.
        Limits::PerKey => (
            "map $http_x_api_key $limited { ~^0*$ \"\"; default $http_x_api_key; } \
             limit_req_zone $limited zone=keys:1m rate=10r/s; limit_req_status 429; \
             limit_req_log_level info;",
            "limit_req zone=keys burst=10 nodelay;",
        ),
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
