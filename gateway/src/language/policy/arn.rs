//! Amazon Resource Names and patterns of them.
//!
//! A pattern is compared section by section, and a section ends at a colon. So a `*` never crosses
//! from one section into the next, where a path that holds colons could otherwise pose as an
//! account. The sixth section takes the rest, colons and all: in it `*` crosses `/` and `:` alike,
//! so `prod/*/pets` also matches `prod/POST/x/pets`.

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
        let mut colons = written.match_indices(':');
        for start in starts.iter_mut().skip(1) {
            let (colon, _) = colons.next().ok_or_else(|| NotAnArn(written.to_owned()))?;
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

    /// The first `count` sections, and the rest behind them.
    fn sections(self, count: usize) -> impl Iterator<Item = &'a str> {
        let Self { whole, starts } = self;
        (0..=count).map(move |index| {
            let start = starts.get(index).copied();
            let next = starts.get(index + 1).filter(|_| index < count);
            let end = next.map_or(whole.len(), |next| next - 1);
            start
                .and_then(|start| whole.get(start..end))
                .unwrap_or_default()
        })
    }
}

/// A name with wildcards and variables in its sections.
#[derive(Debug, Clone)]
pub(super) struct ArnPattern {
    /// Of the sections in front, one each.
    leading: Vec<Template>,
    /// Of everything behind them.
    rest: Template,
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
        let pattern = Self::read(written, variables)?;
        if pattern.leading.len() == SECTIONS - 1 {
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
        let pattern = Self::read(written, variables)?;
        let plain = pattern.leading.iter().all(Template::is_plain);
        if pattern.leading.len() == SECTIONS - 1 || (plain && pattern.rest.is_open_ended()) {
            Ok(pattern)
        } else {
            Err(ArnPatternError::Sections(written.to_owned()))
        }
    }

    fn read(written: &str, variables: bool) -> Result<Self, ArnPatternError> {
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
        let mut sections: Vec<Template> = parts
            .splitn(SECTIONS, is_colon)
            .map(|section| section.to_vec().into())
            .collect();
        let rest = sections.pop();
        Ok(Self {
            leading: sections,
            rest: rest.ok_or_else(|| ArnPatternError::NotAnArn(written.to_owned()))?,
        })
    }

    /// Whether `arn` is one of these. Letter case matters.
    pub(super) fn matches(&self, arn: Arn<'_>, context: &dyn Context) -> Truth {
        let sections = arn.sections(self.leading.len());
        let patterns = self.leading.iter().chain([&self.rest]);
        Truth::all(
            patterns
                .zip(sections)
                .map(|(pattern, section)| pattern.matches(section, Case::Matters, context)),
        )
    }

    /// Whether every name that starts with `root` is one of these, in every request: when `root`
    /// itself is, by a `*` at the end that takes whatever follows.
    pub(super) fn covers(&self, root: Arn<'_>) -> bool {
        let mut sections = self.leading.iter().chain([&self.rest]);
        self.rest.is_open_ended()
            && !sections.any(Template::has_variables)
            && self.matches(root, &Nothing) == Truth::Yes
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
