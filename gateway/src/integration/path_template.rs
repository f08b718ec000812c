//! Paths sent to upstreams, with `{name}` for the route's parameters.

use std::borrow::Cow;

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

    /// The path with these parameters, percent-encoded so that a value stays one segment. The
    /// value of a greedy parameter is raw already and is taken as it is.
    #[must_use]
    pub fn render(&self, parameters: &[(&str, Cow<'_, str>)], greedy: Option<&str>) -> String {
        let mut path = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => path.push_str(text),
                Piece::Parameter(name) => {
                    let value = parameters.iter().find(|(known, _)| known == name);
                    let value = value.map_or("", |(_, value)| value.as_ref());
                    if greedy == Some(name) {
                        path.push_str(value);
                    } else {
                        push_encoded(&mut path, value);
                    }
                }
            }
        }
        path
    }
}

/// Everything but the unreserved characters of RFC 3986.
fn push_encoded(path: &mut String, value: &str) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            path.push(char::from(byte));
        } else {
            const DIGITS: [char; 16] = [
                '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
            ];
            path.push('%');
            for nibble in [byte >> 4, byte & 15] {
                path.extend(DIGITS.get(usize::from(nibble)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_one_segment_and_greedy_ones_stay_raw() {
        let template = PathTemplate::parse("/v1/{id}/files/{rest+}");
        let parameters = [
            ("id", Cow::Borrowed("a/b ü")),
            ("rest", Cow::Borrowed("x%20y/z")),
        ];
        assert_eq!(
            template.render(&parameters, Some("rest")),
            "/v1/a%2Fb%20%C3%BC/files/x%20y/z"
        );
    }

    #[test]
    fn a_path_without_parameters_is_itself() {
        assert_eq!(PathTemplate::parse("/fixed").render(&[], None), "/fixed");
    }
}
