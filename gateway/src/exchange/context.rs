//! The variables that definitions read of a request: one table for gateway responses, mappings and
//! whatever else names `$context`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use serde_json::Value;

use super::client_request::{header_values, query_values};
use super::{Exchange, Judged};
use crate::language::log_format::LogFormat;
use crate::language::message::{Parameters, Place};
use crate::language::variable::{Variable, Variables};
use crate::model::{
    ApiId, ApiKind, DeploymentNumber, GatewayResponse, GatewayResponses, ThrottleHeaders, Track,
    resource_id,
};
use crate::telemetry::stage_counts::StageCounts;

/// The stage of an API that answers a request.
#[derive(Debug)]
pub struct Deployed {
    /// Account of the API.
    pub account: Arc<str>,
    /// Its id.
    pub id: ApiId,
    /// What the ARNs of its methods begin with, such as
    /// `arn:aws:execute-api:local:000000000000:a1b2c3d4e5/prod/`.
    pub arn: Box<str>,
    /// Whether its clients may come from some places alone.
    pub is_private: bool,
    /// Name of the stage.
    pub stage: Arc<str>,
    /// Which of its tracks serves this request.
    pub track: Track,
    /// The deployment that it serves; `None` where nobody keeps deployments.
    pub deployment: Option<DeploymentNumber>,
    /// Its variables.
    pub variables: BTreeMap<String, String>,
    /// What it counts.
    pub counts: Arc<StageCounts>,
    /// How the API words what it refuses.
    pub responses: Arc<GatewayResponses>,
    /// What its answers say of limits on requests.
    pub throttle_headers: ThrottleHeaders,
    /// What the access log says of its requests; `None` for the gateway's own record.
    pub log_format: Option<Arc<LogFormat>>,
}

impl Deployed {
    /// A variable that is the same for every request to the stage.
    fn variable(&self, variable: &Variable) -> Option<Cow<'_, str>> {
        match variable {
            Variable::AccountId => Some(Cow::Borrowed(self.account.as_ref())),
            Variable::ApiId => Some(Cow::Borrowed(self.id.as_str())),
            Variable::Stage => Some(Cow::Borrowed(self.stage.as_ref())),
            Variable::DeploymentId => Some(Cow::Owned(self.deployment?.to_string())),
            Variable::EndpointType if self.is_private => Some(Cow::Borrowed("PRIVATE")),
            Variable::EndpointType => Some(Cow::Borrowed("REGIONAL")),
            _ => None,
        }
    }
}

/// What is kept of a request's head for those that read it after the integration has taken it.
#[derive(Debug)]
pub struct Head {
    /// Its method.
    pub method: Method,
    /// Path and query.
    pub uri: Uri,
    /// Its `User-Agent`.
    pub user_agent: Option<HeaderValue>,
    /// Its headers, where the API's gateway responses may read them.
    pub headers: HeaderMap,
    /// The parameters of its path, under the same condition.
    pub parameters: Vec<(String, String)>,
}

impl Head {
    /// Of a request of whose headers one is kept.
    #[must_use]
    pub fn new(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        Self {
            method: method.clone(),
            uri: uri.clone(),
            user_agent: headers.get(USER_AGENT).cloned(),
            headers: HeaderMap::new(),
            parameters: Vec::new(),
        }
    }
}

impl Parameters for Head {
    fn last(&self, place: Place, name: &str) -> Option<Cow<'_, str>> {
        self.all(place, name).pop()
    }

    fn all(&self, place: Place, name: &str) -> Vec<Cow<'_, str>> {
        match place {
            Place::Header => header_values(&self.headers, name),
            Place::Path => {
                let own = self.parameters.iter().filter(|(known, _)| known == name);
                own.map(|(_, value)| Cow::Borrowed(value.as_str()))
                    .collect()
            }
            Place::Querystring => query_values(&self.uri, name),
        }
    }
}

/// What was refused, for `$context.error`.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// Its type.
    pub answer: GatewayResponse,
    /// Its message, if it has one.
    pub message: Option<&'a str>,
    /// The status sent.
    pub status: StatusCode,
    /// What the validator found.
    pub validation: Option<&'a str>,
}

/// The variables of one request.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The request.
    pub exchange: &'a Exchange,
    /// What it was refused for, if it was.
    pub refused: Option<Refused<'a>>,
}

