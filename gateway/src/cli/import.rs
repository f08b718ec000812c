//! `gateway import FILE`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::orders;
use super::output::Output;
use crate::config::{self, Finding, Import, ImportOptions, Treatment};
use crate::model::{ApiId, ApiKind};

/// Options of `gateway import`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// OpenAPI 3.0 or Swagger 2.0 definition, JSON or YAML.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What kind of API it is of. Default: what the definition says.
    #[arg(long = "type", value_enum)]
    kind: Option<Kind>,
    /// What stands for `${NAME}` in the definition.
    #[arg(long = "variable", value_name = "NAME=VALUE", value_parser = orders::variable)]
    variables: Vec<(String, String)>,
    /// What ARNs call the API, such as in its policy: as `id` will in the configuration. Default:
    /// what follows from the name of the file.
    #[arg(long, value_parser = config::parse_id)]
    id: Option<ApiId>,
    /// Accept a definition of which a part is refused: the routes that are affected answer 500.
    #[arg(long)]
    partial: bool,
    /// Print the API as it would stand in a configuration, instead of the report.
    #[arg(long)]
    print: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    /// A REST API (v1).
    Rest,
    /// An HTTP API (v2).
    Http,
}

/// Says what became of each part of the definition. Fails if any of them was refused, unless a part
/// of the definition is enough.
#[expect(clippy::unnecessary_wraps, reason = "every command has this form")]
pub(super) fn run(arguments: &Arguments, output: &mut Output) -> anyhow::Result<ExitCode> {
    let options = ImportOptions {
        kind: arguments.kind.map(|kind| match kind {
            Kind::Rest => ApiKind::Rest,
            Kind::Http => ApiKind::Http,
        }),
        variables: arguments.variables.clone(),
        id: arguments.id.clone(),
    };
    let import = match config::import(&arguments.file, &options) {
        Ok(import) => import,
        Err(report) => {
            output.error(&report.to_string());
            return Ok(ExitCode::FAILURE);
        }
    };
    for warning in &import.warnings {
        output.error(&format!("warning: {warning}"));
    }
    let is_accepted = arguments.partial || !import.has_refusals();
    match (arguments.print, is_accepted) {
        (true, true) => output.line(import.native.trim_end()),
        // Nobody should paste what does less than the definition says without having been told.
        (true, false) => report(&import, &arguments.file, &mut |line| output.error(line)),
        (false, _) => report(&import, &arguments.file, &mut |line| output.line(line)),
    }
    if is_accepted {
        return Ok(ExitCode::SUCCESS);
    }
    output.error(if import.has_usable_part() {
        "error: parts of it are refused: change them, or accept the others with --partial"
    } else {
        "error: no route of it can be served: change what is refused"
    });
    Ok(ExitCode::FAILURE)
}

/// One line for each finding, one for what is somebody else's, and one that sums up.
fn report(import: &Import, file: &std::path::Path, print: &mut impl FnMut(&str)) {
    let is_ignored = |finding: &&Finding| finding.treatment == Treatment::Ignored;
    for finding in import
        .findings
        .iter()
        .filter(|finding| !is_ignored(finding))
    {
        print(&finding.to_string());
    }
    let file = file.display();
    let ignored: Vec<String> = import
        .findings
        .iter()
        .filter(is_ignored)
        .map(|finding| format!("{}:{}", finding.place.line, finding.path))
        .collect();
    if !ignored.is_empty() {
        print(&format!(
            "{file}: ignored, because they are extensions of other vendors: {}",
            ignored.join(", ")
        ));
    }
    for name in &import.unused {
        print(&format!("{file}: nothing in it is `${{{name}}}`"));
    }
    print(&format!("{file}: {}", summary(import)));
}

fn summary(import: &Import) -> String {
    let count = |is_one: fn(&Treatment) -> bool| {
        let treatments = import.findings.iter().map(|finding| &finding.treatment);
        treatments.filter(|treatment| is_one(treatment)).count()
    };
    let kind = match import.kind {
        ApiKind::Rest => "REST API",
        ApiKind::Http => "HTTP API",
    };
    let routes = match (import.routes, import.refused_routes) {
        (1, 0) => "1 route".to_owned(),
        (routes, 0) => format!("{routes} routes"),
        (routes, refused) => {
            let them = if routes == 1 { "route" } else { "routes" };
            format!("{routes} {them}, of which {refused} would answer 500")
        }
    };
    format!(
        "{kind}, {routes}: {} honoured, {} approximated, {} refused, {} ignored",
        count(|treatment| matches!(treatment, Treatment::Honoured)),
        count(|treatment| matches!(treatment, Treatment::Approximated(_))),
        count(|treatment| matches!(treatment, Treatment::Refused(_))),
        count(|treatment| matches!(treatment, Treatment::Ignored)),
    )
}
