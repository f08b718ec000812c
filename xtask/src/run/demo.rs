//! The embedded demo: everything the gateway needs to show what it does, made anew in target/demo.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::configuration::{AUDIENCE, ISSUER, Setting};
use super::curl::{Curl, quoted_path};
use super::guarded::Guarded;
use super::{Arguments, Power};
use crate::process::{self, Programs, say, succeed};

/// Longest path of a Unix socket on Linux, the final zero apart (`sun_path` of unix(7)).
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// How long the gateway may take until it serves.
const START: Duration = Duration::from_secs(30);

/// Between two looks at whether it does.
const POLL: Duration = Duration::from_millis(50);

/// Where the metrics are, unless that port is taken.
const METRICS_PORT: u16 = 9901;

/// The files of one demo.
#[derive(Debug)]
struct Demo {
    directory: PathBuf,
    port: u16,
    metrics_port: u16,
}

pub(super) async fn run(
    programs: &Programs,
    arguments: &Arguments,
    power: Power,
) -> anyhow::Result<()> {
    refuse_taken(arguments.port)?;
    let (_upstream, address) = process::upstream(&programs.workbench, None)?;
    let demo = Demo::write(programs, arguments, power, address)?;

    let mut options = vec![
        OsString::from("--config"),
        demo.configuration().into_os_string(),
    ];
    options.extend(arguments.gateway.iter().cloned());
    let mut gateway = Guarded::start(programs, power, &options)?;
    let Some(served) = gateway.during(serves(demo.metrics_port)).await? else {
        return gateway.end().await;
    };
    if let Err(error) = served {
        gateway.end().await?;
        return Err(error);
    }
    say(&demo.invitation(programs, power))?;
    gateway.until_asked().await
}

/// Name of the demo on `port`: of its directory under target, and of its instance.
fn instance(port: u16) -> String {
    if port == super::PORT {
        "demo".to_owned()
    } else {
        format!("demo-{port}")
    }
}

/// The gateway's own sockets may share a port with each other, so it is asked for alone here first.
fn refuse_taken(port: u16) -> anyhow::Result<()> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_free) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => anyhow::bail!(
            "127.0.0.1:{port} is taken: end what listens there (`ss -ltnp 'sport = :{port}'` names it), \
             or choose another port with `cargo xtask run --port {}`",
            if port == 9443 { 10443 } else { 9443 }
        ),
        Err(error) => Err(error).with_context(|| format!("bind to 127.0.0.1:{port}")),
    }
}

fn free_metrics_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, METRICS_PORT))
        .or_else(|_taken| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .context("bind of a port for the metrics")?;
    Ok(listener.local_addr()?.port())
}

/// Waits until the gateway serves its metrics: it has attached what it attaches by then, it handles
/// signals, and its listeners take connections.
async fn serves(metrics_port: u16) -> anyhow::Result<()> {
    let answered = async {
        while !matches!(ask(metrics_port).await, Ok(true)) {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(START, answered)
        .await
        .with_context(|| format!("the gateway does not answer after {} s", START.as_secs()))
}

/// Asks for the metrics. Returns whether there was an answer.
async fn ask(metrics_port: u16) -> io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, metrics_port)).await?;
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await?;
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    Ok(&start == b"HTTP/1.1 200")
}

impl Demo {
    fn write(
        programs: &Programs,
        arguments: &Arguments,
        power: Power,
        upstream: SocketAddr,
    ) -> anyhow::Result<Self> {
        let instance = instance(arguments.port);
        let directory = process::target_directory()?.join(&instance);
        let demo = Self {
            directory,
            port: arguments.port,
            metrics_port: free_metrics_port()?,
        };
        let socket = demo.directory.join("run/admin.sock");
        anyhow::ensure!(
            socket.as_os_str().len() <= SOCKET_PATH_BYTES_MAX,
            "`{}` is too long for a socket: build elsewhere, as in `CARGO_TARGET_DIR=/tmp/gateway cargo xtask run`",
            socket.display()
        );
        empty(&demo.directory)?;
        succeed(
            Command::new(&programs.workbench)
                .args(["credentials", "--issuer", ISSUER, "--audience", AUDIENCE])
                .arg(&demo.directory),
        )?;
        let setting = Setting {
            instance: &instance,
            port: demo.port,
            metrics_port: demo.metrics_port,
            upstream,
            // What root writes into a user's directory the user could not clear away, so with sudo
            // the gateway keeps its files where it would by default.
            directories: (power != Power::Sudo).then_some(&demo.directory),
            other_interface: arguments.names_interface(),
        };
        let path = demo.configuration();
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        io::Write::write_all(&mut file, setting.text().as_bytes())
            .with_context(|| format!("writing `{}`", path.display()))?;
        Ok(demo)
    }

    fn configuration(&self) -> PathBuf {
        self.directory.join("gateway.yaml")
    }

    /// What to try, as lines to paste. A comment that ends with a status promises it for the
    /// `curl` line that follows.
    fn invitation(&self, programs: &Programs, power: Power) -> String {
        let certificate = self.directory.join("certificate.pem");
        let curl = Curl {
            certificate: &certificate,
            port: self.port,
        };
        let token = format!("-H @{}", quoted_path(&self.directory.join("authorization")));
        let log = quoted_path(&self.directory.join("access.log"));
        let mut lines = vec![
            "\nThe gateway answers. Each line works alone in another terminal; Ctrl-C here ends it.".into(),
            "\n# a public route: 200".into(),
            curl.line(&[], "/hello"),
            "\n# a protected route without a token: 401".into(),
            curl.line(&[], "/private/you"),
            "\n# the same with a token: 200".into(),
            curl.line(&[&token], "/private/you"),
            "\n# the last of three calls to a route that admits one in ten seconds: 429".into(),
            curl.line(&[], "/limited?call=[1-3]"),
            "\n# what was counted and what was logged".into(),
            format!("curl -sS http://127.0.0.1:{}/metrics", self.metrics_port),
            format!("tail -n 5 {log}"),
        ];
        if power != Power::User {
            let sudo = if power == Power::Sudo { "sudo " } else { "" };
            let instance = quoted_path(&self.configuration());
            let gateway = |command: &str| {
                format!(
                    "{sudo}{} {command} --config {instance}",
                    quoted_path(&programs.gateway)
                )
            };
            let elsewhere = curl.line(&["--interface 127.0.0.2", "--max-time 3"], "/hello");
            lines.extend([
                "\n# what the kernel judged".into(),
                gateway("stats"),
                "\n# another source address: 200".into(),
                elsewhere.clone(),
                "\n# and once it is denied, when the kernel drops its packets: 000".into(),
                gateway("deny add 127.0.0.2/32 --for 10m"),
                elsewhere.clone(),
                "\n# and no longer denied: 200".into(),
                gateway("deny remove 127.0.0.2/32"),
                elsewhere,
            ]);
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

/// Makes `directory` anew, for this user alone.
fn empty(directory: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("clearing `{}`", directory.display()));
        }
        Ok(()) | Err(_) => {}
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    for path in [
        directory.to_owned(),
        directory.join("run"),
        directory.join("state"),
    ] {
        builder
            .create(&path)
            .with_context(|| format!("creating `{}`", path.display()))?;
    }
    Ok(())
}
