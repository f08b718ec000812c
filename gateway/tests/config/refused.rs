//! What is refused, and what is said about it.

use gateway::config::load_text;

use crate::files::{compare, file_name, repository, yaml_files};
use crate::fix::without_fix;
use crate::site::Site;

/// `bad/*.yaml` beside the messages it earns, warnings last.
#[test]
fn every_mistake_is_named_where_it_stands() {
    let site = Site::new();
    let files = yaml_files(&repository().join("gateway/tests/config/bad"));
    assert!(files.len() >= 25, "{files:?}");
    let mut helpless: Vec<String> = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let report = match load_text(&file_name(&path), &text, site.path()) {
            Ok(loaded) => panic!("{} was accepted: {loaded:?}", path.display()),
            Err(report) => report,
        };
        assert!(report.errors.len() == report.to_string().lines().count());
        let messages = report.errors.iter().map(|error| error.message.as_str());
        helpless.extend(without_fix(messages).into_iter().map(str::to_owned));
        let mut found = format!("{report}\n");
        for warning in &report.warnings {
            found.push_str(&format!("warning: {warning}\n"));
        }
        let site = site.path().display().to_string();
        compare(
            &path.with_extension("expected"),
            &found.replace(&site, "SITE"),
        );
    }
    assert!(helpless.is_empty(), "no fix:\n{}", helpless.join("\n"));
}

#[test]
fn throttles_beyond_the_table_are_refused() {
    let site = Site::new();
    let throttles = "throttle: {rate: 1, burst: 1}, caller_throttles: [{rate: 1, burst: 1, key: $request.header.x}]";
    let with = |routes: usize| {
        let mut text = String::from("listeners: {l: {address: '127.0.0.1:8080'}}\n");
        text.push_str("upstreams: {u: {url: 'http://127.0.0.1:9000'}}\n");
        text.push_str("apis:\n  a:\n    type: http\n    routes:\n");
        for index in 0..routes {
            text.push_str(&format!(
                "      GET /{index}: {{authorizer: none, {throttles}, integration: {{upstream: u}}}}\n"
            ));
        }
        text
    };
    let slots = gateway_common::capacity::SLOT_COUNT as usize;
    let refused = load_text("more.yaml", &with(slots / 2 + 1), site.path()).unwrap_err();
    let expected = "more.yaml:3:1: apis: the APIs have 65538 throttles together, over all stages: at most 65536, by `buckets.throttles`";
    assert_eq!(refused.to_string(), expected);
}
