//! Authorizers of tokens of Amazon Cognito user pools, which REST APIs alone have.
//!
//! The scheme says which header has the token, its authorizer whose tokens are taken. Keys are found
//! where the service has them.

use super::counterpart::{Counterpart, sorted};
use super::ttl::Ttl;
use super::{AUTHORIZER, judge_foreign, native_source};
use crate::config::cursor::Cursor;
use crate::config::diagnostic::Place;
use crate::config::openapi::finding::Findings;
use crate::config::openapi::made::{Made, list, plain, text};
use crate::config::tree::Node;
use crate::model::ApiKind;

/// What a scheme says of tokens of user pools.
#[derive(Clone, Debug)]
pub(in crate::config::openapi) struct UserPools {
    /// Their ARNs.
    pools: Vec<(String, Place)>,
    /// Of their key.
    pools_place: Place,
    /// In the words of the configuration.
    identity_source: (String, Place),
    /// What `aud` of ID tokens has to match.
    expression: Option<(String, Place)>,
    /// How long decisions are remembered.
    ttl: Option<Ttl>,
    place: Place,
}

impl UserPools {
    /// What the scheme at `scheme` says; `None` where it cannot be had, which was reported.
    pub(super) fn judge(
        scheme: &Cursor<'_>,
        kind: ApiKind,
        findings: &mut Findings,
    ) -> Option<Self> {
        let at = scheme.key(AUTHORIZER);
        if kind == ApiKind::Http {
            let why = "HTTP APIs take the tokens of a user pool as those of any issuer: write `type: \
                       jwt`, with the pool's URL for the `issuer` of `jwtConfiguration` and its app \
                       clients for the `audience`";
            findings.refused(&at.key("type"), why);
            return None;
        }
        let foreign = "issuers are those of authorizers of type `jwt`: take it out";
        let asked = "a user pool decides who calls, and no function: take it out";
        let keys = [("jwtConfiguration", foreign), ("authorizerUri", asked)];
        judge_foreign(&at, &keys, findings);
        let identity_source = judge_header(scheme, findings);
        let pools_at = at.key("providerARNs");
        let named = |at: &Cursor<'_>| Some((at.scalar()?.to_owned(), at.place));
        let pools: Option<Vec<_>> = pools_at.items().map(|item| named(&item)).collect();
        let pools = pools.filter(|pools| !pools.is_empty());
        if pools.is_none() {
            let why =
                "tokens are those of user pools: write `providerARNs: [arn:aws:cognito-idp:..]`";
            findings.refused(
                if pools_at.is_written() {
                    &pools_at
                } else {
                    &at
                },
                why,
            );
        }
        let expression = at.key("identityValidationExpression");
        findings.is_text(&expression);
        let ttl = Ttl::judge(&at, findings)?;
        Some(Self {
            pools: pools?,
            pools_place: pools_at.key_place,
            identity_source: identity_source?,
            // Exports of authorizers without one may say so.
            expression: named(&expression).filter(|(text, _)| !text.is_empty()),
            ttl,
            place: at.key_place,
        })
    }

    /// An authorizer in the native form.
    pub(super) fn write(&self) -> Node {
        let at = |(written, place): &(String, Place)| text(*place, written);
        let mut made = Made::at(self.place);
        made.put("type", self.place, plain(self.place, "cognito"));
        let pools = self.pools.iter().map(at).collect();
        made.put(
            "user_pools",
            self.pools_place,
            list(self.pools_place, pools),
        );
        let (_, place) = self.identity_source;
        made.put("identity_source", place, at(&self.identity_source));
        if let Some(expression) = &self.expression {
            made.put(
                "identity_validation_expression",
                expression.1,
                at(expression),
            );
        }
        if let Some(ttl) = self.ttl {
            ttl.write("decision_ttl", &mut made);
        }
        made.finish()
    }

    /// Holds what the definition says at `at` against the authorizer at `configured`.
    pub(super) fn compare(
        &self,
        at: &Cursor<'_>,
        configured: &Cursor<'_>,
        counterpart: &mut Counterpart<'_>,
    ) {
        let there = configured.key("user_pools");
        let there = sorted(there.items().filter_map(|item| item.scalar()));
        let here = sorted(self.pools.iter().map(|(arn, _)| arn.as_str()));
        counterpart.compare("user pools", &here, &there, &at.key("providerARNs"));
        let (source, _) = &self.identity_source;
        counterpart.compare_sources(Some(source), configured, at);
        let there = configured.key("identity_validation_expression");
        let there = there.scalar().unwrap_or_default();
        let here = self.expression.as_ref();
        let here = here.map_or("", |(text, _)| text.as_str());
        let key = at.key("identityValidationExpression");
        counterpart.compare("expression", here, there, &key);
        if let Some(ttl) = self.ttl {
            ttl.compare(at, configured, ("decision_ttl", "5m"), counterpart);
        }
    }
}

/// The header of the tokens, in the words of the configuration. `None` where it cannot be said.
pub(super) fn judge_header(
    scheme: &Cursor<'_>,
    findings: &mut Findings,
) -> Option<(String, Place)> {
    let (place, name) = (scheme.key("in"), scheme.key("name"));
    let own = match place.scalar() {
        Some("header") => name.scalar(),
        Some(_) => {
            let why = "such tokens stand in a header: write `in: header`";
            findings.refused(&place, why);
            return None;
        }
        None => None,
    };
    let own = own.map(|own| (format!("$request.header.{own}"), name.place));
    let source = scheme.key(AUTHORIZER).key("identitySource");
    let source_text = source.scalar().map(native_source);
    match (own, source_text) {
        (Some((own, _)), Some(text)) if !own.eq_ignore_ascii_case(&text) => {
            let why = "`name` of the scheme is another header: make both the same";
            findings.refused(&source, why);
            None
        }
        (Some(own), _) => Some(own),
        (None, Some(text)) => Some((text, source.place)),
        (None, None) => {
            let why = "it does not say which header has the token: write `type: apiKey`, `name: \
                       Authorization` and `in: header`";
            findings.refused(scheme, why);
            None
        }
    }
}
