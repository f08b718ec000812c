//! Limits per source, with those of their aggregates, and limits that many share.

use gateway_common::limit::{Limit, LimitError, Rate};

use super::Lowering;
use super::limit::Unit;
use crate::config::cursor::Cursor;
use crate::config::written;
use crate::model::{ListenerRate, SharedRate, SourceRate};

/// A source of a neighbourhood is one of sixteen that may use up what is theirs at once.
const AGGREGATE_SOURCES: u64 = 16;

/// What holds where nothing is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Default {
    /// Units per second.
    pub(super) rate: u64,
    /// Units at once.
    pub(super) burst: u64,
}

impl Lowering<'_> {
    /// A limit per source or `off`; `None` where it is off or was refused.
    pub(super) fn source_limit(
        &mut self,
        written: &written::SourceLimit,
        unit: Unit,
        at: &Cursor<'_>,
    ) -> Option<SourceRate> {
        match written {
            written::SourceLimit::Off(written::Off::Off) => None,
            written::SourceLimit::On(written) => self.source_rate(written, unit, at),
        }
    }

    /// What one listener has for a limit that all share.
    pub(super) fn listener_rate(
        &mut self,
        written: Option<&written::SourceLimit>,
        unit: Unit,
        at: &Cursor<'_>,
    ) -> ListenerRate {
        match written {
            None => ListenerRate::Shared,
            Some(limit) => self
                .source_limit(limit, unit, at)
                .map_or(ListenerRate::Off, ListenerRate::Own),
        }
    }

    /// A limit per source; `None` where it was refused.
    pub(super) fn source_rate(
        &mut self,
        written: &written::SourceRate,
        unit: Unit,
        at: &Cursor<'_>,
    ) -> Option<SourceRate> {
        let source = self.limit_of(written.rate.0, written.burst, unit, at);
        let aggregate = match &written.aggregate {
            Some(written) => {
                let at = at.key("aggregate");
                self.limit_of(written.rate.0, written.burst, unit, &at)
                    .map(|(_, limit)| limit)
            }
            None => source.and_then(|(rate, _)| {
                let limit = sixteen_times(rate, written.burst, unit);
                if limit.is_err() {
                    let message = "sixteen times this rate and burst cannot be kept: \
                                   write `aggregate` with its own";
                    self.error_at_key(at, message);
                }
                limit.ok()
            }),
        };
        let (rate, source) = source?;
        Some(SourceRate {
            source,
            aggregate: aggregate?,
            rate_micro_per_second: rate.micro_per_second,
            burst: written.burst,
        })
    }

    /// A limit per source with a default.
    pub(super) fn source_rate_or(
        &mut self,
        written: Option<&written::SourceRate>,
        default: Default,
        at: &Cursor<'_>,
    ) -> SourceRate {
        written
            .and_then(|written| self.source_rate(written, Unit::ONE, at))
            .unwrap_or_else(|| default.source_rate())
    }

    /// A limit that many share, with a default.
    pub(super) fn shared_rate_or(
        &mut self,
        written: Option<&written::Rate>,
        default: Default,
        at: &Cursor<'_>,
    ) -> SharedRate {
        written
            .and_then(|written| {
                let (rate, limit) = self.limit_of(written.rate.0, written.burst, Unit::ONE, at)?;
                Some(SharedRate {
                    limit,
                    rate_micro_per_second: rate.micro_per_second,
                    burst: written.burst,
                })
            })
            .unwrap_or_else(|| default.shared_rate())
    }
}

impl Default {
    pub(super) fn source_rate(self) -> SourceRate {
        let SharedRate {
            limit,
            rate_micro_per_second,
            burst,
        } = self.shared_rate();
        let aggregate = Self {
            rate: self.rate * AGGREGATE_SOURCES,
            burst: self.burst * AGGREGATE_SOURCES,
        };
        SourceRate {
            source: limit,
            aggregate: aggregate.shared_rate().limit,
            rate_micro_per_second,
            burst,
        }
    }

    fn shared_rate(self) -> SharedRate {
        let rate = Rate::per_second(self.rate);
        SharedRate {
            limit: Limit::new(rate, self.burst, 1)
                .expect("defaults lie between 1 and 400,000 per second, where every rate is exact"),
            rate_micro_per_second: rate.micro_per_second,
            burst: self.burst,
        }
    }
}

/// Sixteen times `rate` and `burst`, or the nearest limit below that can be kept.
fn sixteen_times(rate: Rate, burst: u64, unit: Unit) -> Result<Limit, LimitError> {
    let rate = Rate {
        micro_per_second: rate.micro_per_second.saturating_mul(AGGREGATE_SOURCES),
    };
    let burst = burst.saturating_mul(AGGREGATE_SOURCES);
    match Limit::new(rate, burst, unit.quantum) {
        Err(LimitError::RateInexact { below, .. }) => Limit::new(below, burst, unit.quantum),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_times_is_kept_even_where_it_is_not_exact() {
        assert!(Limit::new(Rate::per_second(16 * 200_000), 160, 1).is_err());
        assert!(sixteen_times(Rate::per_second(200_000), 10, Unit::ONE).is_ok());
        assert_eq!(
            sixteen_times(Rate::per_second(100), 1000, Unit::ONE),
            Limit::new(Rate::per_second(1600), 16_000, 1)
        );
        // Ten gigabits per second and source.
        assert!(sixteen_times(Rate::per_second(1_250_000_000), 1 << 20, Unit::BYTE).is_ok());
    }
}
