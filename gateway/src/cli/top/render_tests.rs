use gateway_common::address::{Address, Class, KIND_CONNECTIONS};
use gateway_common::limit::{Limit, Rate};
use gateway_common::reason::{Family, Reason};
use gateway_common::slot::PlainSlot;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::super::keys::Action;
use super::super::rows::tests::{sample, verdict};
use super::*;
use crate::cli::source::CarryingInterface;
use crate::daemon::penalties::PenaltyReport;
use crate::store::bucket::OwingBucket;
use crate::xdp::stats::{ClassLimit, Posture};

const SECOND: u64 = 1_000_000_000;

/// Two seconds in which something of everything happened.
fn state() -> State {
    let limit = Limit::new(Rate::per_second(100), 1_000, 1).unwrap();
    let class = Class::new(KIND_CONNECTIONS, 0, 7);
    let mut now = sample(11 * SECOND);
    now.attachments = vec![CarryingInterface {
        interface: "eth0".to_owned(),
        mode: "native",
    }];
    now.counted.verdicts = vec![
        verdict(Verdict::Pass, Reason::Admitted, Family::Ipv4, 1_239),
        verdict(Verdict::Drop, Reason::Denied, Family::Ipv6, 20),
    ];
    now.counted.posture = Some(Posture {
        is_under_attack: false,
        flow_rows: 3,
    });
    now.counted.slots = vec![PlainSlot {
        tag: 7,
        admitted: 40,
        rejected: 2,
        tat: 16 * SECOND,
        multiplier: limit.multiplier,
        tolerance_ns: limit.tolerance_ns,
        shift: u64::from(limit.shift),
        shed: 0,
    }];
    now.debts.limits = vec![ClassLimit { class, limit }];
    now.debts.sources = vec![OwingBucket {
        tag: Address::v4(0x0a00_0001).tag(&class),
        tat: 20 * SECOND + SECOND / 2,
    }];
    let mut state = State::new(sample(10 * SECOND));
    state.show(now);
    state
}

/// What is on a screen of this size, line by line.
fn drawn(state: &State, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| render(frame, state)).unwrap();
    let buffer = terminal.backend().buffer();
    let cells: Vec<&str> = buffer.content().iter().map(|cell| cell.symbol()).collect();
    let lines: Vec<String> = cells
        .chunks(usize::from(width))
        .map(|line| line.concat().trim_end().to_owned())
        .collect();
    lines.join("\n")
}

/// A line with these words in this order.
#[track_caller]
fn has(screen: &str, words: &str) {
    let squeezed = |line: &str| {
        let words = line.split(|c: char| c.is_whitespace() || c == '│');
        words
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert!(
        screen.lines().any(|line| squeezed(line).contains(words)),
        "`{words}` is not in\n{screen}"
    );
}

#[test]
fn everything_has_its_place_on_wide_and_on_narrow_screens() {
    for (width, height) in [(120, 40), (160, 60), (80, 24)] {
        let screen = drawn(&state(), width, height);
        has(&screen, "gateway blue eth0 native calm 3 flows penalised");
        has(
            &screen,
            "pass 1.23k/s drop 20/s transmit 0/s would_drop 0/s 125kB/s",
        );
        has(&screen, "reasons 2, by packets/s");
        has(&screen, "pass admitted 1.23k 123k 1.23k 123k");
        has(&screen, "drop denied 20 2.00k 20 2.00k");
        has(&screen, "10.0.0.1 connections 95% 9.5s <1.05k");
        has(&screen, "slot #000000000");
        has(&screen, "40 2 50% 5.0s");
        has(&screen, "? help Tab panel");
    }
}

#[test]
fn no_size_of_the_screen_is_too_small() {
    let mut state = state();
    for _ in 0..2 {
        for width in [1, 2, 10, 40, 109, 110, 111] {
            for height in [1, 2, 3, 5, 8, 13] {
                assert_eq!(drawn(&state, width, height).lines().count() > 0, height > 0);
            }
        }
        state.act(Action::Help);
    }
}

#[test]
fn the_state_of_things_is_said() {
    let mut state = state();
    state.sample.counted.posture = Some(Posture {
        is_under_attack: true,
        flow_rows: 0,
    });
    state.act(Action::Pause);
    let screen = drawn(&state, 120, 40);
    has(&screen, "UNDER ATTACK 0 flows penalised PAUSED");
    state.fail("no maps are pinned".to_owned());
    has(&drawn(&state, 120, 40), "no maps are pinned");
    state.act(Action::NextPanel);
    state.act(Action::Filter);
    state.act(Action::Type('9'));
    let screen = drawn(&state, 120, 40);
    has(&screen, "show only: 9_ Enter keep Esc all");
    has(&screen, "sources in debt 0, by fill, with `9`");
    state.act(Action::Accept);
    state.act(Action::Help);
    has(&drawn(&state, 120, 40), "q, Ctrl-C leave");
    state.sample.counted.posture = None;
    state.sample.origin = Origin::File;
    state.act(Action::Help);
    has(
        &drawn(&state, 120, 40),
        "gateway blue no kernel edge: connections counted at accept",
    );
}

#[test]
fn who_is_penalised_has_a_panel_while_there_is_anybody() {
    let mut state = state();
    state.act(Action::NextPanel);
    has(&drawn(&state, 120, 40), "sources in debt 1, by fill");
    assert!(!drawn(&state, 120, 40).contains("penalties"));
    let penalty = |source: &str, step: &str, left_seconds| PenaltyReport {
        source: source.parse().unwrap(),
        key: Some(format!("caller {step}")),
        step: step.to_owned(),
        left_seconds,
    };
    let penalties = &mut state.sample.penalties;
    penalties.penalties = vec![
        penalty("192.0.2.1", "slowed", 2),
        penalty("192.0.2.2", "cut", 9),
    ];
    penalties.counts.enforced = [("cut".to_owned(), 4), ("held".to_owned(), 0)].into();
    for (width, height) in [(120, 40), (160, 60), (80, 30)] {
        let screen = drawn(&state, width, height);
        has(&screen, "3 flows penalised cut 4");
        has(&screen, "penalties 2, by owes");
        has(&screen, "192.0.2.2 cut 9.0s caller cut");
        has(&screen, "192.0.2.1 slowed 2.0s caller slowed");
    }
    state.act(Action::PreviousPanel);
    state.act(Action::Type('x'));
    assert_eq!(state.penalties().len(), 0);
    state.act(Action::Escape);
    state.act(Action::NextSort);
    assert_eq!(state.penalties()[0].step, "cut");
    state.act(Action::NextSort);
    assert_eq!(state.penalties()[0].step, "slowed");
}
