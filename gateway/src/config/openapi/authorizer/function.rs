//! Authorizers that ask a function: those of type `token`, which REST APIs alone have, and `request`.
//!
//! Where the function is asked, a URL says, or the authorizer of the configuration that has the scheme's
//! name. Of AWS Lambda it is asked for by its ARN, as the configuration says that AWS is called.

use super::counterpart::Counterpart;
use super::ttl::Ttl;
use super::user_pools::judge_header;
use super::{AUTHORIZER, judge_foreign, native_source};
use crate::config::cursor::Cursor;
use crate::config::diagnostic::Place;
use crate::config::openapi::finding::Findings;
use crate::config::openapi::made::{Made, list, plain, text};
use crate::config::openapi::validator::flag;
use crate::config::tree::{Node, shortened};
use crate::model::{ApiKind, FunctionName};

/// What is said of an authorizer, and where.
type Said = (String, Place);

/// What a scheme says of a function.
#[derive(Clone, Debug)]
pub(in crate::config::openapi) struct Asked {
    /// Whether it is told of a token alone.
    is_token: bool,
    /// Where it is.
    uri: Said,
    /// In the words of the configuration.
    sources: Vec<Said>,
    /// What a token has to match.
    expression: Option<Said>,
    /// In which form an HTTP API tells it of requests.
    format: Option<Said>,
    /// Where it is said that it answers yes or no.
    simple_responses: Option<Place>,
    /// How long results are remembered.
    ttl: Option<Ttl>,
    place: Place,
}

impl Asked {
    /// What the scheme at `scheme` says; `None` where it cannot be had, which was reported.
    pub(super) fn judge(
        scheme: &Cursor<'_>,
        is_token: bool,
        kind: ApiKind,
        findings: &mut Findings,
    ) -> Option<Self> {
        let at = scheme.key(AUTHORIZER);
        if is_token && kind == ApiKind::Http {
            let why = "HTTP APIs tell functions of requests: write `type: request`";
            findings.refused(&at.key("type"), why);
            return None;
        }
        let foreign = "a function decides who calls: take it out";
        judge_foreign(
            &at,
            &[("jwtConfiguration", foreign), ("providerARNs", foreign)],
            findings,
        );
        let before = findings.refusals();
        let uri_at = at.key("authorizerUri");
        let uri = uri_at.scalar().map(|text| (text.to_owned(), uri_at.place));
        if uri.is_none() {
            let place = if uri_at.is_written() { &uri_at } else { &at };
            findings.refused(
                place,
                "it does not say which function is asked: write `authorizerUri`",
            );
        }
        let expression_at = at.key("identityValidationExpression");
        findings.is_text(&expression_at);
        let expression = expression_at.scalar().filter(|text| !text.is_empty());
        let expression = expression.map(|text| (text.to_owned(), expression_at.place));
        if !is_token && let Some((_, _)) = &expression {
            let why = "this is about the one token of `type: token`: take it out";
            findings.refused(&expression_at, why);
        }
        let sources = if is_token {
            judge_header(scheme, findings).map(|header| vec![header])
        } else {
            judge_sources(&at.key("identitySource"), findings)
        };
        let ttl = Ttl::judge(&at, findings)?;
        let is_kept = ttl.is_none_or(|ttl| ttl.seconds > 0);
        if kind == ApiKind::Rest && is_kept && sources.as_ref().is_some_and(Vec::is_empty) {
            let why = "results are remembered, and nothing tells callers apart: write \
                       `identitySource`, or `authorizerResultTtlInSeconds: 0`";
            findings.refused(&at, why);
        }
        let format = judge_format(&at, kind, findings);
        let simple_at = at.key("enableSimpleResponses");
        let is_simple = flag(&simple_at, findings);
        (findings.refusals() == before).then_some(Self {
            is_token,
            uri: uri?,
            sources: sources?,
            expression,
            format,
            simple_responses: is_simple.then_some(simple_at.place),
            ttl,
            place: at.key_place,
        })
    }

