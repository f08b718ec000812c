//! What stages say of logging and counting the requests to their routes.

use super::Lowering;
use crate::config::cursor::Cursor;
use crate::config::written::{self, LoggingLevel};
use crate::model::{ApiKind, Logging, MethodSettings, RouteKey, StageSettings};

/// What is written in one place: of a stage, or of one of its routes.
#[derive(Clone, Copy)]
struct Written {
    level: Option<LoggingLevel>,
    data: Option<bool>,
    metrics: Option<bool>,
}

impl Written {
    /// With what `around` says where nothing is written.
    fn or(self, around: Self) -> Self {
        Self {
            level: self.level.or(around.level),
            data: self.data.or(around.data),
            metrics: self.metrics.or(around.metrics),
        }
    }

    fn settings(self) -> MethodSettings {
        MethodSettings {
            logging: match self.level {
                None | Some(LoggingLevel::Off) => Logging::Off,
                Some(LoggingLevel::Error) => Logging::Errors,
                Some(LoggingLevel::Info) if self.data == Some(true) => Logging::Data,
                Some(LoggingLevel::Info) => Logging::Steps,
            },
            detailed_metrics: self.metrics == Some(true),
        }
    }
}

/// Lowers what the stage at `at` says, of an API of this kind.
pub(super) fn lower(
    stage: &written::Stage,
    kind: ApiKind,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> StageSettings {
    let around = Written {
        level: stage.logging_level,
        data: stage.data_trace,
        metrics: stage.detailed_metrics,
    };
    let of_route = |route: &written::StageRoute| Written {
        level: route.logging_level,
        data: route.data_trace,
        metrics: route.detailed_metrics,
    };
    let routes = stage.routes.0.iter();
    let routes: Vec<(&str, Written)> = routes
        .map(|(key, route)| (key.as_str(), of_route(route)))
        .collect();
    let inherits = |route: &Written| route.data.is_none() && traces(route.or(around));
    let is_used = traces(around) || routes.iter().any(|(_, route)| inherits(route));
    check(around, kind, is_used, at, cx);
    for (key, route) in &routes {
        let at = at.key("routes").key(key);
        check(*route, kind, traces(route.or(around)), &at, cx);
    }
    let settings =
        |(key, route): (&str, Written)| (RouteKey::new(key), route.or(around).settings());
    StageSettings {
        each_route: around.settings(),
        routes: routes.into_iter().map(settings).collect(),
    }
}

fn traces(written: Written) -> bool {
    written.settings().logging == Logging::Data
}

/// Checks what is written at `at`; `is_used` says whether data are traced anywhere because of it.
fn check(written: Written, kind: ApiKind, is_used: bool, at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    if kind == ApiKind::Http {
        let message = "only REST APIs have an execution log: take this out; the `format` of an \
                       `access_log` may name `$context.error.message` and \
                       `$context.integration.error`";
        if written.level.is_some() {
            cx.error_at_key(&at.key("logging_level"), message);
        }
        if written.data.is_some() {
            cx.error_at_key(&at.key("data_trace"), message);
        }
        return;
    }
    if written.data != Some(true) {
        return;
    }
    let at = at.key("data_trace");
    if is_used {
        let message = "the execution log holds headers and up to 1 KiB of each body then: \
                       credentials in headers are masked, those in bodies are not";
        cx.warning(&at, message);
    } else {
        let message =
            "it adds to what `logging_level: info` logs: write that too, or take this out";
        cx.error_at_key(&at, message);
    }
}
