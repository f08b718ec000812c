//! From a definition to the written form of an API.

use super::authorizer::Authorizers;
use super::carried;
use super::document::{Document, FOLLOWED_BYTES_MAX};
use super::finding::Findings;
use super::kind;
use super::made::{Made, plain, refused};
use super::model::Models;
use super::operation::{self, Around, Route};
use super::policy::Home;
use super::security::Schemes;
use super::setting::{self, Setting};
use super::sweep::sweep;
use super::treatment::{self, Object};
use super::validator::Validators;
use crate::config::cursor::Cursor;
use crate::config::diagnostic::Place;
use crate::config::tree::{Entry, Node, Reading, shortened};
use crate::model::ApiKind;

/// A definition, translated.
#[derive(Debug)]
pub(super) struct Translation {
    pub(super) kind: ApiKind,
    pub(super) routes: Vec<Route>,
    /// What it says of the API as a whole.
    pub(super) settings: Vec<Setting>,
    /// Settings of the native form that the definition carries.
    carried: Vec<Entry>,
    pub(super) models: Models,
    pub(super) schemes: Schemes,
    place: Place,
    paths: Place,
}

/// Translates `document`, as of a REST or an HTTP API where `kind` says so. `None` where it is no
/// OpenAPI definition, which is said in `findings`.
pub(super) fn translate(
    document: &Document,
    kind: Option<ApiKind>,
    authorizers: &Authorizers<'_>,
    home: &Home,
    findings: &mut Findings,
) -> Option<Translation> {
    let root = document.root()?;
    let before = findings.refusals();
    judge_version(&root, findings);
    if findings.refusals() != before {
        return None;
    }
    let kind = kind.unwrap_or_else(|| kind::detect(document));
    treatment::judge(&root, Object::Root, kind, findings);
    let components = root.key("components");
    treatment::judge(&components, Object::Components, kind, findings);
    operation::judge_servers(&root.key("servers"), kind, findings);
    findings.is_list(&root.key("tags"));
    for tag in root.key("tags").items() {
        treatment::judge(&tag, Object::Tag, kind, findings);
    }
    let settings = setting::translate(&root, kind, home, findings);
    let taken = |key: &str| settings.iter().any(|setting| setting.key == key);
    let carried = carried::API.translate(&root, taken, findings);
    // What stands here affects every route; of schemes, validators and models only some.
    let is_whole_refused = findings.refusals() != before;
    let schemes = if root.key("swagger").is_written() {
        root.key("securityDefinitions")
    } else {
        components.key("securitySchemes")
    };
    let schemes = Schemes::judge(&schemes, document, kind, authorizers, findings);
    let validators = Validators::judge(&root, kind, findings);
    let mut models = Models::of(&root, kind, findings);
    let around = Around {
        document,
        kind,
        schemes: &schemes,
        validators: &validators,
        root: &root,
    };
    let paths = root.key("paths");
    let mut routes = operation::translate(&paths, &around, &mut models, findings);
    let before = findings.refusals();
    if document.is_exhausted() {
        let why = format!(
            "its references lead to more than {} MiB, counted each time: refer to less, or make \
             several definitions",
            FOLLOWED_BYTES_MAX >> 20
        );
        findings.refused(&paths, why);
    } else if routes.is_empty() {
        findings.refused(&paths, "there are no operations: add one under `paths`");
    }
    judge_root_security(&root, document, findings);
    judge_shared_integrations(&components, document, kind, findings);
    sweep(document, findings);
    if is_whole_refused || findings.refusals() != before {
        routes.iter_mut().for_each(Route::refuse);
    }
    Some(Translation {
        kind,
        routes,
        settings,
        carried,
        models,
        schemes,
        place: root.place,
        paths: paths.key_place,
    })
}

