//! Deployments: definitions that were frozen, and which of them a stage serves.
//!
//! Source: Amazon API Gateway Developer Guide, "Deploy REST APIs in API Gateway" and "Set up an API
//! Gateway canary release deployment" (14.1 and 14.3 of docs/semantics.md).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{ApiId, ApiKind, ApiName, StageName};

/// Number of a deployment, unique within its API and never used again; the first is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeploymentNumber(pub u32);

impl fmt::Display for DeploymentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An API as its file describes it.
#[derive(Clone, Debug)]
pub struct Described {
    /// Its name.
    pub name: ApiName,
    /// Its id.
    pub id: ApiId,
    /// What kind it is.
    pub kind: ApiKind,
    /// What it does, in the native form: all that a deployment freezes, and nothing else.
    pub text: Arc<str>,
    /// What the text says, in one order and spelling: equal for texts that say the same.
    pub meaning: Arc<str>,
    /// Its stages.
    pub stages: Vec<DescribedStage>,
}

/// A stage as its file describes it.
#[derive(Clone, Debug)]
pub struct DescribedStage {
    /// Its name.
    pub name: StageName,
    /// Whether it serves what the file says as soon as that changes.
    pub auto_deploy: bool,
    /// Its variables.
    pub variables: BTreeMap<String, String>,
}

/// What stages serve, by API and stage. A stage that is not among them serves what the file says.
pub type Placements = BTreeMap<(ApiName, StageName), Placement>;

/// What one stage serves.
#[derive(Clone, Debug)]
pub struct Placement {
    /// What it serves to everybody.
    pub base: Serving,
    /// Variables that a promoted canary brought along; they win over those of the file.
    pub promoted: BTreeMap<String, String>,
    /// What it tries on a share of its requests.
    pub canary: Option<CanaryPlacement>,
}

/// A deployment that serves.
#[derive(Clone, Debug)]
pub struct Serving {
    /// Its number.
    pub number: DeploymentNumber,
    /// What it froze; `None` where that is what the file says.
    pub text: Option<Arc<str>>,
}

/// What one stage tries on a share of its requests.
#[derive(Clone, Debug)]
pub struct CanaryPlacement {
    /// What it is.
    pub serving: Serving,
    /// How many requests get it.
    pub share: Share,
    /// Variables that win over those of the stage.
    pub overrides: BTreeMap<String, String>,
}

/// A share of requests: 0 to 100 percent in steps of a millionth of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    millionths: u32,
}

/// Why a text is no share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a percentage: write 0 to 100 with at most four decimals, such as `2.5`")]
pub struct ShareError(String);

impl Share {
    /// Every request.
    const ALL: u32 = 1_000_000;

    /// Whether the share includes a request with this draw: uniform over all values of `u64`.
    #[must_use]
    pub fn includes(self, draw: u64) -> bool {
        // The upper part of the product is the draw scaled to 0..ALL.
        (u128::from(draw) * u128::from(Self::ALL)) >> 64 < u128::from(self.millionths)
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        const DECIMALS: usize = 4;
        let refused = || ShareError(text.escape_debug().take(40).collect());
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || decimals.len() > DECIMALS || whole.len() > 3 {
            return Err(refused());
        }
        let scaled: u32 = format!("{whole}{decimals:0<DECIMALS$}")
            .parse()
            .map_err(|_too_large| refused())?;
        if scaled > Self::ALL {
            return Err(refused());
        }
        Ok(Self { millionths: scaled })
    }
}

/// In percent, such as `2.5`.
impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, decimals) = (self.millionths / 10_000, self.millionths % 10_000);
        if decimals == 0 {
            return whole.fmt(f);
        }
        let decimals = format!("{decimals:04}");
        write!(f, "{whole}.{}", decimals.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_written_in_percent() {
        for text in ["0", "0.0001", "2.5", "10", "99.9999", "100"] {
            let share: Share = text.parse().unwrap();
            assert_eq!(share.to_string(), text);
        }
        let same: Share = "7.0".parse().unwrap();
        assert_eq!(same.to_string(), "7");
        for text in [
            "", "-1", "100.0001", "101", "1.00001", ".5", "5.", "1e1", "+1", "1000",
        ] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_share_includes_its_part_of_all_draws() {
        let share = |text: &str| text.parse::<Share>().unwrap();
        for draw in [0, 1, u64::MAX / 2, u64::MAX] {
            assert!(!share("0").includes(draw));
            assert!(share("100").includes(draw));
        }
        let half = share("50");
        assert!(half.includes(u64::MAX / 2 - 1));
        assert!(!half.includes(u64::MAX / 2 + 1_000_000));
        let smallest = share("0.0001");
        assert!(smallest.includes(0));
        assert!(!smallest.includes(u64::MAX / 1_000_000 + 1));
    }
}
