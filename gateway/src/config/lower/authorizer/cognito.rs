//! Authorizers of Amazon Cognito user pools: of each pool an issuer, with keys where the pool has them.

use http::header::AUTHORIZATION;

use super::{jwks, jwt, lower_identity_source};
use crate::config::cursor::Cursor;
use crate::config::lower::Lowering;
use crate::config::lower::host::parse_url;
use crate::config::tree::shortened;
use crate::config::written;
use crate::language::pattern::Pattern;
use crate::model::{Algorithm, IdentitySource, Issuer, JwtSettings, TokenRules};

/// A user pool, as its ARN names it.
struct Pool<'a> {
    region: &'a str,
    id: &'a str,
}

/// Lowers the authorizer at `at`; `None` where it has mistakes, which are reported.
pub(super) fn lower(
    written: &written::CognitoAuthorizer,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<JwtSettings> {
    let identity_source = match &written.identity_source {
        None => Some(IdentitySource::Header(AUTHORIZATION)),
        Some(text) => lower_header(text, &at.key("identity_source"), cx),
    };
    let endpoint = written.endpoint.as_deref();
    if let Some(url) = endpoint {
        judge_endpoint(url, &at.key("endpoint"), cx);
    }
    let section = at.key("user_pools");
    let mut issuers: Vec<Issuer> = Vec::new();
    for (index, arn) in written.user_pools.iter().enumerate() {
        let at = section.item(index);
        let Some(pool) = Pool::parse(arn) else {
            let shown = shortened(arn);
            let form = "`arn:aws:cognito-idp:<region>:<account>:userpool/<region>_<id>`";
            cx.error(&at, format!("`{shown}` is no user pool: write {form}"));
            continue;
        };
        // What is wrong with an endpoint was said.
        let issuer = pool.issuer(endpoint)?;
        if issuers.iter().any(|other| other.name == issuer.name) {
            cx.error(
                &at,
                "this user pool stands in the list already: take it out",
            );
        }
        issuers.push(issuer);
    }
    let expression = &at.key("identity_validation_expression");
    let audience = written.identity_validation_expression.as_deref();
    let audience = audience.map(|text| {
        let pattern = Pattern::parse(text);
        pattern.inspect_err(|error| cx.error(expression, error.to_string()))
    });
    let times = [&written.leeway, &written.decision_ttl, &written.refusal_ttl];
    let [leeway, decision_ttl, refusal_ttl] = jwt::lower_times(times.map(Option::as_ref), at, cx);
    Some(JwtSettings {
        identity_source: identity_source?,
        issuers,
        claims: Vec::new(),
        tokens: TokenRules::Cognito {
            audience: audience.transpose().ok()?,
        },
        leeway,
        decision_ttl,
        refusal_ttl,
    })
}

/// As the service, which takes such tokens from headers alone.
fn lower_header(text: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Option<IdentitySource> {
    match lower_identity_source(text, at, cx)? {
        header @ IdentitySource::Header(_) => Some(header),
        IdentitySource::Query(_) => {
            let fix = "write `$request.header.<name>`";
            cx.error(at, format!("tokens of user pools stand in a header: {fix}"));
            None
        }
    }
}

fn judge_endpoint(url: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) {
    match parse_url(url, &["https"], "https") {
        Err(error) => cx.error(at, error.to_string()),
        Ok(parsed) if parsed.query().is_some() || url.ends_with('/') => {
            let fix = "write it without a query and without a slash at its end";
            cx.error(
                at,
                format!("the pool and its keys are put behind this: {fix}"),
            );
        }
        Ok(_) => {}
    }
}

impl<'a> Pool<'a> {
    /// Reads `arn:<partition>:cognito-idp:<region>:<account>:userpool/<region>_<id>`.
    fn parse(arn: &'a str) -> Option<Self> {
        let mut parts = arn.split(':');
        let is_pool = parts.next() == Some("arn")
            && parts.next().is_some_and(|partition| !partition.is_empty())
            && parts.next() == Some("cognito-idp");
        let (region, account, pool) = (parts.next()?, parts.next()?, parts.next()?);
        let id = pool.strip_prefix("userpool/")?;
        let is_plain = |text: &str| {
            let mut bytes = text.bytes();
            !text.is_empty() && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let number = id.strip_prefix(region)?.strip_prefix('_')?;
        let is_good = is_pool
            && parts.next().is_none()
            && is_plain(region)
            && account.bytes().all(|b| b.is_ascii_digit())
            && is_plain(number);
        is_good.then_some(Self { region, id })
    }

    /// Who issues its tokens: the pool, whatever endpoint its keys are asked of.
    fn issuer(&self, endpoint: Option<&str>) -> Option<Issuer> {
        let Self { region, id } = self;
        let service = format!("https://cognito-idp.{region}.amazonaws.com");
        let keys = format!(
            "{}/{id}/.well-known/jwks.json",
            endpoint.unwrap_or(&service)
        );
        Some(Issuer {
            name: format!("{service}/{id}"),
            audiences: Vec::new(),
            algorithms: vec![Algorithm::RS256, Algorithm::RS384, Algorithm::RS512],
            jwks: jwks::at_url(keys.parse().ok()?),
        })
    }
}
