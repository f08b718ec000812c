use proptest::prelude::*;

use super::*;
use crate::router::Slashes;

fn segments(path: &str) -> Vec<Segment> {
    let text = path.strip_prefix('/').unwrap();
    let parts = text.split('/').filter(|part| !part.is_empty());
    parts
        .map(
            |part| match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
                Some(name) => match name.strip_suffix('+') {
                    Some(name) => Segment::Greedy(name.to_owned()),
                    None => Segment::Parameter(name.to_owned()),
                },
                None => Segment::Static(part.to_owned()),
            },
        )
        .collect()
}

fn method(name: &str) -> RouteMethod {
    match name {
        "ANY" => RouteMethod::Any,
        name => RouteMethod::Only(named(&name.parse().unwrap()).unwrap()),
    }
}

fn router(keys: &[&str]) -> Router<String> {
    let mut router = Router::default();
    for key in keys {
        match key.split_once(' ') {
            Some((name, path)) => {
                router.insert(&method(name), Some(&segments(path)), (*key).to_owned())
            }
            None => router.insert(&RouteMethod::Any, None, (*key).to_owned()),
        }
    }
    router
}

#[track_caller]
fn check(keys: &[&str], request: &str, expected: Option<&str>) {
    let (method, path) = request.split_once(' ').unwrap();
    let path = RequestPath::parse(path, Slashes::Exact).unwrap();
    let router = router(keys);
    let found = router
        .find(&method.parse().unwrap(), &path)
        .map(|found| found.value.as_str());
    assert_eq!(found, expected, "{request}");
}

/// The example of the HTTP API developer guide.
const DOCUMENTED: &[&str] = &[
    "GET /pets/dog/1",
    "GET /pets/dog/{id}",
    "GET /pets/{proxy+}",
    "ANY /{proxy+}",
    "$default",
];

#[test]
fn follows_the_documented_example() {
    check(DOCUMENTED, "GET /pets/dog/1", Some("GET /pets/dog/1"));
    check(DOCUMENTED, "GET /pets/dog/2", Some("GET /pets/dog/{id}"));
    check(DOCUMENTED, "GET /pets/cat/1", Some("GET /pets/{proxy+}"));
    check(DOCUMENTED, "POST /test/5", Some("ANY /{proxy+}"));
    check(DOCUMENTED, "GET /", Some("$default"));
}

#[test]
fn any_serves_the_methods_that_its_path_does_not_name() {
    let keys = &["GET /a", "ANY /a"];
    check(keys, "GET /a", Some("GET /a"));
    check(keys, "POST /a", Some("ANY /a"));
    check(keys, "PROPFIND /a", Some("ANY /a"));
    check(&["GET /a"], "POST /a", None);
}

#[test]
fn steps_back_where_a_literal_branch_ends() {
    let keys = &["GET /a/b/c", "GET /{x}/b/d"];
    check(keys, "GET /a/b/d", Some("GET /{x}/b/d"));
}

#[test]
fn trailing_slashes_and_empty_segments_are_not_variables() {
    let keys = &["GET /a", "GET /a/{x}", "GET /f/{p+}"];
    check(keys, "GET /a/", None);
    check(keys, "GET /f/", None);
    check(keys, "GET /f/x/", Some("GET /f/{p+}"));
}

#[test]
fn the_root_is_a_path_of_its_own() {
    check(&["GET /"], "GET /", Some("GET /"));
    check(&["GET /"], "GET /a", None);
}

#[test]
fn parameters_are_decoded_and_greedy_ones_raw() {
    let router = router(&["GET /a/{x}/f/{rest+}"]);
    let path = RequestPath::parse("/a/1%2F2/f/y%20z/w", Slashes::Exact).unwrap();
    let found = router.find(&http::Method::GET, &path).unwrap();
    let expected = vec![
        ("x", Cow::Borrowed("1/2")),
        ("rest", Cow::Borrowed("y%20z/w")),
    ];
    assert_eq!(found.parameters, expected);
}

/// The precedence said again without a tree: rank every route that matches, take the best.
fn naive<'k>(keys: &[&'k str], request_method: &str, path: &[&str]) -> Option<&'k str> {
    let request = if path == [""] { &[] } else { path };
    let mut best: Option<(Vec<u8>, &str)> = None;
    for &key in keys {
        let Some((name, pattern)) = key.split_once(' ') else {
            continue;
        };
        let pattern = segments(pattern);
        let greedy = matches!(pattern.last(), Some(Segment::Greedy(_)));
        let fixed = if greedy {
            &pattern[..pattern.len() - 1]
        } else {
            &pattern[..]
        };
        let long_enough = if greedy {
            request.len() > fixed.len() && request[fixed.len()..] != [""]
        } else {
            request.len() == fixed.len()
        };
        let fits = long_enough
            && fixed
                .iter()
                .zip(request)
                .all(|(segment, text)| match segment {
                    Segment::Static(literal) => literal == text,
                    Segment::Parameter(_) | Segment::Greedy(_) => !text.is_empty(),
                });
        if !fits || (name != "ANY" && name != request_method) {
            continue;
        }
        // Smaller is better: whole before greedy, literal before variable segment by segment, a
        // longer greedy prefix before a shorter one, a named method before ANY.
        let mut rank = vec![u8::from(greedy)];
        rank.extend(
            fixed
                .iter()
                .map(|segment| u8::from(!matches!(segment, Segment::Static(_)))),
        );
        rank.push(2);
        rank.push(u8::from(name == "ANY"));
        if best.as_ref().is_none_or(|(other, _)| rank < *other) {
            best = Some((rank, key));
        }
    }
    best.map(|(_, key)| key)
        .or_else(|| keys.iter().find(|key| **key == "$default").copied())
}

