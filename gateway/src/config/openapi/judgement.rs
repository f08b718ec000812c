//! What the judge of configurations says of a translated definition, before it is served: where a
//! user asked for a part of it, a route that is wrong is refused and the others are kept.

use std::path::Path as FilePath;

use super::authorizer::with_authorizers;
use super::document::Document;
use super::finding::Findings;
use super::made::{Made, list, text};
use super::operation::Route;
use super::translation::Translation;
use crate::config::cursor::{Cursor, Path};
use crate::config::diagnostic::{Collector, Diagnostic, FileId, Place, Report};
use crate::config::files::Files;
use crate::config::origin::Origins;
use crate::config::tree::Node;
use crate::model::ApiKind;

/// What stands around the API while it is judged.
#[derive(Debug)]
pub(super) struct Around<'a> {
    pub(super) api: &'a str,
    /// Its stages; one, where none are known.
    pub(super) stages: Option<Node>,
    /// The authorizers of the configuration.
    pub(super) authorizers: Option<Node>,
    /// How it calls services of AWS, where it does.
    pub(super) aws: Option<Node>,
    /// The upstreams of the configuration; those that the routes name, where there is none.
    pub(super) upstreams: Option<Node>,
}

/// A list of models is judged up to its first mistake, so that there may be more of them.
const ROUNDS_MAX: usize = 16;

/// As many listeners as a configuration may have.
const LISTENERS_MAX: u16 = 64;

/// How a translation is written.
type Write = fn(&Translation, Made) -> Node;

const NOWHERE: Place = Place {
    file: FileId::FIRST,
    line: 1,
    column: 1,
};

impl Around<'_> {
    /// Refuses what is wrong in `translation`; returns what probably should change of the rest.
    pub(super) fn judge(
        &self,
        translation: &mut Translation,
        document: &Document,
        findings: &mut Findings,
        diagnostics: &Collector,
    ) -> Vec<Diagnostic> {
        let origins = Origins::new(document.files().collect());
        let mut told: Vec<Diagnostic> = Vec::new();
        // Everything is judged once as it is defined, and then what is left of it.
        let mut write: Write = Translation::write_defined;
        for _ in 0..ROUNDS_MAX {
            let Report {
                mut errors,
                mut warnings,
            } = self.report(translation, write, diagnostics);
            errors.retain(|error| !told.contains(error));
            if errors.is_empty() {
                // Of what stands around the API nobody has written anything.
                warnings.retain(|warning| warning.place != Some(NOWHERE));
                origins.rename(&mut warnings);
                return warnings;
            }
            for error in &errors {
                refuse(error, self.api, translation);
            }
            told.extend(errors.iter().cloned());
            origins.rename(&mut errors);
            for error in &errors {
                findings.wrong(error);
            }
            write = Translation::write;
        }
        let gone = translation.models.clear();
        translation.settings.clear();
        for route in &mut translation.routes {
            route.forget(&gone);
            route.refuse();
        }
        Vec::new()
    }

    fn report(&self, translation: &Translation, write: Write, diagnostics: &Collector) -> Report {
        let tree = self.configuration(translation, write);
        let mut own = diagnostics.empty();
        let sound = crate::config::shape::check(&crate::config::SCHEMA, &tree, &mut own);
        let file =
            sound.map(|sound| crate::config::read::read::<crate::config::written::File>(&sound));
        if let Some(Ok(file)) = file {
            let base = FilePath::new("/");
            let root = Cursor::root(&tree);
            crate::config::lower::lower(&file, &root, base, &Files::Named, &mut own);
        }
        own.into_report()
    }

    /// The least configuration with this API in it.
    fn configuration(&self, translation: &Translation, write: Write) -> Node {
        let mut api = Made::at(NOWHERE);
        api.put("stages", NOWHERE, self.stages(translation));
        // So that what is said of TLS has something to be about.
        api.put(
            "hosts",
            NOWHERE,
            list(NOWHERE, vec![text(NOWHERE, "stage.invalid")]),
        );
        let mut apis = Made::at(NOWHERE);
        apis.put(self.api, NOWHERE, write(translation, api));
        let mut listeners = Made::at(NOWHERE);
        listeners.put("any", NOWHERE, listener(1, None));
        for (port, interface) in (2..LISTENERS_MAX).zip(translation.interfaces()) {
            let name = format!("any-{port}");
            listeners.put(&name, NOWHERE, listener(port, Some(interface)));
        }
        let mut root = Made::at(NOWHERE);
        root.put("listeners", NOWHERE, listeners.finish());
        if let Some(authorizers) = &self.authorizers {
            root.put("authorizers", NOWHERE, authorizers.clone());
        }
        if let Some(aws) = &self.aws {
            root.put("aws", NOWHERE, aws.clone());
        }
        if let Some(upstreams) = &self.upstreams {
            root.put("upstreams", NOWHERE, upstreams.clone());
        }
        root.put("apis", NOWHERE, apis.finish());
        with_authorizers(root.finish(), translation.schemes.made().collect())
    }

    fn stages(&self, translation: &Translation) -> Node {
        self.stages.clone().unwrap_or_else(|| stages(translation))
    }
}

