//! How a resource policy and the policy of the caller make one decision.
//!
//! Source: API Gateway Developer Guide, "How API Gateway resource policies affect authorization
//! workflow". A resource policy is asked before the method's authorizer where it can answer without
//! knowing the caller, and after it together with what the authorizer brought.

use super::evaluation::Decision;

/// How a method knows its callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorization {
    /// Not at all.
    None,
    /// By a Lambda authorizer, whose policy counts as the caller's.
    Lambda,
    /// By IAM, from the account that owns the API.
    IamSameAccount,
    /// By IAM, from another account.
    IamCrossAccount,
    /// By a user pool or a JSON Web Token. Such callers have no policy.
    CognitoOrJwt,
}

impl Authorization {
    /// Whether policies are asked in this phase, of an API that has one or not: the answer of
    /// [`authorize`] then depends on what they say.
    #[must_use]
    pub const fn is_asked(self, phase: Phase, has_policy: bool) -> bool {
        match phase {
            Phase::Before => has_policy && matches!(self, Self::None | Self::Lambda),
            // Of nobody, nothing more is known by then.
            Phase::After if has_policy => !matches!(self, Self::None),
            Phase::After => self.needs_policy(),
        }
    }

    /// Whether a caller needs a policy that allows what it calls, also where the API has none.
    const fn needs_policy(self) -> bool {
        match self {
            Self::Lambda | Self::IamSameAccount | Self::IamCrossAccount => true,
            Self::None | Self::CognitoOrJwt => false,
        }
    }
}

/// When the question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before the method's authorizer runs.
    Before,
    /// When it has let the caller pass.
    After,
}

/// Whether the request goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Proceed,
    /// It is refused.
    Deny {
        /// Whether a statement says so, which the message tells the client.
        explicit: bool,
    },
}

/// What becomes of a request. `resource` is what the API's policy says, and `None` when it has none;
/// `caller` is what the caller's own says, the authorizer's or that of IAM, and `None` when there is
/// none.
#[must_use]
pub const fn authorize(
    authorization: Authorization,
    phase: Phase,
    resource: Option<Decision>,
    caller: Option<Decision>,
) -> Verdict {
    match (authorization, phase) {
        (Authorization::None, Phase::Before | Phase::After)
        | (Authorization::CognitoOrJwt, Phase::After) => alone(resource),
        // Before it is known who calls, an API's policy can only close the door on everybody.
        (Authorization::Lambda, Phase::Before) => match resource {
            Some(Decision::ExplicitDeny) => Verdict::Deny { explicit: true },
            Some(Decision::Allow | Decision::ImplicitDeny) | None => Verdict::Proceed,
        },
        // These are asked once, with the caller known: a policy may name whom it denies.
        (
            Authorization::IamSameAccount
            | Authorization::IamCrossAccount
            | Authorization::CognitoOrJwt,
            Phase::Before,
        ) => Verdict::Proceed,
        (Authorization::Lambda, Phase::After) => match caller {
            Some(_) => one_of_both(resource, caller),
            // An authorizer that brought no policy has authorized nobody.
            None => both(resource, caller),
        },
        (Authorization::IamSameAccount, Phase::After) => one_of_both(resource, caller),
        (Authorization::IamCrossAccount, Phase::After) => both(resource, caller),
    }
}

/// The API's policy has to allow, where there is one.
const fn alone(resource: Option<Decision>) -> Verdict {
    match resource {
        None | Some(Decision::Allow) => Verdict::Proceed,
        Some(Decision::ImplicitDeny) => Verdict::Deny { explicit: false },
        Some(Decision::ExplicitDeny) => Verdict::Deny { explicit: true },
    }
}

/// Within one account: either may allow, either may deny.
const fn one_of_both(resource: Option<Decision>, caller: Option<Decision>) -> Verdict {
    match (resource, caller) {
        (Some(Decision::ExplicitDeny), _) | (_, Some(Decision::ExplicitDeny)) => {
            Verdict::Deny { explicit: true }
        }
        (Some(Decision::Allow), _) | (_, Some(Decision::Allow)) => Verdict::Proceed,
        (Some(Decision::ImplicitDeny) | None, Some(Decision::ImplicitDeny) | None) => {
            Verdict::Deny { explicit: false }
        }
    }
}

/// Between accounts: both have to allow.
const fn both(resource: Option<Decision>, caller: Option<Decision>) -> Verdict {
    match (resource, caller) {
        (Some(Decision::ExplicitDeny), _) | (_, Some(Decision::ExplicitDeny)) => {
            Verdict::Deny { explicit: true }
        }
        (Some(Decision::Allow), Some(Decision::Allow)) => Verdict::Proceed,
        (Some(Decision::ImplicitDeny) | None, _) | (_, Some(Decision::ImplicitDeny) | None) => {
            Verdict::Deny { explicit: false }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Authorization::{
        CognitoOrJwt, IamCrossAccount, IamSameAccount, Lambda, None as Open,
    };
    use super::Decision::{Allow, ExplicitDeny, ImplicitDeny};
    use super::Phase::{After, Before};
    use super::*;

    /// What the API's policy says, in the order of the rows.
    const RESOURCE: [Option<Decision>; 4] =
        [None, Some(Allow), Some(ImplicitDeny), Some(ExplicitDeny)];

    /// What the caller's policy says, in the order of the columns.
    const CALLER: [Option<Decision>; 4] = RESOURCE;

    /// One row for each resource policy of [`RESOURCE`], with one letter for each caller's policy of
    /// [`CALLER`]: `+` proceeds, `-` is an implicit deny, `x` an explicit one.
    #[track_caller]
    fn check(authorization: Authorization, phase: Phase, rows: [&str; 4]) {
        for (resource, row) in RESOURCE.into_iter().zip(rows) {
            let found: String = CALLER
                .into_iter()
                .map(
                    |caller| match authorize(authorization, phase, resource, caller) {
                        Verdict::Proceed => '+',
                        Verdict::Deny { explicit: false } => '-',
                        Verdict::Deny { explicit: true } => 'x',
                    },
                )
                .collect();
            assert_eq!(found, row, "{authorization:?} {phase:?} {resource:?}");
        }
    }

    #[test]
    fn open_methods_need_the_allow_of_a_policy_that_exists() {
        check(Open, Before, ["++++", "++++", "----", "xxxx"]);
        check(Open, After, ["++++", "++++", "----", "xxxx"]);
    }

    #[test]
    fn a_lambda_authorizer_is_called_unless_the_door_is_closed() {
        check(Lambda, Before, ["++++", "++++", "++++", "xxxx"]);
        check(Lambda, After, ["-+-x", "-++x", "-+-x", "xxxx"]);
    }

    #[test]
    fn within_an_account_one_allow_is_enough() {
        check(IamSameAccount, Before, ["++++", "++++", "++++", "++++"]);
        check(IamSameAccount, After, ["-+-x", "+++x", "-+-x", "xxxx"]);
    }

    #[test]
    fn between_accounts_both_have_to_allow() {
        check(IamCrossAccount, Before, ["++++", "++++", "++++", "++++"]);
        check(IamCrossAccount, After, ["---x", "-+-x", "---x", "xxxx"]);
    }

    #[test]
    fn tokens_carry_no_policy() {
        check(CognitoOrJwt, Before, ["++++", "++++", "++++", "++++"]);
        check(CognitoOrJwt, After, ["++++", "++++", "----", "xxxx"]);
    }
}
