//! Do the policies let this request in: that of the API and those of the caller?
//!
//! They are asked twice: before the authorizer, where the API's can answer without knowing the caller,
//! and behind it. Both are judged for the method that is called, on every request. Source: API Gateway Developer Guide, "How API Gateway resource policies affect
//! authorization workflow", and 5 of docs/semantics.md.

use std::borrow::Cow;
use std::sync::Arc;

use http::HeaderMap;
use http::header::{HeaderName, REFERER, USER_AGENT};

use super::attempt::Called;
use super::signed;
use crate::clock;
use crate::exchange::{Exchange, Reason, Rejection};
use crate::language::policy::{
    Arn, Authorization, Caller, Context, Decision, Found, Identity, Judgement, Key, Phase, Policy,
    Request, StatementName, Timestamp, Value, Verdict, authorize, evaluate,
};
use crate::model::{Principal, PrincipalKind, Signer};
use crate::telemetry::decider::Decider;

const INVOKE: &str = "execute-api:Invoke";

/// What became of asking.
#[derive(Debug)]
pub struct Answer {
    /// Whether the request goes on: 403 with the documented words where it does not, 414 where the
    /// method's ARN is too long.
    pub outcome: Result<(), Rejection>,
    /// What decided, where a statement did.
    pub by: Option<Decider>,
}

/// Asks the policies in one phase: `policy` of the API, where it has one, and those of the caller, once
/// that is known.
#[must_use]
pub fn check(
    policy: Option<&Policy>,
    asked: (Authorization, Phase),
    exchange: &Exchange,
    called: &Called<'_>,
) -> Answer {
    match judge(policy, asked, exchange, called) {
        Ok((Verdict::Proceed, by)) => Answer {
            outcome: Ok(()),
            by,
        },
        Ok((Verdict::Deny { explicit }, by)) => Answer {
            outcome: if is_of_function(asked, explicit, by.as_ref()) {
                Err(denied_by_function(explicit))
            } else {
                called
                    .arn(exchange)
                    .and_then(|arn| Err(denied(exchange, &arn, explicit)))
            },
            by,
        },
        Err(rejection) => Answer {
            outcome: Err(rejection),
            by: None,
        },
    }
}

/// Whether clients read of a denial that the function of an authorizer denies: wherever the API's policy
/// does not do so itself (3.6 of docs/semantics.md).
fn is_of_function(
    (authorization, phase): (Authorization, Phase),
    explicit: bool,
    by: Option<&Decider>,
) -> bool {
    let is_of_api = explicit && matches!(by, Some(Decider::Resource(_)));
    authorization == Authorization::Lambda && phase == Phase::After && !is_of_api
}

fn denied_by_function(explicit: bool) -> Rejection {
    let message = if explicit {
        "User is not authorized to access this resource with an explicit deny"
    } else {
        "User is not authorized to access this resource"
    };
    Rejection {
        message: Some(message.into()),
        ..Rejection::new(Reason::CallerPolicyDenied)
    }
}

fn judge(
    policy: Option<&Policy>,
    (authorization, phase): (Authorization, Phase),
    exchange: &Exchange,
    called: &Called<'_>,
) -> Result<(Verdict, Option<Decider>), Rejection> {
    let authorization = of_account(authorization, exchange);
    let arn = called.arn(exchange)?;
    let folded = called.folded_arn(exchange);
    let headers = &called.head.headers;
    let judge = |policy: &Policy| {
        let judgement = decide(policy, &arn, exchange, headers)?;
        let Some(folded) = &folded else {
            return Ok::<_, Rejection>(judgement);
        };
        let of_folded = decide(policy, folded, exchange, headers)?;
        if of_folded.decision == Decision::ExplicitDeny {
            return Ok(of_folded);
        }
        Ok(judgement)
    };
    let resource = policy.map(judge).transpose()?;
    let own = exchange
        .caller
        .as_ref()
        .and_then(|caller| caller.policies());
    let own = match own {
        None => None,
        Some(policies) => {
            let mut own = Judgement::NOTHING;
            for policy in policies {
                own = own.and(judge(policy)?);
            }
            Some(own)
        }
    };
    let decision = |judgement: &Option<Judgement>| judgement.as_ref().map(|it| it.decision);
    let verdict = authorize(authorization, phase, decision(&resource), decision(&own));
    Ok((verdict, decider(resource, own)))
}

/// The statement that decided: one that denies before one that allows, and of two the API's.
fn decider(resource: Option<Judgement>, own: Option<Judgement>) -> Option<Decider> {
    let strength = |decision| match decision {
        Decision::ExplicitDeny => 2,
        Decision::Allow => 1,
        Decision::ImplicitDeny => 0,
    };
    let of = |judgement: Judgement, name: fn(StatementName) -> Decider| {
        Some((strength(judgement.decision), name(judgement.by?)))
    };
    let resource = resource.and_then(|judgement| of(judgement, Decider::Resource));
    let own = own.and_then(|judgement| of(judgement, Decider::Caller));
    match (resource, own) {
        (Some((resource, _)), Some((own, by))) if own > resource => Some(by),
        (Some((_, by)), _) | (None, Some((_, by))) => Some(by),
        (None, None) => None,
    }
}

