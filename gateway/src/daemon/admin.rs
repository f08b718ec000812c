//! The daemon's side of the admin socket.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use super::api_keys;
use super::attack::AttackSwitch;
use super::decisions;
use super::deployments::{self, Ordered};
use super::explain::explained;
use super::lists;
use super::penalties;
use super::protocol::{ANSWER_TIMEOUT, Request, Response, TIMEOUT};
use super::stage_figures::counts;
use super::throttled::throttled;
use super::usage;
use crate::body::BodyBudget;
use crate::config::Configuration;
use crate::snapshot::Snapshot;
use crate::store::api_key::ApiKeyStore;
use crate::store::bucket::Buckets;
use crate::store::decision::Decisions;
use crate::store::deployment::DeploymentStore;
use crate::store::fleet::Fleet;
use crate::store::key_ring::KeyRings;
use crate::store::list::Lists;
use crate::store::offence::Offences;
use crate::store::usage::Usage;
use crate::telemetry::heavy_hitters::HeavyHitters;
use crate::telemetry::operator_log::explain;
use crate::telemetry::recent::Recent;
use crate::xdp::EdgeError;

/// Longest request line; every request is far shorter.
const REQUEST_BYTES_MAX: u64 = 64 << 10;
/// What is read of a longer one before it is refused.
const DISCARDED_BYTES_MAX: u64 = 1 << 20;
/// Conversations at once; further peers wait in the kernel's queue.
const CONVERSATIONS_MAX: usize = 16;

/// Who may speak.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowed {
    /// The user the gateway runs as; root may always.
    pub(super) user: u32,
    /// The group the gateway runs as.
    pub(super) group: u32,
}

/// A reload asked for over the socket.
#[derive(Debug)]
pub(super) struct ReloadRequest {
    /// Why.
    pub(super) cause: Cause,
    /// Where its outcome goes.
    pub(super) reply: oneshot::Sender<Result<String, String>>,
}

/// Why the gateway is to change.
#[derive(Debug)]
pub(super) enum Cause {
    /// Somebody asked it to read its configuration again.
    Asked,
    /// Links were changed first.
    Applied(Applied),
    /// An order about deployments.
    Ordered(Ordered),
}

/// What those who speak over the socket can reach.
#[derive(Clone, Debug)]
pub(super) struct Reached {
    pub(super) lists: Lists,
    pub(super) decisions: Arc<Decisions>,
    pub(super) deployments: DeploymentStore,
    pub(super) usage: Usage,
    pub(super) fleet: Fleet,
    pub(super) api_keys: ApiKeyStore,
    pub(super) rings: KeyRings,
    pub(super) offences: Offences,
    pub(super) throttled: Arc<HeavyHitters>,
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    /// The configuration file.
    pub(super) config: PathBuf,
    /// What it said when it was last read, and runs.
    pub(super) configuration: Arc<ArcSwap<Configuration>>,
    pub(super) attack: Option<AttackSwitch>,
    pub(super) buckets: Buckets,
    pub(super) body_budget: BodyBudget,
    pub(super) recent: Arc<Recent>,
    pub(super) reloads: mpsc::Sender<ReloadRequest>,
}

/// Links that `gateway xdp apply` has changed.
#[derive(Debug)]
pub(super) struct Applied {
    /// The configuration it did that for.
    pub(super) config: PathBuf,
    /// Every interface that is to carry the program.
    pub(super) interfaces: Vec<String>,
}

/// Binds the socket with mode 0660. The caller holds the instance's lock, so a socket in the way
/// is one that a killed gateway left behind.
///
/// # Errors
/// The path is too long for a socket, taken by something else, or its directory is not writable.
pub(super) fn bind(path: &Path) -> std::io::Result<std::os::unix::net::UnixListener> {
    use std::os::unix::fs::FileTypeExt as _;
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path)?,
        Ok(_) => {
            let what = "something that is no socket is in the way";
            return Err(std::io::Error::new(std::io::ErrorKind::AlreadyExists, what));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let socket = std::os::unix::net::UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Answers peers until dropped.
pub(super) async fn serve(socket: UnixListener, allowed: Allowed, reached: Reached) {
    let places = std::sync::Arc::new(tokio::sync::Semaphore::new(CONVERSATIONS_MAX));
    loop {
        // The semaphore is never closed.
        let Ok(place) = std::sync::Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let stream = match socket.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "admin socket: cannot accept");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let reached = reached.clone();
        drop(tokio::task::spawn_local(async move {
            let conversation = converse(stream, allowed, &reached);
            match tokio::time::timeout(ANSWER_TIMEOUT, conversation).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "admin socket: conversation failed"),
                Err(_elapsed) => tracing::warn!("admin socket: conversation took too long"),
            }
            drop(place);
        }));
    }
}

async fn converse(stream: UnixStream, allowed: Allowed, reached: &Reached) -> std::io::Result<()> {
    let peer = stream.peer_cred()?;
    let mut stream = BufReader::new(stream);
    // Read in any case: whoever is cut off while writing never sees the answer.
    let (line, too_long) = tokio::time::timeout(TIMEOUT, read_line(&mut stream)).await??;
    let response = if peer.uid() == 0 || peer.uid() == allowed.user || peer.gid() == allowed.group {
        match serde_json::from_slice(&line) {
            _ if too_long => Response::Refused {
                message: format!("a request takes at most {REQUEST_BYTES_MAX} bytes"),
            },
            Ok(request) => answer(request, &mut stream, reached).await?,
            Err(error) => Response::Refused {
                message: format!("not a request of this version: {error}"),
            },
        }
    } else {
        tracing::warn!(
            uid = peer.uid(),
            gid = peer.gid(),
            "admin socket: peer refused"
        );
        let message = "only root, the gateway's user and its group may use this socket".to_owned();
        Response::Refused { message }
    };
    let mut line = serde_json::to_vec(&response)?;
    line.push(b'\n');
    stream.get_mut().write_all(&line).await?;
    stream.get_mut().shutdown().await
}

