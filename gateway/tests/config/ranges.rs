//! Both sides of every bound in `docs/limits.md`.

use gateway::config::load_text;

use crate::site::Site;

const LISTENER: &str = "127.0.0.1:8080";

/// How the API begins, and how one of the other type does.
const OF_HTTP: &str = "type: http, routes: {$default:";
const OF_REST: &str = "type: rest, stages: {prod: {}}, routes: {ANY /:";

/// A configuration whose parts can be replaced one at a time.
fn configuration(setting: &str, value: &str) -> String {
    let mut sections = [
        ("", String::new()),
        ("listeners.l", format!("address: {LISTENER:?}")),
        ("listeners.l.limits", String::new()),
        ("listeners.l.timeouts", String::new()),
        ("xdp.connections_per_source", String::new()),
        ("xdp.bytes_per_source", String::new()),
        ("xdp.under_attack", String::new()),
        ("xdp.other_traffic", String::new()),
        ("xdp.events", String::new()),
        (
            "authorizers.a",
            "type: jwt, issuer: i, audiences: [a], algorithms: [ES256]".to_owned(),
        ),
        ("authorizers.a.jwks", "file: keys.json".to_owned()),
        ("upstreams.u", "url: 'http://127.0.0.1:9000'".to_owned()),
        ("route", "authorizer: a".to_owned()),
        ("route.throttle", String::new()),
        ("route.integration", "upstream: u".to_owned()),
    ];
    let (section, key) = setting.rsplit_once('.').unwrap_or(("", setting));
    let found = sections.iter_mut().find(|(name, _)| *name == section);
    let (_, text) = found.unwrap_or_else(|| panic!("no section `{section}`"));
    let comma = if text.is_empty() { "" } else { ", " };
    text.push_str(&format!("{comma}{key}: {value}"));
    if section.ends_with("throttle") || section.ends_with("per_source") {
        let other = match (section, key) {
            ("xdp.bytes_per_source", "rate") => "burst: 65536",
            (_, "rate") => "burst: 1",
            _ => "rate: 1",
        };
        text.push_str(&format!(", {other}"));
    }
    let [
        top,
        l,
        limits,
        timeouts,
        source,
        bytes,
        attack,
        other,
        events,
        a,
        jwks,
        u,
        route,
        throttle,
        integration,
    ] = sections.map(|(_, text)| text);
    let optional = |key: &str, text: &str| match text {
        "" => String::new(),
        text => format!("{key}: {{{text}}},"),
    };
    format!(
        "{top}
listeners: {{l: {{{l}, limits: {{{limits}}}, timeouts: {{{timeouts}}}}}}}
xdp: {{{} {} under_attack: {{{attack}}}, other_traffic: {{{other}}}, events: {{{events}}}}}
authorizers: {{a: {{{a}, jwks: {{{jwks}}}}}}}
upstreams: {{u: {{{u}}}}}
apis: {{p: {{type: http, routes: {{$default: {{{route}, integration: {{{integration}}}, {}}}}}}}}}
",
        optional("connections_per_source", &source),
        optional("bytes_per_source", &bytes),
        optional("throttle", &throttle),
    )
}

#[track_caller]
fn check(setting: &str, inside: &[&str], outside: &[&str]) {
    check_in("http", setting, inside, outside);
}

/// As [`check`], in an API of this type.
#[track_caller]
fn check_in(kind: &str, setting: &str, inside: &[&str], outside: &[&str]) {
    let site = Site::new();
    let load = |value| {
        let text = configuration(setting, value);
        let text = match kind {
            "rest" => text.replace(OF_HTTP, OF_REST),
            _ => text,
        };
        assert_eq!(text.contains(OF_REST), kind == "rest");
        load_text("gateway.yaml", &text, site.path())
    };
    for value in inside {
        if let Err(report) = load(value) {
            panic!("`{setting}: {value}` was refused:\n{report}");
        }
    }
    for value in outside {
        let Err(report) = load(value) else {
            panic!("`{setting}: {value}` was accepted");
        };
        // Nothing else may be what was refused.
        let key = setting.rsplit('.').next().unwrap();
        let named = |error: &gateway::config::Diagnostic| error.path.ends_with(key);
        assert!(
            report.errors.len() == 1 && report.errors.iter().all(named),
            "{report}"
        );
    }
}

