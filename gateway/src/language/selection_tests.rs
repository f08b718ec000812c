use proptest::prelude::*;

use super::*;
use crate::language::pattern::PATTERN_BYTES_MAX;

#[track_caller]
fn check(patterns: &[Option<&str>], text: Option<&str>, expected: Option<usize>) {
    let selection = Selection::new(patterns.iter().copied()).expect("valid patterns");
    assert_eq!(selection.for_text(text), expected, "{patterns:?} {text:?}");
}

#[test]
fn patterns_match_the_whole_text() {
    check(&[Some("4")], Some("404"), None);
    check(&[Some("4\\d{2}")], Some("404"), Some(0));
    check(&[Some("a|ab")], Some("ab"), Some(0));
    check(&[Some("Error")], Some("Some Error here"), None);
    check(&[Some(".*Error.*")], Some("Some Error here"), Some(0));
    check(&[Some("a|b")], Some("ax"), None);
    check(&[Some("^4..$")], Some("404"), Some(0));
    check(&[Some("(?i)not found")], Some("NOT Found"), Some(0));
    check(&[Some(".*")], Some("two\nlines"), None);
    check(&[Some(".*")], Some("two\rlines"), None);
    check(&[Some("(?s).*")], Some("two\nlines"), Some(0));
    check(&[Some("[\\s\\S]*")], Some("two\nlines"), Some(0));
}

#[test]
fn the_first_match_wins_and_the_default_comes_last() {
    let patterns = [None, Some("4.."), Some("404"), Some("")];
    check(&patterns, Some("404"), Some(1));
    check(&patterns, Some("200"), Some(0));
    check(&[Some(""), None], Some("200"), Some(0));
    check(&[Some("5..")], Some("200"), None);
    check(&[], Some("200"), None);
    let statuses = Selection::new([Some("5.."), None]).expect("valid");
    assert_eq!(
        (statuses.for_status(503), statuses.for_status(200)),
        (Some(0), Some(1))
    );
}

#[test]
fn only_a_pattern_for_anything_matches_a_missing_message() {
    check(&[Some(".*"), None], None, Some(0));
    check(&[None, Some(".*")], None, Some(1));
    check(&[Some("(.*)"), None], None, Some(1));
    check(&[Some(".+")], None, None);
}

#[test]
fn what_only_java_reads_is_refused_with_its_place() {
    use PatternError as E;
    for (pattern, error) in [
        ("a(?=b)", E::LookAround(2)),
        ("ü(?!b)", E::LookAround(2)),
        ("(?<=b)", E::LookAround(1)),
        ("(?<!b)", E::LookAround(1)),
        (r"(a)\1", E::Backreference(4)),
        (r"(?<n>a)\k<n>", E::Backreference(8)),
        ("a*+", E::Possessive(3)),
        ("xa++", E::Possessive(4)),
        ("a?+", E::Possessive(3)),
        ("a{1,2}+b", E::Possessive(7)),
        ("(?>a)", E::AtomicGroup(3)),
        ("[a--b]", E::ClassOperator(3)),
        ("[a~~b]", E::ClassOperator(3)),
    ] {
        let expected = SelectionError::Pattern {
            index: 1,
            source: error,
        };
        let outcome = Selection::new([None, Some(pattern)]);
        assert_eq!(outcome.err(), Some(expected), "{pattern}");
    }
    for (pattern, at) in [
        ("a(b", 2),
        ("*", 1),
        (r"a\Qb\E", 2),
        ("[b", 1),
        ("a)(b", 2),
        ("a{2,1}", 2),
    ] {
        let outcome = Selection::new([Some(pattern)]).expect_err(pattern);
        let SelectionError::Pattern {
            source: PatternError::Syntax { column, .. },
            ..
        } = outcome
        else {
            panic!("{pattern}: {outcome:?}");
        };
        assert_eq!(column, at, "{pattern}");
    }
}

#[test]
fn what_both_read_alike_is_kept() {
    check(&[Some("(?:a*)+")], Some("aa"), Some(0));
    check(&[Some("a*?b")], Some("aab"), Some(0));
    check(&[Some("[a-z&&[^b]]+")], Some("ac"), Some(0));
    check(&[Some(r"\+-~")], Some("+-~"), Some(0));
    check(&[Some(r"\d+\+")], Some("1+"), Some(0));
}

#[test]
fn sizes_are_bounded() {
    let pattern = |text: &str| Selection::new([Some(text)]).err();
    let long = "a".repeat(PATTERN_BYTES_MAX);
    assert_eq!(pattern(&long), None);
    let refused = |source| Some(SelectionError::Pattern { index: 0, source });
    assert_eq!(
        pattern(&format!("{long}a")),
        refused(PatternError::TooLong(PATTERN_BYTES_MAX + 1))
    );
    assert_eq!(pattern("(.{1000}){1000}"), refused(PatternError::Program));
    assert_eq!(pattern("(?x)a # b"), refused(PatternError::Program));
    assert!(pattern(&"(".repeat(500)).is_some());
    let many = vec![None; PATTERNS_MAX];
    assert!(Selection::new(many.clone()).is_ok());
    let error = Selection::new(many.into_iter().chain([None])).err();
    assert_eq!(error, Some(SelectionError::TooMany));
}

proptest! {
    #[test]
    fn text_without_marks_matches_itself_alone(pattern in "[a-z0-9 ]{1,8}", text in "[a-z0-9 ]{1,8}") {
        let selection = Selection::new([Some(pattern.as_str())]).expect("valid");
        prop_assert_eq!(selection.for_text(Some(&pattern)), Some(0));
        prop_assert_eq!(selection.for_text(Some(&text)).is_some(), pattern == text);
    }
}
