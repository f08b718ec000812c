//! `gateway lists`: every list, where it comes from and how it fares.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use super::output::Output;
use super::target::{Target, TargetArguments};
use super::time::spoken;
use crate::daemon::protocol::{CallError, ListSummary, Request, Response, call};
use crate::store::list::{Moment, SavedLists};

/// Arguments of `gateway lists`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Print one JSON array on one line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetArguments,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    let target = arguments.target.resolve()?;
    let lists = match call(&target.admin_socket, &Request::Lists) {
        Ok(Response::Lists { lists, .. }) => lists,
        Ok(_) => return Err(CallError::OtherAnswer.into()),
        Err(CallError::NotRunning(_)) => {
            output.error("no gateway is running: the lists as the next one would read them");
            saved(&target)?
        }
        Err(error) => return Err(error.into()),
    };
    if arguments.json {
        output.line(&serde_json::to_string(&lists)?);
        return Ok(ExitCode::SUCCESS);
    }
    output.line(&table(&lists));
    Ok(ExitCode::SUCCESS)
}

fn saved(target: &Target) -> anyhow::Result<Vec<ListSummary>> {
    let lists = SavedLists::read(&target.state_directory, Moment::now())?;
    Ok(lists.status()?.into_iter().map(Into::into).collect())
}

fn table(lists: &[ListSummary]) -> String {
    let mut rows = vec![format!(
        "{:<20} {:<10} {:<8} {:>9} {:>14} {:>12} {:>10}",
        "LIST", "ACTION", "MODE", "ENTRIES", "PACKETS", "CONNECTIONS", "MEMORY"
    )];
    for list in lists {
        let packets = list
            .packets
            .map_or("-".to_owned(), |count| count.to_string());
        let memory = format!("{} KiB", list.memory_bytes.div_ceil(1024));
        rows.push(format!(
            "{:<20} {:<10} {:<8} {:>9} {packets:>14} {:>12} {memory:>10}",
            list.name, list.action, list.mode, list.entries, list.connections
        ));
        if !list.offloaded.is_empty() {
            rows.push("  denied by the resource policies of every API:".to_owned());
            let ranges = list.offloaded.iter();
            rows.extend(ranges.map(|range| format!("    {range}")));
        }
        if let Some(file) = &list.file {
            rows.push(format!("  {file}, {}", age(list.loaded_unix_seconds)));
        }
        if let Some(error) = &list.error {
            rows.push(format!("  NOT FOLLOWED: {error}"));
        }
    }
    rows.join("\n")
}

fn age(loaded_unix_seconds: Option<u64>) -> String {
    let loaded = loaded_unix_seconds.map(Duration::from_secs);
    let loaded = loaded.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
    let age = loaded.and_then(|loaded| loaded.elapsed().ok());
    age.map_or("read just now".to_owned(), |age| {
        format!("read {} ago", spoken(age.as_secs()))
    })
}
