//! What the keys mean.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Quit,
    Help,
    Pause,
    NextPanel,
    PreviousPanel,
    NextTable,
    NextSort,
    Reverse,
    Up(usize),
    Down(usize),
    First,
    Last,
    /// Start to type a filter.
    Filter,
    /// One more character of it.
    Type(char),
    /// One less.
    Erase,
    /// It is as it should be.
    Accept,
    /// Close what is open, or take the filter away.
    Escape,
}

/// Rows that a page key moves.
const PAGE: usize = 10;

/// Keys and what they do, for the help.
pub(super) const HELP: [(&str, &str); 11] = [
    ("q, Ctrl-C", "leave"),
    ("?, h", "this help"),
    ("p, space", "pause and go on"),
    ("Tab, Shift-Tab", "next and previous panel"),
    ("t", "what the first panel shows: reasons, listeners, lists"),
    ("s", "sort the panel by its next column"),
    ("r", "turn its order round"),
    ("/", "show only rows of it that contain what is typed"),
    ("Esc", "take the filter away"),
    ("arrows, j, k, PgUp, PgDn", "scroll"),
    ("Home, End", "first and last row"),
];

/// What a key asks for; `is_typing` while a filter is being typed.
pub(super) fn action(key: KeyEvent, is_typing: bool) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    if is_control {
        return (key.code == KeyCode::Char('c')).then_some(Action::Quit);
    }
    if is_typing {
        return match key.code {
            KeyCode::Char(character) => Some(Action::Type(character)),
            KeyCode::Backspace => Some(Action::Erase),
            KeyCode::Enter => Some(Action::Accept),
            KeyCode::Esc => Some(Action::Escape),
            _ => None,
        };
    }
    match key.code {
        KeyCode::Char('q') => Some(Action::Quit),
        KeyCode::Char('?' | 'h') => Some(Action::Help),
        KeyCode::Char('p' | ' ') => Some(Action::Pause),
        KeyCode::Tab => Some(Action::NextPanel),
        KeyCode::BackTab => Some(Action::PreviousPanel),
        KeyCode::Char('t') => Some(Action::NextTable),
        KeyCode::Char('s') => Some(Action::NextSort),
        KeyCode::Char('r') => Some(Action::Reverse),
        KeyCode::Char('/') => Some(Action::Filter),
        KeyCode::Esc => Some(Action::Escape),
        KeyCode::Up | KeyCode::Char('k') => Some(Action::Up(1)),
        KeyCode::Down | KeyCode::Char('j') => Some(Action::Down(1)),
        KeyCode::PageUp => Some(Action::Up(PAGE)),
        KeyCode::PageDown => Some(Action::Down(PAGE)),
        KeyCode::Home => Some(Action::First),
        KeyCode::End => Some(Action::Last),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_typed_into_a_filter_and_commands_otherwise() {
        let key = |code| KeyEvent::new(code, KeyModifiers::NONE);
        for (code, command, typed) in [
            (
                KeyCode::Char('q'),
                Some(Action::Quit),
                Some(Action::Type('q')),
            ),
            (
                KeyCode::Char(' '),
                Some(Action::Pause),
                Some(Action::Type(' ')),
            ),
            (KeyCode::Char('x'), None, Some(Action::Type('x'))),
            (KeyCode::Esc, Some(Action::Escape), Some(Action::Escape)),
            (KeyCode::Backspace, None, Some(Action::Erase)),
            (KeyCode::Enter, None, Some(Action::Accept)),
            (KeyCode::Tab, Some(Action::NextPanel), None),
        ] {
            assert_eq!(action(key(code), false), command, "{code:?}");
            assert_eq!(action(key(code), true), typed, "{code:?}");
        }
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(action(interrupt, false), Some(Action::Quit));
        assert_eq!(action(interrupt, true), Some(Action::Quit));
    }
}
