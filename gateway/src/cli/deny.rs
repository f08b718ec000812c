//! `gateway deny`: the operator's deny list.
//!
//! Changes go through the gateway while it lives. While it does not, they go to the saved list and
//! to the pinned tables of the kernel edge directly, under the locks that keep a gateway from
//! starting meanwhile.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Subcommand;

use super::output::Output;
use super::target::{Target, TargetArguments};
use crate::daemon::protocol::{CallError, DeniedPrefix, Request, Response, call};
use crate::model::Prefix;
use crate::store::deny::{Added, DenyList, Moment};
use crate::xdp::offline_deny_sink;

/// Arguments of `gateway deny`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Drop everything from an address or a prefix.
    Add {
        /// Address or CIDR, such as 192.0.2.7 or 2001:db8::/32.
        prefix: Prefix,
        /// How long, such as 90s, 10m, 2h or 7d; until removed by default.
        #[arg(long = "for", value_name = "TIME", value_parser = parse_time)]
        time: Option<Duration>,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Take an address or a prefix off the list, exactly as it was added.
    Remove {
        /// Address or CIDR.
        prefix: Prefix,
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

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    match &arguments.action {
        Action::Add {
            prefix,
            time,
            target,
        } => {
            if prefix.length() == 0 {
                let family = if prefix.network().is_ipv4() { 4 } else { 6 };
                output.error(&format!(
                    "warning: `{prefix}` denies every IPv{family} source, yours included"
                ));
            }
            let request = Request::DenyAdd {
                prefix: prefix.to_string(),
                for_seconds: time.map(|time| time.as_secs()),
            };
            change(&target.resolve()?, &request, output, |list| {
                let until = time.map_or_else(
                    || "until it is removed".to_owned(),
                    |time| format!("for {}", spoken(time.as_secs())),
                );
                Ok(match list.add(*prefix, *time, Moment::now())? {
                    Added::New => format!("{prefix} is denied {until}"),
                    Added::Changed => format!("{prefix} was denied already, now {until}"),
                })
            })
        }
        Action::Remove { prefix, target } => {
            let request = Request::DenyRemove {
                prefix: prefix.to_string(),
            };
            change(&target.resolve()?, &request, output, |list| {
                if list.remove(*prefix, Moment::now())? {
                    Ok(format!("{prefix} is off the list"))
                } else {
                    bail!("`{prefix}` is not on the list: `gateway deny list` shows what is")
                }
            })
        }
        Action::List { json, target } => list(&target.resolve()?, *json, output),
    }
}

/// Asks the gateway, or does it here where none runs.
fn change(
    target: &Target,
    request: &Request,
    output: &mut Output,
    offline: impl FnOnce(&DenyList) -> anyhow::Result<String>,
) -> anyhow::Result<ExitCode> {
    match call(&target.admin_socket, request) {
        Ok(Response::Done { message }) => {
            output.line(&message);
            Ok(ExitCode::SUCCESS)
        }
        Ok(Response::Refused { message }) => bail!("{message}"),
        Ok(Response::Denied { .. }) => {
            bail!("the running gateway answers in another protocol: is it another version?")
        }
        Err(CallError::NotRunning(_)) => {
            let (list, is_pinned) = open(target)?;
            let message = offline(&list)?;
            output.line(&message);
            output.error(if is_pinned {
                "no gateway is running: the kernel edge it left attached does this already"
            } else {
                "no gateway is running: this takes effect when one starts"
            });
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(error.into()),
    }
}

fn list(target: &Target, json: bool, output: &mut Output) -> anyhow::Result<ExitCode> {
    let entries = match call(&target.admin_socket, &Request::DenyList) {
        Ok(Response::Denied { entries }) => entries,
        Ok(Response::Refused { message }) => bail!("{message}"),
        Ok(Response::Done { .. }) => {
            bail!("the running gateway answers in another protocol: is it another version?")
        }
        Err(CallError::NotRunning(_)) => saved(target)?,
        Err(error) => return Err(error.into()),
    };
    if json {
        output.line(&serde_json::to_string(&entries)?);
        return Ok(ExitCode::SUCCESS);
    }
    if entries.is_empty() {
        output.error("nothing is denied");
    }
    for entry in entries {
        let left = entry.expires_in_seconds.map_or_else(
            || "until removed".to_owned(),
            |left| format!("{} left", spoken(left)),
        );
        output.line(&format!("{:<44} {left}", entry.prefix));
    }
    Ok(ExitCode::SUCCESS)
}

/// The list of an instance whose gateway does not run, attached to the pinned tables if there are
/// any.
fn open(target: &Target) -> anyhow::Result<(DenyList, bool)> {
    let list = DenyList::open(&target.state_directory, Moment::now()).with_context(|| {
        format!(
            "no gateway answers at `{}`, and its list cannot be changed here",
            target.admin_socket.display()
        )
    })?;
    match offline_deny_sink(&target.instance)? {
        Some(sink) => {
            list.attach(sink)?;
            Ok((list, true))
        }
        None => Ok((list, false)),
    }
}

fn saved(target: &Target) -> anyhow::Result<Vec<DeniedPrefix>> {
    let now = Moment::now();
    let list = DenyList::open(&target.state_directory, now)?;
    let entries = list.list(now).into_iter();
    Ok(entries
        .map(|entry| DeniedPrefix {
            prefix: entry.prefix.to_string(),
            expires_in_seconds: entry.remaining.map(|remaining| remaining.as_secs()),
        })
        .collect())
}

/// `90s`, `10m`, `2h`, `7d`: at least a second.
fn parse_time(text: &str) -> Result<Duration, String> {
    let expected = || format!("`{text}` is no time: write it like 90s, 10m, 2h or 7d");
    let unit = text.chars().last().ok_or_else(expected)?;
    let seconds_per_unit = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(expected()),
    };
    let digits = text.strip_suffix(unit).unwrap_or_default();
    let number: u64 = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())
        .flatten()
        .ok_or_else(expected)?;
    match number.checked_mul(seconds_per_unit) {
        Some(0) => Err("no time at all denies nothing: at least 1s".to_owned()),
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => Err(expected()),
    }
}

/// Seconds as people say them, in the two largest units.
fn spoken(seconds: u64) -> String {
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let shown: Vec<String> = parts
        .iter()
        .skip_while(|(count, _)| *count == 0)
        .take(2)
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if shown.is_empty() {
        "0s".to_owned()
    } else {
        shown.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_one_unit() {
        for (text, expected) in [
            ("90s", Some(90)),
            ("10m", Some(600)),
            ("2h", Some(7_200)),
            ("7d", Some(604_800)),
            ("0s", None),
            ("10", None),
            ("m", None),
            ("-1m", None),
            ("+1m", None),
            ("1w", None),
            ("", None),
            ("10µ", None),
            ("99999999999999999999d", None),
            ("9999999999999999999d", None),
        ] {
            assert_eq!(
                parse_time(text).ok().map(|time| time.as_secs()),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn seconds_are_spoken_in_two_units() {
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (600, "10m"),
            (3_661, "1h 1m"),
            (86_400 + 61, "1d"),
            (90_000, "1d 1h"),
        ] {
            assert_eq!(spoken(seconds), expected);
        }
    }
}
