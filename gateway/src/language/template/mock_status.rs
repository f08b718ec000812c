//! The document that a mock integration's template renders: which status to answer.
//!
//! It is JSON, read leniently as Amazon API Gateway does: names need no quotes, and a comma may
//! stand behind the last entry. Everything but `statusCode` is skipped.

use super::TEMPLATE_BYTES_MAX;

/// Depth of a document, deeper ones are refused.
pub const DEPTH_MAX: usize = 64;

/// Why there is no status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MockStatusError {
    /// Not even leniently JSON, at this byte.
    #[error("the document is broken at byte {0}")]
    Broken(usize),
    /// Deeper than [`DEPTH_MAX`].
    #[error("the document is nested deeper than {DEPTH_MAX}")]
    TooDeep,
    /// Longer than [`TEMPLATE_BYTES_MAX`].
    #[error("the document has {0} bytes, more than {TEMPLATE_BYTES_MAX}")]
    TooLong(usize),
    /// No object, or one without `statusCode`.
    #[error("the document has no `statusCode`")]
    Missing,
    /// No integer that a status could be.
    #[error("`statusCode` is no integer from 100 to 999")]
    NoStatus,
}

/// The status that the document asks for. Of several the last one counts.
///
/// # Errors
/// See [`MockStatusError`].
pub fn mock_status(text: &str) -> Result<u16, MockStatusError> {
    if text.len() > TEMPLATE_BYTES_MAX {
        return Err(MockStatusError::TooLong(text.len()));
    }
    let mut reader = Reader { text, at: 0 };
    reader.skip_space();
    if reader.peek() != Some(b'{') {
        reader.value(0)?;
        reader.end()?;
        return Err(MockStatusError::Missing);
    }
    let status = reader.object(0)?;
    reader.end()?;
    let number = status.ok_or(MockStatusError::Missing)?;
    let plain = number.bytes().all(|byte| byte.is_ascii_digit());
    let status = number
        .parse()
        .ok()
        .filter(|status| plain && (100..=999).contains(status));
    status.ok_or(MockStatusError::NoStatus)
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    fn skip_while(&mut self, is_skipped: impl Fn(u8) -> bool) -> &'t str {
        let from = self.at;
        while self.peek().is_some_and(&is_skipped) {
            self.at += 1;
        }
        self.text.get(from..self.at).unwrap_or_default()
    }

    /// Takes `byte` and the white space behind it.
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
            self.skip_space();
        }
        found
    }

    const fn broken(&self) -> MockStatusError {
        MockStatusError::Broken(self.at)
    }

    fn end(&self) -> Result<(), MockStatusError> {
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(self.broken())
        }
    }

    /// Skips a value and returns its text.
    fn value(&mut self, depth: usize) -> Result<&'t str, MockStatusError> {
        let from = self.at;
        match self.peek() {
            Some(b'{') => self.object(depth).map(|_status| ())?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => self.string().map(|_text| ())?,
            Some(_) => self.word()?,
            None => return Err(self.broken()),
        }
        let value = self.text.get(from..self.at).unwrap_or_default();
        self.skip_space();
        Ok(value.trim_end())
    }

    /// Skips an object and returns the text of its `statusCode`.
    fn object(&mut self, depth: usize) -> Result<Option<&'t str>, MockStatusError> {
        self.open(depth, b'{')?;
        let mut status = None;
        while !self.take(b'}') {
            let name = self.name()?;
            self.skip_space();
            if !self.take(b':') {
                return Err(self.broken());
            }
            let value = self.value(depth + 1)?;
            if name == "statusCode" {
                status = Some(value);
            }
            if !self.take(b',') && self.peek() != Some(b'}') {
                return Err(self.broken());
            }
        }
        Ok(status)
    }

    fn array(&mut self, depth: usize) -> Result<(), MockStatusError> {
        self.open(depth, b'[')?;
        while !self.take(b']') {
            self.value(depth + 1)?;
            if !self.take(b',') && self.peek() != Some(b']') {
                return Err(self.broken());
            }
        }
        Ok(())
    }

    fn open(&mut self, depth: usize, byte: u8) -> Result<(), MockStatusError> {
        if depth >= DEPTH_MAX {
            return Err(MockStatusError::TooDeep);
        }
        if self.take(byte) {
            Ok(())
        } else {
            Err(self.broken())
        }
    }

    fn name(&mut self) -> Result<&'t str, MockStatusError> {
        if self.peek() == Some(b'"') {
            return self.string();
        }
        let name = self
            .skip_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'-'));
        if name.is_empty() {
            Err(self.broken())
        } else {
            Ok(name)
        }
    }

    /// Skips a string and returns what stands between its quotes.
    fn string(&mut self) -> Result<&'t str, MockStatusError> {
        self.at += 1;
        let from = self.at;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err(self.broken()),
            }
        }
        let inner = self.text.get(from..self.at).unwrap_or_default();
        self.at += 1;
        Ok(inner)
    }

    /// Skips a number, `true`, `false` or `null`.
    fn word(&mut self) -> Result<(), MockStatusError> {
        let from = self.at;
        let word = self
            .skip_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
        let is_number = serde_json::from_str::<serde_json::Number>(word).is_ok();
        if is_number || matches!(word, "true" | "false" | "null") {
            return Ok(());
        }
        self.at = from;
        Err(self.broken())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use MockStatusError::{Broken, Missing, NoStatus, TooDeep};

    #[test]
    fn documents_are_read_leniently() {
        for (text, expected) in [
            (r#"{"statusCode": 200}"#, Ok(200)),
            ("{statusCode: 200}", Ok(200)),
            ("{statusCode:404,}", Ok(404)),
            (
                " \r\n{ \"statusCode\" : 302 , \"a\" : [1, 2,], }\n",
                Ok(302),
            ),
            (r#"{"a":{"statusCode":500},"statusCode":201}"#, Ok(201)),
            (r#"{"statusCode":200,"statusCode":500}"#, Ok(500)),
            (
                r#"{"a":"}\"","b":null,"c":true,"d":-1.5e3,statusCode:299}"#,
                Ok(299),
            ),
            (r#"{"statusCode":"200"}"#, Err(NoStatus)),
            (r#"{"statusCode":200.0}"#, Err(NoStatus)),
            (r#"{"statusCode":-200}"#, Err(NoStatus)),
            (r#"{"statusCode":2e2}"#, Err(NoStatus)),
            (r#"{"statusCode":99}"#, Err(NoStatus)),
            (r#"{"statusCode":1000}"#, Err(NoStatus)),
            (r#"{"statusCode":null}"#, Err(NoStatus)),
            (r#"{"statusCode":{}}"#, Err(NoStatus)),
            ("{}", Err(Missing)),
            (r#"{"StatusCode":200}"#, Err(Missing)),
            (r#"{"a":{"statusCode":500}}"#, Err(Missing)),
            ("200", Err(Missing)),
            ("[]", Err(Missing)),
            ("", Err(Broken(0))),
            ("OK", Err(Broken(0))),
            ("{'statusCode': 200}", Err(Broken(1))),
            ("{statusCode 200}", Err(Broken(12))),
            ("{statusCode: 200", Err(Broken(16))),
            ("{statusCode: 200} x", Err(Broken(18))),
            ("{,}", Err(Broken(1))),
            ("{a:1,,}", Err(Broken(5))),
            ("{a: b}", Err(Broken(4))),
            ("{a: \"", Err(Broken(5))),
        ] {
            assert_eq!(mock_status(text), expected, "{text}");
        }
    }

    #[test]
    fn depth_and_length_are_bounded() {
        let nested = |depth: usize| {
            format!(
                "{{a:{}{}, statusCode:200}}",
                "[".repeat(depth),
                "]".repeat(depth)
            )
        };
        assert_eq!(mock_status(&nested(DEPTH_MAX - 1)), Ok(200));
        assert_eq!(mock_status(&nested(DEPTH_MAX)), Err(TooDeep));
        let long = " ".repeat(TEMPLATE_BYTES_MAX + 1);
        assert_eq!(
            mock_status(&long),
            Err(MockStatusError::TooLong(long.len()))
        );
    }

    proptest! {
        #[test]
        fn strict_documents_are_read_as_serde_reads_them(status in 0_u32..1200, other in "[ -~]{0,20}") {
            let document = serde_json::json!({"other": other, "statusCode": status});
            let expected = u16::try_from(status).ok().filter(|status| (100..=999).contains(status));
            prop_assert_eq!(mock_status(&document.to_string()).ok(), expected);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[{}\\[\\]:,\"\\\\a1ü ]{0,40}") {
            let _outcome: Result<u16, MockStatusError> = mock_status(&text);
        }
    }
}
