//! What conditions may ask about whoever signed a request. No step: what policies ask for.

use crate::clock;
use crate::language::policy::{Found, Key, Timestamp, Value};
use crate::model::{PrincipalKind, Signer};

/// What a signed request holds for a key about its signer. Source: IAM User Guide, "AWS global condition
/// context keys".
pub(super) fn find<'a>(signer: &'a Signer, key: &Key) -> Found<'a> {
    let text = |text: Option<&'a str>| {
        text.map_or(Found::Absent, |text| Found::One(Value::Text(text.into())))
    };
    let time = |time: Timestamp| Found::One(Value::Time(time));
    let session = signer.session;
    let organization = signer.organization.as_ref();
    match key {
        Key::TokenIssueTime => {
            let issued = session.and_then(|session| session.issued);
            issued.map_or(Found::Absent, time)
        }
        // Only temporary keys tell.
        Key::MultiFactorAuthPresent => session.map_or(Found::Absent, |session| {
            Found::One(Value::Flag(session.mfa_at.is_some()))
        }),
        Key::MultiFactorAuthAge => {
            let shown = session.and_then(|session| session.mfa_at);
            let now = i64::try_from(clock::unix_seconds()).ok();
            match (shown, now) {
                (None, _) => Found::Absent,
                (Some(_), None) => Found::One(Value::Unreadable),
                (Some(shown), Some(now)) => {
                    let age = now.saturating_sub(shown.unix_seconds());
                    Found::One(Value::Number(age.into()))
                }
            }
        }
        Key::PrincipalAccount => text(Some(&signer.principal.account)),
        Key::PrincipalArn => text(Some(signer.principal.identity_arn())),
        Key::PrincipalType => text(Some(signer.principal.type_name())),
        Key::UserId => text(signer.user_id.as_deref()),
        Key::UserName => text(match &signer.principal.kind {
            PrincipalKind::User(name) => Some(name),
            PrincipalKind::Account
            | PrincipalKind::AssumedRole { .. }
            | PrincipalKind::FederatedUser => None,
        }),
        Key::PrincipalOrgId => text(organization.map(|it| it.id.as_str())),
        Key::PrincipalOrgPaths => organization.map_or(Found::Absent, |it| {
            let paths = it.paths.iter();
            Found::Many(paths.map(|path| Value::Text(path.into())).collect())
        }),
        Key::PrincipalTag(name) => {
            let mut tags = signer.tags.iter();
            let tag = tags.find(|(own, _)| own.eq_ignore_ascii_case(name));
            text(tag.map(|(_, value)| value.as_str()))
        }
        _ => Found::Absent,
    }
}
