//! Whether a message says what to do about its cause.

/// What begins advice behind a cause.
const VERBS: [&str; 30] = [
    "write ",
    "take ",
    "keep ",
    "add ",
    "choose ",
    "save ",
    "give ",
    "name ",
    "move ",
    "refer ",
    "put ",
    "make ",
    "map ",
    "change ",
    "round it",
    "rename ",
    "shorten ",
    "leave ",
    "set ",
    "encode it",
    "percent-encode it",
    "correct ",
    "let ",
    "import ",
    "declare ",
    "divide ",
    "copy ",
    "use ",
    "lower ",
    "raise ",
];

/// What leaves one thing to do.
const BOUNDS: [&str; 8] = [
    ": did you mean ",
    ": there is only ",
    ": at least ",
    ": at most ",
    ", at most ",
    "expected ",
    "is out of range: ",
    // The fix is told there.
    "see `type` beside it",
];

/// Whether `message` goes on behind its cause with what is to be done.
pub(crate) fn has_fix(message: &str) -> bool {
    let clauses = message.match_indices([':', ',', ';']);
    let clauses = clauses.filter_map(|(at, _)| message.get(at + 1..)?.strip_prefix(' '));
    let mut clauses = std::iter::once(message).chain(clauses);
    let is_advice = |clause: &str| {
        let clause = clause.strip_prefix("or ").unwrap_or(clause);
        VERBS.iter().any(|verb| clause.starts_with(verb))
    };
    clauses.any(is_advice) || BOUNDS.iter().any(|bound| message.contains(bound))
}

/// Every one of `messages` that leaves its reader alone with the cause.
pub(crate) fn without_fix<'a>(messages: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    messages.filter(|message| !has_fix(message)).collect()
}

#[test]
fn causes_alone_are_told_from_advice() {
    for helpless in [
        "a name is missing",
        "`x` is no path",
        "x.yaml:1:1: a.b: broken",
    ] {
        assert!(!has_fix(helpless), "{helpless}");
    }
    for helpful in [
        "a name is missing: add it",
        "x: take that out, or write y",
        "2: at most 1",
    ] {
        assert!(has_fix(helpful), "{helpful}");
    }
}
