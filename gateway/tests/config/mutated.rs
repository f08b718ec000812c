//! Files that nobody wrote on purpose.

use std::path::PathBuf;
use std::sync::LazyLock;

use gateway::config::{ImportOptions, import, load_text};
use proptest::prelude::*;

use crate::files::{reference, repository, yaml_files};
use crate::site::Site;

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
            prop_assert_eq!(report.to_string().lines().count(), report.errors.len(), "{}", report);
            // Whatever the reader refuses, the shape check has refused before and said why.
            prop_assert!(!report.to_string().contains("cannot be understood"), "{}", report);
            // To YAML a lone carriage return ends a line, and so does the end of the file: what is
            // missing there is missing on the line behind it.
            let lines = text.matches(['\n', '\r']).count() + 2;
            let inside = |error: &gateway::config::Diagnostic| {
                error.place.is_some_and(|place| place.line <= lines && place.column >= 1)
            };
            prop_assert!(report.errors.iter().all(inside), "{}", report);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases() / 4))]

    /// So is whatever happens to a definition; and what is accepted can be printed and loaded.
    #[test]
    fn mutations_of_definitions_never_panic(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec(edit(), 1..4),
    ) {
        let files = yaml_files(&repository().join("examples/openapi"));
        let mut bytes = std::fs::read(which.get(&files)).unwrap();
        for edit in edits {
            edit.apply(&mut bytes);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mutated.yaml");
        std::fs::write(&path, &bytes).unwrap();
        match import(&path, &ImportOptions::default()) {
            Err(report) => {
                prop_assert!(!report.errors.is_empty());
                prop_assert!(!report.to_string().contains("cannot be understood"), "{}", report);
            }
            Ok(import) if !import.has_refusals() => {
                let text = around(&import.native);
                if let Err(report) = load_text("printed.yaml", &text, SITE.path()) {
                    prop_assert!(false, "{}\n{}", report, text);
                }
            }
            Ok(import) => prop_assert!(import.routes >= import.refused_routes),
        }
    }
}

/// What the listener of printed APIs shows.
static SITE: LazyLock<Site> = LazyLock::new(Site::new);

/// A configuration around a printed API: what a definition says of TLS asks for hosts, and for a
/// listener that has some.
fn around(api: &str) -> String {
    let head = "apis:\n  mutated:\n";
    let api = api.replace(head, &format!("{head}    hosts: [api.example.com]\n"));
    format!(
        "listeners:\n  l:\n    address: 127.0.0.1:443\n    tls:\n      certificates:\n      \
         - {{chain: certs/api.example.com.pem, key: certs/api.example.com.key}}\n{api}"
    )
}

/// The files that the reference names are not what these cases are about.
fn missing_directory() -> PathBuf {
    PathBuf::from("/nonexistent")
}

/// 4,000 cases by default; the soak asks for more.
fn cases() -> u32 {
    std::env::var("GATEWAY_SOAK_CASES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(4_000)
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
