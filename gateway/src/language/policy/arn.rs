//! Amazon Resource Names and patterns of them.
//!
//! A pattern is compared section by section, and a section ends at a colon. So a `*` never crosses
//! from one section into the next, where a path that holds colons could otherwise pose as an
//! account. The sixth section takes the rest, colons and all: in it `*` crosses `/` and `:` alike,
//! so `prod/*/pets` also matches `prod/POST/x/pets`.

use std::ops::Range;

use super::glob::{Case, Glyph};
use super::key::Key;
use super::template::{self, Part, Syntax, Template, TemplateError};
use super::truth::Truth;
use super::value::{Context, Found};

/// A name of six sections: `arn:partition:service:region:account:resource`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arn<'a> {
    whole: &'a str,
    /// Where each section starts.
    starts: [usize; SECTIONS],
}

/// The text is no such name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an ARN: write `arn:partition:service:region:account:resource`")]
pub struct NotAnArn(pub String);

const SECTIONS: usize = 6;

impl<'a> Arn<'a> {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// When there are fewer sections, or the first is not `arn`.
    pub fn parse(written: &'a str) -> Result<Self, NotAnArn> {
        let mut starts = [0; SECTIONS];
        let mut colons = memchr::memchr_iter(b':', written.as_bytes());
        for start in starts.iter_mut().skip(1) {
            let colon = colons.next().ok_or_else(|| NotAnArn(written.to_owned()))?;
            *start = colon + 1;
        }
        if !written.starts_with("arn:") {
            return Err(NotAnArn(written.to_owned()));
        }
        Ok(Self {
            whole: written,
            starts,
        })
    }

    /// The whole name.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.whole
    }

    /// What stands from one section until another one starts, or the end.
    fn part(self, sections: &Range<usize>) -> &'a str {
        let Self { whole, starts } = self;
        let start = starts.get(sections.start).copied();
        let start = start.unwrap_or(whole.len());
        let end = starts
            .get(sections.end)
            .map_or(whole.len(), |next| next - 1);
        whole.get(start..end).unwrap_or_default()
    }
}

/// A name with wildcards and variables in its sections.
#[derive(Debug, Clone)]
pub(super) struct ArnPattern(Box<[Span]>);

/// Sections that are compared together. Only the last one has wildcards or variables, so that no `*`
/// reaches beyond the end of its own section.
#[derive(Debug, Clone)]
struct Span {
    /// The first of them, and the one behind the last.
    sections: Range<usize>,
    template: Template,
}

/// Why a text is no pattern of ARNs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArnPatternError {
    /// It does not start like one.
    #[error("`{0}` is not an ARN: write `arn:partition:service:region:account:resource`")]
    NotAnArn(String),
    /// Fewer sections than six, where it cannot be told which ones are missing.
    #[error(
        "`{0}` has fewer than the six sections of an ARN, and a `*` fills one: write a `*` for each section"
    )]
    Sections(String),
    /// A variable that is none.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

impl ArnPattern {
    /// Six sections, as the operators for ARNs compare them.
    ///
    /// # Errors
    ///
    /// When there are fewer sections, or a variable is none.
    pub(super) fn parse(written: &str, variables: bool) -> Result<Self, ArnPatternError> {
        let (pattern, sections) = Self::read(written, variables)?;
        if sections == SECTIONS {
            Ok(pattern)
        } else {
            Err(ArnPatternError::Sections(written.to_owned()))
        }
    }

    /// Six sections, or fewer of which the last one ends in `*` and is the only one with wildcards:
    /// `arn:aws:execute-api:*` has one meaning alone.
    ///
    /// # Errors
    ///
    /// When sections are missing elsewhere, or a variable is none.
    pub(super) fn parse_shortened(written: &str, variables: bool) -> Result<Self, ArnPatternError> {
        let (pattern, sections) = Self::read(written, variables)?;
        let shortened = matches!(&*pattern.0, [only] if only.template.is_open_ended());
        if sections == SECTIONS || shortened {
            Ok(pattern)
        } else {
            Err(ArnPatternError::Sections(written.to_owned()))
        }
    }