#[test]
fn settings_of_the_process() {
    let long = "x".repeat(32);
    check("instance", &["a", &long], &["''", &format!("{long}x"), "A"]);
    check("workers", &["1", "1024"], &["0", "1025", "-1"]);
    check(
        "drain_timeout",
        &["0s", "1h", "3600s"],
        &["3600001ms", "61m"],
    );
    check(
        "body_memory_max",
        &["1MiB", "1TiB"],
        &["1048575", "1025GiB"],
    );
}

#[test]
fn settings_of_listeners() {
    for setting in ["connections_max", "connections_per_source_max"] {
        let setting = format!("listeners.l.limits.{setting}");
        check(&setting, &["1", "1000000"], &["0", "1000001"]);
    }
    for setting in ["http2_streams_max", "http2_resets_max"] {
        check(
            &format!("listeners.l.limits.{setting}"),
            &["1", "10000"],
            &["0", "10001"],
        );
    }
    let outside = ["8191", "1048577", "2MiB"];
    check(
        "listeners.l.limits.header_bytes_max",
        &["8KiB", "8192", "1MiB"],
        &outside,
    );
    check(
        "listeners.l.limits.header_count_max",
        &["1", "1000"],
        &["0", "1001"],
    );
    for setting in ["handshake", "headers", "body", "idle"] {
        let setting = format!("listeners.l.timeouts.{setting}");
        check(&setting, &["10ms", "1h"], &["9ms", "0s", "3600001ms"]);
    }
}

#[test]
fn settings_of_authorizers_and_upstreams() {
    check(
        "authorizers.a.jwks.timeout",
        &["50ms", "30s"],
        &["49ms", "30001ms"],
    );
    check(
        "authorizers.a.jwks.bytes_max",
        &["1KiB", "16MiB"],
        &["1023", "17MiB"],
    );
    check(
        "authorizers.a.jwks.refresh",
        &["1s", "24h"],
        &["999ms", "25h"],
    );
    check("authorizers.a.leeway", &["0s", "5m"], &["300001ms"]);
    check("authorizers.a.decision_ttl", &["0s", "1h"], &["3600001ms"]);
    check(
        "upstreams.u.connect_timeout",
        &["10ms", "1m"],
        &["9ms", "60001ms"],
    );
    check(
        "upstreams.u.idle_per_worker_max",
        &["0", "10000"],
        &["10001", "-1"],
    );
    check(
        "upstreams.u.idle_timeout",
        &["10ms", "1h"],
        &["9ms", "3600001ms"],
    );
}

#[test]
fn settings_of_routes() {
    check("route.body_max", &["0", "1TiB"], &["1099511627777", "2TiB"]);
    check(
        "route.integration.timeout",
        &["50ms", "30s"],
        &["49ms", "30001ms"],
    );
    // The service makes more of it for REST APIs, where somebody asks.
    check_in(
        "rest",
        "route.integration.timeout",
        &["50ms", "29s"],
        &["49ms", "29001ms", "30s"],
    );
    for section in ["route.throttle", "xdp.connections_per_source"] {
        // At this rate sixteen times the burst still refills within a year.
        let outside = ["0", "-1", "1000000001", "0.000011", "0.0000125"];
        check(
            &format!("{section}.rate"),
            &["0.000012", "0.5", "1000000"],
            &outside,
        );
        check(
            &format!("{section}.burst"),
            &["1", "31536000"],
            &["0", "-1", "31536001"],
        );
    }
}

#[test]
fn settings_of_the_kernel_edge() {
    check(
        "xdp.bytes_per_source.rate",
        &["1", "1250000000", "8982035928.274419"],
        &["0", "-1", "9000000001"],
    );
    check(
        "xdp.bytes_per_source.burst",
        &["65536", "31536000"],
        &["0", "1", "65535", "31536001"],
    );
    check(
        "xdp.under_attack.syns_per_second",
        &["1", "1000000000", "off"],
        &["0", "-1", "1000000001", "0.5", "on"],
    );
    check(
        "xdp.under_attack.hold",
        &["1s", "1h"],
        &["999ms", "3600001ms"],
    );
    check(
        "xdp.under_attack.vouch_for",
        &["1m", "24h"],
        &["59s", "86400001ms"],
    );
    check("xdp.events.per_second", &["1", "10000"], &["0", "10001"]);
    let ports = |count: usize| format!("{:?}", vec![65_535; count]);
    check(
        "xdp.other_traffic.udp_reply_ports",
        &["[]", "[1]", &ports(8)],
        &[&ports(9)],
    );
}
