//! Puts definitions into a configuration: `apis.<name>.definition`.

use std::path::Path;
use std::sync::Arc;

use super::authorizer::{Authorizers, with_authorizers};
use super::document::{Document, Location};
use super::endpoint;
use super::finding::Findings;
use super::judgement;
use super::made::{Made, refused};
use super::placeholder::Placeholders;
use super::policy::Home;
use super::translation::translate;
use crate::config::cursor::Cursor;
use crate::config::diagnostic::Collector;
use crate::config::files::Files;
use crate::config::lower::{definition_refusal, derived_id, quotas_hold};
use crate::config::origin::Origins;
use crate::config::tree::{Entry, Node, Value};
use crate::model::{ApiId, ApiKind, Identity};

/// What a definition says, so that it cannot be written beside it.
const DEFINED: [&str; 3] = ["routes", "gateway_responses", "models"];

const BESIDE: &str = "the definition says this: take one of both out";

/// `tree` with every definition in the place of its name. Relative paths start at `base`; `name` is
/// what messages call the configuration.
pub(in crate::config) fn expand(
    tree: Node,
    name: &str,
    base: &Path,
    files: &Files,
    diagnostics: &mut Collector,
) -> Node {
    let root = Cursor::root(&tree);
    let mut expanded: Vec<(String, Node)> = Vec::new();
    let mut made: Vec<(String, Node)> = Vec::new();
    let mut origins: Vec<Arc<Node>> = Vec::new();
    for (api, at) in root.key("apis").entries() {
        if at.key("definition").is_written() {
            let mut expansion = Expansion {
                root: &root,
                name,
                base,
                files,
                made: &mut made,
                origins: &mut origins,
                diagnostics,
            };
            expanded.push((api.to_owned(), expansion.api(api, &at)));
        } else {
            for key in ["variables", "partial"] {
                let at = at.key(key);
                if at.is_written() {
                    let message = "this belongs to a `definition`: name one or take this out";
                    diagnostics.error(Some(at.key_place), at.path.to_string(), message);
                }
            }
        }
    }
    if expanded.is_empty() {
        return tree;
    }
    diagnostics.learn(Origins::new(origins));
    let tree = with_authorizers(tree, made);
    tree.with_entries(|section| {
        if section.key != "apis" {
            return section;
        }
        let node = section.node.with_entries(|entry| {
            let found = expanded.iter().position(|(api, _)| *api == entry.key);
            match found {
                Some(index) => Entry {
                    node: expanded.swap_remove(index).1,
                    ..entry
                },
                None => entry,
            }
        });
        Entry { node, ..section }
    })
}

struct Expansion<'a> {
    root: &'a Cursor<'a>,
    name: &'a str,
    base: &'a Path,
    files: &'a Files,
    /// Authorizers that definitions made.
    made: &'a mut Vec<(String, Node)>,
    /// The files of definitions.
    origins: &'a mut Vec<Arc<Node>>,
    diagnostics: &'a mut Collector,
}

