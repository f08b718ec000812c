//! Which of an integration's request templates renders a request, and what becomes of one for which
//! there is none.
//!
//! Source: Amazon API Gateway Developer Guide, "Method request behavior for payloads without mapping
//! templates for REST APIs in API Gateway".

use super::Literal;
use crate::language::media_type::MediaType;

/// What happens to a request body for whose media type there is no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passthrough {
    /// It is passed on; the default.
    WhenNoMatch,
    /// It is passed on if there is no template at all, and refused with 415 otherwise.
    WhenNoTemplates,
    /// It is refused with 415.
    Never,
}

/// The request templates of one integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestTemplates {
    /// By media type, in the order of the definition.
    pub by_media_type: Vec<(String, Literal)>,
    /// For every other media type.
    pub otherwise: Option<Literal>,
    /// What happens where neither applies.
    pub passthrough: Passthrough,
}

/// What an integration gets for a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rendered<'t> {
    /// What a template renders.
    Template(&'t str),
    /// The request's own body.
    Own,
    /// Nothing: the request is answered with 415.
    Unsupported,
}

impl RequestTemplates {
    /// What is made of a body of this media type. An empty template passes the body on.
    #[must_use]
    pub fn render(&self, media_type: MediaType<'_>) -> Rendered<'_> {
        let mut named = self.by_media_type.iter();
        let own = named.find(|(known, _)| media_type.is(known));
        let own = own.map(|(_, template)| template);
        match (own.or(self.otherwise.as_ref()), self.passthrough) {
            (Some(template), _) if template.text().is_empty() => Rendered::Own,
            (Some(template), _) => Rendered::Template(template.text()),
            (None, Passthrough::WhenNoMatch) => Rendered::Own,
            // One for every other media type would have applied.
            (None, Passthrough::WhenNoTemplates) if self.by_media_type.is_empty() => Rendered::Own,
            (None, Passthrough::WhenNoTemplates | Passthrough::Never) => Rendered::Unsupported,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        templates: &[(&str, &str)],
        passthrough: Passthrough,
        content_type: Option<&str>,
        expected: Rendered<'_>,
    ) {
        let parse = |text: &str| Literal::parse(text).expect("fixed text");
        let (otherwise, named): (Vec<_>, Vec<_>) =
            templates.iter().partition(|(name, _)| *name == "$default");
        let templates = RequestTemplates {
            by_media_type: named
                .iter()
                .map(|(name, text)| ((*name).to_owned(), parse(text)))
                .collect(),
            otherwise: otherwise.first().map(|(_, text)| parse(text)),
            passthrough,
        };
        let found = templates.render(MediaType::of_body(content_type));
        assert_eq!(found, expected, "{templates:?} {content_type:?}");
    }

    #[test]
    fn the_documented_table_holds() {
        use Passthrough::{Never, WhenNoMatch, WhenNoTemplates};
        let json = [("application/json", "json")];
        for passthrough in [WhenNoMatch, WhenNoTemplates, Never] {
            let charset = Some("Application/JSON; charset=utf-8");
            check(&json, passthrough, charset, Rendered::Template("json"));
            check(&json, passthrough, None, Rendered::Template("json"));
        }
        for (passthrough, no_match, no_templates) in [
            (WhenNoMatch, Rendered::Own, Rendered::Own),
            (WhenNoTemplates, Rendered::Unsupported, Rendered::Own),
            (Never, Rendered::Unsupported, Rendered::Unsupported),
        ] {
            check(&json, passthrough, Some("text/plain"), no_match);
            check(&[], passthrough, Some("text/plain"), no_templates);
        }
    }

    #[test]
    fn a_template_for_every_other_media_type_comes_before_passthrough() {
        let templates = [("$default", "any"), ("text/css", "css")];
        for (content_type, expected) in [("text/css", "css"), ("text/plain", "any")] {
            let expected = Rendered::Template(expected);
            check(&templates, Passthrough::Never, Some(content_type), expected);
        }
    }

    #[test]
    fn an_empty_template_passes_the_body_on() {
        let templates = [("application/json", "")];
        check(&templates, Passthrough::Never, None, Rendered::Own);
        let text = Some("text/plain");
        check(&templates, Passthrough::Never, text, Rendered::Unsupported);
    }
}
