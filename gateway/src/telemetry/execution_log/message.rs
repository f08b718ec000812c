//! The bounded text of one step.

use std::fmt;

/// Longest message, as the service cuts its own.
pub const MESSAGE_BYTES_MAX: usize = 1024;

/// What the end of a message says that was cut off.
const CUT: &str = "[TRUNCATED]";

/// A text that grows no longer than [`MESSAGE_BYTES_MAX`].
#[derive(Debug, Default)]
pub struct Message {
    text: String,
    is_cut: bool,
}

impl Message {
    /// Adds to the text as much as there is room for.
    pub fn push(&mut self, arguments: fmt::Arguments<'_>) {
        // What does not fit ends the writing, and what is shown may fail by itself: both are cut.
        if fmt::write(self, arguments).is_err() {
            self.is_cut = true;
        }
    }

    /// Adds `{name=value, name=value}`.
    pub fn pairs<N: fmt::Display, V: fmt::Display>(&mut self, pairs: impl Iterator<Item = (N, V)>) {
        self.push(format_args!("{{"));
        for (index, (name, value)) in pairs.enumerate() {
            if self.is_cut {
                return;
            }
            let comma = if index == 0 { "" } else { ", " };
            self.push(format_args!("{comma}{name}={value}"));
        }
        self.push(format_args!("}}"));
    }

    /// Adds what a body begins with, of which more may follow: text as it is, and of anything else
    /// that it is none.
    pub fn body(&mut self, start: &[u8]) {
        match std::str::from_utf8(start) {
            Ok(text) => self.push(format_args!("{text}")),
            // A character may have been cut in two.
            Err(error) if error.error_len().is_none() => {
                let whole = start.get(..error.valid_up_to()).unwrap_or_default();
                self.push(format_args!("{}", String::from_utf8_lossy(whole)));
            }
            Err(_binary) => self.push(format_args!("[binary data]")),
        }
    }

    /// The text, which says at its end if something was cut off.
    pub(super) fn finish(mut self) -> String {
        if self.is_cut {
            let end = MESSAGE_BYTES_MAX.saturating_sub(CUT.len());
            self.text.truncate(self.text.floor_char_boundary(end));
            self.text.push_str(CUT);
        }
        self.text
    }
}

impl fmt::Write for Message {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MESSAGE_BYTES_MAX.saturating_sub(self.text.len());
        let part = text.get(..text.floor_char_boundary(room));
        self.text.push_str(part.unwrap_or_default());
        if text.len() > room {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(fill: impl FnOnce(&mut Message)) -> String {
        let mut message = Message::default();
        fill(&mut message);
        message.finish()
    }

    #[test]
    fn a_message_is_cut_where_it_is_full() {
        let just = "x".repeat(MESSAGE_BYTES_MAX);
        assert_eq!(finished(|it| it.push(format_args!("{just}"))), just);
        for more in [format!("{just}x"), "\u{e9}".repeat(MESSAGE_BYTES_MAX)] {
            let text = finished(|it| it.push(format_args!("{more}")));
            assert!(text.ends_with(CUT) && text.len() <= MESSAGE_BYTES_MAX);
            assert!(more.starts_with(text.strip_suffix(CUT).unwrap()));
        }
        let many = finished(|it| it.pairs((0..100_000).map(|index| (index, index))));
        assert!(many.starts_with("{0=0, 1=1, ") && many.ends_with(CUT));
    }

    #[test]
    fn bodies_are_text_or_said_to_be_none() {
        assert_eq!(finished(|it| it.body(b"{\"a\": 1}")), "{\"a\": 1}");
        assert_eq!(
            finished(|it| it.body("a\u{e9}".get(..1).unwrap().as_bytes())),
            "a"
        );
        assert_eq!(finished(|it| it.body(&[b'a', 0xc3])), "a");
        assert_eq!(finished(|it| it.body(&[0x1f, 0x8b, 0x08])), "[binary data]");
    }
}
