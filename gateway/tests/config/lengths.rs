//! Both sides of how long names, paths and values may be, and of how many there may be.

use gateway::config::load_text;

use crate::site::Site;

/// A configuration of one REST API with these stages, to whose stage `prod` a domain maps a path.
fn configuration(stages: &str, path: &str) -> String {
    format!(
        "listeners: {{l: {{address: '127.0.0.1:8080'}}}}
upstreams: {{u: {{url: 'http://127.0.0.1:9000'}}}}
apis:
  a:
    type: rest
    stages: {{{stages}}}
    routes: {{GET /: {{authorizer: none, integration: {{upstream: u}}}}}}
domains:
  shop.example.com: {{mappings: {{{path}: {{api: a, stage: prod}}}}}}
"
    )
}

/// What is `max` long is accepted, and refused for its length alone with one more.
#[track_caller]
fn check(make: impl Fn(usize) -> String, max: usize, words: &str) {
    let site = Site::new();
    let load = |count| load_text("g.yaml", &make(count), site.path());
    if let Err(report) = load(max) {
        panic!("{max}: {report}");
    }
    let report = load(max + 1).expect_err("too long");
    assert_eq!(report.errors.len(), 1, "{report}");
    assert!(report.to_string().contains(words), "{report}");
}

/// `prod` with these variables.
fn variables(text: &str) -> String {
    configuration(&format!("prod: {{variables: {{{text}}}}}"), "/")
}

#[test]
fn names_of_stages() {
    let stages = |count: usize| format!("prod: {{}}, {}: {{}}", "s".repeat(count));
    let words = "names of stages are 1 to 128";
    check(|count| configuration(&stages(count), "/"), 128, words);
}

#[test]
fn variables_of_stages() {
    let words = "names of stage variables are 1 to 64";
    check(
        |count| variables(&format!("{}: x", "n".repeat(count))),
        64,
        words,
    );
    let words = "1 to 512 of letters";
    check(
        |count| variables(&format!("n: {}", "v".repeat(count))),
        512,
        words,
    );
    let many = |count: usize| {
        let all: Vec<_> = (0..count).map(|number| format!("n{number}: x")).collect();
        variables(&all.join(", "))
    };
    check(many, 100, "101 are too many: at most 100");
}

#[test]
fn paths_of_mappings() {
    let words = "up to 300 letters";
    let one = |count: usize| configuration("prod: {}", &"p".repeat(count));
    check(one, 300, words);
    let several = |count: usize| configuration("prod: {}", &format!("a/{}", "p".repeat(count - 2)));
    check(several, 300, words);
    // Every character that a path may have, and one that it may not.
    let site = Site::new();
    let load = |path: &str| {
        let path = format!("\"{path}\"");
        load_text("g.yaml", &configuration("prod: {}", &path), site.path())
    };
    if let Err(report) = load("aZ09$-_.+!*'()/b") {
        panic!("{report}");
    }
    for path in ["a~b", "a%20b", "a b", "ä", "/a", "a/", "a//b"] {
        assert!(load(path).is_err(), "{path}");
    }
}
