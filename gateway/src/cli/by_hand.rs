//! `gateway deny` and `gateway allow`: the lists that are kept by hand.
//!
//! Changes go through the gateway while it lives. While it does not, they go to the saved lists and
//! to the pinned tables of the kernel edge directly, under the locks that keep a gateway from
//! starting meanwhile.

use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Subcommand;

use super::confirm::{self, Undo};
use super::output::Output;
use super::session;
use super::target::{Target, TargetArguments};
use super::time::{parse_time, spoken};
use crate::daemon::protocol::{CallError, ListedPrefix, Request, Response, call};
use crate::model::Prefix;
use crate::store::list::{Added, ByHand, Change, Lists, Moment, SavedLists};
use crate::xdp::offline_list_sink;

/// Arguments of `gateway deny` and `gateway allow`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Put an address or a prefix on the list.
    Add {
        /// Address or CIDR, such as 192.0.2.7 or 2001:db8::/32.
        prefix: Prefix,
        /// How long, such as 90s, 10m, 2h or 7d; until removed by default.
        #[arg(long = "for", value_name = "TIME", value_parser = parse_time)]
        time: Option<Duration>,
        #[command(flatten)]
        confirm: Confirm,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Take an address or a prefix off the list, exactly as it was added.
    Remove {
        /// Address or CIDR.
        prefix: Prefix,
        #[command(flatten)]
        confirm: Confirm,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Make the changes stay that were made with `--confirm`.
    Confirm {
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Print the list.
    List {
        /// Print one JSON array on one line.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: TargetArguments,
    },
}

#[derive(Debug, clap::Args)]
struct Confirm {
    /// Take the change back after this time, such as 60s, unless it is confirmed: for changes made
    /// over a connection that they might cut.
    #[arg(long = "confirm", value_name = "TIME", value_parser = parse_time)]
    within: Option<Duration>,
}

pub(super) fn run(
    list: ByHand,
    arguments: &Arguments,
    output: &mut Output,
) -> anyhow::Result<ExitCode> {
    match &arguments.action {
        Action::Add {
            prefix,
            time,
            confirm,
            target,
        } => {
            let target = target.resolve()?;
            if list == ByHand::Deny {
                warn(*prefix, &target, output);
            }
            let change = Change {
                list,
                prefix: *prefix,
                confirm_within: confirm.within,
            };
            let request = Request::ListAdd {
                list,
                prefix: prefix.to_string(),
                for_seconds: time.map(|time| time.as_secs()),
                confirm_seconds: confirm.within.map(|within| within.as_secs()),
            };
            self::change(&target, &change, &request, output, |lists| {
                let until = time.map_or_else(
                    || "until it is removed".to_owned(),
                    |time| format!("for {}", spoken(time.as_secs())),
                );
                let what = list.participle();
                Ok(match lists.add(change, *time, Moment::now())? {
                    Added::New => format!("{prefix} is {what} {until}"),
                    Added::Changed => format!("{prefix} was {what} already, now {until}"),
                })
            })
        }
        Action::Remove {
            prefix,
            confirm,
            target,
        } => {
            let change = Change {
                list,
                prefix: *prefix,
                confirm_within: confirm.within,
            };
            let request = Request::ListRemove {
                list,
                prefix: prefix.to_string(),
                confirm_seconds: confirm.within.map(|within| within.as_secs()),
            };
            self::change(&target.resolve()?, &change, &request, output, |lists| {
                if lists.remove(change, Moment::now())? {
                    Ok(format!("{prefix} is off the list"))
                } else {
                    let name = list.name();
                    bail!("`{prefix}` is not on the list: `gateway {name} list` shows what is")
                }
            })
        }
        Action::Confirm { target } => confirm(&target.resolve()?, output),
        Action::List { json, target } => entries(list, &target.resolve()?, *json, output),
    }
}

/// Asks the gateway, or does it here where none runs.
fn change(
    target: &Target,
    change: &Change,
    request: &Request,
    output: &mut Output,
    offline: impl FnOnce(&Lists) -> anyhow::Result<String>,
) -> anyhow::Result<ExitCode> {
    match call(&target.admin_socket, request) {
        Ok(answer) => {
            output.line(&answer.done()?);
            match change.confirm_within {
                Some(time) => confirm::ask(time, change.list, Undo::Gateway(target), output),
                None => Ok(ExitCode::SUCCESS),
            }
        }
        Err(CallError::NotRunning(_)) => {
            // Whoever hangs up must not keep this command from taking its change back.
            let signals = change.confirm_within.map(|_| confirm::Signals::hold());
            let (lists, is_pinned) = open(target)?;
            let message = offline(&lists)?;
            lists.retire()?;
            output.line(&message);
            output.error(if is_pinned {
                "no gateway is running: the kernel edge it left attached does this already"
            } else {
                "no gateway is running: this takes effect when one starts"
            });
            match (change.confirm_within, signals) {
                (Some(time), Some(signals)) => {
                    confirm::ask(time, change.list, Undo::Here(&lists, signals?), output)
                }
                _ => Ok(ExitCode::SUCCESS),
            }
        }
        Err(error) => Err(error.into()),
    }
}

fn confirm(target: &Target, output: &mut Output) -> anyhow::Result<ExitCode> {
    match call(&target.admin_socket, &Request::ListConfirm) {
        Ok(answer) => output.line(&answer.done()?),
        Err(CallError::NotRunning(_)) => {
            let lists = Lists::open(&target.state_directory, Moment::now())
                .context("no gateway is running: confirm in the session that made the change")?;
            if lists.confirm()? == 0 {
                bail!("nothing waits to be confirmed");
            }
            output.line("confirmed");
        }
        Err(error) => return Err(error.into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn entries(
    list: ByHand,
    target: &Target,
    json: bool,
    output: &mut Output,
) -> anyhow::Result<ExitCode> {
    let entries = match call(&target.admin_socket, &Request::ListEntries { list }) {
        Ok(Response::Entries { entries }) => entries,
        Ok(_) => return Err(CallError::OtherAnswer.into()),
        Err(CallError::NotRunning(_)) => saved(list, target)?,
        Err(error) => return Err(error.into()),
    };
    if json {
        output.line(&serde_json::to_string(&entries)?);
        return Ok(ExitCode::SUCCESS);
    }
    if entries.is_empty() {
        output.error(&format!("nothing is {}", list.participle()));
    }
    for entry in entries {
        output.line(&line(&entry));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(entry: &ListedPrefix) -> String {
    let left = entry.expires_in_seconds.map_or_else(
        || "until removed".to_owned(),
        |left| format!("{} left", spoken(left)),
    );
    let mut line = format!("{:<44} {left:<14}", entry.prefix);
    if let Some(hits) = entry.hits {
        line.push_str(&format!(" {hits} packets"));
    }
    if let Some(left) = entry.unconfirmed_seconds {
        line.push_str(&format!(" (not confirmed, {} left)", spoken(left)));
    }
    line.trim_end().to_owned()
}

/// The lists of an instance whose gateway does not run, attached to the pinned tables if there are
/// any. Those hold the lists of the configuration too, so these are read as well.
fn open(target: &Target) -> anyhow::Result<(Lists, bool)> {
    let lists = Lists::open(&target.state_directory, Moment::now()).with_context(|| {
        format!(
            "no gateway answers at `{}`, and its lists cannot be changed here",
            target.admin_socket.display()
        )
    })?;
    match offline_list_sink(&target.instance)? {
        Some(sink) => {
            let saved = lists
                .prepare_saved()
                .context("the kernel edge that was left attached holds lists from files too")?;
            lists.install(saved)?;
            lists.attach(sink)?;
            Ok((lists, true))
        }
        None => Ok((lists, false)),
    }
}

fn saved(list: ByHand, target: &Target) -> anyhow::Result<Vec<ListedPrefix>> {
    let now = Moment::now();
    let lists = SavedLists::read(&target.state_directory, now)?;
    let entries = lists.entries(list, now).into_iter();
    Ok(entries.map(Into::into).collect())
}

/// Says what a denial might cost whoever makes it.
fn warn(prefix: Prefix, target: &Target, output: &mut Output) {
    if prefix.length() == 0 {
        let family = if prefix.network().is_ipv4() { 4 } else { 6 };
        output.error(&format!(
            "warning: `{prefix}` denies every IPv{family} source, yours included"
        ));
    }
    let Some(session) = session::address() else {
        return;
    };
    if prefix.contains(session) && !is_managed(session, target) {
        output.error(&format!(
            "warning: `{prefix}` covers {session}, where this session comes from, and no management \
             prefix does: `--confirm 60s` takes a change back that cuts you off"
        ));
    }
}

/// Whether the running gateway never judges `address`. Without one to ask, nobody knows.
fn is_managed(address: IpAddr, target: &Target) -> bool {
    match call(&target.admin_socket, &Request::Lists) {
        Ok(Response::Lists { management, .. }) => management
            .iter()
            .filter_map(|text| text.parse::<Prefix>().ok())
            .any(|prefix| prefix.contains(address)),
        Ok(_) | Err(_) => false,
    }
}
