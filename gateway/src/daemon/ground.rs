//! What the gateway stands on: everything that takes rights, had before they are given up.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::admin::{self, Allowed};
use super::listeners::{Listeners, Prepared};
use super::lists::wanted;
use super::lock::InstanceLock;
use super::privilege::{self, Identity};
use crate::clock;
use crate::listener::BindError;
use crate::model::{self, Gateway};
use crate::store::api_key::{ApiKeyError, ApiKeyStore};
use crate::store::bucket::{self, BootId, Buckets};
use crate::store::deployment::{DeploymentError, DeploymentStore};
use crate::store::directory;
use crate::store::list::{Lists, Moment};
use crate::store::usage::{Usage, UsageError};
use crate::telemetry::access_log::{Destination, Opened};
use crate::telemetry::logs::Logs;
use crate::telemetry::operator_log::explain;
use crate::xdp::{self, EdgeHandle, Start, doctor};

/// Sockets, kernel edge, files: held, with no thread running yet.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) lock: InstanceLock,
    pub(super) listeners: Prepared,
    pub(super) edge: Tentative,
    pub(super) buckets: Buckets,
    pub(super) lists: Lists,
    pub(super) deployments: DeploymentStore,
    pub(super) usage: Usage,
    pub(super) api_keys: ApiKeyStore,
    pub(super) sockets: Sockets,
    pub(super) logs: Logs<Opened>,
    identity: Identity,
}

/// The kernel edge of a gateway that may yet fail to start: then it is taken back, because rules
/// without a gateway behind them would only keep clients and operators out.
#[derive(Debug)]
pub(super) struct Tentative(Option<Box<EdgeHandle>>);

impl Tentative {
    /// Where there is one.
    pub(super) fn get(&self) -> Option<&EdgeHandle> {
        self.0.as_deref()
    }

    /// From here on it outlives the process as configured.
    pub(super) fn settle(mut self) -> Option<Box<EdgeHandle>> {
        self.0.take()
    }
}

impl Drop for Tentative {
    fn drop(&mut self) {
        if let Some(edge) = self.0.take()
            && let Err(error) = edge.undo()
        {
            tracing::error!(
                error = explain(&error),
                "the kernel edge could not be taken back"
            );
        }
    }
}

/// Sockets of the control thread.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) admin: std::os::unix::net::UnixListener,
    pub(super) metrics: Option<std::net::TcpListener>,
    pub(super) allowed: Allowed,
}

/// What has to be had before it is known what stages serve.
#[derive(Debug)]
pub(super) struct Footing {
    lock: InstanceLock,
    pub(super) deployments: DeploymentStore,
    usage: Usage,
    pub(super) api_keys: ApiKeyStore,
    identity: Identity,
}

impl Footing {
    /// Takes the directories that `settings` name. Of those only what belongs to the process counts
    /// here, which no deployment changes.
    pub(super) fn take(settings: &Gateway) -> anyhow::Result<Self> {
        let (user, group) = (settings.user.as_deref(), settings.group.as_deref());
        let identity = Identity::resolve(user, group)?;
        make_directory(&settings.runtime_directory, 0o750, &identity)?;
        make_directory(&settings.state_directory, 0o700, &identity)?;
        let state = &settings.state_directory;
        Ok(Self {
            lock: InstanceLock::take(&settings.runtime_directory, &settings.instance)?,
            deployments: once_free(
                || DeploymentStore::open(state),
                |error| matches!(error, DeploymentError::InUse(_)),
            )?,
            usage: once_free(
                || Usage::open(state, clock::unix_seconds()),
                |error| matches!(error, UsageError::InUse(_)),
            )?,
            api_keys: once_free(
                || ApiKeyStore::open(state),
                |error| matches!(error, ApiKeyError::InUse(_)),
            )?,
            identity,
        })
    }
}

