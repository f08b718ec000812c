use proptest::prelude::*;
use serde_json::json;

use super::*;

#[track_caller]
fn check(path: &str, expected: Option<&str>) {
    let document = json!({
        "name": "Rex", "age": 7, "good": true, "none": null, "a.b": {"c d": 1},
        "tags": ["x", "y"], "grid": [[1, 2], [3]],
        "pets": [{"id": 1, "toy": {"kind": "ball"}}, {"id": 2}],
    });
    let compiled = JsonPath::parse(path).expect(path);
    let text = compiled.find(&document).and_then(Found::into_text);
    assert_eq!(text.as_deref(), expected, "{path}");
}

#[test]
fn paths_lead_to_values() {
    check("name", Some("Rex"));
    check("age", Some("7"));
    check("good", Some("true"));
    check("pets[0].toy.kind", Some("ball"));
    check("pets[0]['toy'][\"kind\"]", Some("ball"));
    check("['a.b']['c d']", Some("1"));
    check("tags[1]", Some("y"));
    check("grid[0][1]", Some("2"));
}

#[test]
fn objects_and_lists_are_json_text() {
    check("pets[0].toy", Some(r#"{"kind":"ball"}"#));
    check("tags", Some(r#"["x","y"]"#));
}

#[test]
fn what_is_missing_or_null_is_nothing() {
    for path in [
        "none",
        "other",
        "name.x",
        "tags[2]",
        "tags.x",
        "pets[0].toy.x",
        "age[0]",
        "age[*]",
        "other[*]",
    ] {
        check(path, None);
    }
}

#[test]
fn wildcards_gather() {
    check("tags[*]", Some(r#"["x","y"]"#));
    check("pets[*].id", Some("[1,2]"));
    check("pets[*].toy.kind", Some(r#"["ball"]"#));
    check("grid[*][*]", Some("[1,2,3]"));
    check("grid[*][1]", Some("[2]"));
    check("pets.*.other", Some("[]"));
    check("['a.b'].*", Some("[1]"));
}

#[test]
fn what_is_not_supported_is_refused_with_its_place() {
    use JsonPathError as E;
    let selector = |at, text: &str| E::Selector {
        at,
        selector: text.into(),
    };
    for (path, error) in [
        ("", E::NameMissing(0)),
        ("a..b", E::RecursiveDescent(1)),
        ("..b", E::RecursiveDescent(0)),
        (".a", E::RecursiveDescent(0)),
        ("a.", E::NameMissing(2)),
        ("a[0]b", E::NameMissing(4)),
        ("a[?(@.x)]", E::Filter(2)),
        ("a[(@.length-1)]", E::Filter(2)),
        ("a[1:2]", selector(2, "1:2")),
        ("a[0,1]", selector(2, "0,1")),
        ("a[-1]", selector(2, "-1")),
        ("a[+1]", selector(2, "+1")),
        ("a[]", selector(2, "")),
        ("a[x]", selector(2, "x")),
        ("a['x','y']", selector(2, "'x','y']")),
        (
            "a[99999999999999999999]",
            selector(2, "99999999999999999999"),
        ),
        ("a[0", E::Unclosed(1)),
        ("a['x", E::Unclosed(2)),
    ] {
        assert_eq!(JsonPath::parse(path), Err(error), "{path}");
    }
}

#[test]
fn sizes_are_bounded() {
    let steps = |count: usize| vec!["a"; count].join(".");
    assert!(JsonPath::parse(&steps(STEPS_MAX)).is_ok());
    assert_eq!(
        JsonPath::parse(&steps(STEPS_MAX + 1)),
        Err(JsonPathError::TooManySteps)
    );
    let long = "a".repeat(PATH_BYTES_MAX);
    assert!(JsonPath::parse(&long).is_ok());
    let error = JsonPath::parse(&format!("{long}a"));
    assert_eq!(error, Err(JsonPathError::TooLong(PATH_BYTES_MAX + 1)));
}

proptest! {
    #[test]
    fn children_and_indexes_are_pointers(steps in prop::collection::vec("[a-c]|[0-2]", 1..5)) {
        let document = json!({
            "a": [{"b": 1, "c": [2, 3]}, {"a": {"b": 4}}],
            "b": {"a": {"c": [5]}, "b": "x"},
        });
        let mut path = String::new();
        for (at, step) in steps.iter().enumerate() {
            match step.parse::<usize>() {
                Ok(index) => path.push_str(&format!("[{index}]")),
                Err(_) if at % 2 == 0 => path.push_str(&format!("['{step}']")),
                Err(_) => path.push_str(&format!(".{step}")),
            }
        }
        let pointer = format!("/{}", steps.join("/"));
        let found = JsonPath::parse(&path).expect("valid").find(&document);
        prop_assert_eq!(found, document.pointer(&pointer).map(Found::One));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[a.\\[\\]*'\"?0ü]{0,20}") {
        let _outcome: Result<JsonPath, JsonPathError> = JsonPath::parse(&text);
    }
}
