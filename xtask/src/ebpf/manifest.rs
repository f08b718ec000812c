//! The manifest beside the committed object.

use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// What the committed object was made of and by.
#[derive(Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// Hash of everything the object is made of, see [`super::source`].
    pub(super) source_sha256: String,
    /// Hash of the object's bytes.
    pub(super) object_sha256: String,
    /// Flags that decide the bytes.
    pub(super) flags: Vec<String>,
    /// Tools that made it.
    pub(super) tools: Tools,
}

/// Versions, as the tools state them.
#[derive(Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tools {
    pub(super) rustc: String,
    pub(super) bpf_linker: String,
}

impl Manifest {
    /// Reads a manifest.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read `{}`", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("`{}` is no manifest", path.display()))
    }

    /// Writes a manifest.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(self).context("a manifest is plain text")?;
        text.push('\n');
        std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
    }
}
