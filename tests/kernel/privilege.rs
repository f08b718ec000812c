//! What still works once the process has given its privileges up.

use std::path::Path;
use std::process::Command;

use gateway_tests::capability::or_skip;
use gateway_tests::edge::Bench;

#[test]
fn without_capabilities_everything_but_attaching_works() {
    // Root and BPF are needed; a bench finds out, and is not used otherwise.
    if or_skip(Bench::new("privilege")).is_none() {
        return;
    }
    let instance = format!("test-drop-{}", std::process::id());
    let output = Command::new(env!("CARGO_BIN_EXE_unprivileged-edge"))
        .arg(&instance)
        .output()
        .unwrap();
    let pins = Path::new("/sys/fs/bpf/gateway").join(&instance);
    let is_left = gateway_tests::pinned::directory(&instance).exists();
    if pins.exists() {
        std::fs::remove_dir_all(&pins).unwrap();
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    assert!(!is_left, "the pins were not removed");
}
