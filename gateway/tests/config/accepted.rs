//! What is accepted, and what it means.

use std::path::PathBuf;

use gateway::config::{load, load_settings, schema};
use gateway::model::{ApiKind, Gateway};

use crate::files::{compare, file_name, reference, repository, yaml_files};
use crate::site::{Site, accepted};

/// Every file in `examples/`.
fn examples() -> Vec<PathBuf> {
    yaml_files(&repository().join("examples"))
}

#[test]
fn every_example_is_accepted_without_a_warning() {
    let site = Site::new();
    let files = examples();
    assert!(files.len() >= 5, "{files:?}");
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let loaded = accepted(&file_name(&path), &text, &site);
        let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings, [""; 0], "{}", path.display());
    }
}

#[test]
fn the_reference_means_what_it_says() {
    let site = Site::new();
    let loaded = accepted("reference.yaml", &reference(), &site);
    let found = format!("{:#?}\n", loaded.gateway);
    let found = found.replace(&site.path().display().to_string(), "SITE");
    compare(
        &repository().join("gateway/tests/config/reference.model"),
        &found,
    );
}

/// `key: value  # default` says that the line can go without changing anything.
#[test]
fn what_the_reference_calls_default_is_the_default() {
    let site = Site::new();
    let text = reference();
    let is_default = |line: &&str| {
        let comment = line.split_once("# default").map(|(_, rest)| rest);
        comment.is_some_and(|rest| rest.is_empty() || rest.starts_with(';'))
    };
    let shown: Vec<&str> = text.lines().filter(is_default).collect();
    assert!(shown.len() > 30, "{shown:#?}");
    let full = meaning(&accepted("full.yaml", &text, &site).gateway);
    for line in shown {
        let rest: Vec<&str> = text.lines().filter(|other| *other != line).collect();
        let lean = accepted("lean.yaml", &without_empty_sections(&rest), &site).gateway;
        assert_eq!(meaning(&lean), full, "without {line}");
    }
}

/// Leaves out keys under which nothing is left.
fn without_empty_sections(lines: &[&str]) -> String {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let empty = |(index, line): (usize, &&str)| {
        let next = lines[index + 1..]
            .iter()
            .find(|next| !next.trim().is_empty());
        line.ends_with(':') && next.is_none_or(|next| indent(next) <= indent(line))
    };
    let kept = lines
        .iter()
        .enumerate()
        .filter(|entry| !empty(*entry))
        .map(|(_, line)| *line);
    kept.collect::<Vec<_>>().join("\n")
}

/// The defaults that the reference shows in words or in blocks.
#[test]
fn defaults_that_are_blocks_are_as_documented() {
    let site = Site::new();
    let text = std::fs::read_to_string(repository().join("examples/minimal.yaml")).unwrap();
    let lean = accepted("minimal.yaml", &text, &site).gateway;
    let rates = "xdp:
  connections_per_source: { rate: 100, burst: 1000, aggregate: { rate: 1600, burst: 16000 } }
  packets_per_source: off
";
    let full = accepted("rates.yaml", &format!("{text}\n{rates}"), &site).gateway;
    assert_eq!(lean.edge, full.edge);
    assert!(lean.edge.connections.is_some() && lean.edge.packets.is_none());
    assert!(lean.user.is_none() && lean.group.is_none());
    assert_eq!(lean.workers, std::thread::available_parallelism().unwrap());
    assert!(
        lean.listeners
            .iter()
            .all(|listener| listener.trusted_proxies.is_empty())
    );
    assert_eq!(lean.apis[0].listeners, [lean.listeners[0].name.clone()]);
    let id = &lean.apis[0].id;
    assert_eq!(
        lean.apis[0].hosts,
        [format!("{id}.execute-api.local.localhost")]
    );
    assert!(lean.apis[0].other_hosts);
    assert_eq!(lean.apis[0].kind, ApiKind::Http);
    assert_eq!(lean.identity.account, "000000000000");
    assert_eq!(lean.identity.partition, "aws");
    let stages: Vec<_> = lean.apis[0].stages.iter().collect();
    assert!(matches!(stages[..], [stage] if stage.name.is_default()));
    assert!(
        lean.apis[0].definition.routes[0]
            .caller_throttles
            .is_empty()
    );
}

