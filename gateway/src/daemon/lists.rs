//! Keeping the lists: the thread that follows their files, and what the admin socket may ask.
//!
//! Reading files and rewriting a million entries take seconds, so none of it happens on the control
//! thread.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::names::CurrentNames;
use super::protocol::{Request, Response};
use crate::model::{Gateway, Prefix, offloaded};
use crate::store::list::{Added, ByHand, Change, ListError, Lists, Moment, Watch};
use crate::telemetry::operator_log::explain;
use crate::xdp::stats::StatisticsReader;

/// How often files are looked at, and what has ended or was not confirmed is cleared away.
const PERIOD: Duration = Duration::from_secs(1);

/// The thread that keeps the lists. Start it after privileges were given up: they belong to
/// threads.
#[derive(Debug)]
pub(super) struct Keeper {
    thread: JoinHandle<()>,
    stop: mpsc::SyncSender<()>,
}

impl Keeper {
    /// Starts the thread, which tells `names` and `statistics` what lists of their own are called.
    pub(super) fn start(
        lists: &Lists,
        names: CurrentNames,
        statistics: Option<StatisticsReader>,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::sync_channel(1);
        let lists = lists.clone();
        let thread = std::thread::Builder::new()
            .name("lists".to_owned())
            .spawn(move || keep(&lists, &names, statistics.as_ref(), &stopped))?;
        Ok(Self { thread, stop })
    }

    /// Whether the thread ended without being told to.
    pub(super) fn has_died(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends the thread, after what it is doing.
    pub(super) fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the thread that keeps the lists had died");
        }
    }
}

fn keep(
    lists: &Lists,
    names: &CurrentNames,
    statistics: Option<&StatisticsReader>,
    stopped: &mpsc::Receiver<()>,
) {
    // What an earlier run left in the other generation of the tables.
    if let Err(error) = lists.retire() {
        tracing::warn!(
            error = explain(&error),
            "lists: the tables of an earlier run are not empty yet"
        );
    }
    let mut watch = Watch::new(lists.clone());
    while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
        watch.look();
        tidy(lists, Moment::now());
        names.follow(lists, statistics);
    }
    // The last attempt: nobody else knows of what could not be saved.
    tidy(lists, Moment::now());
    if lists.is_unsaved() {
        tracing::error!(
            "lists: what the configuration says of them could not be saved: commands know the earlier \
             ones until a gateway has started again"
        );
    }
}

fn tidy(lists: &Lists, now: Moment) {
    match lists.tidy(now) {
        Ok(taken_back) => {
            for (list, prefix) in taken_back {
                let list = list.name();
                tracing::warn!(list, %prefix, "not confirmed in time: taken back");
            }
        }
        Err(error) => tracing::warn!(
            error = explain(&error),
            "lists: what has ended or was not confirmed stays for now"
        ),
    }
}

/// The lists of a model, with what the policies in force let the kernel keep out, and with its proxies.
pub(super) fn wanted(model: &Gateway) -> crate::model::Lists {
    let offloaded = offloaded(model).unwrap_or_else(|hindrance| {
        tracing::warn!("kernel offload: {hindrance}");
        Vec::new()
    });
    if !offloaded.is_empty() {
        let ranges = offloaded.len();
        tracing::info!(
            ranges,
            "kernel offload: what the policies of every API deny is dropped"
        );
    }
    crate::model::Lists {
        offloaded,
        proxies: model.proxies(),
        ..model.lists.clone()
    }
}

/// Does something with the lists on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    lists: Lists,
    work: impl FnOnce(&Lists) -> Result<T, ListError> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(move || work(&lists)).await {
        Ok(outcome) => outcome.map_err(|error| explain(&error)),
        Err(died) => Err(format!("lists: {died}")),
    }
}

/// Answers a request about lists.
pub(super) async fn answer(request: Request, lists: Lists) -> Response {
    let now = Moment::now();
    let outcome = match request {
        Request::ListAdd {
            list,
            prefix,
            for_seconds,
            confirm_seconds,
        } => match change(list, &prefix, confirm_seconds) {
            Ok(change) => add(lists, change, for_seconds, now).await,
            Err(message) => Err(message),
        },
        Request::ListRemove {
            list,
            prefix,
            confirm_seconds,
        } => match change(list, &prefix, confirm_seconds) {
            Ok(change) => remove(lists, change, now).await,
            Err(message) => Err(message),
        },
        Request::ListConfirm => blocking(lists, Lists::confirm).await.and_then(confirmed),
        Request::ListEntries { list } => {
            let entries = blocking(lists, move |lists| lists.entries(list, now)).await;
            entries.map(|entries| Response::Entries {
                entries: entries.into_iter().map(Into::into).collect(),
            })
        }
        Request::Lists => blocking(lists, summaries).await,
        _ => Err("this is no request about lists".to_owned()),
    };
    outcome.unwrap_or_else(|message| Response::Refused { message })
}

fn change(list: ByHand, prefix: &str, confirm_seconds: Option<u64>) -> Result<Change, String> {
    let prefix: Prefix = prefix.parse().map_err(|error| format!("{error}"))?;
    Ok(Change {
        list,
        prefix,
        confirm_within: confirm_seconds.map(Duration::from_secs),
    })
}

async fn add(
    lists: Lists,
    change: Change,
    for_seconds: Option<u64>,
    now: Moment,
) -> Result<Response, String> {
    let time = for_seconds.map(Duration::from_secs);
    let added = blocking(lists, move |lists| lists.add(change, time, now)).await?;
    let Change {
        list,
        prefix,
        confirm_within,
    } = change;
    let name = list.name();
    tracing::info!(list = name, %prefix, for_seconds, ?confirm_within, "list: added");
    let what = list.participle();
    Ok(done(match added {
        Added::New => format!("{prefix} is {what}"),
        Added::Changed => format!("{prefix} was {what} already; its end is now the new one"),
    }))
}

async fn remove(lists: Lists, change: Change, now: Moment) -> Result<Response, String> {
    let Change {
        list,
        prefix,
        confirm_within,
    } = change;
    let name = list.name();
    if blocking(lists, move |lists| lists.remove(change, now)).await? {
        tracing::info!(list = name, %prefix, ?confirm_within, "list: removed");
        let what = list.participle();
        Ok(done(format!("{prefix} is no longer {what} by hand")))
    } else {
        Err(format!(
            "{prefix} is not on the list; `gateway {name} list` shows what is"
        ))
    }
}

fn confirmed(count: usize) -> Result<Response, String> {
    match count {
        0 => Err("nothing waits to be confirmed".to_owned()),
        1 => Ok(done("confirmed: the change stays".to_owned())),
        count => Ok(done(format!("confirmed: {count} changes stay"))),
    }
}

fn summaries(lists: &Lists) -> Result<Response, ListError> {
    Ok(Response::Lists {
        lists: lists.status()?.into_iter().map(Into::into).collect(),
        management: lists.management().iter().map(Prefix::to_string).collect(),
    })
}

const fn done(message: String) -> Response {
    Response::Done { message }
}
