//! A configuration that was read and judged, before it is known what its stages serve.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::cursor::Cursor;
use super::diagnostic::{Collector, Diagnostic, Report};
use super::files::Files;
use super::frozen::{self, AUTHORIZERS, Written};
use super::lower;
use super::lower::CREDENTIALS_BYTES_MAX;
use super::openapi::{self, ExportFormat, Surroundings, Title};
use super::tree::Node;
use super::{DEFINITION_BYTES_MAX, Loaded, written};
use crate::model::{ApiId, ApiName, Described, DescribedStage, Gateway, JwksSource, Placements};

/// An API, written as a definition.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Exported {
    /// The definition.
    pub text: String,
    /// Settings of the configuration that it needs and has no place for, such as `authorizers.login`.
    pub left: Vec<String>,
}

/// A configuration in which every stage could serve what the file says. Files that it names were
/// read, and what they held is kept; neither they nor the file itself are needed any more.
#[derive(Debug)]
pub struct Configuration {
    tree: Node,
    file: written::File,
    base: PathBuf,
    files: Files,
    /// Which files messages point into.
    diagnostics: Collector,
    /// What was said before anything was lowered.
    warnings: Vec<Diagnostic>,
    loaded: Loaded,
    definitions: BTreeMap<ApiName, Written>,
}

impl Configuration {
    /// Lowers what was read of a file. `diagnostics` holds what was said of it so far.
    ///
    /// # Errors
    /// Every error found.
    pub(super) fn new(
        tree: Node,
        file: written::File,
        base: &Path,
        files: Files,
        mut diagnostics: Collector,
    ) -> Result<Self, Report> {
        let unsaid = diagnostics.empty();
        let warnings = diagnostics.warnings().to_vec();
        let root = Cursor::root(&tree);
        let none = Placements::new();
        let gateway = lower::lower_placed(&file, &root, base, &files, &none, &mut diagnostics);
        let mut definitions = BTreeMap::new();
        let authorizers = root.key(AUTHORIZERS);
        for (api, at) in root.key("apis").entries() {
            match frozen::freeze(&at, &authorizers, base, &files) {
                Some(found) if found.text.len() > DEFINITION_BYTES_MAX => {
                    let message = format!(
                        "written out, its definition takes {} bytes: at most \
                         {DEFINITION_BYTES_MAX}; make two APIs of it",
                        found.text.len()
                    );
                    diagnostics.error(Some(at.key_place), at.path.to_string(), message);
                }
                Some(found) => {
                    definitions.insert(ApiName::new(api), found);
                }
                None => {}
            }
        }
        let said = diagnostics.finish()?;
        Ok(Self {
            loaded: Loaded {
                gateway,
                warnings: said,
            },
            base: base.to_owned(),
            diagnostics: unsaid,
            tree,
            file,
            files,
            warnings,
            definitions,
        })
    }

    /// The definition that `text` froze of the API `name` with this `id`, as OpenAPI 3.0 with the
    /// extensions of Amazon API Gateway and, for what those have no place for, `x-gateway-*`. How the
    /// API is reached is what this configuration says, unless it has none of this name and id: another
    /// `id` is another API. `version` is what the definition says in `info`.
    ///
    /// # Errors
    /// The text cannot be read any more.
    pub fn export(
        &self,
        name: &ApiName,
        id: &ApiId,
        text: &str,
        version: &str,
        format: ExportFormat,
    ) -> Result<Exported, Report> {
        let mut diagnostics = self.diagnostics.empty();
        let title = Title {
            name: name.as_str(),
            version,
        };
        let root = Cursor::root(&self.tree);
        let shown = format!("definition of `{name}`");
        if let Some(frozen) = frozen::parse(&shown, text, &mut diagnostics) {
            let api = Cursor::root(&frozen.tree);
            let mut configured = self.loaded.gateway.apis.iter();
            let is_there = configured.any(|api| api.name == *name && api.id == *id);
            let mut own = root.key("apis").key(name.as_str());
            own.node = own.node.filter(|_| is_there);
            let surroundings = Surroundings {
                api: own,
                frozen: api.key(AUTHORIZERS),
                configured: root.key(AUTHORIZERS),
                upstreams: root.key("upstreams"),
            };
            let definition = openapi::definition(title, &api, &surroundings);
            let left = openapi::left(&api, &surroundings);
            match format.write(&definition) {
                Ok(text) => return Ok(Exported { text, left }),
                Err(error) => diagnostics.error(None, "", format!("cannot be written: {error}")),
            }
        }
        Err(diagnostics.into_report())
    }

    /// What it means where every stage serves what the file says.
    #[must_use]
    pub const fn gateway(&self) -> &Gateway {
        &self.loaded.gateway
    }

    /// The same, with what probably should change.
    #[must_use]
    pub fn into_loaded(self) -> Loaded {
        self.loaded
    }

    /// Its APIs, as deployments freeze them.
    #[must_use]
    pub fn described(&self) -> Vec<Described> {
        let apis = self.loaded.gateway.apis.iter();
        let described = apis.filter_map(|api| {
            let Written { text, meaning } = self.definitions.get(&api.name)?.clone();
            Some(Described {
                name: api.name.clone(),
                id: api.id.clone(),
                kind: api.kind,
                text,
                meaning,
                stages: api
                    .stages
                    .iter()
                    .map(|stage| DescribedStage {
                        name: stage.name.clone(),
                        auto_deploy: stage.auto_deploy,
                        variables: stage.variables.clone(),
                    })
                    .collect(),
            })
        });
        described.collect()
    }

    /// What it means where stages serve what `placements` say.
    ///
    /// # Errors
    /// Every error found, such as a deployment that names an authorizer which is there no more.
    pub fn placed(&self, placements: &Placements) -> Result<Loaded, Report> {
        let mut diagnostics = self.diagnostics.empty();
        let root = Cursor::root(&self.tree);
        let gateway = lower::lower_placed(
            &self.file,
            &root,
            &self.base,
            &self.files,
            placements,
            &mut diagnostics,
        );
        let mut warnings = self.warnings.clone();
        warnings.extend(diagnostics.finish()?);
        Ok(Loaded { gateway, warnings })
    }

    /// Whoever runs this configuration as `served` goes on without the key files of authorizers that
    /// could not be used: they are not tried again before the configuration is read anew, as long as
    /// those are served.
    pub fn settle(&self, served: &Gateway) {
        let Some(kept) = self.files.kept() else {
            return;
        };
        let settings = served.authorizers.iter().filter_map(|it| it.jwt());
        let key_sets = settings.flat_map(|it| it.issuers.iter().map(|issuer| &issuer.jwks));
        let given_up = key_sets.filter_map(|jwks| match &jwks.source {
            JwksSource::File(file) => {
                let why = file.document.as_ref().err()?;
                let bytes_max = jwks.bytes_max as u64;
                Some(((file.path.clone(), bytes_max), why.clone()))
            }
            JwksSource::Url(_) | JwksSource::Discovery { .. } => None,
        });
        let keys = served.authorizers.iter().filter_map(|it| it.iam());
        let unusable = keys.filter_map(|iam| {
            let why = iam.credentials.held.as_ref().err()?;
            let names = (iam.credentials.path.clone(), CREDENTIALS_BYTES_MAX);
            Some((names, why.clone()))
        });
        kept.give_up(given_up.chain(unusable).collect());
    }
}
