//! Whether the gateway is under attack, and who says so.
//!
//! The trip-wire decides, or whoever runs the gateway does: by hand it stays on or off until it is
//! handed back, also through a reload. A restart hands it back. One word tells the program.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::protocol::AttackMode;
use super::trip_wire::TripWire;
use crate::clock;
use crate::model::UnderAttack;
use crate::store::control::ControlWords;
use crate::telemetry::operator_log::explain;
use crate::xdp::{EdgeError, SynReader};

/// How often the counters are read: so long can the start of an attack go unnoticed.
const LOOK: Duration = Duration::from_millis(100);

/// The switch. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct AttackSwitch(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    control: ControlWords,
    syns: SynReader,
    state: Mutex<State>,
    attacks: AtomicU64,
}

#[derive(Debug)]
struct State {
    mode: AttackMode,
    wire: TripWire,
    last_second: u64,
    attack: Option<Attack>,
}

/// One attack, from its start on.
#[derive(Clone, Copy, Debug)]
struct Attack {
    since_ns: u64,
    /// Counted when it began.
    syns_before: u64,
    peak_per_second: u64,
}

impl AttackSwitch {
    /// For an edge under these rules. If the run before left it under attack, it stays so until
    /// `hold` has passed without another sign of one, or ends at once without a threshold.
    pub(super) fn new(control: ControlWords, syns: SynReader, rules: &UnderAttack) -> Self {
        let mut wire = TripWire::new(rules);
        if control.is_under_attack() {
            wire.trip(clock::monotonic_ns());
        }
        Self(Arc::new(Inner {
            control,
            syns,
            state: Mutex::new(State {
                mode: AttackMode::Auto,
                wire,
                last_second: 0,
                attack: None,
            }),
            attacks: AtomicU64::new(0),
        }))
    }

    /// Looks at the counters until dropped.
    pub(super) async fn watch(self) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_blind = false;
        loop {
            look.tick().await;
            let outcome = self.look();
            match &outcome {
                Err(error) if !is_blind => tracing::error!(
                    error = explain(error),
                    "new connections cannot be counted: the trip-wire sees no attack"
                ),
                Ok(()) | Err(_) => {}
            }
            is_blind = outcome.is_err();
        }
    }

    /// Puts the rules of a reload in force.
    pub(super) fn follow(&self, rules: &UnderAttack) {
        self.state().wire.follow(rules);
    }

    /// Says who decides, from now on, and what that means.
    ///
    /// # Errors
    /// The counters cannot be read; what an operator says holds all the same.
    pub(super) fn set(&self, mode: AttackMode) -> Result<String, EdgeError> {
        let threshold = {
            let mut state = self.state();
            state.mode = mode;
            state.wire.threshold()
        };
        match mode {
            AttackMode::On => self.0.control.set_under_attack(true),
            AttackMode::Off => self.0.control.set_under_attack(false),
            AttackMode::Auto => {}
        }
        self.look()?;
        Ok(match (mode, threshold) {
            (AttackMode::On, _) => "under attack until `gateway attack off` or `gateway attack \
                                    auto`: sources not vouched for share the newcomers' budget"
                .to_owned(),
            (AttackMode::Off, _) => {
                "not under attack, whatever the trip-wire says, until `gateway \
                                     attack on` or `gateway attack auto`"
                    .to_owned()
            }
            (AttackMode::Auto, Some(threshold)) => {
                format!("the trip-wire decides: {threshold} new connections within one second")
            }
            (AttackMode::Auto, None) => NO_THRESHOLD.to_owned(),
        })
    }

    /// What is the case now, for people.
    ///
    /// # Errors
    /// The counters cannot be read.
    pub(super) fn status(&self) -> Result<String, EdgeError> {
        self.look()?;
        let now_ns = clock::monotonic_ns();
        let state = self.state();
        Ok(state.describe(now_ns))
    }

    /// Attacks that began since the start.
    pub(super) fn attacks(&self) -> u64 {
        self.0.attacks.load(Ordering::Relaxed)
    }

    /// One look at the counters, and what follows from it.
    fn look(&self) -> Result<(), EdgeError> {
        let mut state = self.state();
        // Read under the lock, so that readings are in the order of their moments.
        let syns = self.0.syns.read()?;
        let change = state.observe(clock::monotonic_ns(), syns);
        let is_under_attack = state.attack.is_some();
        if self.0.control.is_under_attack() != is_under_attack {
            self.0.control.set_under_attack(is_under_attack);
        }
        drop(state);
        if let Some(Change::Began { .. }) = change {
            self.0.attacks.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(change) = change {
            change.log();
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every step leaves the state usable.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What `auto` means where no threshold is configured.
const NO_THRESHOLD: &str = "not under attack until `gateway attack on`: no threshold is configured \
                            (`xdp.under_attack.syns_per_second`)";

/// An attack began or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Began {
        by_hand: bool,
        last_second: u64,
    },
    Ended {
        by_hand: bool,
        lasted: Duration,
        syns: u64,
        peak_per_second: u64,
    },
}

impl Change {
    fn log(self) {
        match self {
            Self::Began {
                by_hand,
                last_second,
            } => tracing::warn!(
                by_hand,
                new_connections_in_last_second = last_second,
                "under attack: sources not vouched for share the newcomers' budget"
            ),
            Self::Ended {
                by_hand,
                lasted,
                syns,
                peak_per_second,
            } => tracing::warn!(
                by_hand,
                seconds = lasted.as_secs(),
                new_connections = syns,
                most_in_one_second = peak_per_second,
                "no longer under attack"
            ),
        }
    }
}

impl State {
    fn observe(&mut self, now_ns: u64, syns: u64) -> Option<Change> {
        self.last_second = self.wire.observe(now_ns, syns);
        let wanted = match self.mode {
            AttackMode::On => true,
            AttackMode::Off => false,
            AttackMode::Auto => self.wire.is_tripped(now_ns),
        };
        let by_hand = self.mode != AttackMode::Auto;
        match (&mut self.attack, wanted) {
            (None, false) => None,
            (None, true) => {
                self.attack = Some(Attack {
                    since_ns: now_ns,
                    syns_before: syns,
                    peak_per_second: self.last_second,
                });
                Some(Change::Began {
                    by_hand,
                    last_second: self.last_second,
                })
            }
            (Some(attack), true) => {
                attack.peak_per_second = attack.peak_per_second.max(self.last_second);
                None
            }
            (Some(attack), false) => {
                let ended = Change::Ended {
                    by_hand,
                    lasted: attack.lasted(now_ns),
                    syns: syns.saturating_sub(attack.syns_before),
                    peak_per_second: attack.peak_per_second,
                };
                self.attack = None;
                Some(ended)
            }
        }
    }

    fn describe(&self, now_ns: u64) -> String {
        let attack = self.attack.map_or_else(
            || "not under attack".to_owned(),
            |attack| {
                let seconds = attack.lasted(now_ns).as_secs();
                let peak = attack.peak_per_second;
                format!("under attack for {seconds} s, at most {peak} new connections in a second")
            },
        );
        let threshold = self
            .wire
            .threshold()
            .map_or_else(|| "off".to_owned(), |threshold| threshold.to_string());
        let held = self.wire.held_for(now_ns).map_or_else(String::new, |left| {
            format!(", tripped for {} s more", left.as_secs() + 1)
        });
        format!(
            "{attack}\ndecided by: {}\nnew connections in the last second: {}\nthreshold: \
             {threshold}{held}",
            self.mode, self.last_second
        )
    }
}

impl Attack {
    const fn lasted(&self, now_ns: u64) -> Duration {
        Duration::from_nanos(now_ns.saturating_sub(self.since_ns))
    }
}

impl fmt::Display for AttackMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "hand (on)",
            Self::Off => "hand (off)",
            Self::Auto => "the trip-wire (auto)",
        })
    }
}

