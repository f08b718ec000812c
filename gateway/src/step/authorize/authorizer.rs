//! One authorizer, as it runs.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::GuardPlan;
use super::function::FunctionAuthorizer;
use super::iam::IamAuthorizer;
use super::jwt::JwtAuthorizer;
use crate::model;

/// An authorizer of the configuration with what judges for it.
#[derive(Debug)]
pub struct Authorizer {
    /// What it was built from.
    pub model: model::Authorizer,
    /// What judges.
    pub judge: Judge,
    /// How often it decides anew.
    pub guard: GuardPlan,
    /// What it has come to in monitor mode; goes on counting as long as there is one of its name.
    pub watched: Arc<Watched>,
}

/// Requests that an authorizer in monitor mode has judged.
#[derive(Debug, Default)]
pub struct Watched {
    /// Those that it would have let pass.
    pub allowed: AtomicU64,
    /// Those that it, or the caller's policies, would have refused.
    pub refused: AtomicU64,
}

/// What finds out who is calling.
#[derive(Debug)]
pub enum Judge {
    /// By JSON Web Tokens.
    Jwt(Arc<JwtAuthorizer>),
    /// A function.
    Function(Arc<FunctionAuthorizer>),
    /// By signatures.
    Iam(IamAuthorizer),
}

impl Authorizer {
    /// What judges signatures; `None` where none are.
    #[must_use]
    pub const fn iam(&self) -> Option<&IamAuthorizer> {
        match &self.judge {
            Judge::Iam(iam) => Some(iam),
            Judge::Jwt(_) | Judge::Function(_) => None,
        }
    }

    /// What judges tokens; `None` where none are.
    #[must_use]
    pub const fn jwt(&self) -> Option<&Arc<JwtAuthorizer>> {
        match &self.judge {
            Judge::Jwt(jwt) => Some(jwt),
            Judge::Function(_) | Judge::Iam(_) => None,
        }
    }

    /// The function that is asked; `None` where none is.
    #[must_use]
    pub const fn function(&self) -> Option<&Arc<FunctionAuthorizer>> {
        match &self.judge {
            Judge::Function(function) => Some(function),
            Judge::Jwt(_) | Judge::Iam(_) => None,
        }
    }
}