    /// Also the number of its sections.
    fn read(written: &str, variables: bool) -> Result<(Self, usize), ArnPatternError> {
        if !written.starts_with("arn:") {
            return Err(ArnPatternError::NotAnArn(written.to_owned()));
        }
        let syntax = Syntax {
            wildcards: true,
            variables,
        };
        // A colon inside a variable is no end of a section, so the split comes after the reading.
        let parts = template::parts(written, syntax)?;
        let is_colon = |part: &Part| matches!(part, Part::Glyph(Glyph::Char(':')));
        let (mut spans, mut sections, mut open) = (Vec::new(), 0, None);
        for section in parts.splitn(SECTIONS, is_colon) {
            let (from, mut together) = open.take().unwrap_or((sections, Vec::new()));
            if from < sections {
                together.push(Part::Glyph(Glyph::Char(':')));
            }
            together.extend_from_slice(section);
            sections += 1;
            if together.iter().all(Part::is_plain) {
                open = Some((from, together));
            } else {
                spans.push(Span::new(from..sections, together));
            }
        }
        spans.extend(open.map(|(from, together)| Span::new(from..sections, together)));
        // Sections that a pattern leaves out are its last one's.
        if let Some(last) = spans.last_mut() {
            last.sections.end = SECTIONS;
        }
        Ok((Self(spans.into()), sections))
    }

    /// Whether `arn` is one of these. Letter case matters.
    pub(super) fn matches(&self, arn: Arn<'_>, context: &dyn Context) -> Truth {
        let Self(spans) = self;
        // Most names differ in their resource, which stands last.
        Truth::all(spans.iter().rev().map(|span| span.matches(arn, context)))
    }

    /// Whether every name that starts with `root` is one of these, in every request: when `root`
    /// itself is, by a `*` at the end that takes whatever follows.
    pub(super) fn covers(&self, root: Arn<'_>) -> bool {
        let Self(spans) = self;
        spans
            .last()
            .is_some_and(|last| last.template.is_open_ended())
            && !spans.iter().any(|span| span.template.has_variables())
            && self.matches(root, &Nothing) == Truth::Yes
    }
}

impl Span {
    fn new(sections: Range<usize>, parts: Vec<Part>) -> Self {
        let template = parts.into();
        Self { sections, template }
    }

    fn matches(&self, arn: Arn<'_>, context: &dyn Context) -> Truth {
        let part = arn.part(&self.sections);
        self.template.matches(part, Case::Matters, context)
    }
}

/// A request that holds nothing, for patterns that ask nothing of it.
#[derive(Debug)]
struct Nothing;

impl Context for Nothing {
    fn find(&self, _key: &Key) -> Found<'_> {
        Found::Absent
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::glob::is_like;
    use super::*;

    proptest! {
        #[test]
        fn sections_compared_together_match_as_each_on_its_own_does(
            pattern in "arn(:[ab*?]{0,3}){5}[ab:*]{0,4}",
            text in "arn(:[ab]{0,3}){5}[ab:]{0,4}",
        ) {
            let each = |whole: &str| {
                let sections: Vec<_> = whole.splitn(SECTIONS, ':').map(str::to_owned).collect();
                sections
            };
            let mut pairs = each(&pattern).into_iter().zip(each(&text));
            let expected = pairs.all(|(pattern, text)| is_like(&pattern, &text));
            let parsed = ArnPattern::parse(&pattern, true).expect("it has six sections");
            let found = parsed.matches(Arn::parse(&text).expect("a name"), &Nothing);
            prop_assert_eq!(found, expected.into());
        }

        #[test]
        fn a_name_that_a_pattern_was_made_from_matches_it(
            sections in prop::collection::vec(("[ab]{0,3}", any::<bool>()), 5),
            rest in "[ab:]{0,4}",
        ) {
            let text: String = sections.iter().flat_map(|(text, _)| [":", text]).collect();
            let wild = |(text, is_wild): &(String, bool)| {
                let written = if *is_wild { "*" } else { text };
                format!(":{written}")
            };
            let pattern: String = sections.iter().map(wild).collect();
            let parsed = ArnPattern::parse(&format!("arn{pattern}{rest}"), true);
            let name = format!("arn{text}{rest}");
            let found = parsed.expect("six sections").matches(Arn::parse(&name).expect("a name"), &Nothing);
            prop_assert_eq!(found, Truth::Yes);
        }
    }
}
