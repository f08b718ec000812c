//! Why an order about API keys cannot be followed.

use gateway_common::limit::LimitError;

use super::csv::CsvError;
use super::import::{COLUMNS, CSV_BYTES_MAX, ImportWarnings};
use super::value::ValueError;
use super::{PLANS_MAX, TEXT_BYTES_MAX};
use crate::model::{
    ApiKeyId, ApiKeyIdError, ApiName, StageName, UsagePlanName, UsagePlanNameError,
};

/// Why an order cannot be followed. Nothing has changed. No value is repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefusal {
    /// A text that is no id.
    #[error(transparent)]
    NoId(#[from] ApiKeyIdError),
    /// No key of this id.
    #[error("there is no API key `{0}`: `gateway keys list` shows them")]
    NoKey(ApiKeyId),
    /// Another key has this id.
    #[error("there is an API key `{0}` already: take another id, or none to have one drawn")]
    IdTaken(ApiKeyId),
    /// A text that is no value.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// Another key has this value.
    #[error(
        "the API key `{0}` has this value already: take another one, or none to have one drawn"
    )]
    ValueTaken(ApiKeyId),
    /// Too many keys.
    #[error("there are at most {max} API keys: delete those that are not used any more")]
    TooMany {
        /// How many there may be.
        max: usize,
    },
    /// A text that is too long, or more than a line.
    #[error("a {what} is one line of at most {TEXT_BYTES_MAX} bytes: shorten it")]
    Text {
        /// Name, customer or description.
        what: &'static str,
    },
    /// A text that names no plan.
    #[error(transparent)]
    NoPlanName(#[from] UsagePlanNameError),
    /// The key belongs to the plan.
    #[error("the API key `{id}` belongs to the usage plan `{plan}` already")]
    InPlan {
        /// The key.
        id: ApiKeyId,
        /// The plan.
        plan: UsagePlanName,
    },
    /// The key does not belong to the plan.
    #[error(
        "the API key `{id}` does not belong to the usage plan `{plan}`: `gateway keys show {id}` \
         lists those that it belongs to"
    )]
    NotInPlan {
        /// The key.
        id: ApiKeyId,
        /// The plan.
        plan: UsagePlanName,
    },
    /// A plan is named twice.
    #[error("the usage plan `{0}` is named twice: name it once")]
    PlanTwice(UsagePlanName),
    /// Too many plans.
    #[error("an API key belongs to at most {PLANS_MAX} usage plans: take it out of one before")]
    TooManyPlans,
    /// Two plans are for the same stage.
    #[error(
        "the usage plans `{plan}` and `{other}` are both for the stage `{stage}` of `{api}`, and a \
         key can belong to one of them only"
    )]
    SameStage {
        /// The plan that was asked for.
        plan: UsagePlanName,
        /// One that the key belongs to.
        other: UsagePlanName,
        /// The API.
        api: ApiName,
        /// Its stage.
        stage: StageName,
    },
    /// A rate and burst that cannot be kept.
    #[error("this rate and burst cannot be kept: {}", limit(*.0))]
    Limit(LimitError),
    /// Whoever matches requests against keys cannot take them so.
    #[error("{0}")]
    Unusable(String),
    /// The value of a key is not kept.
    #[error(
        "the value of the API key `{0}` is not kept: it was told once, when the key was made; with \
         `api_keys: {{values: encrypted}}` those of new keys are"
    )]
    NotReadable(ApiKeyId),
    /// A file that is too long.
    #[error("the file has more than {CSV_BYTES_MAX} bytes: make several of it")]
    TooLong,
    /// A file that is no text.
    #[error("line {line}: this is not UTF-8: save the file as UTF-8")]
    NoText {
        /// Where it begins to be wrong; 1 is the first one.
        line: u64,
    },
    /// A file whose rows cannot be told apart.
    #[error("line {line}: {error}")]
    Csv {
        /// Where it begins to be wrong; 1 is the first one.
        line: u64,
        /// What is wrong.
        error: CsvError,
    },
    /// A column that nobody knows.
    #[error(
        "line 1: the column {column} is called neither of {}: rename it, or take it out",
        COLUMNS.join(", ")
    )]
    Column {
        /// Its number; 1 is the first one.
        column: usize,
    },
    /// A column that is there twice.
    #[error("line 1: there are two columns `{0}`: take one out")]
    ColumnTwice(&'static str),
    /// No column with values.
    #[error(
        "line 1: there is no column `Key`: the first line names the columns, such as `Name,Key`"
    )]
    NoValues,
    /// Rows that deserve warnings, where none may.
    #[error("{}", warnings(.0))]
    Warnings(ImportWarnings),
}

fn limit(error: LimitError) -> &'static str {
    match error {
        LimitError::RateZero => "a rate of 0 would never admit anything",
        LimitError::RateTooSlow => "the rate is slower than one request per day",
        LimitError::RateInexact { .. } => "the rate cannot be kept within 0.1 %: round it",
        LimitError::BurstZero => "a burst of 0 would never admit anything: write at least 1",
        LimitError::BurstTooLarge => {
            "the burst takes more than a year to refill at this rate: lower it"
        }
    }
}

fn warnings(found: &ImportWarnings) -> String {
    let head = "nothing was imported, because of these rows:".to_owned();
    let lines: Vec<String> = std::iter::once(head).chain(found.lines()).collect();
    lines.join("\n")
}
