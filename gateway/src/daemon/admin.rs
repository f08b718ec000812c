//! The daemon's side of the admin socket.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use super::protocol::{DeniedPrefix, Request, Response, TIMEOUT};
use crate::model::Prefix;
use crate::store::deny::{Added, DenyList, Moment};
use crate::telemetry::operator_log::explain;

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

/// A reload asked for over the socket, and where its outcome goes.
pub(super) type ReloadRequest = oneshot::Sender<Result<String, String>>;

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
pub(super) async fn serve(
    socket: UnixListener,
    allowed: Allowed,
    deny: DenyList,
    reloads: mpsc::Sender<ReloadRequest>,
) {
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
        let (deny, reloads) = (deny.clone(), reloads.clone());
        drop(tokio::task::spawn_local(async move {
            match tokio::time::timeout(TIMEOUT, converse(stream, allowed, &deny, &reloads)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "admin socket: conversation failed"),
                Err(_elapsed) => tracing::warn!("admin socket: conversation took too long"),
            }
            drop(place);
        }));
    }
}

async fn converse(
    stream: UnixStream,
    allowed: Allowed,
    deny: &DenyList,
    reloads: &mpsc::Sender<ReloadRequest>,
) -> std::io::Result<()> {
    let peer = stream.peer_cred()?;
    let mut stream = BufReader::new(stream);
    // Read in any case: whoever is cut off while writing never sees the answer.
    let mut line = Vec::new();
    let length = (&mut stream)
        .take(REQUEST_BYTES_MAX)
        .read_until(b'\n', &mut line)
        .await?;
    let too_long = length as u64 == REQUEST_BYTES_MAX && !line.ends_with(b"\n");
    if too_long {
        discard_line(&mut stream).await?;
    }
    let response = if peer.uid() == 0 || peer.uid() == allowed.user || peer.gid() == allowed.group {
        match serde_json::from_slice(&line) {
            _ if too_long => Response::Refused {
                message: format!("a request takes at most {REQUEST_BYTES_MAX} bytes"),
            },
            Ok(request) => answer(request, deny, reloads).await,
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

async fn answer(
    request: Request,
    deny: &DenyList,
    reloads: &mpsc::Sender<ReloadRequest>,
) -> Response {
    let outcome = match request {
        Request::Reload => {
            let (reply, outcome) = oneshot::channel();
            let stopping = || "the gateway is stopping".to_owned();
            match reloads.send(reply).await {
                Ok(()) => outcome.await.unwrap_or_else(|_gone| Err(stopping())),
                Err(_gone) => Err(stopping()),
            }
        }
        Request::DenyAdd {
            prefix,
            for_seconds,
        } => add(deny, &prefix, for_seconds),
        Request::DenyRemove { prefix } => remove(deny, &prefix),
        Request::DenyList => {
            let entries = deny
                .list(Moment::now())
                .into_iter()
                .map(|entry| DeniedPrefix {
                    prefix: entry.prefix.to_string(),
                    expires_in_seconds: entry.remaining.map(|left| left.as_secs()),
                });
            return Response::Denied {
                entries: entries.collect(),
            };
        }
    };
    match outcome {
        Ok(message) => Response::Done { message },
        Err(message) => Response::Refused { message },
    }
}

fn add(deny: &DenyList, prefix: &str, for_seconds: Option<u64>) -> Result<String, String> {
    let prefix: Prefix = prefix.parse().map_err(|error| format!("{error}"))?;
    let added = deny
        .add(prefix, for_seconds.map(Duration::from_secs), Moment::now())
        .map_err(|error| explain(&error))?;
    tracing::info!(%prefix, for_seconds, "deny list: added");
    Ok(match added {
        Added::New => format!("{prefix} is denied"),
        Added::Changed => format!("{prefix} was denied already; its end is now the new one"),
    })
}

fn remove(deny: &DenyList, prefix: &str) -> Result<String, String> {
    let prefix: Prefix = prefix.parse().map_err(|error| format!("{error}"))?;
    match deny.remove(prefix, Moment::now()) {
        Ok(true) => {
            tracing::info!(%prefix, "deny list: removed");
            Ok(format!("{prefix} is no longer denied"))
        }
        Ok(false) => Err(format!(
            "{prefix} is not on the deny list; `gateway deny list` shows it"
        )),
        Err(error) => Err(explain(&error)),
    }
}
