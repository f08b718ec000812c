//! When a request was signed, and how long that is good for.

use std::fmt;
use std::time::Duration;

use crate::language::policy::Timestamp;

/// How far the clock of a signer may be off, either way. Source: the messages of the service.
pub const WINDOW: Duration = Duration::from_secs(5 * 60);

const WINDOW_SECONDS: i64 = 5 * 60;

/// A second as signatures write it: `20260102T030405Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedAt(Timestamp);

/// Why a signature is not good now. What it displays is what the service says.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// It is too old.
    #[error(
        "Signature expired: {signed} is now earlier than {earliest} ({now} - {})",
        Span(*.span)
    )]
    Expired {
        /// When it was signed.
        signed: SignedAt,
        /// When it would have had to be signed.
        earliest: SignedAt,
        /// The gateway's time.
        now: SignedAt,
        /// How long it is good for, in seconds.
        span: i64,
    },
    /// It is of the future.
    #[error(
        "Signature not yet current: {signed} is still later than {latest} ({now} + {})",
        Span(WINDOW_SECONDS)
    )]
    NotYetCurrent {
        /// When it was signed.
        signed: SignedAt,
        /// The latest it could have been signed.
        latest: SignedAt,
        /// The gateway's time.
        now: SignedAt,
    },
}

impl SignedAt {
    /// Reads `YYYYMMDD'T'HHMMSS'Z'`; `None` for anything else, and for what no calendar has.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = |range| {
            text.get(range)
                .filter(|part: &&str| part.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let (year, month, day) = (digits(0..4)?, digits(4..6)?, digits(6..8)?);
        let (hour, minute, second) = (digits(9..11)?, digits(11..13)?, digits(13..15)?);
        if text.get(8..9) != Some("T") || text.get(15..) != Some("Z") {
            return None;
        }
        let iso = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
        iso.parse().ok().map(Self)
    }

    /// From seconds since 1970.
    #[must_use]
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(Timestamp::from_unix_seconds(seconds))
    }

    /// Its day, as scopes write it.
    #[must_use]
    pub fn date(&self) -> String {
        self.to_string().chars().take(8).collect()
    }

    /// Judges a signature made then, at `now`, that is good for five minutes, or for `expires`
    /// seconds where it says so itself.
    ///
    /// # Errors
    /// It is too old, or of the future.
    pub fn judge(self, now: Self, expires: Option<u32>) -> Result<(), TimeError> {
        let (signed_seconds, now_seconds) = (self.0.unix_seconds(), now.0.unix_seconds());
        let span = expires.map_or(WINDOW_SECONDS, i64::from);
        let earliest = now_seconds.saturating_sub(span);
        if signed_seconds < earliest {
            return Err(TimeError::Expired {
                signed: self,
                earliest: Self::from_unix_seconds(earliest),
                now,
                span,
            });
        }
        let latest = now_seconds.saturating_add(WINDOW_SECONDS);
        if signed_seconds > latest {
            return Err(TimeError::NotYetCurrent {
                signed: self,
                latest: Self::from_unix_seconds(latest),
                now,
            });
        }
        Ok(())
    }
}

impl fmt::Display for SignedAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let iso = self.0.to_string();
        f.write_str(&iso.replace(['-', ':'], ""))
    }
}

/// Minutes where they are whole, as the service writes them, and else seconds.
struct Span(i64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 % 60 == 0 {
            write!(f, "{} min.", self.0 / 60)
        } else {
            write!(f, "{} s", self.0)
        }
    }
}