impl Translation {
    /// What it says of the API as a whole, by the keys of the native form.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let carried = self.carried.iter().map(|entry| entry.key.as_str());
        let settings = self.settings.iter().map(|setting| setting.key);
        settings.chain(carried)
    }

    /// The interfaces that it asks listeners for.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = &str> {
        let private = self.carried.iter().filter(|entry| entry.key == "private");
        private.flat_map(|entry| {
            let interfaces = Cursor::root(&entry.node).key("interfaces");
            let names: Vec<_> = interfaces.items().filter_map(|at| at.scalar()).collect();
            names
        })
    }

    /// The written form as it is served, behind what `api` holds already.
    pub(super) fn write(&self, api: Made) -> Node {
        self.write_with(api, Route::write)
    }

    /// As [`Self::write`], as it is defined: to be judged, not served.
    pub(super) fn write_defined(&self, api: Made) -> Node {
        self.write_with(api, Route::write_defined)
    }

    fn write_with(&self, mut api: Made, write: fn(&Route, &mut Made)) -> Node {
        let kind = match self.kind {
            ApiKind::Rest => "rest",
            ApiKind::Http => "http",
        };
        api.put("type", self.place, plain(self.place, kind));
        for setting in &self.settings {
            api.put(setting.key, setting.place, setting.node.clone());
        }
        carried::write(&self.carried, &mut api);
        if let Some((place, node)) = self.models.write() {
            api.put("models", place, node);
        }
        let mut routes = Made::at(self.paths);
        for route in &self.routes {
            write(route, &mut routes);
        }
        // That there is none was said.
        let routes = if routes.is_empty() {
            refused(self.paths)
        } else {
            routes.finish()
        };
        api.put("routes", self.paths, routes);
        api.finish()
    }
}

fn judge_version(root: &Cursor<'_>, findings: &mut Findings) {
    let (openapi, swagger) = (root.key("openapi"), root.key("swagger"));
    match (openapi.scalar(), swagger.scalar()) {
        (Some(version), None) if version == "3.0" || version.starts_with("3.0.") => {
            findings.honoured(&openapi);
        }
        (None, Some("2.0")) => findings.honoured(&swagger),
        (Some(version), None) => {
            let shown = shortened(version);
            let why = format!("OpenAPI {shown} is not understood: save the definition as 3.0");
            findings.refused(&openapi, why);
        }
        (None, Some(version)) => {
            let shown = shortened(version);
            let why = format!("Swagger {shown} is not understood: save the definition as 2.0");
            findings.refused(&swagger, why);
        }
        (Some(_), Some(_)) => {
            findings.refused(&swagger, "`openapi` stands beside it: keep one");
        }
        (None, None) => {
            let what = root.node.map_or(Reading::Nothing, Node::reading);
            let found = match what {
                Reading::Mapping => String::new(),
                other => format!(", found {other}"),
            };
            let why = format!(
                "this is no OpenAPI definition{found}: write `openapi: 3.0.1` or \
                 `swagger: \"2.0\"` first"
            );
            findings.refused(root, why);
        }
    }
}

/// The service ignores security at the root, and so leaves operations without any of their own
/// open. Whoever wrote it did not mean that.
fn judge_root_security(root: &Cursor<'_>, document: &Document, findings: &mut Findings) {
    let security = root.key("security");
    if !security.is_written() {
        return;
    }
    let mut is_sound = findings.is_list(&security);
    for requirement in security.items() {
        is_sound &= findings.is_mapping(&requirement);
    }
    if !is_sound {
        return;
    }
    let requires = security.items().any(|item| item.names().next().is_some());
    let has_own = |item: &Cursor<'_>| {
        let mut operations = item
            .entries()
            .filter(|(key, _)| operation::method(key).is_some());
        operations.all(|(_, operation)| operation.key("security").is_written())
    };
    let paths = root.key("paths");
    let all_own = paths
        .entries()
        .all(|(_, at)| document.resolve(&at).is_none_or(|item| has_own(&item)));
    if requires && !all_own {
        let why = "the service ignores security at the root, which leaves operations open that \
                   have none of their own: write `security` at each operation";
        findings.refused(&security, why);
    } else {
        findings.honoured(&security);
    }
}

/// Integrations that operations share are judged with these; what none of them refers to has no
/// effect.
fn judge_shared_integrations(
    components: &Cursor<'_>,
    document: &Document,
    kind: ApiKind,
    findings: &mut Findings,
) {
    let section = components.key("x-amazon-apigateway-integrations");
    if !section.is_written() || kind == ApiKind::Rest || !findings.is_mapping(&section) {
        return;
    }
    for (_, at) in section.entries() {
        let used = document
            .resolve(&at)
            .is_some_and(|target| findings.is_judged(&target.key("type")));
        if !used {
            findings.approximated(&at, "no operation refers to it, so that it is left out");
        }
    }
    findings.honoured(&section);
}