impl Expansion<'_> {
    fn api(&mut self, name: &str, at: &Cursor<'_>) -> Node {
        let mut own = Made::at(at.place);
        for entry in at.node.map(entries).into_iter().flatten() {
            if DEFINED.contains(&entry.key.as_str()) {
                let at = at.key(&entry.key);
                self.error(&at, BESIDE);
            } else if entry.key != "type" {
                own.put(&entry.key, entry.key_place, entry.node.clone());
            }
        }
        match self.translated(name, at) {
            Some(translated) => translated(own),
            None => unknown(own, at),
        }
    }

    /// The definition at `at`, read.
    fn document(&mut self, at: &Cursor<'_>) -> Option<Document> {
        let definition = at.key("definition");
        // What is not text is refused with the shape of the configuration.
        let written = definition.scalar()?;
        // Where only the names of files matter, what they say does not.
        self.files.kept()?;
        if written.is_empty() || written.contains('\0') {
            self.error(
                &definition,
                "this is no path: write at least one character, none of them zero",
            );
            return None;
        }
        let shown = Path::new(self.name).parent().unwrap_or(Path::new(""));
        let shown = shown.join(written).display().to_string();
        let location = Location {
            path: &self.base.join(written),
            name: &shown,
            file: None,
        };
        let mut placeholders = Placeholders::new(&identity(self.root), variables(at));
        let document = Document::read(
            &location,
            Some(&definition),
            &mut placeholders,
            self.diagnostics,
        )?;
        if quotas_hold(self.root)
            && let Some(message) = definition_refusal(document.bytes())
        {
            self.error(&definition, &message);
        }
        for name in placeholders.unused() {
            let at = at.key("variables").key(name);
            let message = format!("nothing in the definition is `${{{name}}}`: take this out");
            self.diagnostics
                .warning(Some(at.key_place), at.path.to_string(), message);
        }
        Some(document)
    }

    /// What makes the API of the user's own settings.
    fn translated(&mut self, name: &str, at: &Cursor<'_>) -> Option<impl FnOnce(Made) -> Node> {
        let kind = self.kind(&at.key("type"))?;
        let document = self.document(at)?;
        self.origins.extend(document.files());
        let taken: Vec<String> = self.made.iter().map(|(name, _)| name.clone()).collect();
        let authorizers = Authorizers {
            api: name,
            configured: Some(self.root.key("authorizers")),
            calls_aws: self.root.key("aws").is_written(),
            taken: &taken,
        };
        let home = Home {
            identity: identity(self.root),
            id: match at.key("id").scalar() {
                Some(id) => ApiId::new(id),
                None => derived_id(name),
            },
        };
        let mut findings = Findings::default();
        let mut translation = translate(&document, kind, &authorizers, &home, &mut findings);
        let is_partial = at.key("partial").is_true();
        if let Some(translation) = translation.as_mut().filter(|_| is_partial) {
            let around = judgement::Around {
                api: name,
                stages: at.key("stages").node.cloned(),
                authorizers: self.root.key("authorizers").node.cloned(),
                aws: self.root.key("aws").node.cloned(),
                upstreams: self.root.key("upstreams").node.cloned(),
            };
            // Whoever judges the configuration tells what should change.
            drop(around.judge(translation, &document, &mut findings, self.diagnostics));
        }
        for finding in findings.finish(self.diagnostics) {
            if let Some(why) = finding.treatment.refusal() {
                let place = Some(finding.place);
                if is_partial && translation.is_some() {
                    self.diagnostics.warning(place, finding.path, why);
                } else {
                    self.diagnostics.error(place, finding.path, why);
                }
            }
        }
        let mut translation = translation?;
        self.made.extend(translation.schemes.made());
        for key in translation.keys().filter(|key| !DEFINED.contains(key)) {
            let at = at.key(key);
            if at.is_written() {
                self.error(&at, BESIDE);
            }
        }
        let listeners = self.root.key("listeners");
        translation.settings.retain(|setting| {
            let is_policy = setting.key == endpoint::POLICY_KEY;
            !is_policy || !endpoint::is_held(&setting.node, at, &listeners)
        });
        Some(move |own| translation.write(own))
    }

    /// The type that is written beside the definition; `None` where it is no type, which is
    /// refused with the shape of the configuration.
    fn kind(&mut self, at: &Cursor<'_>) -> Option<Option<ApiKind>> {
        if !at.is_written() {
            return Some(None);
        }
        match at.scalar() {
            Some("rest") => Some(Some(ApiKind::Rest)),
            Some("http") => Some(Some(ApiKind::Http)),
            _ => {
                self.error(
                    at,
                    "an API is of type `http` or `rest`: write one, or leave it to the definition",
                );
                None
            }
        }
    }

    fn error(&mut self, at: &Cursor<'_>, message: &str) {
        self.diagnostics
            .error(Some(at.key_place), at.path.to_string(), message);
    }
}

/// An API of which nothing more is known, because its definition was refused or not read.
fn unknown(mut own: Made, at: &Cursor<'_>) -> Node {
    for key in ["type", "routes"] {
        own.put(key, at.key_place, refused(at.place));
    }
    own.finish()
}

fn entries(node: &Node) -> &[Entry] {
    match &node.value {
        Value::Mapping(mapping) => mapping.entries(),
        Value::Scalar { .. } | Value::Sequence(_) | Value::Refused => &[],
    }
}

fn variables<'a>(at: &Cursor<'a>) -> impl Iterator<Item = (String, String)> + use<'a> {
    let entries: Vec<_> = at.key("variables").entries().collect();
    entries
        .into_iter()
        .filter_map(|(name, at)| Some((name.to_owned(), at.scalar()?.to_owned())))
}

/// The identity of the gateway as it is written; what is wrong with it is said elsewhere.
fn identity(root: &Cursor<'_>) -> Identity {
    let at = root.key("gateway");
    let written = |key: &str, default: String| {
        let text = at.key(key).scalar();
        text.map_or(default, str::to_owned)
    };
    let default = Identity::default();
    Identity {
        account: written("account", default.account),
        region: written("region", default.region),
        partition: written("partition", default.partition),
        host_suffix: default.host_suffix,
    }
}
