//! Conditions of statements.
//!
//! The rules of IAM, "JSON policy elements: Condition operators" and "Single-valued vs. multivalued
//! context keys": every key of every operator has to hold, one of the values of a key is enough,
//! and of a negated operator none of them may match. A key that is not in the request holds for
//! negated operators, for `..IfExists` and for `ForAllValues`, and for no other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::arn::{Arn, ArnPattern};
use super::cidr::Cidr;
use super::error::Problem;
use super::glob::Case;
use super::key::Key;
use super::number::Number;
use super::operator::{Family, Mode, Operator, Quantifier, Relation};
use super::read::{Findings, Node};
use super::template::{Syntax, Template};
use super::timestamp::Timestamp;
use super::truth::Truth;
use super::value::{Context, Value, read_flag};

/// One key below one operator.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    pub(super) operator: Operator,
    pub(super) key: Key,
    pub(super) test: Test,
}

/// What the values of the key are compared with; one match is enough.
#[derive(Debug, Clone)]
pub(super) enum Test {
    Text(Case, Vec<Template>),
    Number(Relation, Vec<Number>),
    Date(Relation, Vec<Timestamp>),
    Bool(Vec<bool>),
    Binary(Vec<Vec<u8>>),
    IpAddress(Vec<Cidr>),
    Arn(Vec<ArnPattern>),
    /// Whether the key is to be absent, which no value decides.
    Null(Vec<bool>),
}

/// Reads `Condition`. `None` stands for anything that was found wrong.
pub(super) fn read(
    findings: &mut Findings,
    object: &Node<'_>,
    variables: bool,
) -> Option<Vec<Condition>> {
    let operators = members(findings, object, "Condition")?;
    let mut conditions = Some(Vec::new());
    for (name, keys) in operators {
        let operator = findings.keep(name.parse::<Operator>().map_err(|e| keys.problem(e)));
        for (key, values) in members(findings, &keys, name).unwrap_or_default() {
            let key = findings.keep(key.parse::<Key>().map_err(|e| values.problem(e)));
            let condition = operator.zip(key).and_then(|(operator, key)| {
                let fits = operator.fits(name, &key).map_err(|e| values.problem(e));
                findings.keep(fits)?;
                let test = Test::read(findings, operator.family, &key, &values, variables)?;
                Some(Condition {
                    operator,
                    key,
                    test,
                })
            });
            match (&mut conditions, condition) {
                (Some(conditions), Some(condition)) => conditions.push(condition),
                (conditions, _) => *conditions = None,
            }
        }
    }
    conditions
}

/// The members of an object that must have some.
fn members<'v>(
    findings: &mut Findings,
    object: &Node<'v>,
    name: &str,
) -> Option<Vec<(&'v str, Node<'v>)>> {
    let members = findings.keep(object.members("an object"))?;
    if members.is_empty() {
        let member = name.to_owned();
        findings.add(object.problem(Problem::Empty { member }));
        return None;
    }
    Some(members)
}

impl Test {
    fn read(
        findings: &mut Findings,
        family: Family,
        key: &Key,
        values: &Node<'_>,
        variables: bool,
    ) -> Option<Self> {
        let mut list = List {
            findings,
            values,
            key,
        };
        Some(match family {
            Family::Text(mode) => {
                let syntax = Syntax {
                    wildcards: mode == Mode::Like,
                    variables,
                };
                let case = match mode {
                    Mode::Equals | Mode::Like => Case::Matters,
                    Mode::EqualsIgnoreCase => Case::Ignored,
                };
                Self::Text(case, list.read(|text| Template::parse(text, syntax))?)
            }
            Family::Number(relation) => Self::Number(relation, list.read(str::parse)?),
            Family::Date(relation) => Self::Date(relation, list.read(str::parse)?),
            Family::Bool => Self::Bool(list.read(flag)?),
            Family::Binary => Self::Binary(list.read(bytes)?),
            Family::IpAddress => Self::IpAddress(list.read(str::parse)?),
            Family::Arn => Self::Arn(list.read(|text| ArnPattern::parse(text, variables))?),
            Family::Null => Self::Null(list.read(flag)?),
        })
    }

