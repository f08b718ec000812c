//! The committed object against copies of this tree.

use std::path::Path;

use super::{COMMITTED, MANIFEST, check_source, root};

/// Copies what the check looks at: sources, manifests and the lock file.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if ["target", ".git", "fuzz", "docs"]
            .iter()
            .any(|skipped| name == *skipped)
        {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[track_caller]
fn refused_after(change: impl FnOnce(&Path)) -> String {
    let directory = tempfile::tempdir().unwrap();
    copy(&root().unwrap(), directory.path());
    check_source(directory.path()).unwrap();
    change(directory.path());
    format!("{:#}", check_source(directory.path()).unwrap_err())
}

fn flip_last_byte(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn one_changed_source_byte_makes_the_object_stale() {
    for source in ["gateway-ebpf/src/judge.rs", "gateway-common/src/limit.rs"] {
        let message = refused_after(|root| flip_last_byte(&root.join(source)));
        assert!(message.contains("stale"), "{message}");
    }
}

#[test]
fn a_new_source_file_makes_the_object_stale() {
    let message = refused_after(|root| {
        std::fs::write(root.join("gateway-ebpf/src/new.rs"), "").unwrap();
    });
    assert!(message.contains("stale"), "{message}");
}

#[test]
fn another_locked_version_makes_the_object_stale() {
    let message = refused_after(|root| {
        let path = root.join("Cargo.lock");
        let lock = std::fs::read_to_string(&path).unwrap();
        let (before, entry) = lock.split_once("name = \"aya-ebpf\"").unwrap();
        let (head, checksum) = entry.split_once("checksum = \"").unwrap();
        let digit = if checksum.starts_with('0') { '1' } else { '0' };
        let rest: String = checksum.chars().skip(1).collect();
        let changed = format!("{before}name = \"aya-ebpf\"{head}checksum = \"{digit}{rest}");
        std::fs::write(path, changed).unwrap();
    });
    assert!(
        message.contains("stale") || message.contains("checksum"),
        "{message}"
    );
}

#[test]
fn an_edited_object_is_refused() {
    let message = refused_after(|root| flip_last_byte(&root.join(COMMITTED)));
    assert!(
        message.contains("is not the object of its manifest"),
        "{message}"
    );
}

#[test]
fn a_manifest_with_unknown_fields_is_refused() {
    let message = refused_after(|root| {
        let path = root.join(MANIFEST);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text.replacen('{', "{\"extra\": 1,", 1)).unwrap();
    });
    assert!(message.contains("is no manifest"), "{message}");
}
