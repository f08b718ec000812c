//! Configuration from the outside: examples are accepted, mistakes are named where they stand.

#[path = "config/site.rs"]
mod site;

use std::path::{Path, PathBuf};

use gateway::config::{Loaded, load, load_text, schema};
use gateway::model::Gateway;
use proptest::prelude::*;
use site::Site;

/// Every file in `examples/`.
fn examples() -> Vec<PathBuf> {
    yaml_files(&repository().join("examples"))
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn yaml_files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    files
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[track_caller]
fn accepted(name: &str, text: &str, site: &Site) -> Loaded {
    load_text(name, text, site.path()).unwrap_or_else(|report| panic!("refused:\n{report}"))
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

fn reference() -> String {
    std::fs::read_to_string(repository().join("examples/reference.yaml")).unwrap()
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
    assert!(lean.apis[0].hosts.is_empty());
    assert!(lean.apis[0].routes[0].caller_throttle.is_none());
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

    let missing = load(&site.path().join("missing.yaml"))
        .unwrap_err()
        .to_string();
    let expected = "missing.yaml: cannot be read: No such file or directory (os error 2)";
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
        format!("{}: larger than 8388608 bytes", path.display())
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
        "gateway.yaml:8:3: authorizers.unused: no route asks for this authorizer",
        "gateway.yaml:16:3: upstreams.unused: no route forwards to this upstream",
    ];
    assert_eq!(warnings, expected);
}

#[test]
fn throttles_beyond_the_table_are_refused_and_large_files_are_read_in_linear_time() {
    let site = Site::new();
    let throttles = "throttle: {rate: 1, burst: 1}, caller_throttle: {rate: 1, burst: 1, key: $request.header.x}";
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
    let most = accepted("most.yaml", &with(slots / 2), &site);
    assert_eq!(most.gateway.apis[0].routes.len(), slots / 2);
    let refused = load_text("more.yaml", &with(slots / 2 + 1), site.path()).unwrap_err();
    let expected = "more.yaml:3:1: apis: the routes have 65538 throttles together: at most 65536";
    assert_eq!(refused.to_string(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// Whatever happens to the reference, it is accepted or refused with reasons, and never panics.
    #[test]
    fn mutations_of_the_reference_never_panic(edits in prop::collection::vec(edit(), 1..6)) {
        let mut bytes = reference().into_bytes();
        for edit in edits {
            edit.apply(&mut bytes);
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Err(report) = load_text("mutated.yaml", &text, &missing_directory()) {
            prop_assert!(!report.errors.is_empty());
            prop_assert_eq!(report.to_string().lines().count(), report.errors.len());
            let lines = text.lines().count() + 1;
            let inside = |error: &gateway::config::Diagnostic| {
                error.place.is_some_and(|place| place.line <= lines && place.column >= 1)
            };
            prop_assert!(report.errors.iter().all(inside), "{}", report);
        }
    }
}

/// The files that the reference names are not what these cases are about.
fn missing_directory() -> PathBuf {
    PathBuf::from("/nonexistent")
}

/// 400 cases by default; the soak asks for more.
fn cases() -> u32 {
    std::env::var("GATEWAY_SOAK_CASES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(400)
}

/// One change to some text.
#[derive(Debug, Clone)]
enum Edit {
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize, prop::sample::Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let pieces = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "\t",
        "#",
        "&a ",
        "*a",
        "!!str ",
        "? ",
        "|\n",
        ">-\n",
        "'",
        "\"",
        "\\",
        "%",
        "---\n",
        "...\n",
        "null",
        "-1",
        "1e308",
        "~",
        "<<: ",
        "\u{0}",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "\u{fffd}",
        "99999999999999999999",
        "{a+}",
        "..",
    ]);
    let bytes = prop_oneof![
        pieces.prop_map(|piece| piece.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 1..8),
    ];
    prop_oneof![
        (any::<prop::sample::Index>(), bytes).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (any::<prop::sample::Index>(), 1..200usize).prop_map(|(at, n)| Edit::Remove(at, n)),
        (
            any::<prop::sample::Index>(),
            1..200usize,
            any::<prop::sample::Index>()
        )
            .prop_map(|(from, n, to)| Edit::Repeat(from, n, to)),
    ]
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let piece = |at: usize, n: usize, bytes: &[u8]| at..(at + n).min(bytes.len());
        match self {
            Self::Insert(at, new) => {
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Remove(at, n) => {
                let range = piece(at.index(bytes.len() + 1), *n, bytes);
                bytes.drain(range);
            }
            Self::Repeat(from, n, to) => {
                let range = piece(from.index(bytes.len() + 1), *n, bytes);
                let copy = bytes[range].to_vec();
                let to = to.index(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
        }
    }
}

/// `bad/*.yaml` beside the messages it earns, warnings last.
#[test]
fn every_mistake_is_named_where_it_stands() {
    let site = Site::new();
    let files = yaml_files(&repository().join("gateway/tests/config/bad"));
    assert!(files.len() >= 25, "{files:?}");
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let report = match load_text(&file_name(&path), &text, site.path()) {
            Ok(loaded) => panic!("{} was accepted: {loaded:?}", path.display()),
            Err(report) => report,
        };
        assert!(report.errors.len() == report.to_string().lines().count());
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
}

/// Writes the committed schema with `GATEWAY_BLESS=1`, else compares it.
#[test]
fn the_committed_schema_is_the_generated_one() {
    compare(
        &repository().join("docs/configuration.schema.json"),
        &format!("{:#}\n", schema()),
    );
}

#[track_caller]
fn compare(path: &Path, found: &str) {
    if std::env::var_os("GATEWAY_BLESS").is_some() {
        std::fs::write(path, found).unwrap();
    }
    let expected = std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("{}: {error}; found:\n{found}", path.display()));
    assert_eq!(
        found,
        expected,
        "{}: rerun with GATEWAY_BLESS=1 to accept",
        path.display()
    );
}
