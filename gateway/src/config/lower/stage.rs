//! Stages and their variables.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Lowering, certificate, log_format, method_settings};
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::config::written;
use crate::language::log_format::LogFormat;
use crate::model::{ApiKind, Certificate, StageName, StageSettings, Variant};

/// Longest name of a stage.
const NAME_BYTES_MAX: usize = 128;
/// Variables of one stage, and their lengths (14.2 of docs/semantics.md).
const VARIABLES_MAX: usize = 100;
const VARIABLE_NAME_BYTES_MAX: usize = 64;
const VARIABLE_BYTES_MAX: usize = 512;

/// What a definition finds in a stage that serves it.
#[derive(Clone, Debug)]
pub(super) struct Environment {
    pub(super) variant: Variant,
    pub(super) variables: BTreeMap<String, String>,
}

/// One stage, as it is written.
#[derive(Clone, Debug)]
pub(super) struct Lowered {
    pub(super) name: StageName,
    pub(super) auto_deploy: bool,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) log_format: Option<Arc<LogFormat>>,
    pub(super) client_certificate: Option<Certificate>,
    pub(super) settings: StageSettings,
}

/// Lowers the stages of one API. Never empty.
pub(super) fn lower(
    written: Option<&written::Named<written::Stage>>,
    kind: ApiKind,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Vec<Lowered> {
    let section = at.key("stages");
    let Some(written) = written else {
        if kind == ApiKind::Rest {
            let message = "a REST API is reached through a stage, the first segment of the path: \
                           write `stages: {prod: {}}`";
            cx.error_at_key(at, message);
        }
        return vec![Lowered {
            name: StageName::new(StageName::DEFAULT),
            auto_deploy: true,
            variables: BTreeMap::new(),
            log_format: None,
            client_certificate: None,
            settings: StageSettings::default(),
        }];
    };
    let mut stages = Vec::new();
    for (name, stage) in &written.0 {
        let at = section.key(name);
        check_name(name, kind, &at, cx);
        stages.push(Lowered {
            name: StageName::new(name),
            auto_deploy: stage.auto_deploy != Some(false),
            variables: lower_variables(&stage.variables, &at.key("variables"), cx),
            log_format: log_format::lower(stage.access_log.as_ref(), kind, &at, cx),
            client_certificate: lower_client_certificate(stage, kind, &at, cx),
            settings: method_settings::lower(stage, kind, &at, cx),
        });
    }
    stages
}

fn check_name(name: &str, kind: ApiKind, at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    if name == StageName::DEFAULT {
        if kind == ApiKind::Rest {
            cx.error_at_key(at, "only HTTP APIs have a stage `$default`: name it");
        }
        return;
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if !(1..=NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(allowed) {
        let message = format!(
            "names of stages are 1 to {NAME_BYTES_MAX} letters, digits, `_` and `-`: write such a one"
        );
        cx.error_at_key(at, message);
    }
}

fn lower_client_certificate(
    written: &written::Stage,
    kind: ApiKind,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Certificate> {
    let written = written.client_certificate.as_ref()?;
    let at = at.key("client_certificate");
    if kind == ApiKind::Http {
        let message = "only REST APIs show backends a certificate: take it out";
        cx.error_at_key(&at, message);
        return None;
    }
    Some(certificate::lower_shown(written, &at, cx))
}

fn lower_variables(
    written: &written::Named<String>,
    section: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> BTreeMap<String, String> {
    if written.0.len() > VARIABLES_MAX {
        let count = written.0.len();
        cx.error_at_key(
            section,
            format!("{count} are too many: at most {VARIABLES_MAX}"),
        );
    }
    for (name, value) in &written.0 {
        let at = section.key(name);
        if let Err(error) = check_variable_name(name) {
            cx.error_at_key(&at, error);
        }
        if let Err(error) = check_variable(value) {
            cx.error(&at, error);
        }
    }
    written.0.iter().cloned().collect()
}

/// Checks what a canary makes of the variables of a stage, which are `variables` together.
///
/// # Errors
/// What is wrong, in a sentence.
pub(in crate::config) fn check_variables(
    variables: &BTreeMap<String, String>,
) -> Result<(), String> {
    if variables.len() > VARIABLES_MAX {
        let count = variables.len();
        return Err(format!(
            "the stage would have {count} variables: at most {VARIABLES_MAX}"
        ));
    }
    for (name, value) in variables {
        check_variable_name(name).map_err(|error| format!("`{}`: {error}", shortened(name)))?;
        check_variable(value)?;
    }
    Ok(())
}

fn check_variable_name(name: &str) -> Result<(), String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if (1..=VARIABLE_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(format!(
        "names of stage variables are 1 to {VARIABLE_NAME_BYTES_MAX} letters, digits and `_`: write such a one"
    ))
}

fn check_variable(value: &str) -> Result<(), String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#&=,".contains(&b);
    if (1..=VARIABLE_BYTES_MAX).contains(&value.len()) && value.bytes().all(allowed) {
        return Ok(());
    }
    Err(format!(
        "`{}` cannot be the value of a stage variable: write 1 to {VARIABLE_BYTES_MAX} of letters, \
         digits and `-._~:/?#&=,`",
        shortened(value)
    ))
}
