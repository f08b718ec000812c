//! What the command line and the daemon say to each other over the admin socket.
//!
//! One request per connection: a JSON object on one line, answered by one JSON object on one line. A
//! file of API keys follows the request to import it.
//! The peer is identified by its socket credentials, never by what it says.

use std::fmt;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::api_key_report::{KeyOutcome, KeyReport};
use super::deployment_report::ApiReport;
use super::deployments::Ordered;
use super::penalties::{PenaltyReport, PenaltyTally};
use super::stage_figures::StageCount;
use super::throttled::ThrottledReport;
use super::usage::{SetRemaining, UsagePage, UsageQuestion};
use crate::config::{ExportFormat, Exported};
use crate::entry::explain::Explanation;
use crate::store::api_key::{KeyOrder, Unsaid};
use crate::store::list::{ByHand, ListStatus, Listed, Role};
use crate::telemetry::recent::Kept;

/// Longest request or response line.
pub const LINE_BYTES_MAX: u64 = 32 << 20;

/// How long either side waits for the other.
pub const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for an answer: a reload fetches keys and reads lists, and may wait for another one.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);

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
    /// Put a prefix on a list kept by hand.
    ListAdd {
        /// Which.
        list: ByHand,
        /// CIDR notation.
        prefix: String,
        /// Seconds until the entry expires; `None` means never.
        for_seconds: Option<u64>,
        /// Seconds after which the change is taken back unless it is confirmed; `None` is for good.
        #[serde(default)]
        confirm_seconds: Option<u64>,
    },
    /// Take a prefix off a list kept by hand.
    ListRemove {
        /// Which.
        list: ByHand,
        /// CIDR notation.
        prefix: String,
        /// As for an addition.
        #[serde(default)]
        confirm_seconds: Option<u64>,
    },
    /// Make the changes stay that wait to be confirmed.
    ListConfirm,
    /// Show the entries of a list kept by hand.
    ListEntries {
        /// Which.
        list: ByHand,
    },
    /// Show every list.
    Lists,
    /// Change what stages of an API serve.
    Order {
        /// Which API, and how.
        ordered: Ordered,
    },
    /// Show what every stage has counted.
    StageCounts,
    /// Show every API with its deployments and stages.
    Deployments,
    /// Show what a deployment froze.
    DeploymentText {
        /// Name or id of the API.
        api: String,
        /// Number of the deployment; `None` asks for what the file says now.
        number: Option<u32>,
    },
    /// Write a definition as OpenAPI.
    Export {
        /// Name or id of the API.
        api: String,
        /// Number of the deployment; `None` asks for what the file says now.
        number: Option<u32>,
        /// How.
        format: ExportFormat,
    },
    /// Change API keys.
    KeyOrder {
        /// How.
        order: KeyOrder,
    },
    /// Make an API key of each row of a file, which follows.
    KeyImport {
        /// Its length.
        bytes: u64,
        /// Make none where a row deserves a warning.
        fail_on_warnings: bool,
    },
    /// List API keys, in the order of their ids.
    Keys {
        /// Those behind this id; `None` for the first ones.
        after: Option<String>,
        /// Only those that belong to this usage plan.
        plan: Option<String>,
    },
    /// Show an API key.
    Key {
        /// Its id.
        id: Unsaid,
        /// With its value, where that is kept.
        with_value: bool,
    },
    /// Say what would become of a request.
    Explain(ExplainRequest),
    /// Say what became of a request.
    Recent {
        /// Its name.
        id: String,
    },
    /// Show which callers are refused most.
    Throttled,
    /// Show the penalties that have not ended.
    Penalties,
    /// Forget what a source has done, and what it owes for it.
    PenaltyPardon {
        /// Its address.
        source: String,
    },
    /// Cut a source off.
    PenaltyAdd {
        /// Its address.
        source: String,
        /// For how long.
        seconds: u64,
    },
    /// Say who decides whether the gateway is under attack.
    Attack {
        /// From now on.
        mode: AttackMode,
    },
    /// Say whether the gateway is under attack.
    AttackStatus,
    /// Forget what is remembered: one of the three is named.
    CacheFlush {
        /// Of the authorizer of this name, and of what deployments keep of it.
        authorizer: Option<String>,
        /// Of the lookup of this name.
        lookup: Option<String>,
        /// About the principal of this name.
        principal: Option<String>,
    },
    /// Show what API keys have used.
    Usage(UsageQuestion),
    /// Say how many requests are left to an API key.
    UsageSetRemaining(SetRemaining),
}

