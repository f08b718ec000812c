//! What is logged and counted of the requests to single routes, as their stage says it.
//!
//! No part of what a stage serves: it acts as soon as the file says it. Source: API Gateway REST API
//! reference, `MethodSetting`, and 14.1 of docs/semantics.md.

use std::collections::BTreeMap;

use super::RouteKey;

/// What the execution log is told of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Logging {
    /// Nothing.
    #[default]
    Off,
    /// Why they failed.
    Errors,
    /// Every step.
    Steps,
    /// Every step, with headers and the beginnings of bodies.
    Data,
}

/// What is logged and counted of one route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MethodSettings {
    /// What the execution log is told; of HTTP APIs nothing.
    pub logging: Logging,
    /// Whether it has metrics of its own.
    pub detailed_metrics: bool,
}

/// What a stage says of its routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageSettings {
    /// Of each route that is not named.
    pub each_route: MethodSettings,
    /// Of single routes, with what they leave out.
    pub routes: BTreeMap<RouteKey, MethodSettings>,
}

impl StageSettings {
    /// What counts for the route `key`.
    #[must_use]
    pub fn of(&self, key: &RouteKey) -> MethodSettings {
        self.routes.get(key).copied().unwrap_or(self.each_route)
    }
}