/// Reads a request; whether it is longer than that, and what stands here is its start.
async fn read_line(stream: &mut BufReader<UnixStream>) -> std::io::Result<(Vec<u8>, bool)> {
    let mut line = Vec::new();
    let length = (&mut *stream)
        .take(REQUEST_BYTES_MAX)
        .read_until(b'\n', &mut line)
        .await?;
    let too_long = length as u64 == REQUEST_BYTES_MAX && !line.ends_with(b"\n");
    if too_long {
        discard_line(stream).await?;
    }
    Ok((line, too_long))
}

/// Reads to the end of a line that is too long, in pieces.
async fn discard_line(stream: &mut BufReader<UnixStream>) -> std::io::Result<()> {
    let mut rest = stream.take(DISCARDED_BYTES_MAX);
    loop {
        let piece = rest.fill_buf().await?;
        let end = piece.iter().position(|&byte| byte == b'\n');
        let length = end.map_or(piece.len(), |end| end + 1);
        rest.consume(length);
        if end.is_some() || length == 0 {
            return Ok(());
        }
    }
}

/// Answers a request, whose connection is read on where something follows it.
async fn answer(
    request: Request,
    stream: &mut BufReader<UnixStream>,
    reached: &Reached,
) -> std::io::Result<Response> {
    let (attack, reloads) = (reached.attack.as_ref(), &reached.reloads);
    let outcome = match request {
        Request::Hello => Ok(format!(
            "gateway {}, process {}",
            env!("CARGO_PKG_VERSION"),
            std::process::id()
        )),
        Request::Reload => reload(reloads, Cause::Asked).await,
        Request::XdpApply { config, interfaces } => {
            let applied = Applied { config, interfaces };
            reload(reloads, Cause::Applied(applied)).await
        }
        Request::StageCounts => {
            let stages = counts(&reached.snapshot.load());
            return Ok(Response::StageCounts { stages });
        }
        Request::Throttled => {
            let callers = throttled(&reached.throttled);
            return Ok(Response::Throttled { callers });
        }
        Request::Recent { id } => {
            let requests = reached.recent.find(&id);
            return Ok(Response::Recent { requests });
        }
        Request::Explain(asked) => {
            return Ok(match explained(asked, reached).await {
                Ok(explanation) => Response::Explained(explanation),
                Err(message) => Response::Refused { message },
            });
        }
        Request::Order { ordered } => reload(reloads, Cause::Ordered(ordered)).await,
        Request::Deployments | Request::DeploymentText { .. } | Request::Export { .. } => {
            return Ok(deployments::answer(request, reached).await);
        }
        Request::KeyOrder { .. }
        | Request::KeyImport { .. }
        | Request::Keys { .. }
        | Request::Key { .. } => return api_keys::answer(request, stream, reached).await,
        Request::Penalties => return Ok(penalties::list(reached)),
        Request::PenaltyPardon { source } => penalties::pardon(reached, &source),
        Request::PenaltyAdd { source, seconds } => penalties::add(reached, &source, seconds),
        Request::Attack { mode } => with_edge(attack, |attack| attack.set(mode)),
        Request::AttackStatus => with_edge(attack, AttackSwitch::status),
        Request::CacheFlush {
            authorizer,
            lookup,
            principal,
        } => decisions::flush(authorizer, lookup, principal, reached).await,
        Request::Usage(question) => {
            return Ok(usage::answer_page(reached.usage.clone(), question).await);
        }
        Request::UsageSetRemaining(asked) => {
            usage::answer_set(reached.usage.clone(), &reached.rings, &reached.fleet, asked).await
        }
        Request::ListAdd { .. }
        | Request::ListRemove { .. }
        | Request::ListConfirm
        | Request::ListEntries { .. }
        | Request::Lists => return Ok(lists::answer(request, reached.lists.clone()).await),
    };
    Ok(match outcome {
        Ok(message) => Response::Done { message },
        Err(message) => Response::Refused { message },
    })
}

async fn reload(reloads: &mpsc::Sender<ReloadRequest>, cause: Cause) -> Result<String, String> {
    let (reply, outcome) = oneshot::channel();
    let stopping = || "the gateway is stopping".to_owned();
    match reloads.send(ReloadRequest { cause, reply }).await {
        Ok(()) => outcome.await.unwrap_or_else(|_gone| Err(stopping())),
        Err(_gone) => Err(stopping()),
    }
}

fn with_edge(
    attack: Option<&AttackSwitch>,
    ask: impl FnOnce(&AttackSwitch) -> Result<String, EdgeError>,
) -> Result<String, String> {
    match attack {
        Some(attack) => ask(attack).map_err(|error| explain(&error)),
        None => Err(
            "XDP is not attached, and without it nothing would change under attack: the \
                     log of the start says what is missing"
                .to_owned(),
        ),
    }
}
