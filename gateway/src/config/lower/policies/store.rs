//! Policy stores that files hold.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::cursor::Cursor;
use crate::config::diagnostic::{Collector, FileId, Place};
use crate::config::lower::Lowering;
use crate::config::lower::quantity::MIB;
use crate::config::written;
use crate::config::yaml::{self, Bounds};
use crate::language::cedar::{At, Problem, Source, Sources, Store};

/// The largest file of a store.
const FILE_BYTES_MAX: u64 = 4 * MIB;

/// Reads the store at `at`. One that has mistakes, which are reported, or is not to be opened refuses
/// everything.
pub(super) fn lower(
    written: &written::PolicyFiles,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Arc<Store> {
    let mut all = Some(Vec::new());
    for (index, path) in written.policies.iter().enumerate() {
        let source = read(path, &at.key("policies").item(index), cx);
        all = all.zip(source).map(|(mut all, source)| {
            all.push(source);
            all
        });
    }
    let mut one = |path: &Option<String>, key| match path {
        None => Some(None),
        Some(path) => read(path, &at.key(key), cx).map(Some),
    };
    let (schema, entities) = (
        one(&written.schema, "schema"),
        one(&written.entities, "entities"),
    );
    let (Some(policies), Some(schema), Some(entities)) = (all, schema, entities) else {
        return Arc::new(Store::closed());
    };
    if schema.is_none() {
        let message = "no schema says what policies may ask, so that a misspelled name is only found by the \
                       requests that it refuses: write one and name it under `schema`";
        cx.warning(at, message);
    }
    let sources = Sources {
        policies,
        schema,
        entities,
    };
    assemble(sources, at, cx)
}

/// Reads the schema of stores that records hold, as a store without policies.
pub(super) fn lower_frame(
    written: &written::FoundStore,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Arc<Store> {
    let Some(path) = &written.schema else {
        return Arc::new(Store::closed());
    };
    let schema = read(path, &at.key("schema"), cx);
    let sources = Sources {
        schema,
        ..Sources::default()
    };
    assemble(sources, at, cx)
}

/// A store of these texts; one that refuses everything where they have mistakes, which are reported.
fn assemble(sources: Sources, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Arc<Store> {
    let mut report = Reporting {
        sources: sources.clone(),
        files: HashMap::new(),
        at,
    };
    match Store::read(sources) {
        Ok((store, warnings)) => {
            for warning in &warnings {
                report.tell(warning, false, cx);
            }
            Arc::new(store)
        }
        Err(problems) => {
            for problem in &problems {
                report.tell(problem, true, cx);
            }
            Arc::new(Store::closed())
        }
    }
}

/// A file of a store; `None` where it cannot be read, which is reported, or is not to be.
fn read(written: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Option<Arc<Source>> {
    let (path, content) = cx.readable(written, FILE_BYTES_MAX, at);
    let Ok(text) = std::str::from_utf8(&content?).map(Arc::from) else {
        cx.error(at, "this is not UTF-8: save the file as UTF-8");
        return None;
    };
    let name = path.display().to_string().into();
    Some(Arc::new(Source { name, text }))
}

/// Reports what is wrong in the files of a store at its place in them.
struct Reporting<'a> {
    sources: Sources,
    /// Those that messages have named already.
    files: HashMap<Arc<str>, FileId>,
    /// The store.
    at: &'a Cursor<'a>,
}

impl Reporting<'_> {
    fn tell(&mut self, problem: &Problem, is_error: bool, cx: &mut Lowering<'_>) {
        let Some(place) = self.place(problem, cx) else {
            let message = problem.to_string();
            if is_error {
                cx.error_at_key(self.at, message);
            } else {
                cx.warning(self.at, message);
            }
            return;
        };
        if is_error {
            cx.diagnostics
                .error(Some(place), "", problem.message.as_str());
        } else {
            cx.diagnostics
                .warning(Some(place), "", problem.message.as_str());
        }
    }

    /// Where a problem is, if that is known.
    fn place(&mut self, problem: &Problem, cx: &mut Lowering<'_>) -> Option<Place> {
        let (line, column) = match problem.at {
            At::Whole => return None,
            At::Position(line, column) => (line, column),
            At::Item(index) => self.item(&problem.source, index)?,
        };
        let file = match self.files.get(&problem.source) {
            Some(file) => *file,
            None => {
                let file = cx.diagnostics.add_file(&problem.source)?;
                self.files.insert(Arc::clone(&problem.source), file);
                file
            }
        };
        Some(Place { file, line, column })
    }

    /// The place of an item of a list. JSON is YAML, and that reader knows places.
    fn item(&self, name: &str, index: usize) -> Option<(usize, usize)> {
        let source = self
            .sources
            .entities
            .as_ref()
            .filter(|it| *it.name == *name)?;
        let mut unreported = Collector::new(name);
        let tree = yaml::parse(
            &source.text,
            FileId::FIRST,
            Bounds::CONFIGURATION,
            &mut unreported,
        )?;
        let place = tree.item(index)?.place;
        Some((place.line, place.column))
    }
}
