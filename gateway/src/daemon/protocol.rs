//! What the command line and the daemon say to each other over the admin socket.
//!
//! One request per connection: a JSON object on one line, answered by one JSON object on one line.
//! The peer is identified by its socket credentials, never by what it says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest request or response line.
pub const LINE_BYTES_MAX: u64 = 16 << 20;

/// How long either side waits for the other.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// What the command line asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Say who is there.
    Hello,
    /// Read the configuration again, all or nothing.
    Reload,
    /// Links of the kernel edge have been changed: look at them again, and reload. Interfaces that
    /// are not listed are let go.
    XdpApply {
        /// The configuration that was applied, without symbolic links.
        config: PathBuf,
        /// Every interface that is to carry the program.
        interfaces: Vec<String>,
    },
    /// Put a prefix on the operator's deny list.
    DenyAdd {
        /// CIDR notation.
        prefix: String,
        /// Seconds until the entry expires; `None` means never.
        for_seconds: Option<u64>,
    },
    /// Take a prefix off the operator's deny list.
    DenyRemove {
        /// CIDR notation.
        prefix: String,
    },
    /// List the operator's deny list.
    DenyList,
    /// Say who decides whether the gateway is under attack.
    Attack {
        /// From now on.
        mode: AttackMode,
    },
    /// Say whether the gateway is under attack.
    AttackStatus,
}

/// Who decides whether the gateway is under attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttackMode {
    /// By hand: it is.
    On,
    /// By hand: it is not.
    Off,
    /// The trip-wire.
    Auto,
}

/// What the daemon answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Response {
    /// Done; the message is for people.
    Done {
        /// One or more lines.
        message: String,
    },
    /// Refused or failed; nothing changed.
    Refused {
        /// One or more lines: cause and fix.
        message: String,
    },
    /// The deny list.
    Denied {
        /// Its entries, sorted by prefix.
        entries: Vec<DeniedPrefix>,
    },
}

/// One entry of the deny list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeniedPrefix {
    /// CIDR notation.
    pub prefix: String,
    /// Seconds until it expires; `None` means never.
    pub expires_in_seconds: Option<u64>,
}

/// Why a call failed before an answer came.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody listens: no gateway of this instance is running.
    #[error("no gateway is running behind `{0}`")]
    NotRunning(String),
    /// The socket refuses this user.
    #[error("not allowed to use `{0}`: run as root, as the gateway's user or in its group")]
    NotAllowed(String),
    /// The conversation broke.
    #[error("admin socket")]
    Io(#[from] std::io::Error),
    /// The answer is not of this version's protocol.
    #[error("the running gateway answers in another protocol: is it another version?")]
    Protocol(#[from] serde_json::Error),
}

/// Asks the daemon behind `socket`, blocking.
///
/// # Errors
/// See [`CallError`]. `NotRunning` covers a missing socket and one that refuses connections.
pub fn call(socket: &Path, request: &Request) -> Result<Response, CallError> {
    let mut stream = UnixStream::connect(socket).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
            CallError::NotRunning(socket.display().to_string())
        }
        std::io::ErrorKind::PermissionDenied => CallError::NotAllowed(socket.display().to_string()),
        _ => CallError::Io(error),
    })?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream.take(LINE_BYTES_MAX)).read_line(&mut answer)?;
    if answer.is_empty() {
        return Err(CallError::NotAllowed(socket.display().to_string()));
    }
    Ok(serde_json::from_str(&answer)?)
}
