//! Comma-separated values, as RFC 4180 has them: lines end in LF or CRLF, and a field that is quoted
//! may hold commas, line ends and, doubled, quotes.

/// One row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The line that it starts at; 1 is the first one.
    pub(super) line: u64,
    pub(super) fields: Vec<String>,
}

/// Why rows cannot be told apart from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsvError {
    /// A quote that is never closed.
    #[error("a quote is not closed: close it, or take it out")]
    Open,
    /// Something between a quoted field and the next comma.
    #[error("something stands behind a quoted field: quote the whole field, and double its quotes")]
    Behind,
    /// A quote within a field that is not quoted.
    #[error("a quote stands within a field: quote the whole field, and double its quotes")]
    Within,
}

/// The rows of a text. Behind an error there is none.
pub(super) struct Rows<'a> {
    /// What is left; `None` at the end.
    rest: Option<&'a str>,
    line: u64,
}

/// What stands behind a field.
#[derive(PartialEq, Eq)]
enum Behind {
    Comma,
    RowEnd,
}

impl<'a> Rows<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let rest = Some(text).filter(|text| !text.is_empty());
        Self { rest, line: 1 }
    }

    fn row(&mut self, mut rest: &'a str) -> Result<Row, (u64, CsvError)> {
        let line = self.line;
        let mut fields = Vec::new();
        loop {
            let started = self.line;
            let (field, behind, left) = match rest.strip_prefix('"') {
                Some(quoted) => self.quoted(quoted),
                None => plain(rest),
            }
            .map_err(|error| (started, error))?;
            fields.push(field);
            rest = left;
            if behind == Behind::RowEnd {
                break;
            }
        }
        self.line += 1;
        self.rest = Some(rest).filter(|rest| !rest.is_empty());
        Ok(Row { line, fields })
    }

    /// A field behind its first quote.
    fn quoted(&mut self, mut rest: &'a str) -> Result<(String, Behind, &'a str), CsvError> {
        let mut field = String::new();
        loop {
            let (part, behind) = rest.split_once('"').ok_or(CsvError::Open)?;
            field.push_str(part);
            self.line += part.bytes().filter(|byte| *byte == b'\n').count() as u64;
            if let Some(more) = behind.strip_prefix('"') {
                field.push('"');
                rest = more;
                continue;
            }
            if let Some(left) = behind.strip_prefix(',') {
                return Ok((field, Behind::Comma, left));
            }
            let end = behind.strip_prefix('\r').unwrap_or(behind);
            let left = if end.is_empty() {
                Some(end)
            } else {
                end.strip_prefix('\n')
            };
            let left = left.ok_or(CsvError::Behind)?;
            return Ok((field, Behind::RowEnd, left));
        }
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, (u64, CsvError)>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        Some(self.row(rest))
    }
}

/// A field without quotes.
fn plain(rest: &str) -> Result<(String, Behind, &str), CsvError> {
    let end = rest.find([',', '\n']).unwrap_or(rest.len());
    let (field, left) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let (field, behind) = if left.starts_with(',') {
        (field, Behind::Comma)
    } else {
        (field.strip_suffix('\r').unwrap_or(field), Behind::RowEnd)
    };
    if field.contains('"') {
        return Err(CsvError::Within);
    }
    let left = left.strip_prefix([',', '\n']).unwrap_or_default();
    Ok((field.to_owned(), behind, left))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(u64, &[&str])]) {
        let rows: Result<Vec<Row>, _> = Rows::new(text).collect();
        let expected: Vec<Row> = expected
            .iter()
            .map(|(line, fields)| Row {
                line: *line,
                fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            })
            .collect();
        assert_eq!(rows, Ok(expected), "{text:?}");
    }

    #[test]
    fn rows_are_lines_whose_quoted_fields_may_hold_anything() {
        check("", &[]);
        check("a,b", &[(1, &["a", "b"])]);
        check("a,b\n", &[(1, &["a", "b"])]);
        check("a,b\r\nc\r\n", &[(1, &["a", "b"]), (2, &["c"])]);
        check("a,\n\n,", &[(1, &["a", ""]), (2, &[""]), (3, &["", ""])]);
        check("\"a,b\",c", &[(1, &["a,b", "c"])]);
        check("\"\",\"\"\"\"\n", &[(1, &["", "\""])]);
        check(
            "\"a\r\nb\nc\",d\ne",
            &[(1, &["a\r\nb\nc", "d"]), (4, &["e"])],
        );
        check("\"a\"\r\n\"b\"", &[(1, &["a"]), (2, &["b"])]);
        check("a\rb,", &[(1, &["a\rb", ""])]);
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused_with_its_line() {
        for (text, line, error) in [
            ("a\n\"b", 2, CsvError::Open),
            ("a\n\"b\n\nc\"x,", 2, CsvError::Behind),
            ("a\nb\nc\"d\"", 3, CsvError::Within),
            ("\"a\nb\",c\"\n", 2, CsvError::Within),
            ("\"a\" ,b", 1, CsvError::Behind),
        ] {
            let mut rows = Rows::new(text);
            let found = rows.by_ref().find_map(Result::err);
            assert_eq!(found, Some((line, error)), "{text:?}");
            assert!(rows.next().is_none());
        }
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_again(
            rows in proptest::collection::vec(
                proptest::collection::vec("[a\",\r\n \u{e9}]{0,6}", 1..4), 0..5),
            end in proptest::sample::select(vec!["\n", "\r\n"]),
        ) {
            let quoted = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
            let written: Vec<String> = rows.iter()
                .map(|row| row.iter().map(quoted).collect::<Vec<_>>().join(","))
                .collect();
            let text: String = written.iter().map(|row| format!("{row}{end}")).collect();
            let read: Result<Vec<Row>, _> = Rows::new(&text).collect();
            let read: Vec<Vec<String>> = read.unwrap().into_iter().map(|row| row.fields).collect();
            prop_assert_eq!(read, rows);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[a\",\r\n]{0,40}") {
            let rows = Rows::new(&text).count();
            prop_assert!(rows <= text.len());
        }
    }
}