fn pattern() -> impl Strategy<Value = String> {
    let segment = prop_oneof![Just("a"), Just("b"), Just("c"), Just("{x}"), Just("{y}")];
    (prop::collection::vec(segment, 0..4), any::<bool>()).prop_map(|(segments, greedy)| {
        let mut path = String::new();
        for segment in &segments {
            path.push('/');
            path.push_str(segment);
        }
        if greedy {
            path.push_str("/{rest+}");
        }
        if path.is_empty() {
            "/".to_owned()
        } else {
            path
        }
    })
}

fn route() -> impl Strategy<Value = String> {
    let named = (
        prop_oneof![Just("GET"), Just("POST"), Just("ANY")],
        pattern(),
    );
    prop_oneof![9 => named.prop_map(|(method, path)| format!("{method} {path}")), 1 => Just("$default".to_owned())]
}

/// A segment of a request, as it arrives and decoded.
fn segment() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop_oneof![
        Just(("a", "a")),
        Just(("b", "b")),
        Just(("z", "z")),
        Just(("", "")),
        Just(("%61", "a")),
        Just(("%62", "b")),
        // What is encoded separates nothing and is no variable.
        Just(("a%2Fb", "a/b")),
        Just(("%7Bx%7D", "{x}")),
    ]
}

proptest! {
    #[test]
    fn equals_the_naive_matcher(
        routes in prop::collection::vec(route(), 0..12),
        path in prop::collection::vec(segment(), 1..5),
        method in prop_oneof![Just("GET"), Just("POST"), Just("PUT"), Just("PROPFIND")],
    ) {
        let (path, decoded): (Vec<_>, Vec<_>) = path.into_iter().unzip();
        // The configuration refuses two routes with one meaning.
        let mut keys: Vec<&str> = Vec::new();
        for route in &routes {
            let same = |key: &&str| key.replace("{y}", "{x}") == route.replace("{y}", "{x}");
            if !keys.iter().any(same) {
                keys.push(route);
            }
        }
        let raw = format!("/{}", path.join("/"));
        // Empty segments are refused before any route is asked.
        let Ok(path) = RequestPath::parse(&raw, Slashes::Exact) else { return Ok(()) };
        let router = router(&keys);
        let found = router.find(&method.parse().unwrap(), &path).map(|found| found.value.as_str());
        prop_assert_eq!(found, naive(&keys, method, &decoded), "{} {} of {:?}", method, raw, keys);
    }
}

#[track_caller]
fn check_method(keys: &[&str], request: &str, expected: Option<(&str, &[(&str, &str)])>) {
    let (method, path) = request.split_once(' ').unwrap();
    let path = RequestPath::parse(path, Slashes::Collapsed).unwrap();
    let router = router(keys);
    let found = router.find_method(&method.parse().unwrap(), &path);
    let found = found.map(|found| {
        let parameters = found.parameters.into_iter();
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.into_owned()));
        (found.value.clone(), parameters.collect::<Vec<_>>())
    });
    let expected = expected.map(|(key, parameters)| {
        let parameters = parameters.iter();
        let parameters = parameters.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        (key.to_owned(), parameters.collect::<Vec<_>>())
    });
    assert_eq!(found, expected, "{request}");
}

