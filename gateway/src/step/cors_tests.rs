use std::time::Duration;

use super::*;

fn plan(origins: &[AllowedOrigin]) -> CorsPlan {
    CorsPlan::compile(&Cors {
        origins: origins.to_vec(),
        methods: vec!["GET".into(), "PUT".into()],
        headers: vec!["x-a".into(), "x-b".into()],
        exposed: vec!["x-c".into()],
        credentials: !origins.contains(&AllowedOrigin::Any),
        max_age: Some(Duration::from_secs(60)),
    })
    .unwrap()
}

#[track_caller]
fn check(plan: &CorsPlan, method: &Method, sent: &[(&'static str, &'static str)], said: &str) {
    let mut headers = HeaderMap::new();
    for (name, value) in sent {
        headers.append(*name, HeaderValue::from_static(value));
    }
    let mut found: Vec<String> = plan
        .headers(method, &headers)
        .iter()
        .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
        .collect();
    found.sort_unstable();
    let found = found.join(" ").replace("access-control-", "");
    assert_eq!(found, said, "{method} {sent:?}");
}

#[test]
fn an_origin_is_allowed_or_hears_nothing() {
    let exact = plan(&[AllowedOrigin::Exact("https://a.test".into())]);
    let said = "allow-credentials=true allow-origin=https://a.test expose-headers=x-c vary=Origin";
    check(&exact, &Method::GET, &[("origin", "https://a.test")], said);
    for origin in [
        "https://b.test",
        "http://a.test",
        "https://a.test.evil",
        "null",
        "https://A.test",
    ] {
        check(&exact, &Method::GET, &[("origin", origin)], "vary=Origin");
    }
    let twice = [("origin", "https://a.test"), ("origin", "https://a.test")];
    check(&exact, &Method::GET, &twice, "vary=Origin");
    check(&exact, &Method::GET, &[], "vary=Origin");
    let secure = plan(&[AllowedOrigin::Scheme("https://")]);
    let said = "allow-credentials=true allow-origin=https://b.test expose-headers=x-c vary=Origin";
    check(&secure, &Method::GET, &[("origin", "https://b.test")], said);
    check(
        &secure,
        &Method::GET,
        &[("origin", "http://b.test")],
        "vary=Origin",
    );
    let all = plan(&[AllowedOrigin::Any]);
    let said = "allow-origin=* expose-headers=x-c";
    check(&all, &Method::GET, &[("origin", "null")], said);
    check(&all, &Method::GET, &[], "");
}

#[test]
fn a_preflight_hears_what_is_allowed() {
    let all = plan(&[AllowedOrigin::Any]);
    let sent = [
        ("origin", "https://a.test"),
        ("access-control-request-method", "PUT"),
    ];
    let said = "allow-headers=x-a,x-b allow-methods=GET,PUT allow-origin=* max-age=60";
    check(&all, &Method::OPTIONS, &sent, said);
    check(
        &all,
        &Method::GET,
        &sent,
        "allow-origin=* expose-headers=x-c",
    );
    check(
        &all,
        &Method::OPTIONS,
        &sent[..1],
        "allow-origin=* expose-headers=x-c",
    );
    check(&all, &Method::OPTIONS, &sent[1..], "");
    let exact = plan(&[AllowedOrigin::Exact("https://b.test".into())]);
    check(&exact, &Method::OPTIONS, &sent, "vary=Origin");
}

#[test]
fn a_backend_has_no_say() {
    let mut headers = HeaderMap::new();
    for name in [ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, VARY] {
        headers.append(name, HeaderValue::from_static("theirs"));
    }
    let mut said = HeaderMap::new();
    said.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    said.insert(VARY, HeaderValue::from_static("Origin"));
    replace(&mut headers, said);
    assert_eq!(headers.len(), 3);
    assert_eq!(headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).unwrap(), "*");
    let vary: Vec<_> = headers.get_all(VARY).iter().collect();
    assert_eq!(vary, ["theirs", "Origin"]);
}
