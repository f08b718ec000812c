//! Walking through a document with its places, and collecting everything that is wrong with it.

use std::borrow::Cow;

use serde_json::Value;

use super::error::{PolicyError, Problem};
use super::place::Place;

/// A value of the document, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node<'v> {
    value: &'v Value,
    place: Place,
}

impl<'v> Node<'v> {
    pub(super) fn root(value: &'v Value) -> Self {
        Self {
            value,
            place: Place::default(),
        }
    }

    /// The members, of an object.
    pub(super) fn members(
        &self,
        expected: &'static str,
    ) -> Result<Vec<(&'v str, Self)>, PolicyError> {
        let Some(members) = self.value.as_object() else {
            return Err(self.problem(Problem::Type { expected }));
        };
        let member = |(key, value): (&'v String, &'v Value)| {
            let place = self.place.key(key);
            (key.as_str(), Self { value, place })
        };
        Ok(members.iter().map(member).collect())
    }

    /// The elements of a list, or this as the only one.
    pub(super) fn elements(&self) -> Vec<Self> {
        let Some(elements) = self.value.as_array() else {
            return vec![self.clone()];
        };
        let elements = elements.iter().enumerate().map(|(index, value)| Self {
            value,
            place: self.place.index(index),
        });
        elements.collect()
    }

    pub(super) fn text(&self) -> Result<&'v str, PolicyError> {
        let expected = "a string";
        let text = self.value.as_str();
        text.ok_or_else(|| self.problem(Problem::Type { expected }))
    }

    /// A string, or a number or boolean in its place.
    pub(super) fn scalar(&self) -> Result<Cow<'v, str>, PolicyError> {
        match self.value {
            Value::String(text) => Ok(Cow::Borrowed(text)),
            Value::Number(number) => Ok(Cow::Owned(number.to_string())),
            Value::Bool(flag) => Ok(Cow::Owned(flag.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => Err(self.problem(Problem::Type {
                expected: "a string, a number or a boolean",
            })),
        }
    }

    pub(super) fn is_object(&self) -> bool {
        self.value.is_object()
    }

    pub(super) fn problem(&self, problem: impl Into<Problem>) -> PolicyError {
        PolicyError {
            place: self.place.clone(),
            problem: problem.into(),
        }
    }
}

/// The members of an object that may hold only some.
#[derive(Debug)]
pub(super) struct Members<'v> {
    object: Node<'v>,
    members: Vec<(&'v str, Node<'v>)>,
}

impl<'v> Members<'v> {
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Node<'v>> {
        let found = self.members.iter().find(|(member, _)| *member == name);
        found.map(|(_, node)| node)
    }

    /// # Errors
    ///
    /// When it is missing.
    pub(super) fn require(&self, member: &'static str) -> Result<&Node<'v>, PolicyError> {
        let found = self.get(member);
        found.ok_or_else(|| self.object.problem(Problem::Missing { member }))
    }

    /// # Errors
    ///
    /// When both are there.
    pub(super) fn either(
        &self,
        positive: &'static str,
        negative: &'static str,
    ) -> Result<Option<Either<'_, 'v>>, PolicyError> {
        match (self.get(positive), self.get(negative)) {
            (Some(_), Some(_)) => Err(self.object.problem(Problem::Both { positive, negative })),
            (Some(node), None) => Ok(Some(Either::Positive(node))),
            (None, Some(node)) => Ok(Some(Either::Negative(node))),
            (None, None) => Ok(None),
        }
    }

    /// # Errors
    ///
    /// When both are there, or neither.
    pub(super) fn require_either(
        &self,
        positive: &'static str,
        negative: &'static str,
    ) -> Result<Either<'_, 'v>, PolicyError> {
        let missing = || self.object.problem(Problem::Neither { positive, negative });
        self.either(positive, negative)?.ok_or_else(missing)
    }
}

/// One of two members that exclude each other.
#[derive(Debug, Clone, Copy)]
pub(super) enum Either<'n, 'v> {
    Positive(&'n Node<'v>),
    Negative(&'n Node<'v>),
}

/// Everything that is wrong so far.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<PolicyError>);

impl Findings {
    /// Takes the error out of `result`, to go on and find more.
    pub(super) fn keep<T>(&mut self, result: Result<T, PolicyError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.0.push(error);
                None
            }
        }
    }

    pub(super) fn add(&mut self, error: PolicyError) {
        self.0.push(error);
    }

    /// The members of `object`, which may be `known` ones.
    pub(super) fn members<'v>(
        &mut self,
        object: &Node<'v>,
        expected: &'static str,
        known: &'static [&'static str],
    ) -> Option<Members<'v>> {
        let members = self.keep(object.members(expected))?;
        for (name, _) in &members {
            if !known.contains(name) {
                let member = (*name).to_owned();
                self.add(object.problem(Problem::Unknown { member, known }));
            }
        }
        Some(Members {
            object: object.clone(),
            members,
        })
    }

    /// The elements of `list`, or the only one, each read by `read`. A list without elements is
    /// refused under the name of `member`.
    pub(super) fn elements<'v, T>(
        &mut self,
        list: &Node<'v>,
        member: &str,
        mut read: impl FnMut(&mut Self, &Node<'v>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let elements = list.elements();
        if elements.is_empty() {
            let member = member.to_owned();
            self.add(list.problem(Problem::Empty { member }));
            return None;
        }
        // Every element is read before the first failure ends it, so that all failures are found.
        let read: Vec<Option<T>> = elements.iter().map(|element| read(self, element)).collect();
        read.into_iter().collect()
    }

    pub(super) fn into_errors(self) -> Vec<PolicyError> {
        self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