    /// Whether the definition alone says where the function is asked.
    fn has_url(&self) -> bool {
        let (uri, _) = &self.uri;
        uri.starts_with("http://") || uri.starts_with("https://")
    }

    /// What differs of a function that the definition alone says where to ask.
    pub(super) fn approximation(&self) -> Option<&'static str> {
        let how = "it is called as the section `aws` of the configuration says";
        (!self.has_url()).then_some(how)
    }

    /// Refuses at `at` what the definition alone cannot make an authorizer of. `calls_aws` says whether
    /// services of AWS are called.
    pub(super) fn judge_alone(
        &self,
        name: &str,
        at: &Cursor<'_>,
        calls_aws: bool,
        findings: &mut Findings,
    ) -> Option<()> {
        let (uri, _) = &self.uri;
        let shown = shortened(name);
        let why = match arn_of(uri) {
            _ if self.has_url() => return Some(()),
            Some(_) if calls_aws => return Some(()),
            Some(_) => format!(
                "this is a function of AWS Lambda, and nothing says how AWS is called: write the \
                 section `aws` of the configuration, or add `{shown}` to its `authorizers`, as \
                 `{{type: function, function: {{url: ..}}}}`"
            ),
            None if uri.contains("${stageVariables.") => format!(
                "an authorizer asks one function for all stages, so that no stage variables stand in \
                 for it: write the whole ARN, or add `{shown}` to `authorizers` of the configuration, \
                 as `{{type: function, function: {{lambda: ..}}}}`"
            ),
            None => "this is neither a URL nor the ARN of a function: write `https://host/path`, or \
                     `arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{ARN}/invocations`"
                .to_owned(),
        };
        findings.refused(&at.key("authorizerUri"), why);
        None
    }

    const fn event(&self) -> &'static str {
        if self.is_token { "token" } else { "request" }
    }

    /// An authorizer in the native form.
    pub(super) fn write(&self) -> Node {
        let at = |(written, place): &Said| text(*place, written);
        let mut made = Made::at(self.place);
        made.put("type", self.place, plain(self.place, "function"));
        let (ref uri, uri_place) = self.uri;
        let mut function = Made::at(uri_place);
        match arn_of(uri) {
            Some(arn) => function.put("lambda", uri_place, text(uri_place, arn)),
            None => function.put("url", uri_place, at(&self.uri)),
        }
        made.put("function", uri_place, function.finish());
        made.put("event", self.place, plain(self.place, self.event()));
        if let Some(format) = &self.format {
            made.put("payload_format", format.1, at(format));
        }
        if let Some(place) = self.simple_responses {
            made.put("simple_responses", place, plain(place, "true"));
        }
        if let Some((_, place)) = self.sources.first() {
            let sources = self.sources.iter().map(at);
            made.put("identity_sources", *place, list(*place, sources.collect()));
        }
        if let Some(expression) = &self.expression {
            made.put(
                "identity_validation_expression",
                expression.1,
                at(expression),
            );
        }
        if let Some(ttl) = self.ttl {
            ttl.write("result_ttl", &mut made);
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
        let there = configured.key("event").scalar().unwrap_or("request");
        counterpart.compare("`event`", self.event(), there, &at.key("type"));
        self.compare_function(at, configured, counterpart);
        let here = compared(self.sources.iter().map(|(source, _)| source.as_str()));
        let listed = configured.key("identity_sources");
        let there = if self.is_token && !listed.is_written() {
            compared(["$request.header.Authorization"].into_iter())
        } else {
            compared(listed.items().filter_map(|item| item.scalar()))
        };
        counterpart.compare("identity sources", &here, &there, &at.key("identitySource"));
        let of = |said: &Option<Said>| said.as_ref().map_or(String::new(), |(it, _)| it.clone());
        let there = configured.key("identity_validation_expression");
        let key = at.key("identityValidationExpression");
        counterpart.compare(
            "expression",
            &of(&self.expression),
            there.scalar().unwrap_or_default(),
            &key,
        );
        if let Some((format, _)) = &self.format {
            let there = configured.key("payload_format").scalar().unwrap_or("2.0");
            let key = at.key("authorizerPayloadFormatVersion");
            counterpart.compare("`payload_format`", format, there, &key);
        }
        let here = if self.simple_responses.is_some() {
            "true"
        } else {
            "false"
        };
        let there = configured
            .key("simple_responses")
            .scalar()
            .unwrap_or("false");
        counterpart.compare(
            "`simple_responses`",
            here,
            there,
            &at.key("enableSimpleResponses"),
        );
        if let Some(ttl) = self.ttl {
            let default = if self.sources.is_empty() { "0s" } else { "5m" };
            ttl.compare(at, configured, ("result_ttl", default), counterpart);
        }
    }

    /// A URL has to be the same. Where a function of AWS Lambda answers at a URL here, the configuration
    /// says so, and where it has one of its own, that has to be the same.
    fn compare_function(
        &self,
        at: &Cursor<'_>,
        configured: &Cursor<'_>,
        counterpart: &mut Counterpart<'_>,
    ) {
        let (uri, _) = &self.uri;
        let there = configured.key("function");
        let at = at.key("authorizerUri");
        if self.has_url() {
            let there = there.key("url");
            counterpart.compare("`url`", uri, there.scalar().unwrap_or_default(), &at);
        } else if let (Some(here), Some(there)) = (arn_of(uri), there.key("lambda").scalar()) {
            // A name alone leaves the account to the credentials.
            let is_named = here.rsplit_once(":function:").map(|(_, name)| name) == Some(there);
            if !is_named {
                counterpart.compare("`lambda`", here, there, &at);
            }
        }
    }
}