#[cfg(test)]
mod tests {
    use gateway_common::limit::Limit;

    use super::*;
    use crate::model::SharedRate;

    const SECOND: u64 = 1_000_000_000;

    fn state(threshold: u32) -> State {
        let rate = SharedRate {
            limit: Limit::OFF,
            rate_micro_per_second: 0,
            burst: 0,
        };
        let rules = UnderAttack {
            syns_per_second: Some(threshold),
            hold: Duration::from_secs(5),
            newcomer_connections: rate,
            newcomer_packets: rate,
            vouch_for: Duration::ZERO,
            syn_cookies: false,
        };
        State {
            mode: AttackMode::Auto,
            wire: TripWire::new(&rules),
            last_second: 0,
            attack: None,
        }
    }

    #[test]
    fn an_attack_is_told_with_its_figures() {
        let mut state = state(100);
        assert_eq!(state.observe(0, 1_000), None);
        let began = Change::Began {
            by_hand: false,
            last_second: 100,
        };
        assert_eq!(state.observe(SECOND, 1_100), Some(began));
        assert_eq!(state.observe(2 * SECOND, 1_400), None);
        let text = state.describe(2 * SECOND);
        assert_eq!(
            text,
            "under attack for 1 s, at most 300 new connections in a second\n\
             decided by: the trip-wire (auto)\nnew connections in the last second: 300\n\
             threshold: 100, tripped for 6 s more"
        );
        assert_eq!(state.observe(6 * SECOND, 1_401), None);
        let ended = Change::Ended {
            by_hand: false,
            lasted: Duration::from_secs(6),
            syns: 302,
            peak_per_second: 300,
        };
        assert_eq!(state.observe(7 * SECOND, 1_402), Some(ended));
        assert_eq!(state.observe(8 * SECOND, 1_403), None);
    }

    #[test]
    fn a_hand_outdoes_the_wire_until_it_is_handed_back() {
        let mut state = state(100);
        state.mode = AttackMode::On;
        let on = state.observe(0, 0);
        assert!(matches!(on, Some(Change::Began { by_hand: true, .. })));
        state.mode = AttackMode::Off;
        let off = state.observe(SECOND, 1_000);
        assert!(matches!(off, Some(Change::Ended { by_hand: true, .. })));
        assert_eq!(state.observe(2 * SECOND, 2_000), None);
        // The wire has tripped meanwhile.
        state.mode = AttackMode::Auto;
        let auto = state.observe(3 * SECOND, 2_000);
        assert!(matches!(auto, Some(Change::Began { by_hand: false, .. })));
    }
}
