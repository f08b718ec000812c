//! The path that an integration sends: literal text and `{name}` of the route's parameters.

/// Why a text is no path template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TemplateError {
    #[error("a path starts with `/`: write that first")]
    Relative,
    #[error("`{0}` does not belong into a path: percent-encode it or take it out")]
    Character(char),
    #[error("`%` stands before two hexadecimal digits: write `%25` for the sign itself")]
    Encoding,
    #[error("`{0}` in a path would be resolved to another one: take it out")]
    DotSegment(String),
    #[error("a `{{` or `}}` stands alone: write both around a parameter, or `%7B` and `%7D`")]
    Brace,
    #[error("write `{{{0}}}` without `+`: it stands for all that the parameter took")]
    Greedy(String),
    #[error("the route has no parameter `{0}`{1}")]
    Parameter(String, String),
}

/// Checks that `template` is a path whose parameters are among those of the route.
pub(super) fn check<'a>(
    template: &str,
    parameters: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), TemplateError> {
    if !template.starts_with('/') {
        return Err(TemplateError::Relative);
    }
    let mut rest = template;
    while let Some((literal, behind)) = rest.split_once('{') {
        check_literal(literal)?;
        let (name, behind) = behind.split_once('}').ok_or(TemplateError::Brace)?;
        check_name(name, parameters.clone())?;
        rest = behind;
    }
    check_literal(rest)?;
    let dots = |segment: &&str| {
        let decoded = segment.replace("%2e", ".").replace("%2E", ".");
        matches!(decoded.as_str(), "." | "..")
    };
    match template.split('/').find(dots) {
        Some(segment) => Err(TemplateError::DotSegment(segment.to_owned())),
        None => Ok(()),
    }
}

fn check_name<'a>(
    name: &str,
    parameters: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), TemplateError> {
    if parameters.clone().any(|known| known == name) {
        return Ok(());
    }
    if let Some(bare) = name.strip_suffix('+')
        && parameters.clone().any(|known| known == bare)
    {
        return Err(TemplateError::Greedy(bare.to_owned()));
    }
    let fix = crate::config::near_miss::suggestion(name, parameters, "take it out");
    Err(TemplateError::Parameter(
        crate::config::tree::shortened(name),
        fix,
    ))
}

/// Literal text is what RFC 3986 allows in a path.
fn check_literal(literal: &str) -> Result<(), TemplateError> {
    if literal.contains('}') {
        return Err(TemplateError::Brace);
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/-._~!$&'()*+,;=:@%".contains(c);
    if let Some(character) = literal.chars().find(|c| !allowed(*c)) {
        return Err(TemplateError::Character(character));
    }
    let mut escapes = literal.split('%').skip(1);
    let whole = |escape: &str| {
        let mut digits = escape.chars().map(|c| c.is_ascii_hexdigit());
        digits.next() == Some(true) && digits.next() == Some(true)
    };
    if escapes.all(whole) {
        Ok(())
    } else {
        Err(TemplateError::Encoding)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_message(template: &str, expected: Option<&str>) {
        let found = check(template, ["id", "rest"].into_iter()).map_err(|error| error.to_string());
        assert_eq!(
            found.as_ref().err().map(String::as_str),
            expected,
            "{template}"
        );
    }

    #[test]
    fn accepts_paths_with_the_routes_parameters() {
        check_message("/", None);
        check_message("/internal/pets/{id}", None);
        check_message("/a%20b/{id}-{rest}/c", None);
    }

    #[test]
    fn says_what_is_wrong_with_a_template() {
        check_message("pets", Some("a path starts with `/`: write that first"));
        check_message(
            "/{ids}",
            Some("the route has no parameter `ids`: did you mean `id`?"),
        );
        check_message(
            "/{rest+}",
            Some("write `{rest}` without `+`: it stands for all that the parameter took"),
        );
        check_message(
            "/{id",
            Some("a `{` or `}` stands alone: write both around a parameter, or `%7B` and `%7D`"),
        );
        check_message(
            "/id}",
            Some("a `{` or `}` stands alone: write both around a parameter, or `%7B` and `%7D`"),
        );
        check_message(
            "/a%2",
            Some("`%` stands before two hexadecimal digits: write `%25` for the sign itself"),
        );
        let dots = "in a path would be resolved to another one: take it out";
        check_message("/a/../b", Some(&format!("`..` {dots}")));
        check_message("/a/%2e./b", Some(&format!("`%2e.` {dots}")));
        let foreign = "does not belong into a path: percent-encode it or take it out";
        check_message("/a?b", Some(&format!("`?` {foreign}")));
        check_message("/a b", Some(&format!("` ` {foreign}")));
        check_message("/a\r\nx", Some(&format!("`\r` {foreign}")));
    }
}