fn meaning(gateway: &Gateway) -> String {
    format!("{gateway:#?}")
}

#[test]
fn a_file_is_named_as_it_was_asked_for_and_paths_start_beside_it() {
    let site = Site::new();
    let path = site.path().join("gateway.yaml");
    std::fs::write(&path, reference()).unwrap();
    let loaded = load(&path).unwrap_or_else(|report| panic!("{report}"));
    let tls = loaded.gateway.listeners[0].tls.as_ref().unwrap();
    assert_eq!(
        tls.certificates[0].chain,
        site.path().join("certs/api.example.com.pem")
    );

    // Without its files it is refused, unless only settings are asked for.
    let elsewhere = tempfile::tempdir().unwrap();
    let alone = elsewhere.path().join("gateway.yaml");
    std::fs::copy(&path, &alone).unwrap();
    assert_eq!(load(&alone).unwrap_err().errors.len(), 16);
    assert!(load_settings(&alone).is_ok());

    let missing = load(&site.path().join("missing.yaml"))
        .unwrap_err()
        .to_string();
    let expected = "missing.yaml: cannot be read: No such file or directory (os error 2): \
                    put it there, or name another";
    assert!(missing.ends_with(expected), "{missing}");

    std::fs::write(&path, b"instance: a\nuser: \xff\n").unwrap();
    let found = load(&path).unwrap_err().to_string();
    let expected = format!(
        "{}:2:7: this is not UTF-8: save the file as UTF-8",
        path.display()
    );
    assert_eq!(found, expected);

    std::fs::write(&path, vec![b'#'; gateway::config::FILE_BYTES_MAX + 1]).unwrap();
    let found = load(&path).unwrap_err().to_string();
    assert_eq!(
        found,
        format!(
            "{}: the file has too many bytes: at most 8388608",
            path.display()
        )
    );
}

#[test]
fn what_works_and_is_probably_not_meant_is_a_warning() {
    let site = Site::new();
    let text = "listeners:
  open:
    address: 0.0.0.0:8080
    trusted_proxies: [0.0.0.0/0]
  unused:
    address: 127.0.0.1:8081
    forwarded_header: forwarded
    proxy_protocol: { from: ['::/0'] }
authorizers:
  unused:
    type: jwt
    issuer: https://login.example.com/
    audiences: [a]
    algorithms: [RS256]
    jwks: { file: keys.json }
upstreams:
  app: { url: 'http://127.0.0.1:9000' }
  unused: { url: 'http://127.0.0.1:9001' }
apis:
  app:
    type: http
    listeners: [open]
    routes:
      $default: { authorizer: none, integration: { upstream: app } }
";
    let loaded = accepted("gateway.yaml", text, &site);
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    let expected = [
        "gateway.yaml:2:3: listeners.open: everything, tokens included, travels in plain text: \
         add `tls` unless something in front of this listener terminates it",
        "gateway.yaml:4:23: listeners.open.trusted_proxies[0]: everybody may then claim to be \
         anybody: name your proxies only",
        "gateway.yaml:5:3: listeners.unused: no API answers here: every request gets 404",
        "gateway.yaml:7:5: listeners.unused.forwarded_header: nobody is believed by any header: name \
         `trusted_proxies`, or leave it out",
        "gateway.yaml:8:30: listeners.unused.proxy_protocol.from[0]: everybody may then claim to be \
         anybody: name your proxies only",
        "gateway.yaml:10:3: authorizers.unused: no route asks for this authorizer",
        "gateway.yaml:18:3: upstreams.unused: no route forwards to this upstream",
    ];
    assert_eq!(warnings, expected);
}

/// Writes the committed schema with `GATEWAY_BLESS=1`, else compares it.
#[test]
fn the_committed_schema_is_the_generated_one() {
    compare(
        &repository().join("docs/configuration.schema.json"),
        &format!("{:#}\n", schema()),
    );
}
