//! The steps that are told of, and the line of one.

use std::time::SystemTime;

use serde::Serialize;

use super::super::access_log::{Kind, Record, ShortText, timestamp};

macro_rules! steps {
    ($($variant:ident $name:literal $doc:literal,)*) => {
        /// What is told of a request, in the order in which it happens.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Step {
            $(#[doc = $doc] $variant,)*
        }

        impl Step {
            /// Every name, in the order of the steps.
            pub const NAMES: &'static [&'static str] = &[$($name,)*];

            /// The stable name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

steps! {
    Start "start" "The request has a route.",
    Resource "resource" "The method and the path of that route.",
    RequestPath "request_path" "The parameters of the path.",
    RequestQuery "request_query" "The parameters of the query.",
    RequestHeaders "request_headers" "The headers of the request.",
    ResourcePolicy "resource_policy" "The resource policy lets it pass.",
    Authorizer "authorizer" "The authorizer is asked, and lets it pass.",
    Policies "policies" "The policy set is asked, and lets it pass.",
    Validation "validation" "What the method declares is there.",
    RequestBody "request_body" "The body of the request, as it came.",
    EndpointUri "endpoint_uri" "Where the integration sends it, without the query.",
    EndpointHeaders "endpoint_headers" "The headers that are sent there.",
    EndpointBody "endpoint_body" "The body that is sent there, where it is mapped.",
    Sent "sent" "It is about to be sent.",
    Answered "answered" "The status of the backend, and the time that it took.",
    EndpointResponseHeaders "endpoint_response_headers" "The headers of the backend.",
    EndpointResponseBody "endpoint_response_body" "The body of the backend, where it is mapped.",
    Mapping "mapping" "Which integration response was selected.",
    ResponseHeaders "response_headers" "The headers of the answer.",
    ResponseBody "response_body" "The body of the answer, as it left.",
    Success "success" "The answer has left whole.",
    Failure "failure" "It was refused or cut short; the reason is that of the access log.",
    End "end" "The status of the answer.",
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    Info,
    Error,
}

/// One line.
#[derive(Debug, Serialize)]
pub(in crate::telemetry) struct Event<'a> {
    #[serde(serialize_with = "timestamp")]
    time: SystemTime,
    kind: Kind,
    level: Level,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<ShortText<16>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amzn_request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<u32>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    canary: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    step: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    message: &'a str,
}

impl<'a> Event<'a> {
    /// What happened at `time` to the request that `record` is about.
    pub(super) fn new(time: SystemTime, record: &'a Record, step: Step, message: &'a str) -> Self {
        let (level, reason) = match step {
            Step::Failure => (Level::Error, record.reason),
            _ => (Level::Info, None),
        };
        Self {
            time,
            kind: Kind::Execution,
            level,
            request_id: record.request_id,
            amzn_request_id: record.amzn_request_id.as_deref(),
            api: record.api.as_deref(),
            stage: record.stage.as_deref(),
            deployment: record.deployment,
            canary: record.canary,
            route: record.route.as_deref(),
            step: step.name(),
            reason,
            message,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_explains_every_step() {
        let guide = include_str!("../../../../docs/observing.md");
        for name in Step::NAMES {
            assert!(guide.contains(&format!("`{name}`")), "`{name}` is missing");
        }
    }
}
