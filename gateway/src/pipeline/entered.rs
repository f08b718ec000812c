//! A request that may call what it calls.

use crate::router::{Match, RequestPath};
use crate::snapshot::{RoutePlan, StagePlan};

/// A request whose route is found, and whose caller may use it as far as authorizers and policies say.
#[derive(Debug)]
pub(crate) struct Entered<'s, 'r> {
    /// What serves it.
    pub(crate) stage: &'s StagePlan,
    /// Its path without the stage.
    pub(crate) path: RequestPath<'r>,
    /// Its route, with the parameters of the path.
    pub(crate) found: Match<'s, 'r, RoutePlan>,
}