/// A request that nobody sends.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// The listener it would come to; `None` for the one that answers at scheme and port of the URL.
    pub listener: Option<String>,
    /// Who would send it.
    pub client: IpAddr,
    /// Its method.
    pub method: String,
    /// An absolute URL.
    pub url: String,
    /// Names and values, in their order.
    pub headers: Vec<(String, String)>,
    /// Whether others are asked what the gateway does not remember.
    pub calls: bool,
}

// Headers may be credentials.
impl fmt::Debug for ExplainRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExplainRequest")
            .field("listener", &self.listener)
            .field("client", &self.client)
            .field("method", &self.method)
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
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
    /// The entries of a list kept by hand.
    Entries {
        /// Sorted by prefix.
        entries: Vec<ListedPrefix>,
    },
    /// Every API with its deployments and stages.
    Deployments {
        /// In the order of their names.
        apis: Vec<ApiReport>,
    },
    /// What every stage has counted.
    StageCounts {
        /// By API and stage, canaries behind their bases.
        stages: Vec<StageCount>,
    },
    /// What a deployment froze.
    DeploymentText {
        /// In the native form.
        text: String,
    },
    /// An API as OpenAPI.
    Exported(Exported),
    /// What came of an order about API keys.
    KeysChanged(KeyOutcome),
    /// Some API keys.
    Keys {
        /// In the order of their ids.
        keys: Vec<KeyReport>,
        /// Whether there are more behind the last of them.
        has_more: bool,
    },
    /// An API key.
    Key {
        /// Everything but its value.
        key: KeyReport,
        /// Its value, where that was asked for.
        value: Option<Unsaid>,
    },
    /// Which callers are refused most.
    Throttled {
        /// The most refused first.
        callers: Vec<ThrottledReport>,
    },
    /// The penalties that have not ended.
    Penalties {
        /// Those that last longest, the longest first.
        penalties: Vec<PenaltyReport>,
        /// How many more there are.
        #[serde(default)]
        more: u64,
        /// What was counted.
        counts: PenaltyTally,
    },
    /// What would become of a request.
    Explained(Explanation),
    /// What became of requests.
    Recent {
        /// All that had the name, the latest first.
        requests: Vec<Kept>,
    },
    /// What API keys have used.
    Usage(UsagePage),
    /// Every list.
    Lists {
        /// In the order of their numbers.
        lists: Vec<ListSummary>,
        /// The prefixes that are never judged, in CIDR notation.
        management: Vec<String>,
    },
}

/// One entry of a list kept by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedPrefix {
    /// CIDR notation.
    pub prefix: String,
    /// Seconds until it expires; `None` means never.
    pub expires_in_seconds: Option<u64>,
    /// Packets for which the kernel decided by it; `None` where no kernel judges.
    pub hits: Option<u64>,
    /// Seconds left to confirm it; `None` where it is for good.
    pub unconfirmed_seconds: Option<u64>,
}

/// One list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListSummary {
    /// Its number in the kernel's tables and counters.
    pub number: u16,
    /// `operator`, `allow`, `management`, `policies`, `proxies` or as configured.
    pub name: String,
    /// `deny`, `allow`, `management` or `exempt`.
    pub action: String,
    /// `enforce` or `monitor`.
    pub mode: String,
    /// Number of entries.
    pub entries: u64,
    /// Memory of its table in the gateway.
    pub memory_bytes: u64,
    /// Packets for which it decided; `None` where no kernel judges.
    pub packets: Option<u64>,
    /// Connections for which it decided when they were accepted.
    pub connections: u64,
    /// The ranges on it, where it is what resource policies deny; else empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offloaded: Vec<String>,
    /// The file it is read from.
    pub file: Option<String>,
    /// When the content in force was read, in seconds since 1970.
    pub loaded_unix_seconds: Option<u64>,
    /// Why the file's present content is not in force.
    pub error: Option<String>,
    /// How often a content was refused since the gateway started.
    pub failures: u64,
}

