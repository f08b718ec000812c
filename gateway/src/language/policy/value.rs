//! What a request has to say to conditions.

use std::borrow::Cow;
use std::fmt::Debug;
use std::net::IpAddr;

use super::key::{Key, Kind};
use super::number::Number;
use super::timestamp::Timestamp;

/// The values of condition keys in one request.
pub trait Context: Debug {
    /// What the request holds for `key`. The names of tags do not tell letter case apart.
    fn find(&self, key: &Key) -> Found<'_>;
}

/// What a request holds for a condition key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'a> {
    /// The key is not in the request.
    Absent,
    /// Its value.
    One(Value<'a>),
    /// Its values, of a key that has several; none is as good as absent.
    Many(Vec<Value<'a>>),
}

/// One value of a condition key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text, also of a number or a date that somebody else wrote.
    Text(Cow<'a, str>),
    /// An address.
    Address(IpAddr),
    /// A point in time.
    Time(Timestamp),
    /// A number.
    Number(Number),
    /// True or false.
    Flag(bool),
    /// The key is in the request, but nobody can tell its value: a header that is no text.
    Unreadable,
}

impl<'a> Found<'a> {
    pub(super) fn values(&self) -> &[Value<'a>] {
        match self {
            Self::Absent => &[],
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

/// Each reading is `None` where the value cannot be read that way.
impl Value<'_> {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    /// As a policy would write it.
    pub(super) fn text(&self, key: &Key) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Address(address) => Some(address.to_canonical().to_string().into()),
            Self::Time(time) if key.kind() == Kind::EpochTime => {
                Some(time.unix_seconds().to_string().into())
            }
            Self::Time(time) => Some(time.to_string().into()),
            Self::Number(number) => Some(number.to_string().into()),
            Self::Flag(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
            Self::Unreadable => None,
        }
    }

    pub(super) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Text(text) => text.parse().ok(),
            Self::Time(_) | Self::Number(_) | Self::Flag(_) | Self::Unreadable => None,
        }
    }

    pub(super) fn time(&self) -> Option<Timestamp> {
        match self {
            Self::Time(time) => Some(*time),
            Self::Text(text) => text.parse().ok(),
            Self::Address(_) | Self::Number(_) | Self::Flag(_) | Self::Unreadable => None,
        }
    }

    pub(super) fn number(&self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Time(time) => Some(time.unix_seconds().into()),
            Self::Text(text) => text.parse().ok(),
            Self::Address(_) | Self::Flag(_) | Self::Unreadable => None,
        }
    }

    pub(super) fn flag(&self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(*flag),
            Self::Text(text) => read_flag(text),
            Self::Address(_) | Self::Time(_) | Self::Number(_) | Self::Unreadable => None,
        }
    }
}

/// `true` or `false`, in any letter case.
pub(super) fn read_flag(written: &str) -> Option<bool> {
    match written {
        _ if written.eq_ignore_ascii_case("true") => Some(true),
        _ if written.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}
