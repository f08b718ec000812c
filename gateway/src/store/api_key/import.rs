//! Keys of a file.
//!
//! Source: Amazon API Gateway Developer Guide, "API Gateway API key file format". The first line names
//! the columns in any order and case; of them only `Key` has to be there. What is not said there is
//! ours: a column of another name is refused, since misspelled it may be the one by which keys are to
//! be disabled, plans are named by their names, which are their ids here, and a column `Id` may say which
//! ids keys are to have.

use std::fmt;

use super::csv::{Row, Rows};
use super::draft::Draft;
use super::order::{NewKey, Unsaid};
use super::refusal::KeyRefusal;
use super::store::{FollowError, Followed};
use super::value::KeyValue;
use crate::model::UsagePlanName;

/// Longest file.
pub const CSV_BYTES_MAX: usize = 8 << 20;
/// Warnings that are kept of a file; the others are counted.
pub const WARNINGS_MAX: usize = 100;

const ID: &str = "Id";
const NAME: &str = "Name";
const KEY: &str = "Key";
const DESCRIPTION: &str = "Description";
const ENABLED: &str = "Enabled";
const PLANS: &str = "UsagePlanIds";
/// Every column.
pub(super) const COLUMNS: [&str; 6] = [NAME, KEY, DESCRIPTION, ENABLED, PLANS, ID];

/// What is wrong with a row, or probably not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ImportWarning {
    /// The line that it starts at; 1 is the first one.
    pub line: u64,
    /// Cause and fix.
    pub message: String,
    /// Whether no key was made of it.
    pub is_left_out: bool,
}

impl fmt::Display for ImportWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left_out = if self.is_left_out { "left out: " } else { "" };
        write!(f, "line {}: {left_out}{}", self.line, self.message)
    }
}

/// What was said of the rows of a file: the first [`WARNINGS_MAX`] of it, since a file may have millions of rows
/// that are wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportWarnings {
    first: Vec<ImportWarning>,
    /// Further ones.
    more: usize,
    /// Rows that no key was made of.
    left_out: usize,
}

impl ImportWarnings {
    fn push(&mut self, warning: ImportWarning) {
        self.left_out += usize::from(warning.is_left_out);
        if self.first.len() < WARNINGS_MAX {
            self.first.push(warning);
        } else {
            self.more += 1;
        }
    }

    /// Whether nothing was said.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// Rows that no key was made of.
    #[must_use]
    pub const fn left_out(&self) -> usize {
        self.left_out
    }

    /// Each of the first ones, and how many more there are.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let more = (self.more > 0).then(|| format!("and {} more", self.more));
        self.first.iter().map(ToString::to_string).chain(more)
    }
}

/// Has a draft get a key of each row.
pub(super) fn import(
    draft: &mut Draft<'_>,
    csv: &str,
    fail_on_warnings: bool,
) -> Result<Followed, FollowError> {
    if csv.len() > CSV_BYTES_MAX {
        return Err(KeyRefusal::TooLong.into());
    }
    let mut rows = Rows::new(csv.strip_prefix('\u{feff}').unwrap_or(csv));
    let header = rows.next().transpose().map_err(unreadable)?;
    let columns = columns(header.as_ref().map_or(&[], |row| &row.fields))?;
    let (mut made, mut warnings) = (Vec::new(), ImportWarnings::default());
    for row in rows {
        let row = row.map_err(unreadable)?;
        if row.fields.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        let line = row.line;
        let mut warn = |message, is_left_out| {
            warnings.push(ImportWarning {
                line,
                message,
                is_left_out,
            });
        };
        let new = match key(&columns, row) {
            Ok(new) => new,
            Err(message) => {
                warn(message, true);
                continue;
            }
        };
        match draft.create(&new) {
            Ok(created) => {
                made.push(created.id);
                for unknown in created.unknown_plans {
                    warn(no_plan(&unknown), false);
                }
            }
            Err(FollowError::Refused(refusal)) => warn(refusal.to_string(), true),
            Err(error) => return Err(error),
        }
    }
    if fail_on_warnings && !warnings.is_empty() {
        return Err(KeyRefusal::Warnings(warnings).into());
    }
    Ok(Followed {
        made,
        warnings,
        ..Followed::default()
    })
}

/// What is said of a plan that the configuration does not have.
pub(super) fn no_plan(plan: &UsagePlanName) -> String {
    format!(
        "the configuration has no usage plan `{plan}`, without which that counts for nothing: add it"
    )
}

fn unreadable((line, error): (u64, super::csv::CsvError)) -> FollowError {
    KeyRefusal::Csv { line, error }.into()
}

/// The columns that a first line names.
fn columns(header: &[String]) -> Result<Vec<&'static str>, KeyRefusal> {
    let mut columns = Vec::with_capacity(COLUMNS.len());
    for (place, written) in header.iter().enumerate() {
        let known = |column: &&&str| column.eq_ignore_ascii_case(written.trim());
        let column = COLUMNS.iter().find(known);
        let column = column.ok_or(KeyRefusal::Column { column: place + 1 })?;
        if columns.contains(column) {
            return Err(KeyRefusal::ColumnTwice(column));
        }
        columns.push(*column);
    }
    if !columns.contains(&KEY) {
        return Err(KeyRefusal::NoValues);
    }
    Ok(columns)
}

/// The key that a row describes.
fn key(columns: &[&'static str], row: Row) -> Result<NewKey, String> {
    let (found, expected) = (row.fields.len(), columns.len());
    if found != expected {
        return Err(format!(
            "it has {found} fields and the first line {expected}: write as many, and quote those with \
             commas"
        ));
    }
    let mut new = NewKey::default();
    for (column, field) in columns.iter().zip(row.fields) {
        let written = Some(field).filter(|field| !field.is_empty());
        match *column {
            ID => new.id = written.map(Unsaid::new),
            NAME => new.name = written,
            DESCRIPTION => new.description = written,
            KEY => {
                let value = written.unwrap_or_default();
                KeyValue::imported(&value).map_err(|error| error.to_string())?;
                new.value = Some(Unsaid::new(value));
            }
            ENABLED => new.disabled = !is_enabled(written.as_deref())?,
            _ => {
                let plans = written.as_deref().unwrap_or_default().split(',');
                let plans = plans.map(str::trim).filter(|plan| !plan.is_empty());
                new.plans = plans.map(str::to_owned).collect();
            }
        }
    }
    Ok(new)
}

/// A key is enabled unless it is said not to be.
fn is_enabled(written: Option<&str>) -> Result<bool, String> {
    let written = written.map(str::trim).unwrap_or_default();
    match written.to_ascii_uppercase().as_str() {
        "" | "TRUE" => Ok(true),
        "FALSE" => Ok(false),
        _ => Err("`Enabled` says neither TRUE nor FALSE: write one of them".to_owned()),
    }
}
