use super::*;

#[track_caller]
fn check(key: &str, method: RouteMethod, path: Option<&[Segment]>) {
    let expected = ParsedKey {
        method,
        path: path.map(<[Segment]>::to_vec),
    };
    assert_eq!(parse(key), Ok(expected), "{key}");
}

#[track_caller]
fn check_refused(key: &str, expected: &str) {
    let found = parse(key).map_err(|error| error.to_string());
    assert_eq!(
        found.as_ref().err().map(String::as_str),
        Some(expected),
        "{key}"
    );
}

fn fixed(text: &str) -> Segment {
    Segment::Static(text.to_owned())
}

#[test]
fn understands_methods_paths_and_parameters() {
    let get = RouteMethod::Only(Method::Get);
    check("$default", RouteMethod::Any, None);
    check("GET /", get.clone(), Some(&[]));
    check("GET /pets", get.clone(), Some(&[fixed("pets")]));
    check("GET /a%20b", get.clone(), Some(&[fixed("a b")]));
    check("GET /caf\u{e9}", get.clone(), Some(&[fixed("caf\u{e9}")]));
    check(
        "GET /pets/{id}",
        get,
        Some(&[fixed("pets"), Segment::Parameter("id".into())]),
    );
    check(
        "ANY /files/{path+}",
        RouteMethod::Any,
        Some(&[fixed("files"), Segment::Greedy("path".into())]),
    );
}

#[test]
fn says_what_is_wrong_with_a_key() {
    let form = "is not a route key: write `GET /path`, `ANY /path` or `$default`";
    check_refused("/pets", &format!("`/pets` {form}"));
    check_refused("GET  /pets", &format!("`GET  /pets` {form}"));
    check_refused("", &format!("`` {form}"));
    check_refused("get /pets", "`get` is not a method: did you mean `GET`?");
    check_refused("GTE /pets", "`GTE` is not a method: did you mean `GET`?");
    check_refused("GET pets", "a path starts with `/`: write that first");
    check_refused(
        "GET /pets?x=1",
        "`?` does not belong into a path: percent-encode it or take it out",
    );
    let empty = "an empty segment (`//` or `/` at the end) never matches: take it out";
    check_refused("GET //pets", empty);
    check_refused("GET /pets/", empty);
    let dots = "is resolved before routes are matched and never arrives: take it out";
    check_refused("GET /a/../b", &format!("`..` {dots}"));
    check_refused("GET /a/%2e%2E/b", &format!("`%2e%2E` {dots}"));
    for broken in ["%", "%2", "%zz", "%2f", "%ff", "%00", "%+1"] {
        let expected = format!(
            "`{broken}` is not percent-encoded UTF-8 without `/`: write two hexadecimal digits behind each `%`, and no `%2F`"
        );
        check_refused(&format!("GET /{broken}"), &expected);
    }
    let partial = "a parameter fills a whole segment: write it as in `/{name}/`";
    check_refused("GET /pets-{id}", &format!("`pets-{{id}}`: {partial}"));
    check_refused("GET /{a}{b}", &format!("`{{a}}{{b}}`: {partial}"));
    check_refused("GET /{a", &format!("`{{a`: {partial}"));
    let name = "is not a parameter name: write letters, digits, `_`, `-` and `.`";
    check_refused("GET /{}", &format!("`` {name}"));
    check_refused("GET /{a:b}", &format!("`a:b` {name}"));
    check_refused(
        "GET /{a}/{a}",
        "the parameter `a` stands twice in this path: rename one",
    );
    check_refused(
        "GET /{rest+}/x",
        "`{rest+}` takes the rest of the path and has to be its last segment: take out what follows",
    );
    let long = format!("a path is at most {PATH_BYTES_MAX} bytes and {SEGMENTS_MAX} segments long");
    check_refused(&format!("GET /{}", "a".repeat(PATH_BYTES_MAX)), &long);
    check_refused(&format!("GET {}", "/a".repeat(SEGMENTS_MAX + 1)), &long);
    assert!(parse(&format!("GET {}", "/a".repeat(SEGMENTS_MAX))).is_ok());
}

#[test]
fn shape_forgets_the_names_of_parameters_only() {
    let shape_of = |key: &str| shape(parse(key).unwrap().path.as_deref());
    assert_eq!(shape_of("GET /pets/{a}"), shape_of("GET /pets/{b}"));
    assert_eq!(shape_of("GET /%70ets"), shape_of("GET /pets"));
    assert_ne!(shape_of("GET /pets/{a}"), shape_of("GET /pets/{a+}"));
    assert_ne!(shape_of("GET /pets/{a}"), shape_of("GET /pets/a"));
    assert_ne!(shape_of("$default"), shape_of("GET /"));
}
