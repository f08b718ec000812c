//! `gateway keys`: API keys.
//!
//! A value never stands among the arguments, which every user of the host can read while a command
//! runs: it comes from a file or from standard input.

mod asked;
mod read;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::output::Output;
use super::target::TargetArguments;
use crate::config;
use crate::daemon::api_key_report::KeyOutcome;
use crate::store::api_key::{KeyOrder, NewKey, NewThrottle, Unsaid};
use asked::Change;

/// Arguments of `gateway keys`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key. Its value is shown now and never again, unless it was brought along.
    Create {
        #[command(flatten)]
        new: New,
        /// Print one JSON object on one line.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// List the keys, without their values.
    List {
        /// Only those that belong to this usage plan.
        #[arg(long, value_name = "NAME")]
        plan: Option<String>,
        /// Print one JSON array on one line.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Show a key.
    Show {
        #[command(flatten)]
        key: Key,
        /// Show its value as well, where the configuration had it kept.
        #[arg(long)]
        value: bool,
        /// Print one JSON object on one line.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Make a key good for what its usage plans say.
    Enable {
        #[command(flatten)]
        key: Key,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Make a key good for nothing, until it is enabled.
    Disable {
        #[command(flatten)]
        key: Key,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Forget a key for good.
    Delete {
        #[command(flatten)]
        key: Key,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Have a key belong to a usage plan.
    Attach {
        #[command(flatten)]
        key: Key,
        /// Name of the usage plan.
        #[arg(long, value_name = "NAME")]
        plan: String,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Have a key belong to a usage plan no more.
    Detach {
        #[command(flatten)]
        key: Key,
        /// Name of the usage plan.
        #[arg(long, value_name = "NAME")]
        plan: String,
        #[command(flatten)]
        target: TargetArguments,
    },
    /// Make a key of each row of a file, as Amazon API Gateway imports them.
    Import {
        /// Comma-separated values, whose first line names the columns: Name, Key, Description,
        /// Enabled, UsagePlanIds and Id, of which Key has to be there.
        file: PathBuf,
        /// Make none where a row deserves a warning.
        #[arg(long)]
        fail_on_warnings: bool,
        /// Print one JSON object on one line.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        target: TargetArguments,
    },
}

/// A key that there is.
#[derive(Debug, clap::Args)]
struct Key {
    /// Id of the key; never its value.
    #[arg(value_parser = unsaid)]
    id: Unsaid,
}

/// A key that is to be made.
#[derive(Debug, clap::Args)]
struct New {
    /// Id to give it, of 10 lower-case letters and digits, so that all gateways of a fleet know it by the
    /// same. Default: one is drawn.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// What to call it; need not be unique.
    #[arg(long)]
    name: Option<String>,
    /// File that holds its value: 20 to 128 letters and digits. Default: one of 40 is drawn.
    #[arg(long, value_name = "FILE", conflicts_with = "value_stdin")]
    value_file: Option<PathBuf>,
    /// Read its value from standard input.
    #[arg(long)]
    value_stdin: bool,
    /// Whose it is.
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// What to say of it.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Usage plan that it belongs to; may be repeated.
    #[arg(long = "plan", value_name = "NAME")]
    plans: Vec<String>,
    /// Make it good for nothing, until it is enabled.
    #[arg(long)]
    disabled: bool,
    /// Requests per second that it may make, whatever its usage plans say.
    #[arg(long, requires = "burst")]
    rate: Option<f64>,
    /// Requests that it may make at once.
    #[arg(long, requires = "rate")]
    burst: Option<u64>,
    /// Refuse nothing for that, and note what would have been refused.
    #[arg(long, requires = "rate")]
    monitor: bool,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    match &arguments.action {
        Action::Create { new, json, target } => {
            let order = KeyOrder::Create(new_key(new)?);
            let outcome = asked::change(&target.resolve()?, Change::Order(order), output)?;
            created(&outcome, *json, output)?;
        }
        Action::List { plan, json, target } => {
            let keys = asked::list(&target.resolve()?, plan.as_deref(), output)?;
            if *json {
                output.line(&serde_json::to_string(&keys)?);
            } else {
                output.line(&text::table(&keys));
            }
        }
        Action::Show {
            key,
            value,
            json,
            target,
        } => {
            let (report, value) = asked::show(&target.resolve()?, &key.id, *value, output)?;
            if *json {
                let mut report = serde_json::to_value(&report)?;
                if let (Some(report), Some(value)) = (report.as_object_mut(), value) {
                    report.insert("value".to_owned(), json!(value.expose()));
                }
                output.line(&report.to_string());
            } else {
                output.line(&text::shown(&report, value.as_ref()));
            }
        }
        Action::Import {
            file,
            fail_on_warnings,
            json,
            target,
        } => {
            let change = Change::Import {
                file: read::table(file)?,
                fail_on_warnings: *fail_on_warnings,
            };
            let outcome = asked::change(&target.resolve()?, change, output)?;
            return imported(&outcome, *json, output);
        }
        Action::Enable { .. }
        | Action::Disable { .. }
        | Action::Delete { .. }
        | Action::Attach { .. }
        | Action::Detach { .. } => return changed(&arguments.action, output),
    }
    Ok(ExitCode::SUCCESS)
}

/// Has a key changed that there is.
fn changed(action: &Action, output: &mut Output) -> anyhow::Result<ExitCode> {
    let id = |key: &Key| key.id.clone();
    let (order, target) = match action {
        Action::Enable { key, target } => (KeyOrder::Enable { id: id(key) }, target),
        Action::Disable { key, target } => (KeyOrder::Disable { id: id(key) }, target),
        Action::Delete { key, target } => (KeyOrder::Delete { id: id(key) }, target),
        Action::Attach { key, plan, target } => {
            let (id, plan) = (id(key), plan.clone());
            (KeyOrder::Attach { id, plan }, target)
        }
        Action::Detach { key, plan, target } => {
            let (id, plan) = (id(key), plan.clone());
            (KeyOrder::Detach { id, plan }, target)
        }
        Action::Create { .. }
        | Action::List { .. }
        | Action::Show { .. }
        | Action::Import { .. } => {
            anyhow::bail!("this changes no key that there is")
        }
    };
    let outcome = asked::change(&target.resolve()?, Change::Order(order), output)?;
    warn(&outcome, output);
    output.line(&outcome.note);
    Ok(ExitCode::SUCCESS)
}

fn new_key(new: &New) -> anyhow::Result<NewKey> {
    let throttle = match (new.rate, new.burst) {
        (Some(rate), Some(burst)) => {
            let exact = config::request_rate(rate, burst).map_err(anyhow::Error::msg)?;
            Some(NewThrottle {
                rate_micro_per_second: exact.micro_per_second,
                burst,
                monitor: new.monitor,
            })
        }
        _ => None,
    };
    Ok(NewKey {
        id: new.id.clone().map(Unsaid::new),
        value: read::value(new.value_file.as_deref(), new.value_stdin)?,
        name: new.name.clone(),
        customer: new.customer.clone(),
        description: new.description.clone(),
        disabled: new.disabled,
        plans: new.plans.clone(),
        throttle,
    })
}

fn created(outcome: &KeyOutcome, json: bool, output: &mut Output) -> anyhow::Result<()> {
    warn(outcome, output);
    let id = outcome.made.first();
    let id = id.ok_or_else(|| anyhow::anyhow!("the gateway has not said which key it made"))?;
    let value = outcome.value.as_ref().map(Unsaid::expose);
    if json {
        let mut made = json!({"id": id});
        if let (Some(made), Some(value)) = (made.as_object_mut(), value) {
            made.insert("value".to_owned(), json!(value));
        }
        output.line(&made.to_string());
    } else {
        output.line(&format!("id     {id}"));
        if let Some(value) = value {
            output.line(&format!("value  {value}"));
        }
    }
    Ok(())
}

/// A file of which every row was left out is no success.
fn imported(outcome: &KeyOutcome, json: bool, output: &mut Output) -> anyhow::Result<ExitCode> {
    let KeyOutcome {
        note,
        made,
        value: _,
        warnings,
        left_out,
    } = outcome;
    if json {
        let told = json!({"ids": made, "warnings": warnings, "left_out": left_out});
        output.line(&told.to_string());
    } else {
        warn(outcome, output);
        output.line(&match left_out {
            0 => note.clone(),
            1 => format!("{note}, 1 row is left out"),
            rows => format!("{note}, {rows} rows are left out"),
        });
    }
    if made.is_empty() && *left_out > 0 {
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn warn(outcome: &KeyOutcome, output: &mut Output) {
    for warning in &outcome.warnings {
        output.error(&format!("warning: {warning}"));
    }
}

/// For `clap`, which would repeat a text that is refused here.
#[expect(clippy::unnecessary_wraps, reason = "parsers may refuse")]
fn unsaid(text: &str) -> Result<Unsaid, String> {
    Ok(Unsaid::new(text.to_owned()))
}
