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
const BOUNDS: [&str; 7] = [
    ": did you mean ",
    ": there is only ",
    ": at least ",
    ": at most ",
    ", at most ",
    "is out of range: ",
    // The fix is told there.
    "see `type` beside it",
];

/// What follows on a noun that is spelled like one of [`VERBS`].
const PREDICATES: [&str; 10] = [
    "is", "are", "was", "were", "has", "have", "must", "may", "cannot", "of",
];

/// Whether `clause` begins with something to do.
fn is_advice(clause: &str) -> bool {
    let clause = clause.strip_prefix("or ").unwrap_or(clause);
    VERBS.iter().any(|verb| {
        let behind = clause.strip_prefix(verb);
        let next = behind.and_then(|behind| behind.split([' ', ',', ':']).next());
        next.is_some_and(|next| !PREDICATES.contains(&next))
    })
}

/// Whether `message` says what belongs there: what is to be written, or what was found in its place.
/// What parsers of others expect helps nobody.
fn says_what_is_expected(message: &str) -> bool {
    let said = message.split_once(": expected ").map(|(_, said)| said);
    let said = said.or_else(|| message.strip_prefix("expected "));
    said.is_some_and(|said| said.contains('`') || said.contains(", found "))
}

/// Whether `message` goes on behind its cause with what is to be done.
pub(crate) fn has_fix(message: &str) -> bool {
    let clauses = message.match_indices([':', ',', ';']);
    let clauses = clauses.filter_map(|(at, _)| message.get(at + 1..)?.strip_prefix(' '));
    let mut clauses = std::iter::once(message).chain(clauses);
    clauses.any(is_advice)
        || says_what_is_expected(message)
        || BOUNDS.iter().any(|bound| message.contains(bound))
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
        "not JSON: expected value at line 1 column 1",
        "expected value at line 1 column 1",
        "`x` was expected `y`",
        "x.yaml:1:1: a.b: name is missing",
        "x.yaml:1:1: a.b: broken, use of `c`",
        "x.yaml:1:1: a.b: set has no end",
    ] {
        assert!(!has_fix(helpless), "{helpless}");
    }
    for helpful in [
        "a name is missing: add it",
        "x: take that out, or write y",
        "2: at most 1",
        "`x` is no source: expected `y`",
        "a.b: expected a list, found text",
        "broken: name it",
    ] {
        assert!(has_fix(helpful), "{helpful}");
    }
}
