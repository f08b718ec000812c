use gateway_common::reason::{Family, Reason, Verdict};

use super::super::rows::tests::{sample, verdict};
use super::*;

const SECOND: u64 = 1_000_000_000;

fn counted(at_ns: u64, counts: &[(Reason, u64)]) -> Sample {
    let mut sample = sample(at_ns);
    sample.counted.verdicts = counts
        .iter()
        .map(|(reason, packets)| verdict(Verdict::Drop, *reason, Family::Ipv4, *packets))
        .collect();
    sample
}

fn state() -> State {
    let mut state = State::new(sample(SECOND));
    let counts = [
        (Reason::Malformed, 5),
        (Reason::Denied, 30),
        (Reason::PacketRate, 20),
    ];
    state.show(counted(2 * SECOND, &counts));
    state
}

fn names(state: &State) -> Vec<&str> {
    let rows = state.traffic().into_iter();
    rows.map(|row| row.name.as_str()).collect()
}

#[track_caller]
fn press(state: &mut State, actions: &[Action]) {
    for action in actions {
        assert_eq!(state.act(*action), Flow::Continue);
    }
}

#[test]
fn rows_are_sorted_by_the_chosen_column_either_way() {
    let mut state = state();
    assert_eq!(names(&state), ["denied", "packet_rate", "malformed"]);
    press(&mut state, &[Action::Reverse]);
    assert_eq!(names(&state), ["malformed", "packet_rate", "denied"]);
    press(&mut state, &[Action::Reverse, Action::NextSort]);
    press(&mut state, &[Action::NextSort, Action::NextSort]);
    assert_eq!(names(&state), ["denied", "malformed", "packet_rate"]);
    press(&mut state, &[Action::NextSort]);
    assert_eq!(state.view(Panel::Traffic).sort, 0, "round again");
}

#[test]
fn a_filter_is_typed_corrected_kept_and_taken_away() {
    let mut state = state();
    press(
        &mut state,
        &[Action::Filter, Action::Type('R'), Action::Type('a')],
    );
    assert!(state.is_typing);
    assert_eq!(names(&state), ["packet_rate"], "letters of either case");
    press(
        &mut state,
        &[
            Action::Erase,
            Action::Erase,
            Action::Type('e'),
            Action::Accept,
        ],
    );
    assert!(!state.is_typing);
    assert_eq!(names(&state), ["denied", "packet_rate", "malformed"]);
    press(&mut state, &[Action::Filter, Action::Type('z')]);
    assert!(names(&state).is_empty());
    press(&mut state, &[Action::Down(3), Action::Last, Action::Escape]);
    assert_eq!(names(&state).len(), 3);
    for _ in 0..2 * FILTER_MAX {
        press(&mut state, &[Action::Type('x')]);
    }
    assert_eq!(state.view(Panel::Traffic).filter.len(), FILTER_MAX);
}

#[test]
fn keys_speak_of_the_panel_in_focus() {
    let mut state = state();
    press(
        &mut state,
        &[Action::NextPanel, Action::NextSort, Action::Type('x')],
    );
    assert_eq!(state.focus, Panel::Sources);
    assert_eq!(state.view(Panel::Sources).sort, 1);
    assert_eq!(state.view(Panel::Sources).filter, "x");
    assert_eq!(*state.view(Panel::Traffic), View::default());
    press(&mut state, &[Action::NextPanel, Action::NextPanel]);
    assert_eq!(state.focus, Panel::Traffic);
    press(&mut state, &[Action::PreviousPanel]);
    assert_eq!(state.focus, Panel::Keys);
    press(&mut state, &[Action::NextTable]);
    assert_eq!(
        (state.focus, state.table),
        (Panel::Traffic, Table::Listeners)
    );
    press(&mut state, &[Action::NextTable, Action::NextTable]);
    assert_eq!(state.table, Table::Reasons);
}

#[test]
fn scrolling_stays_within_the_rows() {
    let mut state = state();
    press(&mut state, &[Action::Down(1)]);
    assert_eq!(state.view(Panel::Traffic).offset, 1);
    press(&mut state, &[Action::Down(10)]);
    assert_eq!(state.view(Panel::Traffic).offset, 2);
    press(&mut state, &[Action::Up(1)]);
    assert_eq!(state.view(Panel::Traffic).offset, 1);
    press(&mut state, &[Action::Up(10)]);
    assert_eq!(state.view(Panel::Traffic).offset, 0);
    press(&mut state, &[Action::Last]);
    assert_eq!(state.view(Panel::Traffic).offset, 2);
    press(&mut state, &[Action::First]);
    assert_eq!(state.view(Panel::Traffic).offset, 0);
}

#[test]
fn a_pause_freezes_what_is_shown_and_rates_go_on_from_there() {
    let mut state = state();
    press(&mut state, &[Action::Pause]);
    state.show(counted(3 * SECOND, &[(Reason::Denied, 5_000)]));
    assert_eq!(state.traffic()[0].total.packets, 30);
    press(&mut state, &[Action::Pause]);
    state.show(counted(4 * SECOND, &[(Reason::Denied, 5_030)]));
    assert_eq!(
        state.traffic()[0].packets_per_second,
        2_500,
        "over both seconds"
    );
}

#[test]
fn history_is_bounded_and_ends_with_its_row() {
    let mut state = state();
    let denied = |state: &State| {
        let row = state.traffic()[0].clone();
        state.history(&row).collect::<Vec<_>>()
    };
    assert_eq!(denied(&state), [30]);
    for step in 0..2 * HISTORY as u64 {
        let counts = [(Reason::Denied, 30 + step * step)];
        state.show(counted((3 + step) * SECOND, &counts));
    }
    let rates = denied(&state);
    assert_eq!(rates.len(), HISTORY);
    assert_eq!(rates.last(), Some(&(2 * (2 * HISTORY as u64 - 1) - 1)));
    assert_eq!(state.history.len(), 1, "the other rows are gone");
    state.show(counted(1_000 * SECOND, &[]));
    assert!(state.history.is_empty());
}

#[test]
fn help_opens_and_closes_and_trouble_is_said_until_there_is_a_sample() {
    let mut state = state();
    press(&mut state, &[Action::Help]);
    assert!(state.shows_help);
    press(&mut state, &[Action::Escape]);
    assert!(!state.shows_help);
    state.fail("no maps".to_owned());
    assert_eq!(state.trouble.as_deref(), Some("no maps"));
    state.show(sample(9 * SECOND));
    assert_eq!(state.trouble, None);
    assert_eq!(state.act(Action::Quit), Flow::Quit);
}