/// The ARN of the function of AWS Lambda that `uri` calls, as the service writes that:
/// `arn:aws:apigateway:{region}:lambda:path/{version}/functions/{ARN}/invocations`.
fn arn_of(uri: &str) -> Option<&str> {
    let (service, path) = uri.split_once(":lambda:path/")?;
    let parts: Vec<&str> = service.split(':').collect();
    let ["arn", _, "apigateway", _] = parts.as_slice() else {
        return None;
    };
    let (_, named) = path.split_once("/functions/")?;
    let arn = named.strip_suffix("/invocations")?;
    let name = FunctionName::parse(arn).ok()?;
    name.region().map(|_| arn)
}

/// In order; names of headers have no case.
fn compared<'a>(sources: impl Iterator<Item = &'a str>) -> String {
    let sources = sources.map(|source| match source.strip_prefix("$request.header.") {
        Some(name) => format!("$request.header.{}", name.to_ascii_lowercase()),
        None => source.to_owned(),
    });
    sources.collect::<Vec<_>>().join(", ")
}

/// What tells callers apart, in the words of the configuration: a list, or text with commas.
fn judge_sources(at: &Cursor<'_>, findings: &mut Findings) -> Option<Vec<Said>> {
    if let Some(text) = at.scalar() {
        let sources = text.split(',').filter(|source| !source.trim().is_empty());
        return Some(
            sources
                .map(|source| (native_source(source), at.place))
                .collect(),
        );
    }
    let named = |item: Cursor<'_>| Some((native_source(item.scalar()?), item.place));
    let sources: Option<Vec<_>> = at.items().map(named).collect();
    if sources.is_none() {
        findings.refused(
            at,
            "identity sources are text: write `$request.header.<name>`",
        );
    }
    sources
}

/// In which form an HTTP API tells of requests, which the service wants to be said.
fn judge_format(at: &Cursor<'_>, kind: ApiKind, findings: &mut Findings) -> Option<Said> {
    if kind == ApiKind::Rest {
        return None;
    }
    let format = at.key("authorizerPayloadFormatVersion");
    match format.scalar() {
        Some(text @ ("1.0" | "2.0")) => Some((text.to_owned(), format.place)),
        Some(_) => {
            findings.refused(&format, "the version is 1.0 or 2.0: write one");
            None
        }
        None => {
            let why = "it does not say in which form the function is told: write \
                       `authorizerPayloadFormatVersion: '2.0'`, or `'1.0'`";
            findings.refused(at, why);
            None
        }
    }
}
