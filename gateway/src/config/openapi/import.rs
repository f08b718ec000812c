//! One definition by itself, for `gateway import`.

use std::path::{Path, PathBuf};

use super::authorizer::{Authorizers, with_authorizers};
use super::document::{Document, Location};
use super::finding::{Finding, Findings, Treatment};
use super::judgement::{self, Around};
use super::made::{Made, text};
use super::placeholder::Placeholders;
use super::policy::Home;
use super::print;
use super::translation::translate;
use crate::config::diagnostic::{Collector, Diagnostic, FileId, Place, Report};
use crate::config::lower::derived_id;
use crate::model::{ApiId, ApiKind, Identity};

/// How a definition is imported.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// What kind of API it is of; where nothing is said, the definition says it.
    pub kind: Option<ApiKind>,
    /// What stands for `${name}`.
    pub variables: Vec<(String, String)>,
    /// What ARNs call the API. Default: what follows from the name of the file.
    pub id: Option<ApiId>,
}

/// A definition that was understood.
#[derive(Clone, Debug)]
pub struct Import {
    /// What kind of API it is of.
    pub kind: ApiKind,
    /// What became of each of its parts, in the order of the files.
    pub findings: Vec<Finding>,
    /// What probably should change in it.
    pub warnings: Vec<Diagnostic>,
    /// Variables that stand for nothing in it.
    pub unused: Vec<String>,
    /// How many routes it has.
    pub routes: usize,
    /// How many of them answer 500, where only a part is imported.
    pub refused_routes: usize,
    /// The API in the native form: the section `apis` and, where the definition makes some,
    /// `authorizers`.
    pub native: String,
}

impl Import {
    /// Whether anything was refused.
    #[must_use]
    pub fn has_refusals(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| matches!(finding.treatment, Treatment::Refused(_)))
    }

    /// Whether any route is left that does not answer 500.
    #[must_use]
    pub const fn has_usable_part(&self) -> bool {
        self.routes > self.refused_routes
    }
}

/// Reads and translates the definition at `path`.
///
/// # Errors
/// What keeps it from being read at all, and references and placeholders that lead nowhere.
pub fn import(path: &Path, options: &ImportOptions) -> Result<Import, Report> {
    let shown = path.display().to_string();
    let mut diagnostics = Collector::new(&shown);
    let imported = import_into(path, &shown, options, &mut diagnostics);
    match (imported, diagnostics.has_errors()) {
        (Some(imported), false) => Ok(imported),
        (_, _) => Err(diagnostics.into_report()),
    }
}

fn import_into(
    path: &Path,
    shown: &str,
    options: &ImportOptions,
    diagnostics: &mut Collector,
) -> Option<Import> {
    let mut placeholders =
        Placeholders::new(&Identity::default(), options.variables.iter().cloned());
    let location = Location {
        path,
        name: shown,
        file: Some(FileId::FIRST),
    };
    let document = Document::read(&location, None, &mut placeholders, diagnostics)?;
    let mut findings = Findings::default();
    let name = api_name(path);
    let home = Home {
        identity: Identity::default(),
        id: options.id.clone().unwrap_or_else(|| derived_id(&name)),
    };
    let authorizers = Authorizers {
        api: &name,
        configured: None,
        // Whoever writes the configuration can say how.
        calls_aws: true,
        taken: &[],
    };
    let translation = translate(&document, options.kind, &authorizers, &home, &mut findings);
    let Some(mut translation) = translation else {
        for finding in findings.finish(diagnostics) {
            if let Treatment::Refused(why) = finding.treatment {
                diagnostics.error(Some(finding.place), finding.path, why);
            }
        }
        return None;
    };
    let around = Around {
        api: &name,
        stages: None,
        authorizers: None,
        aws: Some(judgement::aws()),
        upstreams: judgement::upstreams(&translation),
    };
    let stages = judgement::stages(&translation);
    let warnings = around.judge(&mut translation, &document, &mut findings, diagnostics);
    let start = Place {
        file: FileId::FIRST,
        line: 1,
        column: 1,
    };
    let mut api = Made::at(start);
    if let Some(id) = &options.id {
        api.put("id", start, text(start, id.as_str()));
    }
    if translation.kind == ApiKind::Rest {
        api.put("stages", start, stages);
    }
    let mut apis = Made::at(start);
    apis.put(&name, start, translation.write(api));
    let mut root = Made::at(start);
    root.put("apis", start, apis.finish());
    let root = with_authorizers(root.finish(), translation.schemes.made().collect());
    Some(Import {
        kind: translation.kind,
        findings: findings.finish(diagnostics),
        warnings,
        unused: placeholders.unused().map(str::to_owned).collect(),
        routes: translation.routes.len(),
        refused_routes: translation
            .routes
            .iter()
            .filter(|route| route.is_refused())
            .count(),
        native: print::print(&root),
    })
}

/// The name of the file, as far as names may have its characters.
fn api_name(path: &Path) -> String {
    const CHARACTERS_MAX: usize = 64;
    let stem: PathBuf = path.file_stem().unwrap_or_default().into();
    let name: String = stem
        .to_string_lossy()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' {
                c
            } else {
                '-'
            }
        })
        .take(CHARACTERS_MAX)
        .collect();
    if name.is_empty() {
        "api".to_owned()
    } else {
        name
    }
}
