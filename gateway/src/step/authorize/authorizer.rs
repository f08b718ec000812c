//! One authorizer, as it runs.

use std::sync::Arc;

use super::function::FunctionAuthorizer;
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
    /// A function.
    Function(Arc<FunctionAuthorizer>),
}

impl Authorizer {
    /// What judges tokens; `None` where none are.
    #[must_use]
    pub const fn jwt(&self) -> Option<&Arc<JwtAuthorizer>> {
        match &self.judge {
            Judge::Jwt(jwt) => Some(jwt),
            Judge::Function(_) => None,
        }
    }

    /// The function that is asked; `None` where none is.
    #[must_use]
    pub const fn function(&self) -> Option<&Arc<FunctionAuthorizer>> {
        match &self.judge {
            Judge::Function(function) => Some(function),
            Judge::Jwt(_) => None,
        }
    }
}