    /// Whether `value` matches any of these. Unknown where it cannot be read as what they are.
    fn matches(&self, value: &Value<'_>, key: &Key, context: &dyn Context) -> Truth {
        match self {
            Self::Text(case, templates) => any(value.text(key), templates, |text, template| {
                template.matches(text, *case, context)
            }),
            Self::Number(relation, numbers) => any(value.number(), numbers, |found, written| {
                relation.holds(found, written).into()
            }),
            Self::Date(relation, times) => any(value.time(), times, |found, written| {
                relation.holds(found, written).into()
            }),
            Self::Bool(flags) => any(value.flag(), flags, |found, written| {
                (found == written).into()
            }),
            Self::Binary(values) => any(value.text(key), values, |found, written| {
                (found.as_bytes() == written.as_slice()).into()
            }),
            Self::IpAddress(cidrs) => any(value.address(), cidrs, |found, cidr| {
                cidr.contains(*found).into()
            }),
            Self::Arn(patterns) => {
                let text = value.text(key);
                let arn = text.as_deref().and_then(|text| Arn::parse(text).ok());
                any(arn, patterns, |arn, pattern| pattern.matches(*arn, context))
            }
            Self::Null(absent) => any(Some(false), absent, |found, written| {
                (found == written).into()
            }),
        }
    }
}

/// The values of one key.
struct List<'l, 'v> {
    findings: &'l mut Findings,
    values: &'l Node<'v>,
    key: &'l Key,
}

impl List<'_, '_> {
    fn read<T, E: Into<Problem>>(&mut self, read: impl Fn(&str) -> Result<T, E>) -> Option<Vec<T>> {
        let member = self.key.to_string();
        self.findings
            .elements(self.values, &member, |findings, node| {
                let text = findings.keep(node.scalar())?;
                findings.keep(read(&text).map_err(|error| node.problem(error)))
            })
    }
}

fn flag(written: &str) -> Result<bool, Problem> {
    read_flag(written).ok_or_else(|| Problem::Flag(written.to_owned()))
}

fn bytes(written: &str) -> Result<Vec<u8>, Problem> {
    STANDARD
        .decode(written)
        .map_err(|_position| Problem::Base64(written.to_owned()))
}

/// Whether `found` matches one of the values in the document.
fn any<F, W>(found: Option<F>, written: &[W], matches: impl Fn(&F, &W) -> Truth) -> Truth {
    match found {
        None => Truth::Unknown,
        Some(found) => Truth::any(written.iter().map(|written| matches(&found, written))),
    }
}

impl Condition {
    /// Whether the condition holds for the request.
    pub(super) fn holds(&self, context: &dyn Context) -> Truth {
        let found = context.find(&self.key);
        let values = found.values();
        if let Test::Null(absent) = &self.test {
            return absent.contains(&values.is_empty()).into();
        }
        match self.operator.quantifier {
            Quantifier::Only => match values {
                [] => (self.operator.negated || self.operator.if_exists).into(),
                [value] => self.accepts(value, context),
                // IAM leaves open what such a comparison means.
                _ => Truth::Unknown,
            },
            Quantifier::All => {
                let accepted = filled(values)
                    .iter()
                    .map(|value| self.accepts(value, context));
                Truth::all(accepted)
            }
            // The guide says of `IfExists` that an absent key holds and of `ForAnyValue` that it
            // does not. Together they say nothing that could permit or spare anybody.
            Quantifier::Any if values.is_empty() && self.operator.if_exists => Truth::Unknown,
            Quantifier::Any => {
                let accepted = filled(values)
                    .iter()
                    .map(|value| self.accepts(value, context));
                Truth::any(accepted)
            }
        }
    }

    fn accepts(&self, value: &Value<'_>, context: &dyn Context) -> Truth {
        let matched = self.test.matches(value, &self.key, context);
        if self.operator.negated {
            !matched
        } else {
            matched
        }
    }
}

/// `values` as a set: to IAM's set operators, empty text is no value.
fn filled<'v, 'a>(values: &'v [Value<'a>]) -> &'v [Value<'a>] {
    if values.iter().all(Value::is_empty) {
        &[]
    } else {
        values
    }
}