impl From<ListStatus> for ListSummary {
    fn from(list: ListStatus) -> Self {
        let (action, mode) = match list.role {
            Role::Management => ("management", "enforce"),
            Role::Allow => ("allow", "enforce"),
            Role::Deny => ("deny", "enforce"),
            Role::Monitor => ("deny", "monitor"),
            Role::Proxy => ("exempt", "enforce"),
        };
        let unix_seconds = |at: std::time::SystemTime| {
            let since = at.duration_since(std::time::UNIX_EPOCH);
            since.map_or(0, |since| since.as_secs())
        };
        Self {
            number: list.number,
            name: list.name,
            action: action.to_owned(),
            mode: mode.to_owned(),
            entries: list.entries as u64,
            memory_bytes: list.bytes as u64,
            packets: list.packets,
            connections: list.connections,
            offloaded: list.offloaded.iter().map(ToString::to_string).collect(),
            file: list.file.map(|file| file.display().to_string()),
            loaded_unix_seconds: list.loaded.map(unix_seconds),
            error: list.error,
            failures: list.failures,
        }
    }
}

impl From<Listed> for ListedPrefix {
    fn from(entry: Listed) -> Self {
        Self {
            prefix: entry.prefix.to_string(),
            expires_in_seconds: entry.remaining.map(|left| left.as_secs()),
            hits: entry.hits,
            unconfirmed_seconds: entry.unconfirmed.map(|left| left.as_secs()),
        }
    }
}

/// Why a call failed before an answer came.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody listens: no gateway of this instance is running.
    #[error(
        "no gateway is running behind `{0}`: start it, or name another one with --instance or --config"
    )]
    NotRunning(String),
    /// The socket refuses this user.
    #[error("not allowed to use `{0}`: run as root, as the gateway's user or in its group")]
    NotAllowed(String),
    /// It hung up; what was asked may have been done.
    #[error("the gateway hung up without an answer: its log says whether it was done")]
    NoAnswer,
    /// The conversation broke.
    #[error("admin socket")]
    Io(#[from] std::io::Error),
    /// It was refused; nothing was done.
    #[error("{0}")]
    Refused(String),
    /// The answer is not of this version's protocol.
    #[error("the running gateway answers in another protocol: is it another version?")]
    Protocol(#[from] serde_json::Error),
    /// The answer is to another question.
    #[error("the running gateway answers another question: is it another version?")]
    OtherAnswer,
}

impl Response {
    /// The sentence of something that was done.
    ///
    /// # Errors
    /// [`CallError::OtherAnswer`].
    pub fn done(self) -> Result<String, CallError> {
        match self {
            Self::Done { message } => Ok(message),
            _ => Err(CallError::OtherAnswer),
        }
    }
}

/// Asks the daemon behind `socket`, blocking.
///
/// # Errors
/// See [`CallError`]. `NotRunning` covers a missing socket and one that refuses connections.
pub fn call(socket: &Path, request: &Request) -> Result<Response, CallError> {
    call_with(socket, request, &[])
}

/// As [`call`], with what follows the request.
///
/// # Errors
/// As [`call`].
pub fn call_with(socket: &Path, request: &Request, behind: &[u8]) -> Result<Response, CallError> {
    let mut stream = UnixStream::connect(socket).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
            CallError::NotRunning(socket.display().to_string())
        }
        std::io::ErrorKind::PermissionDenied => CallError::NotAllowed(socket.display().to_string()),
        _ => CallError::Io(error),
    })?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    // Whoever refuses the request need not read on, and has said why.
    let sent = stream.write_all(behind);
    let mut answer = String::new();
    let read = BufReader::new(stream.take(LINE_BYTES_MAX)).read_line(&mut answer);
    if answer.is_empty() {
        sent.and(read.map(drop))?;
        return Err(CallError::NoAnswer);
    }
    match serde_json::from_str(&answer)? {
        Response::Refused { message } => Err(CallError::Refused(message)),
        answer => Ok(answer),
    }
}