/// Who signs with a key of another account than the API's needs that API's permission as well.
fn of_account(authorization: Authorization, exchange: &Exchange) -> Authorization {
    let account = exchange
        .deployed
        .as_ref()
        .map(|deployed| &*deployed.account);
    match (authorization, signer(exchange)) {
        (Authorization::IamSameAccount, Some(signer))
            if Some(signer.principal.account.as_str()) != account =>
        {
            Authorization::IamCrossAccount
        }
        _ => authorization,
    }
}

fn signer(exchange: &Exchange) -> Option<&Arc<Signer>> {
    exchange.caller.as_ref()?.signer()
}

fn decide(
    policy: &Policy,
    arn: &str,
    exchange: &Exchange,
    headers: &HeaderMap,
) -> Result<Judgement, Rejection> {
    let request = Request {
        action: INVOKE,
        // What cannot be asked about is not allowed.
        resource: Arn::parse(arn).map_err(|error| {
            Rejection::detailed(Reason::PolicyDenied, format!("`{arn}`: {error}"))
        })?,
        caller: signer(exchange).map_or(Caller::Anonymous, |signer| {
            let Principal { arn, account, kind } = &signer.principal;
            Caller::Known(Identity {
                account,
                arn: signer.principal.identity_arn(),
                session: matches!(kind, PrincipalKind::AssumedRole { .. }).then_some(arn),
            })
        }),
        context: &Conditions { exchange, headers },
    };
    Ok(evaluate(policy, &request))
}

fn denied(exchange: &Exchange, arn: &str, explicit: bool) -> Rejection {
    let who = signer(exchange).map_or("anonymous", |signer| &signer.principal.arn);
    let end = if explicit {
        " with an explicit deny"
    } else {
        ""
    };
    let message = format!(
        "User: {who} is not authorized to perform: {INVOKE} on resource: {}{end}",
        masked(arn)
    );
    Rejection {
        message: Some(message.into()),
        ..Rejection::new(Reason::PolicyDenied)
    }
}

/// The ARN with all but the last four digits of its account hidden, as the service shows it.
fn masked(arn: &str) -> String {
    const SHOWN: usize = 4;
    let parts = arn.splitn(6, ':').enumerate().map(|(index, part)| {
        let hidden = part.len().saturating_sub(SHOWN);
        match part.get(hidden..) {
            Some(shown) if index == 4 => Cow::Owned(format!("{}{shown}", "*".repeat(hidden))),
            _ => Cow::Borrowed(part),
        }
    });
    parts.collect::<Vec<_>>().join(":")
}

/// What conditions may ask about a request.
#[derive(Debug)]
struct Conditions<'a> {
    exchange: &'a Exchange,
    headers: &'a HeaderMap,
}

impl Context for Conditions<'_> {
    fn find(&self, key: &Key) -> Found<'_> {
        match key {
            Key::CurrentTime | Key::EpochTime => {
                let now = i64::try_from(clock::unix_seconds());
                Found::One(now.map_or(Value::Unreadable, |now| {
                    Value::Time(Timestamp::from_unix_seconds(now))
                }))
            }
            Key::SourceIp => Found::One(Value::Address(self.exchange.client.0)),
            Key::SecureTransport => Found::One(Value::Flag(self.exchange.scheme == "https")),
            Key::UserAgent => self.header(&USER_AGENT),
            Key::Referer => self.header(&REFERER),
            Key::TokenIssueTime
            | Key::MultiFactorAuthPresent
            | Key::MultiFactorAuthAge
            | Key::PrincipalAccount
            | Key::PrincipalArn
            | Key::PrincipalType
            | Key::UserId
            | Key::UserName
            | Key::PrincipalOrgId
            | Key::PrincipalOrgPaths
            | Key::PrincipalTag(_) => {
                signer(self.exchange).map_or(Found::Absent, |signer| signed::find(signer, key))
            }
            // Of other services and of private endpoints, of which there are none here.
            Key::SourceArn | Key::VpcSourceIp | Key::SourceVpc | Key::SourceVpce => Found::Absent,
        }
    }
}

impl Conditions<'_> {
    fn header(&self, name: &HeaderName) -> Found<'_> {
        let mut values = self.headers.get_all(name).iter();
        let Some(first) = values.next() else {
            return Found::Absent;
        };
        // Of several nobody can say which one counts.
        match (first.to_str(), values.next()) {
            (Ok(text), None) => Found::One(Value::Text(Cow::Borrowed(text))),
            (Ok(_) | Err(_), _) => Found::One(Value::Unreadable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_shown_by_their_last_digits() {
        assert_eq!(
            masked("arn:aws:execute-api:local:111122223333:abc/prod/GET/a:b"),
            "arn:aws:execute-api:local:********3333:abc/prod/GET/a:b"
        );
    }
}
