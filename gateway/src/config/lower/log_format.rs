//! What the access log says of the requests to a stage.

use std::sync::Arc;

use super::Lowering;
use crate::config::cursor::Cursor;
use crate::config::near_miss::suggestion;
use crate::config::written;
use crate::language::log_format::{FormatError, LogFormat};
use crate::language::variable::{ApiType, Variable, VariableError};
use crate::model::ApiKind;

/// Lowers the format of the stage at `stage`, of an API of this kind.
pub(super) fn lower(
    written: Option<&written::StageLog>,
    kind: ApiKind,
    stage: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Arc<LogFormat>> {
    let api_type = match kind {
        ApiKind::Http => ApiType::Http,
        ApiKind::Rest => ApiType::Rest,
    };
    match LogFormat::parse(&written?.format, api_type) {
        Ok(format) => Some(Arc::new(format)),
        Err(error) => {
            let at = stage.key("access_log").key("format");
            cx.error(&at, told(&error, api_type));
            None
        }
    }
}

/// What is wrong, and of an unknown variable what this type of API has that may be meant.
fn told(error: &FormatError, api_type: ApiType) -> String {
    let FormatError::Unknown(VariableError::UnknownContext(name)) = error else {
        return error.to_string();
    };
    let rows = Variable::ROWS.iter();
    let known = rows.filter(|row| row.api_types.contains(&api_type));
    let fix = suggestion(name, known.map(|row| row.name), "take it out");
    format!("there is no variable `$context.{name}`{fix}")
}
