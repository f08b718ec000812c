//! Any definition: it is refused with reasons; or what became of each of its parts is told, and no
//! operation is served without what it asks for.

use std::path::PathBuf;
use std::sync::LazyLock;

use gateway::config::{ImportOptions, import, load_text};

/// Where definitions are written, because they are read from files: one per process.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("gateway-definition-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("temporary directories can be made");
    folder.join("definition.yaml")
});

/// Panics where a definition is accepted whose native form is not, or is refused without a word.
pub(super) fn check(bytes: &[u8]) {
    std::fs::write(&*FILE, bytes).expect("temporary files can be written");
    let import = match import(&FILE, &ImportOptions::default()) {
        Ok(import) => import,
        Err(report) => {
            assert!(!report.errors.is_empty());
            let text = report.to_string();
            assert_eq!(text.lines().count(), report.errors.len(), "{text}");
            return;
        }
    };
    assert!(import.routes >= import.refused_routes);
    // What nothing was refused of is served whole.
    assert!(import.has_refusals() || import.refused_routes == 0);
    for finding in &import.findings {
        assert!(!finding.to_string().is_empty());
    }
    let around = format!(
        "listeners: {{l: {{address: '127.0.0.1:80'}}}}\n{}",
        import.native
    );
    if let Err(report) = load_text(
        "printed.yaml",
        &around,
        std::path::Path::new("/nonexistent"),
    ) {
        // A definition may ask for certificates or hosts, which only a configuration has, and what
        // was refused of it need not have made a whole.
        let is_known = import.has_refusals() || report.errors.iter().all(is_about_hosts);
        assert!(is_known, "{report}\n{around}");
    }
}

/// Whether an error is about what the configuration around a definition has to say.
fn is_about_hosts(error: &gateway::config::Diagnostic) -> bool {
    ["security_policy", "endpoint_access_mode"]
        .iter()
        .any(|key| error.path.ends_with(key))
}
