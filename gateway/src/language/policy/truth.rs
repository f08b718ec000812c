//! Yes, no, and what cannot be told.

use std::ops::Not;

/// Whether something holds, in Kleene's logic: what is unknown stays unknown unless the rest
/// settles the matter without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    Yes,
    No,
    Unknown,
}

impl Truth {
    /// Whether both hold. What is said no to is settled: the other is not asked then.
    pub(super) fn and(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::No => Self::No,
            Self::Yes => other(),
            Self::Unknown => match other() {
                Self::No => Self::No,
                Self::Yes | Self::Unknown => Self::Unknown,
            },
        }
    }

    /// Whether every part holds; of no part, yes.
    pub(super) fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut met = Self::Yes;
        for part in parts {
            match part {
                Self::Yes => {}
                Self::No => return Self::No,
                Self::Unknown => met = Self::Unknown,
            }
        }
        met
    }

    /// Whether any part holds; of no part, no.
    pub(super) fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        !Self::all(parts.into_iter().map(Not::not))
    }
}

impl Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
        }
    }
}

impl From<bool> for Truth {
    fn from(known: bool) -> Self {
        if known { Self::Yes } else { Self::No }
    }
}

#[cfg(test)]
mod tests {
    use super::Truth::{self, No, Unknown, Yes};

    #[track_caller]
    fn check(parts: &[Truth], all: Truth, any: Truth) {
        assert_eq!(Truth::all(parts.iter().copied()), all, "all of {parts:?}");
        assert_eq!(Truth::any(parts.iter().copied()), any, "any of {parts:?}");
        let pairwise = parts.iter().fold(Yes, |met, part| met.and(|| *part));
        assert_eq!(pairwise, all, "each of {parts:?} and the next");
    }

    #[test]
    fn doubt_remains_unless_the_rest_settles_it() {
        check(&[], Yes, No);
        check(&[Yes], Yes, Yes);
        check(&[No], No, No);
        check(&[Unknown], Unknown, Unknown);
        check(&[Yes, Unknown], Unknown, Yes);
        check(&[Unknown, No], No, Unknown);
        check(&[No, Unknown], No, Unknown);
        check(&[Unknown, Yes], Unknown, Yes);
        check(&[Yes, Unknown, No], No, Yes);
    }
}