/// Opens what a command may have that is followed without a gateway: a start that meets one lets it finish.
/// Another gateway of this instance has nothing, since this one holds the lock.
fn once_free<T, E: fmt::Display>(
    open: impl Fn() -> Result<T, E>,
    is_in_use: fn(&E) -> bool,
) -> Result<T, E> {
    /// Five seconds in all: no command is that long at work.
    const ATTEMPTS: usize = 100;
    const PAUSE: Duration = Duration::from_millis(50);
    for attempt in 1..ATTEMPTS {
        match open() {
            Err(error) if is_in_use(&error) => {
                if attempt == 1 {
                    tracing::info!(%error, "waiting for a command");
                }
                std::thread::sleep(PAUSE);
            }
            outcome => return outcome,
        }
    }
    open()
}

impl Ground {
    /// Takes everything else that `model` needs from the host. `model` is what stages serve: by what
    /// only the file says the kernel would drop whom they let in.
    pub(super) fn take(footing: Footing, model: &Gateway) -> anyhow::Result<Self> {
        let Footing {
            lock,
            deployments,
            usage,
            api_keys,
            identity,
        } = footing;
        let listeners = Listeners::default().prepare(model)?;
        // Before the program that asks them: whoever must never be dropped is known by then.
        let lists = Lists::open(&model.state_directory, Moment::now())?;
        if let Some(unsaved) = lists.install_or_owe(lists.prepare(&wanted(model))?)? {
            tracing::error!(error = explain(&unsaved), "tried again until it is done");
        }
        let edge = start_edge(&bound(model, &listeners.addresses), &lists)?;
        let buckets = match edge.get() {
            Some(edge) => edge.buckets(),
            None => map_buckets(model)?,
        };

        let socket = &model.admin.socket;
        let admin =
            admin::bind(socket).with_context(|| format!("admin socket `{}`", socket.display()))?;
        identity.own(socket)?;
        let sockets = Sockets {
            admin,
            metrics: model.telemetry.metrics.map(bind_metrics).transpose()?,
            allowed: Allowed {
                user: identity.user,
                group: identity.group,
            },
        };
        let logs = destinations(&model.telemetry).open()?;
        for log in [&logs.access, &logs.execution] {
            if let Some(file) = log.file() {
                identity.own_file(file).context("log")?;
            }
        }
        Ok(Self {
            lock,
            listeners,
            edge,
            buckets,
            lists,
            deployments,
            usage,
            api_keys,
            sockets,
            logs,
            identity,
        })
    }

    /// Gives up every right that is not needed any more. No thread may run yet.
    pub(super) fn give_up_rights(&self, model: &Gateway) -> anyhow::Result<()> {
        if let Some(edge) = self.edge.get() {
            edge.hand_over(self.identity.user, self.identity.group)?;
        }
        let low_ports = self
            .listeners
            .addresses
            .iter()
            .any(|address| address.port() < 1024);
        let dropped = privilege::drop_to(&self.identity, low_ports, self.edge.get().is_some())?;
        for list in &model.lists.named {
            if let Err(error) = std::fs::File::open(&list.file) {
                tracing::warn!(
                    list = list.name.as_str(),
                    file = %list.file.display(),
                    %error,
                    "this list will not be followed: its file is not readable for the gateway's user"
                );
            }
        }
        for (capability, purpose) in &dropped.kept {
            tracing::info!(capability, purpose, "kept");
        }
        if dropped.user == 0 {
            tracing::warn!(
                "running as root, though without capabilities: set `user` to a user of the gateway's own"
            );
        } else {
            tracing::info!(
                user = model.user,
                uid = dropped.user,
                gid = dropped.group,
                "rights given up"
            );
        }
        Ok(())
    }
}

/// The model with the addresses that its listeners are really bound to, for the kernel.
pub(super) fn bound(model: &Gateway, addresses: &[SocketAddr]) -> Gateway {
    let mut bound = model.clone();
    for (listener, address) in bound.listeners.iter_mut().zip(addresses) {
        listener.address = *address;
    }
    bound
}

