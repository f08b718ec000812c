//! One authorizer, as it runs.

use std::sync::Arc;

use super::jwt::JwtAuthorizer;
use crate::model;

/// An authorizer of the configuration with what judges for it.
#[derive(Debug)]
pub struct Authorizer {
    /// What it was built from.
    pub model: model::Authorizer,
    /// What judges.
    pub judge: Judge,
}

/// What finds out who is calling.
#[derive(Debug)]
pub enum Judge {
    /// By JSON Web Tokens.
    Jwt(Arc<JwtAuthorizer>),
}

impl Authorizer {
    /// What judges tokens; `None` where none are.
    #[must_use]
    pub const fn jwt(&self) -> Option<&Arc<JwtAuthorizer>> {
        match &self.judge {
            Judge::Jwt(jwt) => Some(jwt),
        }
    }
}
