//! One mistake at a time in definitions that are sound: each is refused where it stands.

use std::path::Path;

use gateway::config::{ImportOptions, Treatment, import, load_text};
use gateway::model::Integration;

use crate::fix::without_fix;
use crate::mutations::{HTTP, OF_HTTP, OF_REST, REST, Row};

/// What is said of `text`, one line each, without the name of the file.
fn said(folder: &Path, text: &str) -> Vec<String> {
    let path = folder.join("pets.yaml");
    std::fs::write(&path, text).unwrap();
    let prefix = format!("{}:", path.display());
    let lines: Vec<String> = match import(&path, &ImportOptions::default()) {
        Err(report) => report.errors.iter().map(ToString::to_string).collect(),
        Ok(import) => {
            let refused = import.findings.into_iter();
            let refused = refused.filter(|found| matches!(found.treatment, Treatment::Refused(_)));
            refused.map(|found| found.to_string()).collect()
        }
    };
    let lines = lines.into_iter();
    lines
        .map(|line| line.strip_prefix(&prefix).unwrap_or(&line).to_owned())
        .collect()
}

/// Every route that `text` opens although it is not sound: served without what somebody wrote.
fn opened(folder: &Path, text: &str, stages: &str) -> Vec<String> {
    std::fs::write(folder.join("pets.yaml"), text).unwrap();
    let config = format!(
        "listeners: {{l: {{address: '127.0.0.1:80'}}}}\n\
         apis: {{pets: {{definition: pets.yaml, partial: true, stages: {{{stages}: {{}}}}}}}}\n"
    );
    let Ok(loaded) = load_text("gateway.yaml", &config, folder) else {
        return Vec::new();
    };
    let routes = &loaded.gateway.apis[0].definition.routes;
    let is_secured = |key: &str| key.contains("/pets/");
    let open = routes.iter().filter(|route| {
        is_secured(route.key.as_str())
            && route.authorizer.is_none()
            && route.integration != Integration::Refused
    });
    open.map(|route| route.key.to_string()).collect()
}

#[track_caller]
fn check(base: &str, rows: &[Row], stages: &str) {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(said(folder.path(), base), Vec::<String>::new());
    let mut failures = Vec::new();
    for (from, to, place, what) in rows {
        assert!(base.contains(from), "{from}");
        let text = base.replacen(from, to, 1);
        let lines = said(folder.path(), &text);
        let start = format!("{place}: ");
        if !lines
            .iter()
            .any(|line| line.starts_with(&start) && line.contains(what))
        {
            failures.push(format!(
                "{from:?} -> {to:?}, expected {place} {what}\n{lines:#?}"
            ));
        }
        let helpless = without_fix(lines.iter().map(String::as_str)).into_iter();
        failures.extend(helpless.map(|line| format!("{from:?} -> {to:?} has no fix: {line}")));
        let open = opened(folder.path(), &text, stages);
        if !open.is_empty() {
            failures.push(format!("{from:?} -> {to:?} opens {open:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_mistake_in_a_rest_api_is_named_where_it_stands_and_opens_nothing() {
    check(REST, OF_REST, "prod");
}

#[test]
fn every_mistake_in_an_http_api_is_named_where_it_stands_and_opens_nothing() {
    check(HTTP, OF_HTTP, "$default");
}

#[test]
fn there_are_sixty_mistakes_and_more() {
    assert!(OF_REST.len() + OF_HTTP.len() >= 60);
}
