//! Finds the BPF object that this build embeds and hands its path on as
//! `GATEWAY_EBPF_OBJECT_PATH`.
//!
//! The committed object is the default, so that a plain build needs no BPF toolchain.
//! `GATEWAY_EBPF_OBJECT` names another one: that is how the tests run against a fresh build.

use std::path::PathBuf;

/// The variable that names another object.
const OVERRIDE: &str = "GATEWAY_EBPF_OBJECT";

fn main() -> Result<(), String> {
    println!("cargo:rerun-if-env-changed={OVERRIDE}");
    let path = match std::env::var_os(OVERRIDE) {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from("../gateway-ebpf/object/gateway-ebpf.o"),
    };
    let path = path.canonicalize().map_err(|error| {
        format!(
            "cannot find the BPF object `{}`: {error}; `cargo xtask ebpf` builds it",
            path.display()
        )
    })?;
    println!("cargo:rerun-if-changed={}", path.display());
    println!(
        "cargo:rustc-env=GATEWAY_EBPF_OBJECT_PATH={}",
        path.display()
    );
    Ok(())
}