/// Where the logs go.
pub(super) fn destinations(telemetry: &model::Telemetry) -> Logs<Destination> {
    Logs {
        access: destination(&telemetry.access_log),
        execution: destination(&telemetry.execution_log),
    }
}

fn destination(log: &model::LogOutput) -> Destination {
    match log {
        model::LogOutput::Off => Destination::Off,
        model::LogOutput::Stdout => Destination::Stdout,
        model::LogOutput::File(path) => Destination::File(path.clone()),
    }
}

fn start_edge(model: &Gateway, lists: &Lists) -> anyhow::Result<Tentative> {
    let edge = match xdp::start(model, |sink| lists.attach(sink)).map_err(with_remedy)? {
        Start::Attached(edge) => edge,
        Start::Absent(absence) => {
            // What was asked for is no warning.
            if model.edge.mode == model::EdgeMode::Off {
                tracing::info!("{absence}");
            } else {
                tracing::warn!("{absence}");
            }
            lists.detach();
            return Ok(Tentative(None));
        }
    };
    for attachment in edge.attachments() {
        let mode = match attachment.mode {
            xdp::Mode::Native => "native",
            xdp::Mode::Generic => "generic",
        };
        let interface = &attachment.interface;
        tracing::info!(%interface, mode, adopted = attachment.adopted, "XDP attached");
    }
    for unguarded in edge.unguarded() {
        tracing::warn!(interface = %unguarded.interface, cause = %unguarded.cause, "XDP is not attached");
    }
    for note in edge.notes() {
        tracing::warn!("{note}");
    }
    warn_of_obstacles(model);
    Ok(Tentative(Some(edge)))
}

/// Says what on this host keeps a rule of the kernel edge from working.
pub(super) fn warn_of_obstacles(model: &Gateway) {
    match doctor::obstacles(model) {
        Ok(None) => {}
        Ok(Some(finding)) => tracing::warn!(command = finding.command, "{}", finding.text),
        Err(error) => tracing::warn!(error = explain(&error), "the host cannot be examined"),
    }
}

/// An error that keeps the gateway from starting says what to run, where it can.
fn with_remedy(error: xdp::EdgeError) -> anyhow::Error {
    let context = match error.remedy() {
        Some(remedy) => format!("kernel edge: {remedy}"),
        None => "kernel edge".to_owned(),
    };
    anyhow::Error::new(error).context(context)
}

fn map_buckets(model: &Gateway) -> anyhow::Result<Buckets> {
    let path = model.runtime_directory.join(bucket::FILE_NAME);
    let (buckets, opened) = Buckets::open_file(&path, BootId::current()?, model.buckets)?;
    let path = path.display();
    match opened {
        bucket::Opened::Created => tracing::info!(%path, "buckets start empty"),
        bucket::Opened::Kept => tracing::info!(%path, "buckets kept"),
        bucket::Opened::Resized(resized) if resized.is_whole() => {
            tracing::info!(%path, "{resized}")
        }
        bucket::Opened::Resized(resized) => tracing::warn!(%path, "{resized}"),
        bucket::Opened::Replaced(why) => {
            tracing::warn!(%path, ?why, "buckets start empty: the file could not be kept");
        }
    }
    Ok(buckets)
}

fn bind_metrics(address: SocketAddr) -> anyhow::Result<std::net::TcpListener> {
    let socket = std::net::TcpListener::bind(address)
        .map_err(|source| BindError { address, source })
        .context("`telemetry.metrics`")?;
    socket.set_nonblocking(true)?;
    tracing::info!(address = %socket.local_addr()?, "metrics");
    Ok(socket)
}

fn make_directory(path: &Path, mode: u32, identity: &Identity) -> anyhow::Result<()> {
    directory::create(path, mode).with_context(|| {
        format!(
            "directory `{}`: create it for the gateway's user, or name another one in the \
             configuration",
            path.display()
        )
    })?;
    Ok(identity.own(path)?)
}