impl Context<'_> {
    /// The path of a REST API's resource, with its variables.
    fn resource_path(&self) -> Option<&str> {
        if self.exchange.kind != ApiKind::Rest {
            return None;
        }
        let (_, path) = self
            .exchange
            .record
            .record
            .route
            .as_deref()?
            .split_once(' ')?;
        Some(path)
    }

    /// What the function of the authorizer returned, and how it was called.
    fn function(&self, variable: &Variable) -> Option<Cow<'_, str>> {
        let Exchange {
            caller, function, ..
        } = self.exchange;
        match variable {
            Variable::AuthorizerProperty(name) => caller.as_ref()?.property(name),
            Variable::AuthorizerPrincipalId => Some(Cow::Borrowed(caller.as_ref()?.principal()?)),
            Variable::AuthorizerIntegrationLatency => {
                Some(Cow::Owned(function.as_ref()?.latency_ms.to_string()))
            }
            Variable::AuthorizerIntegrationStatus => {
                Some(Cow::Owned(function.as_ref()?.status?.to_string()))
            }
            Variable::AuthorizerRequestId => Some(Cow::Borrowed(function.as_ref()?.id.as_deref()?)),
            _ => None,
        }
    }

    /// The API key that it was counted for.
    fn api_key(&self, variable: &Variable) -> Option<Cow<'_, str>> {
        let key = self.exchange.api_key.as_ref()?;
        match variable {
            Variable::IdentityApiKeyId => Some(Cow::Borrowed(key.id.as_str())),
            Variable::IdentityApiKey => key.value(self.exchange.caller.as_ref()),
            _ => None,
        }
    }

    /// What the authorizer and the resource policy came to.
    fn judged(&self, variable: &Variable) -> Option<Cow<'_, str>> {
        let Exchange {
            authorizer, policy, ..
        } = self.exchange;
        let error = |judged: &'_ Judged| judged.error.as_deref().map(str::to_owned);
        let text = match variable {
            Variable::AuthorizerError => error(authorizer.as_ref()?)?,
            Variable::AuthorizerLatency => authorizer.as_ref()?.latency_ms.to_string(),
            Variable::AuthorizerStatus => authorizer.as_ref()?.status.to_string(),
            Variable::AuthorizeError => error(policy.as_ref()?)?,
            Variable::AuthorizeLatency => policy.as_ref()?.latency_ms.to_string(),
            Variable::AuthorizeStatus => policy.as_ref()?.status.to_string(),
            _ => return None,
        };
        Some(Cow::Owned(text))
    }

    /// Who signed it.
    fn signer(&self, variable: &Variable) -> Option<&str> {
        let signer = self.exchange.caller.as_ref()?.signer()?;
        match variable {
            Variable::IdentityAccountId => Some(&signer.principal.account),
            Variable::IdentityCaller | Variable::IdentityUser => signer.user_id.as_deref(),
            Variable::IdentityUserArn => Some(&signer.principal.arn),
            Variable::IdentityPrincipalOrgId => Some(&signer.organization.as_ref()?.id),
            _ => None,
        }
    }

    /// What became of the request.
    fn outcome(&self, variable: &Variable) -> Option<Cow<'_, str>> {
        let record = &self.exchange.record.record;
        match variable {
            Variable::IntegrationStatus => Some(Cow::Owned(record.upstream_status?.to_string())),
            Variable::IntegrationLatency => {
                let milliseconds = record.upstream_us? / 1_000;
                Some(Cow::Owned(milliseconds.to_string()))
            }
            Variable::IntegrationError => {
                let refused = self.refused?;
                let is_of_backend = matches!(
                    refused.answer,
                    GatewayResponse::IntegrationFailure | GatewayResponse::IntegrationTimeout
                );
                refused.message.filter(|_| is_of_backend).map(Cow::Borrowed)
            }
            Variable::AwsEndpointRequestId => {
                Some(Cow::Borrowed(self.exchange.endpoint_ids.first()?))
            }
            Variable::AwsEndpointRequestId2 => {
                Some(Cow::Borrowed(self.exchange.endpoint_ids.second()?))
            }
            Variable::ErrorMessage => Some(Cow::Borrowed(self.refused?.message?)),
            Variable::ErrorResponseType => Some(Cow::Borrowed(self.refused?.answer.name())),
            Variable::ErrorValidation => Some(Cow::Borrowed(self.refused?.validation?)),
            Variable::Status => {
                let status = self.refused.map(|refused| refused.status.as_u16());
                Some(Cow::Owned(status.or(record.status)?.to_string()))
            }
            _ => None,
        }
    }
}

