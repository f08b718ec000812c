//! Any definition: it is refused with reasons; or what became of each of its parts is told, and no
//! operation is served without what it asks for.

use std::path::Path;

use gateway::config::{Import, ImportOptions, Report, import, load_text};

/// Reads a definition, which has to stand in a file for that; one at a time in a process.
fn read(bytes: &[u8]) -> Result<Import, Report> {
    let folder = std::env::temp_dir().join(format!("gateway-definition-{}", std::process::id()));
    let file = folder.join("definition.yaml");
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&file, bytes))
        .expect("temporary files can be written");
    let import = import(&file, &ImportOptions::default());
    std::fs::remove_dir_all(&folder).expect("what was made can be removed");
    import
}

/// Panics where a definition is accepted whose native form is not, or is refused without a word.
pub(super) fn check(bytes: &[u8]) {
    let import = match read(bytes) {
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
    if let Err(report) = load_text("printed.yaml", &around, Path::new("/nonexistent")) {
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
