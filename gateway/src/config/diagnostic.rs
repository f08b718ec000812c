//! What is wrong in a configuration, and where.

use std::fmt;
use std::sync::Arc;

use super::origin::Origins;

/// A file, by the order in which one run came to it. A configuration is spread over several when
/// its APIs have definitions of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u16);

impl FileId {
    /// The file that was asked for.
    pub const FIRST: Self = Self(0);
}

/// A position in a file; both numbers start at 1 and columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file.
    pub file: FileId,
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// One error or warning.
///
/// `Display` prints one line without its end:
/// `gateway.yaml:41:9: apis.pets.routes."GET /pets": cause: fix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// Where in the file; `None` when it could not be read at all.
    pub place: Option<Place>,
    /// Which setting, as keys joined by dots; empty for the file as a whole.
    pub path: String,
    /// Cause and, where known, fix.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if let Some(place) = self.place {
            write!(f, "{}:{}:", place.line, place.column)?;
        }
        if !self.path.is_empty() {
            write!(f, " {}:", self.path)?;
        }
        write!(f, " {}", self.message)
    }
}

/// Why a configuration was refused: at least one error, all that were found in one run.
///
/// `Display` prints the errors only, one per line, in the order of the file; warnings stand apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What has to change.
    pub errors: Vec<Diagnostic>,
    /// What probably should.
    pub warnings: Vec<Diagnostic>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            let end_of_last = if index == 0 { "" } else { "\n" };
            write!(f, "{end_of_last}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}

/// Collects diagnostics about the files of one run.
#[derive(Debug)]
pub(super) struct Collector {
    /// Never empty.
    files: Vec<Arc<str>>,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    /// What the native form was made from.
    origins: Origins,
    /// How many errors and warnings named parts of that before it was known.
    told_before: (usize, usize),
}

impl Collector {
    pub(super) fn new(file: &str) -> Self {
        Self {
            files: vec![Arc::from(file)],
            errors: Vec::new(),
            warnings: Vec::new(),
            origins: Origins::default(),
            told_before: (0, 0),
        }
    }

    /// From now on messages that point into these name what stands there.
    pub(super) fn learn(&mut self, origins: Origins) {
        self.origins = origins;
        self.told_before = (self.errors.len(), self.warnings.len());
    }

    /// Another file, which messages call `name`; `None` when there are too many.
    pub(super) fn add_file(&mut self, name: &str) -> Option<FileId> {
        let id = u16::try_from(self.files.len()).ok().map(FileId);
        if id.is_some() {
            self.files.push(Arc::from(name));
        }
        id
    }

    /// What messages call `file`.
    pub(super) fn file_name(&self, file: FileId) -> Arc<str> {
        let name = self.files.get(usize::from(file.0));
        name.or(self.files.first())
            .map_or_else(|| Arc::from(""), Arc::clone)
    }

    pub(super) fn error(
        &mut self,
        place: Option<Place>,
        path: impl Into<String>,
        message: impl Into<String>,
    ) {
        let error = self.diagnostic(place, path.into(), message.into());
        self.errors.push(error);
    }

    pub(super) fn warning(
        &mut self,
        place: Option<Place>,
        path: impl Into<String>,
        message: impl Into<String>,
    ) {
        let warning = self.diagnostic(place, path.into(), message.into());
        self.warnings.push(warning);
    }

    fn diagnostic(&self, place: Option<Place>, path: String, message: String) -> Diagnostic {
        Diagnostic {
            file: self.file_name(place.map_or(FileId::FIRST, |place| place.file)),
            place,
            path,
            // Messages quote what the user wrote, and one message is one line.
            message: message.replace(char::is_control, "\u{fffd}"),
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    pub(super) fn error_count(&self) -> usize {
        self.errors.len()
    }

    pub(super) fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// Another one about the same files, of which nothing is known yet.
    pub(super) fn empty(&self) -> Self {
        Self {
            files: self.files.clone(),
            errors: Vec::new(),
            warnings: Vec::new(),
            origins: self.origins.clone(),
            told_before: (0, 0),
        }
    }

    /// The warnings, where nothing was refused.
    ///
    /// # Errors
    /// Everything that was collected, where something was.
    pub(super) fn finish(self) -> Result<Vec<Diagnostic>, Report> {
        let report = self.into_report();
        if report.errors.is_empty() {
            Ok(report.warnings)
        } else {
            Err(report)
        }
    }

    /// Everything that was collected, in the order of the files.
    pub(super) fn into_report(mut self) -> Report {
        let (errors, warnings) = self.told_before;
        for (told, before) in [(&mut self.errors, errors), (&mut self.warnings, warnings)] {
            self.origins
                .rename(told.get_mut(before..).unwrap_or_default());
        }
        self.errors.sort_by_key(|error| error.place);
        self.warnings.sort_by_key(|warning| warning.place);
        Report {
            errors: self.errors,
            warnings: self.warnings,
        }
    }
}