/// Where an API is deployed of which nothing says so: with a value for each stage variable that its
/// backends are made of, which leads nowhere (RFC 6761, section 6.4).
pub(super) fn stages(translation: &Translation) -> Node {
    let name = match translation.kind {
        ApiKind::Rest => "prod",
        ApiKind::Http => "$default",
    };
    let mut variables = Made::at(NOWHERE);
    for uri in translation.routes.iter().filter_map(Route::uri) {
        for (index, rest) in uri.split("${stageVariables.").enumerate().skip(1) {
            let is_whole = index == 1 && uri.starts_with("${");
            let value = if is_whole {
                "https://stage.invalid"
            } else {
                "stage.invalid"
            };
            if let Some((name, _)) = rest.split_once('}') {
                variables.put(name, NOWHERE, text(NOWHERE, value));
            }
        }
    }
    let mut stage = Made::at(NOWHERE);
    if !variables.is_empty() {
        stage.put("variables", NOWHERE, variables.finish());
    }
    let mut stages = Made::at(NOWHERE);
    stages.put(name, NOWHERE, stage.finish());
    stages.finish()
}

/// How services of AWS are called of which nothing says so.
pub(super) fn aws() -> Node {
    let mut aws = Made::at(NOWHERE);
    aws.put("region", NOWHERE, text(NOWHERE, "nowhere-1"));
    aws.finish()
}

/// The upstreams that the routes of `translation` name, which lead nowhere; `None` where they name
/// none.
pub(super) fn upstreams(translation: &Translation) -> Option<Node> {
    let mut upstreams = Made::at(NOWHERE);
    for name in translation.routes.iter().filter_map(Route::upstream) {
        let mut upstream = Made::at(NOWHERE);
        upstream.put("url", NOWHERE, text(NOWHERE, "https://stage.invalid"));
        upstreams.put(name, NOWHERE, upstream.finish());
    }
    (!upstreams.is_empty()).then(|| upstreams.finish())
}

/// A listener that terminates TLS, with a certificate that nobody opens.
fn listener(port: u16, interface: Option<&str>) -> Node {
    let mut certificate = Made::at(NOWHERE);
    certificate.put("chain", NOWHERE, text(NOWHERE, "chain.pem"));
    certificate.put("key", NOWHERE, text(NOWHERE, "key.pem"));
    let mut tls = Made::at(NOWHERE);
    let certificates = list(NOWHERE, vec![certificate.finish()]);
    tls.put("certificates", NOWHERE, certificates);
    let mut listener = Made::at(NOWHERE);
    let address = format!("127.0.0.1:{port}");
    listener.put("address", NOWHERE, text(NOWHERE, &address));
    if let Some(interface) = interface {
        listener.put("interface", NOWHERE, text(NOWHERE, interface));
    }
    listener.put("tls", NOWHERE, tls.finish());
    listener.finish()
}

/// Refuses what `error` is about.
fn refuse(error: &Diagnostic, api: &str, translation: &mut Translation) {
    let authorizers = Path::default().key("authorizers");
    let api = Path::default().key("apis").key(api);
    let routes = api.key("routes");
    let is_about = |path: &Path| {
        let rest = error.path.strip_prefix(&path.to_string());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let mut found = false;
    for route in &mut translation.routes {
        if is_about(&routes.key(&route.key)) {
            route.refuse();
            found = true;
        }
    }
    let is_meant = |name: &str| is_about(&authorizers.key(name));
    if let Some(name) = translation.schemes.remove_made(is_meant) {
        let routes = translation.routes.iter_mut();
        routes.for_each(|route| route.deny(&name));
        return;
    }
    if found || refuse_models(&api, is_about, translation) {
        return;
    }
    translation.routes.iter_mut().for_each(Route::refuse);
    translation
        .settings
        .retain(|setting| !is_about(&api.key(setting.key)));
}

/// Takes out the models that an error is about, and refuses the routes that need them. Whether it
/// is about any.
fn refuse_models(
    api: &Path,
    is_about: impl Fn(&Path) -> bool,
    translation: &mut Translation,
) -> bool {
    let section = api.key("models");
    if !is_about(&section) {
        return false;
    }
    let is_meant = |name: &&str| is_about(&section.key(name));
    let named = translation.models.names().find(is_meant).map(str::to_owned);
    let gone = match named {
        Some(name) => translation.models.remove(&name),
        None => translation.models.clear(),
    };
    let routes = translation.routes.iter_mut();
    routes.for_each(|route| route.forget(&gone));
    true
}
