//! Paths sent to upstreams, with `{name}` for the route's parameters.

/// A compiled path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Parameter(String),
}

impl PathTemplate {
    /// From a path whose parameters the configuration has checked.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((literal, behind)) = rest.split_once('{') {
            let Some((name, behind)) = behind.split_once('}') else {
                break;
            };
            pieces.push(Piece::Literal(literal.to_owned()));
            pieces.push(Piece::Parameter(name.trim_end_matches('+').to_owned()));
            rest = behind;
        }
        pieces.push(Piece::Literal(rest.to_owned()));
        Self(pieces)
    }

    /// The path with these values; a name without one is empty.
    #[must_use]
    pub fn render<'v>(&self, value: impl Fn(&str) -> Option<PathValue<'v>>) -> String {
        let mut path = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => path.push_str(text),
                Piece::Parameter(name) => match value(name) {
                    Some(PathValue::Raw(text)) => path.push_str(text),
                    Some(PathValue::Text(text)) => push_encoded(&mut path, text),
                    None => {}
                },
            }
        }
        path
    }
}

/// What stands for a name in a path.
#[derive(Debug, Clone, Copy)]
pub enum PathValue<'v> {
    /// Percent-encoded already, with slashes that divide it.
    Raw(&'v str),
    /// Anything, which is encoded so that it stays one segment.
    Text(&'v str),
}

/// Everything but the unreserved characters of RFC 3986.
fn push_encoded(path: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            path.push(char::from(byte));
        } else {
            push_escape(path, byte);
        }
    }
}

/// A byte, percent-encoded.
pub(super) fn push_escape(path: &mut String, byte: u8) {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    path.push('%');
    for nibble in [byte >> 4, byte & 15] {
        path.extend(DIGITS.get(usize::from(nibble)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_one_segment_and_greedy_ones_stay_raw() {
        let template = PathTemplate::parse("/v1/{id}/files/{rest+}");
        let value = |name: &str| match name {
            "id" => Some(PathValue::Text("a/b ü")),
            "rest" => Some(PathValue::Raw("x%20y/z")),
            _ => None,
        };
        assert_eq!(template.render(value), "/v1/a%2Fb%20%C3%BC/files/x%20y/z");
        assert_eq!(PathTemplate::parse("/a{none}b").render(value), "/ab");
    }

    #[test]
    fn a_path_without_parameters_is_itself() {
        assert_eq!(PathTemplate::parse("/fixed").render(|_| None), "/fixed");
    }
}
