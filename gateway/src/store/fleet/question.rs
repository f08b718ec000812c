//! What Redis is asked, and what it answers.

use redis::{FromRedisValue, ParsingError, Script, ScriptInvocation, Value};

use super::terms::{BucketTerms, Terms};
use super::untold::Telling;
use crate::model::Period;
use crate::store::usage::QuotaTerms;

/// The scripts that answer.
#[derive(Debug)]
pub(super) struct Scripts {
    bucket: Script,
    quota: Script,
}

/// What a gateway asks about one limit.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Question {
    /// What the limit is called.
    pub(super) name: Box<str>,
    pub(super) terms: Terms,
    /// Later questions have larger ones.
    pub(super) number: u64,
    /// What this gateway has had, as far as that still counts.
    pub(super) had: Option<Had>,
    /// Requests that were admitted on credit.
    pub(super) spent: u64,
    /// Requests that were admitted by the share.
    pub(super) untold: Telling,
    /// Requests that are to be taken.
    pub(super) wanted: u64,
    /// Requests that are to be left of a quota.
    pub(super) remaining: Option<u64>,
}

/// What a gateway has had of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Had {
    pub(super) count: u64,
    /// Of a bucket: how many of them are not paid for by now.
    pub(super) owing: u64,
    /// Of a quota: the period in which that was.
    pub(super) period: u64,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asker {
    /// What the fleet is called.
    pub(super) fleet: String,
    /// Tells this run of this gateway from all others.
    pub(super) gateway: u64,
    /// How many share.
    pub(super) gateways: u32,
}

/// What Redis says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A later question was answered before.
    Late,
    /// What was taken.
    Given(Given),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Given {
    /// Requests that the gateway may admit.
    pub(super) given: u64,
    /// Requests that are left to everybody.
    pub(super) left: u64,
    /// Of a bucket: nanoseconds until it admits another one. Of a quota: until its period ends.
    pub(super) wait_ns: u64,
    /// Requests that this gateway had taken and Redis did not know of any more.
    pub(super) lost: u64,
    /// Requests that were admitted by the share, and count.
    pub(super) told: u64,
    /// The period of a quota; 0 of a bucket.
    pub(super) period: u64,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            bucket: Script::new(include_str!("bucket.lua")),
            quota: Script::new(include_str!("quota.lua")),
        }
    }

    /// The question as it is sent. Both keys have the name in braces, so a cluster has them in one place.
    pub(super) fn invocation(&self, asker: &Asker, question: &Question) -> ScriptInvocation<'_> {
        let Asker {
            fleet,
            gateway,
            gateways,
        } = asker;
        let name = &question.name;
        let script = match question.terms {
            Terms::Bucket(_) => &self.bucket,
            Terms::Quota(_) => &self.quota,
        };
        let mut asked = script.key(format!("{fleet}:{{{name}}}"));
        asked.key(format!("{fleet}:{{{name}}}:{gateway:016x}"));
        asked.arg(question.number);
        match &question.terms {
            Terms::Bucket(terms) => bucket(&mut asked, question, terms, *gateways),
            Terms::Quota(terms) => quota(&mut asked, question, terms, *gateways),
        }
        asked
    }
}

fn bucket(
    asked: &mut ScriptInvocation<'_>,
    question: &Question,
    terms: &BucketTerms,
    gateways: u32,
) {
    let (count, owing) = question.had.map_or((0, 0), |had| (had.count, had.owing));
    asked.arg(u8::from(question.had.is_none()));
    asked.arg(count).arg(owing);
    asked.arg(question.spent).arg(question.wanted);
    asked.arg(question.untold.count);
    asked.arg(format!("{:.9}", terms.unit_us));
    asked.arg(terms.burst).arg(gateways);
}

fn quota(asked: &mut ScriptInvocation<'_>, question: &Question, terms: &QuotaTerms, gateways: u32) {
    let (count, period) = question.had.map_or((0, 0), |had| (had.count, had.period));
    asked.arg(count).arg(period);
    asked.arg(question.spent).arg(question.wanted);
    asked.arg(question.untold.count).arg(question.untold.at);
    asked.arg(gateways);
    asked.arg(match terms.period {
        Period::Day => "day",
        Period::Week => "week",
        Period::Month => "month",
    });
    asked.arg(terms.limit).arg(terms.offset).arg(terms.since);
    let remaining = question.remaining;
    asked.arg(
        remaining
            .map(|remaining| remaining.to_string())
            .unwrap_or_default(),
    );
}

impl Answer {
    /// Reads what a script has answered.
    pub(super) fn read(value: &Value) -> Result<Self, ParsingError> {
        let wrong = || ParsingError::from("an answer of a script that is not this one");
        let values = value.as_sequence().ok_or_else(wrong)?;
        let (kind, numbers) = values.split_first().ok_or_else(wrong)?;
        let kind = String::from_redis_value_ref(kind)?;
        let numbers = numbers.iter().map(u64::from_redis_value_ref);
        let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
        match (kind.as_str(), numbers.as_slice()) {
            ("late", []) => Ok(Self::Late),
            ("given", &[given, left, wait_us, lost, told, period]) => Ok(Self::Given(Given {
                given,
                left,
                wait_ns: wait_us.saturating_mul(1_000),
                lost,
                told,
                period,
            })),
            _ => Err(wrong()),
        }
    }
}