#[test]
fn a_rest_api_finds_the_resource_before_the_method() {
    let keys = &[
        "GET /pets",
        "GET /pets/{id}",
        "POST /pets/{proxy+}",
        "ANY /{proxy+}",
        "GET /pets/dog/toys",
    ];
    check_method(keys, "GET /pets", Some(("GET /pets", &[])));
    check_method(keys, "GET /pets/", Some(("GET /pets", &[])));
    check_method(keys, "GET //pets", Some(("GET /pets", &[])));
    check_method(
        keys,
        "GET /pets/7",
        Some(("GET /pets/{id}", &[("id", "7")])),
    );
    // The resource is there: its missing method is looked for nowhere else.
    check_method(keys, "POST /pets/7", None);
    check_method(keys, "PUT /pets", None);
    // `dog` has no methods of its own, so that it is one more pet.
    check_method(
        keys,
        "GET /pets/dog",
        Some(("GET /pets/{id}", &[("id", "dog")])),
    );
    check_method(
        keys,
        "GET /pets/dog/toys",
        Some(("GET /pets/dog/toys", &[])),
    );
    // The path falls back to the greedy sibling of the nearest ancestor; the method does not.
    let greedy: &[_] = &[("proxy", "dog/food")];
    check_method(
        keys,
        "POST /pets/dog/food",
        Some(("POST /pets/{proxy+}", greedy)),
    );
    check_method(keys, "GET /pets/dog/food", None);
    check_method(
        keys,
        "GET /orders",
        Some(("ANY /{proxy+}", &[("proxy", "orders")])),
    );
    check_method(keys, "GET /", None);
    check_method(keys, "PROPFIND /orders", None);
    let inner: &[_] = &[("proxy", "a//b")];
    check_method(keys, "GET /a//b/", Some(("ANY /{proxy+}", inner)));
}

/// A path whose variables have no names.
fn shape(path: &[Segment]) -> Vec<Segment> {
    let bare = |segment: &Segment| match segment {
        Segment::Static(text) => Segment::Static(text.clone()),
        Segment::Parameter(_) => Segment::Parameter(String::new()),
        Segment::Greedy(_) => Segment::Greedy(String::new()),
    };
    path.iter().map(bare).collect()
}

/// The resource of a REST API said again without a tree: level by level, over all keys.
fn naive_resource(keys: &[&str], request: &[&str]) -> Option<Vec<Segment>> {
    fn walk(paths: &[Vec<Segment>], so_far: &[Segment], request: &[&str]) -> Option<Vec<Segment>> {
        let starts = |path: &&Vec<Segment>| shape(path).starts_with(&shape(so_far));
        let below: Vec<_> = paths.iter().filter(starts).cloned().collect();
        let Some((first, rest)) = request.split_first() else {
            return below.into_iter().find(|path| path.len() == so_far.len());
        };
        let literal = Segment::Static((*first).to_owned());
        let variable = Segment::Parameter(String::new());
        let steps = [Some(literal), Some(variable).filter(|_| !first.is_empty())];
        for step in steps.into_iter().flatten() {
            let next = [so_far, &[step]].concat();
            if let Some(found) = walk(&below, &next, rest) {
                return Some(found);
            }
        }
        let greedy = [so_far, &[Segment::Greedy(String::new())]].concat();
        below.into_iter().find(|path| shape(path) == greedy)
    }
    let paths = keys
        .iter()
        .map(|key| segments(key.split_once(' ').unwrap().1));
    walk(&paths.collect::<Vec<_>>(), &[], request).map(|path| shape(&path))
}

/// The key of the resource that answers a method: its own, else `ANY`, which stands for the seven.
fn naive_method<'k>(keys: &[&'k str], resource: &[Segment], method: &str) -> Option<&'k str> {
    const SEVEN: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    let of = |wanted: &str| {
        let mut own = keys.iter().copied();
        own.find(|key| {
            let (name, path) = key.split_once(' ').unwrap();
            name == wanted && shape(&segments(path)) == resource
        })
    };
    of(method).or_else(|| of("ANY").filter(|_| SEVEN.contains(&method)))
}

fn rest_key() -> impl Strategy<Value = String> {
    let parts = prop::collection::vec("a|b|\\{x\\}", 0..4);
    let methods = prop_oneof![Just("GET"), Just("POST"), Just("ANY")];
    (methods, parts, any::<bool>()).prop_map(|(method, mut parts, is_greedy)| {
        if is_greedy {
            parts.push("{rest+}".to_owned());
        }
        format!("{method} /{}", parts.join("/"))
    })
}

proptest! {
    #[test]
    fn a_rest_lookup_equals_the_naive_one(
        patterns in prop::collection::btree_set(rest_key(), 1..10),
        path in prop::collection::vec(segment(), 0..5),
        method in prop_oneof![Just("GET"), Just("POST"), Just("PUT"), Just("PROPFIND")],
    ) {
        let keys: Vec<&str> = patterns.iter().map(String::as_str).collect();
        let (path, mut decoded): (Vec<_>, Vec<_>) = path.into_iter().unzip();
        let raw = format!("/{}", path.join("/"));
        // Slashes at the ends are nothing.
        while decoded.last().is_some_and(|last| last.is_empty()) {
            decoded.pop();
        }
        let start = decoded.iter().take_while(|first| first.is_empty()).count();
        let resource = naive_resource(&keys, &decoded[start..]);
        let expected = resource.and_then(|resource| naive_method(&keys, &resource, method));
        let path = RequestPath::parse(&raw, Slashes::Collapsed).unwrap();
        let router = router(&keys);
        let found = router.find_method(&method.parse().unwrap(), &path);
        let found = found.map(|found| found.value.as_str());
        prop_assert_eq!(found, expected, "{} {} of {:?}", method, raw, keys);
    }
}
