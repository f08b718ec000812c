//! `gateway usage`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::bail;
use serde_json::{Map, Value, json};

use super::output::Output;
use super::target::{Target, TargetArguments};
use super::time::moment;
use crate::clock;
use crate::daemon::protocol::{CallError, Request, Response, call};
use crate::daemon::usage::{SetRemaining, UsagePage, UsageQuestion, UsageRow, page, set_remaining};
use crate::model::Day;
use crate::store::usage::{DAYS_KEPT, Usage};

/// Most rows of a report in JSON, which is put together before any of it is printed.
const JSON_ROWS_MAX: usize = 1_000_000;
const CSV_HEADING: &str = "day,plan,key,used,remaining";

/// Arguments of `gateway usage`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    report: Report,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Leave a key so many requests until the present period of its quota ends.
    SetRemaining {
        /// Name of the usage plan.
        #[arg(long)]
        plan: String,
        /// Id of the API key.
        #[arg(long)]
        key: String,
        /// Requests.
        remaining: u64,
        #[command(flatten)]
        target: TargetArguments,
    },
}

#[derive(Debug, clap::Args)]
struct Report {
    /// Only of this usage plan.
    #[arg(long)]
    plan: Option<String>,
    /// Only of the API key with this id.
    #[arg(long)]
    key: Option<String>,
    /// First day, such as 2026-11-23, in UTC; the first of this month by default.
    #[arg(long, value_name = "DAY")]
    from: Option<Day>,
    /// Last day; today by default.
    #[arg(long, value_name = "DAY")]
    to: Option<Day>,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    target: TargetArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people: one line per day, plan and key.
    Table,
    /// For bills: the same with commas, and a line with names before.
    Csv,
    /// One array on one line: per plan and key, what was used and left on each day.
    Json,
}

pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    match &arguments.action {
        None => report(&arguments.report, output)?,
        Some(Action::SetRemaining {
            plan,
            key,
            remaining,
            target,
        }) => {
            let asked = SetRemaining {
                plan: plan.clone(),
                key: key.clone(),
                remaining: *remaining,
            };
            set(&target.resolve()?, asked, output)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn set(target: &Target, asked: SetRemaining, output: &mut Output) -> anyhow::Result<()> {
    let request = Request::UsageSetRemaining(asked.clone());
    match call(&target.admin_socket, &request) {
        Ok(answer) => output.line(&answer.done()?),
        Err(CallError::NotRunning(_)) => {
            let message = set_remaining(&open(target)?, &asked, None)?;
            output.line(&message);
            output.error(
                "no gateway is running: this holds when one starts, unless all gateways of a fleet share the \
                 quota: then say it to one that runs",
            );
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn report(report: &Report, output: &mut Output) -> anyhow::Result<()> {
    let today = Day::of(clock::unix_seconds());
    let to = report.to.unwrap_or(today);
    let from = report.from.unwrap_or_else(|| to.first_of_month());
    if from > to {
        bail!("the first day, {from}, comes after the last one, {to}");
    }
    let mut question = UsageQuestion {
        from: from.to_string(),
        to: to.to_string(),
        plan: report.plan.clone(),
        key: report.key.clone(),
        after: None,
    };
    let mut source = Source::new(report.target.resolve()?);
    let mut writer = Writer::new(report.format, from, to)?;
    loop {
        let page = source.page(&question, output)?;
        if let Some(since) = page.lacks_since_unix_seconds {
            output.error(&format!(
                "what was counted since {} could not be written yet, and is not in here",
                moment(since)
            ));
        }
        writer.rows(page.rows, output)?;
        question.after = page.after;
        if question.after.is_none() || output.is_closed() {
            break;
        }
    }
    writer.end(output)
}

/// The gateway, or its file where none runs.
struct Source {
    target: Target,
    file: Option<Usage>,
}

impl Source {
    const fn new(target: Target) -> Self {
        Self { target, file: None }
    }

    fn page(&mut self, question: &UsageQuestion, output: &mut Output) -> anyhow::Result<UsagePage> {
        if let Some(usage) = &self.file {
            return Ok(page(usage, question)?);
        }
        let request = Request::Usage(question.clone());
        match call(&self.target.admin_socket, &request) {
            Ok(Response::Usage(page)) => Ok(page),
            Ok(_) => Err(CallError::OtherAnswer.into()),
            Err(CallError::NotRunning(_)) => {
                output.error("no gateway is running: what the last one wrote");
                let usage = self.file.insert(open(&self.target)?);
                Ok(page(usage, question)?)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn open(target: &Target) -> anyhow::Result<Usage> {
    if !Usage::exists(&target.state_directory) {
        bail!(
            "no gateway `{}` has counted anything in `{}` yet: start it, or name another one with \
             --instance or --config",
            target.instance,
            target.state_directory.display()
        );
    }
    Ok(Usage::open(&target.state_directory, clock::unix_seconds())?)
}

/// Pairs of used and left, by day, of each key of a plan.
type Days = BTreeMap<Day, (u64, Option<u64>)>;

struct Writer {
    format: Format,
    from: Day,
    to: Day,
    is_begun: bool,
    gathered: BTreeMap<String, BTreeMap<String, Days>>,
    rows: usize,
}

impl Writer {
    fn new(format: Format, from: Day, to: Day) -> anyhow::Result<Self> {
        let days = u64::from(to.number() - from.number()) + 1;
        if format == Format::Json && days > DAYS_KEPT as u64 {
            bail!("{days} days are too many for JSON, which tells of each: at most {DAYS_KEPT}");
        }
        Ok(Self {
            format,
            from,
            to,
            is_begun: false,
            gathered: BTreeMap::new(),
            rows: 0,
        })
    }

    fn rows(&mut self, rows: Vec<UsageRow>, output: &mut Output) -> anyhow::Result<()> {
        if self.format == Format::Json {
            return self.gather(rows);
        }
        self.begin(output);
        for row in rows {
            output.line(&self.line(&row));
        }
        Ok(())
    }

    fn begin(&mut self, output: &mut Output) {
        if !std::mem::replace(&mut self.is_begun, true) {
            match self.format {
                Format::Csv => output.line(CSV_HEADING),
                Format::Table => output.line(&format!(
                    "{:<10} {:<24} {:<10} {:>14} {:>14}",
                    "DAY", "PLAN", "KEY", "USED", "REMAINING"
                )),
                Format::Json => {}
            }
        }
    }

    fn line(&self, row: &UsageRow) -> String {
        let UsageRow {
            day,
            plan,
            key,
            used,
            remaining,
        } = row;
        let remaining = remaining.map(|remaining| remaining.to_string());
        match self.format {
            // Names and ids have no comma and no quotation mark.
            Format::Csv => {
                let remaining = remaining.unwrap_or_default();
                format!("{day},{plan},{key},{used},{remaining}")
            }
            Format::Table | Format::Json => {
                let remaining = remaining.unwrap_or_else(|| "-".to_owned());
                format!("{day:<10} {plan:<24} {key:<10} {used:>14} {remaining:>14}")
            }
        }
    }

    fn gather(&mut self, rows: Vec<UsageRow>) -> anyhow::Result<()> {
        self.rows += rows.len();
        if self.rows > JSON_ROWS_MAX {
            bail!(
                "this is more than {JSON_ROWS_MAX} rows: name a plan, a key or fewer days, or write CSV"
            );
        }
        for row in rows {
            let keys = self.gathered.entry(row.plan).or_default();
            let days = keys.entry(row.key).or_default();
            days.insert(row.day.parse()?, (row.used, row.remaining));
        }
        Ok(())
    }

    fn end(mut self, output: &mut Output) -> anyhow::Result<()> {
        self.begin(output);
        if self.format == Format::Json {
            let plans: Vec<Value> = self.gathered.iter().map(|plan| self.plan(plan)).collect();
            output.line(&serde_json::to_string(&plans)?);
        }
        Ok(())
    }

    /// A plan in the way of the service's Usage object: of every key one pair per day.
    fn plan(&self, (plan, keys): (&String, &BTreeMap<String, Days>)) -> Value {
        let numbers = self.from.number()..=self.to.number();
        let pairs = |days: &Days| {
            let pair = |number| match days.get(&Day::numbered(number)) {
                Some((used, remaining)) => json!([used, remaining]),
                None => json!([0, null]),
            };
            numbers.clone().map(pair).collect::<Value>()
        };
        let items = keys.iter().map(|(key, days)| (key.clone(), pairs(days)));
        json!({
            "plan": plan,
            "start_date": self.from.to_string(),
            "end_date": self.to.to_string(),
            "items": items.collect::<Map<String, Value>>(),
        })
    }
}
