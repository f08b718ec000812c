//! Where in a document something stands.

use std::fmt;

/// The way from the root of a document to one of its values. Shown as
/// `Statement[2].Condition.IpAddress."aws:SourceIp"[0]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place(Vec<Segment>);

/// One step of that way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Into the member of an object.
    Key(String),
    /// Into the element of a list, counted from 0.
    Index(usize),
}

impl Place {
    /// The steps, outermost first; none is the document itself.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    pub(super) fn key(&self, key: &str) -> Self {
        self.with(Segment::Key(key.to_owned()))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    fn with(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the document");
        }
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) => {
                    if at > 0 {
                        f.write_str(".")?;
                    }
                    if !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric()) {
                        f.write_str(key)?;
                    } else {
                        write!(f, "{key:?}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_the_keys_that_are_no_words() {
        let place = Place::default().key("Statement").index(2).key("Condition");
        assert_eq!(place.to_string(), "Statement[2].Condition");
        let place = place.key("IpAddress").key("aws:SourceIp").index(0);
        assert_eq!(
            place.to_string(),
            r#"Statement[2].Condition.IpAddress."aws:SourceIp"[0]"#
        );
        assert_eq!(Place::default().to_string(), "the document");
    }
}
