//! The judgement of one request by one policy.

use std::fmt;
use std::sync::Arc;

use super::arn::Arn;
use super::document::{Effect, Policy, Statement};
use super::principal::Caller;
use super::resource::Resource;
use super::truth::Truth;
use super::value::Context;

/// What a policy is asked.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// `execute-api:Invoke`.
    pub action: &'a str,
    /// The method, as `arn:aws:execute-api:us-east-1:111122223333:api/stage/METHOD/path`.
    pub resource: Arn<'a>,
    /// Who asks.
    pub caller: Caller<'a>,
    /// What conditions may ask about.
    pub context: &'a dyn Context,
}

/// What a policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A `Deny` applies.
    ExplicitDeny,
    /// An `Allow` applies, and no `Deny` does.
    Allow,
    /// No statement applies.
    ImplicitDeny,
}

impl Decision {
    /// What two policies of one caller say together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::ExplicitDeny, _) | (_, Self::ExplicitDeny) => Self::ExplicitDeny,
            (Self::Allow, _) | (_, Self::Allow) => Self::Allow,
            (Self::ImplicitDeny, Self::ImplicitDeny) => Self::ImplicitDeny,
        }
    }
}

/// What a policy says, and the statement that makes it say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What it says.
    pub decision: Decision,
    /// The first statement that says so; `None` where none applies.
    pub by: Option<StatementName>,
}

/// What a statement is called within its policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementName {
    /// Its place, counted from 1.
    pub number: usize,
    /// Its `Sid`.
    pub sid: Option<Arc<str>>,
}

impl fmt::Display for StatementName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "statement {}", self.number)?;
        match &self.sid {
            Some(sid) => write!(f, " (`{sid}`)"),
            None => Ok(()),
        }
    }
}

impl Judgement {
    /// What no statement says.
    pub const NOTHING: Self = Self {
        decision: Decision::ImplicitDeny,
        by: None,
    };

    /// What two policies of one caller say together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let decision = self.decision.and(other.decision);
        if self.decision == decision {
            self
        } else {
            other
        }
    }
}

/// What `policy` says about `request`; the order of its statements does not matter.
#[must_use]
pub fn evaluate(policy: &Policy, request: &Request<'_>) -> Judgement {
    let mut allowed = None;
    for (index, statement) in policy.statements.iter().enumerate() {
        if (statement.effect == Effect::Allow && allowed.is_some())
            || !statement.effect.applies(statement.met(request))
        {
            continue;
        }
        let by = Some(StatementName {
            number: index + 1,
            sid: statement.sid.clone(),
        });
        match statement.effect {
            Effect::Deny => {
                return Judgement {
                    decision: Decision::ExplicitDeny,
                    by,
                };
            }
            Effect::Allow => allowed = by,
        }
    }
    match allowed {
        None => Judgement::NOTHING,
        Some(_) => Judgement {
            decision: Decision::Allow,
            by: allowed,
        },
    }
}

impl Effect {
    /// Whether a statement applies that is `met`. INVARIANT: what cannot be told permits nothing.
    const fn applies(self, met: Truth) -> bool {
        match (self, met) {
            (Self::Allow | Self::Deny, Truth::Yes) | (Self::Deny, Truth::Unknown) => true,
            (Self::Allow | Self::Deny, Truth::No) | (Self::Allow, Truth::Unknown) => false,
        }
    }
}

impl Statement {
    fn met(&self, request: &Request<'_>) -> Truth {
        let Request {
            action,
            resource,
            caller,
            context,
        } = *request;
        let actions = || self.actions.mean(|listed| listed.matches(action).into());
        let resources = || {
            let means = |listed: &Resource| listed.matches(resource, context);
            self.resources.mean(means)
        };
        let conditions = || {
            let each = self.conditions.iter();
            Truth::all(each.map(|condition| condition.holds(context)))
        };
        // The cheap parts come first: the first that is not met ends it.
        let asked = Truth::from(self.principals.mean(caller));
        asked.and(actions).and(resources).and(conditions)
    }
}