impl Variables for Context<'_> {
    fn context(&self, variable: &Variable) -> Option<Cow<'_, str>> {
        let Exchange {
            connection,
            host,
            head,
            deployed,
            ..
        } = self.exchange;
        let record = &self.exchange.record.record;
        let deployed = deployed.as_deref();
        let certificate = self.exchange.client_certificate.as_deref();
        match variable {
            Variable::AccountId
            | Variable::ApiId
            | Variable::Stage
            | Variable::DeploymentId
            | Variable::EndpointType => deployed?.variable(variable),
            Variable::DomainName => Some(Cow::Borrowed(host.as_str())),
            Variable::DomainPrefix => Some(Cow::Borrowed(host.split('.').next()?)),
            Variable::RoutingRuleIdMatched => Some(Cow::Borrowed(record.routing_rule.as_deref()?)),
            Variable::BasePathMatched => Some(Cow::Borrowed(self.exchange.base_path.as_deref()?)),
            Variable::HttpMethod => Some(Cow::Borrowed(head.method.as_str())),
            Variable::Path => Some(Cow::Borrowed(head.uri.path())),
            // Documented so, whatever the client speaks.
            Variable::Protocol => Some(Cow::Borrowed("HTTP/1.1")),
            Variable::RequestId => self.exchange.request_id(),
            Variable::ExtendedRequestId => Some(Cow::Owned(self.exchange.short_id())),
            Variable::RequestTime => Some(Cow::Owned(common_log_time(record.time))),
            Variable::RequestTimeEpoch => {
                let since = record.time.duration_since(UNIX_EPOCH).ok()?;
                Some(Cow::Owned(since.as_millis().to_string()))
            }
            Variable::ResourcePath => Some(Cow::Borrowed(self.resource_path()?)),
            Variable::ResourceId => {
                let path = self.resource_path()?;
                Some(Cow::Owned(resource_id(&deployed?.id, path)))
            }
            Variable::RouteKey if self.exchange.kind == ApiKind::Http => {
                Some(Cow::Borrowed(record.route.as_deref()?))
            }
            Variable::SourceIp => Some(Cow::Owned(self.exchange.client.0.to_string())),
            Variable::UserAgent => {
                let value = head.user_agent.as_ref()?;
                value.to_str().ok().map(Cow::Borrowed)
            }
            Variable::TlsVersion => Some(Cow::Borrowed(connection.tls.as_ref()?.version)),
            Variable::ClientCertPem => Some(Cow::Borrowed(&certificate?.pem)),
            Variable::ClientCertSubject => Some(Cow::Borrowed(&certificate?.names.subject)),
            Variable::ClientCertIssuer => Some(Cow::Borrowed(&certificate?.names.issuer)),
            Variable::ClientCertSerialNumber => Some(Cow::Borrowed(&certificate?.names.serial)),
            Variable::ClientCertNotBefore => Some(Cow::Borrowed(&certificate?.not_before)),
            Variable::ClientCertNotAfter => Some(Cow::Borrowed(&certificate?.not_after)),
            Variable::CipherSuite => {
                let cipher = connection.tls.as_ref()?.cipher;
                Some(
                    cipher
                        .strip_prefix("TLS13")
                        .map_or(Cow::Borrowed(cipher), |rest| {
                            Cow::Owned(format!("TLS{rest}"))
                        }),
                )
            }
            Variable::IsCanaryRequest => Some(Cow::Borrowed(is_canary(deployed))),
            Variable::Claim(name) => self.exchange.caller.as_ref()?.claim(name),
            _ => {
                let signer = self.signer(variable).map(Cow::Borrowed);
                let caller = signer.or_else(|| self.function(variable));
                let caller = caller.or_else(|| self.api_key(variable));
                let judged = caller.or_else(|| self.judged(variable));
                judged.or_else(|| self.outcome(variable))
            }
        }
    }

    fn claim(&self, name: &str) -> Option<Value> {
        self.exchange.caller.as_ref()?.claim_value(name)
    }

    fn stage_variable(&self, name: &str) -> Option<&str> {
        let variables = &self.exchange.deployed.as_ref()?.variables;
        variables.get(name).map(String::as_str)
    }
}

fn is_canary(deployed: Option<&Deployed>) -> &'static str {
    match deployed.map(|stage| stage.track) {
        Some(Track::Canary) => "true",
        Some(Track::Base) | None => "false",
    }
}

/// `21/Nov/2026:22:28:18 +0000`.
fn common_log_time(time: SystemTime) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let text = humantime::format_rfc3339_seconds(time).to_string();
    let (date, clock) = text.split_once('T').unwrap_or_default();
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next(), parts.next(), parts.next());
    let month = month
        .and_then(|month| month.parse::<usize>().ok())
        .and_then(|month| MONTHS.get(month.checked_sub(1)?));
    let (year, day) = (year.unwrap_or_default(), day.unwrap_or_default());
    let clock = clock.trim_end_matches('Z');
    format!("{day}/{}/{year}:{clock} +0000", month.unwrap_or(&""))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_written_as_in_common_logs() {
        let time = UNIX_EPOCH + Duration::from_secs(1_428_582_896);
        assert_eq!(common_log_time(time), "09/Apr/2015:12:34:56 +0000");
    }

    #[test]
    fn parameters_of_a_head_are_decoded_and_the_last_one_counts() {
        let uri = "/pets?a=1&a=x%20y+z&b".parse().unwrap();
        let mut head = Head::new(&Method::GET, &uri, &HeaderMap::new());
        head.headers.append("x-one", "1".parse().unwrap());
        head.headers.append("x-one", "2".parse().unwrap());
        head.parameters.push(("id".to_owned(), "7".to_owned()));
        assert_eq!(head.last(Place::Querystring, "a").unwrap(), "x y z");
        assert_eq!(head.last(Place::Querystring, "b").unwrap(), "");
        assert_eq!(head.last(Place::Querystring, "c"), None);
        assert_eq!(head.all(Place::Header, "X-One"), ["1", "2"]);
        assert_eq!(head.last(Place::Path, "id").unwrap(), "7");
    }
}
