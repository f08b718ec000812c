//! Authorizers that ask a function.

use http::header::AUTHORIZATION;

use super::lower_identity_source;
use crate::config::cursor::Cursor;
use crate::config::lower::Lowering;
use crate::config::lower::host::{UrlError, parse_url};
use crate::config::lower::quantity::{ms, s};
use crate::config::lower::upstream::target;
use crate::config::tree::shortened;
use crate::config::written;
use crate::language::pattern::Pattern;
use crate::language::variable::Reference;
use crate::model::{
    AwsService, Function, FunctionEvent, FunctionName, FunctionSettings, FunctionSource,
    IdentitySource, PayloadFormat, Remote,
};

/// Lowers the authorizer at `at`; `None` where it has mistakes, which are reported.
pub(super) fn lower(
    written: &written::FunctionAuthorizer,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<FunctionSettings> {
    let function = lower_function(&written.function, &at.key("function"), cx);
    let event = match written.event {
        written::FunctionEvent::Token => lower_token(written, at, cx),
        written::FunctionEvent::Request => lower_request(written, at, cx),
    };
    let is_known = match &event {
        Some(FunctionEvent::Request { sources, .. }) => !sources.is_empty(),
        Some(FunctionEvent::Token { .. }) | None => true,
    };
    let result_ttl = written.result_ttl.as_ref();
    let default = if is_known { s(300) } else { s(0) };
    let ttl_at = at.key("result_ttl");
    let result_ttl = cx.duration(result_ttl, &ttl_at, s(0)..=s(3600), default);
    if !is_known && !result_ttl.is_zero() {
        let message = "nothing tells callers apart whose results would be remembered: name \
                       `identity_sources`, or write `0s`";
        cx.error(&ttl_at, message);
    }
    let timeout = written
        .timeout
        .as_ref()
        .map(|timeout| cx.duration(Some(timeout), &at.key("timeout"), ms(50)..=s(29), s(10)));
    Some(FunctionSettings {
        function: function?,
        event: event?,
        result_ttl,
        timeout,
    })
}

fn lower_function(
    written: &written::Function,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<Function> {
    match (&written.url, &written.lambda) {
        (Some(url), None) => match parse_remote(url) {
            Ok(remote) => Some(Function::Url(remote)),
            Err(error) => {
                cx.error(&at.key("url"), error.to_string());
                None
            }
        },
        (None, Some(name)) => lower_lambda(name, &at.key("lambda"), cx),
        (None, None) => {
            let message = "it does not say which function is asked: write its `url`, or with \
                           `lambda` its name or ARN";
            cx.error_at_key(at, message);
            None
        }
        (Some(_), Some(_)) => {
            let message = "a function is at a URL or one of AWS Lambda: keep `url` or `lambda`";
            cx.error_at_key(at, message);
            None
        }
    }
}

/// A function of AWS Lambda, in the region that its ARN names.
fn lower_lambda(written: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Option<Function> {
    let name = match FunctionName::parse(written) {
        Ok(name) => name,
        Err(error) => {
            cx.error(at, error.to_string());
            return None;
        }
    };
    let target = cx.aws_target(AwsService::Lambda, name.region(), at)?;
    Some(Function::Lambda { name, target })
}

/// What is asked at a URL.
fn parse_remote(url: &str) -> Result<Remote, UrlError> {
    let url = parse_url(url, &["http", "https"], "http` or `https")?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    Ok(Remote {
        origin: target(&url).ok_or(UrlError::Host)?,
        path: path.to_owned(),
    })
}

fn lower_token(
    written: &written::FunctionAuthorizer,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<FunctionEvent> {
    for key in ["payload_format", "simple_responses"] {
        if at.key(key).is_written() {
            let message = "a function that is told of a token answers with a policy, and is told \
                           in one form: take this out, or write `event: request`";
            cx.error_at_key(&at.key(key), message);
        }
    }
    let sources_at = at.key("identity_sources");
    let source = match written.identity_sources.as_deref() {
        None => Some(IdentitySource::Header(AUTHORIZATION)),
        Some([one]) => match lower_identity_source(one, &sources_at.item(0), cx) {
            Some(IdentitySource::Query(_)) => {
                let message = "a token stands in a header: write `$request.header.<name>`, or \
                               `event: request`";
                cx.error(&sources_at.item(0), message);
                None
            }
            header => header,
        },
        Some(_) => {
            let message = "a token stands in one header: keep one, or write `event: request`";
            cx.error(&sources_at, message);
            None
        }
    };
    let expression_at = at.key("identity_validation_expression");
    let expression = written.identity_validation_expression.as_deref();
    let expression = expression.map(|text| {
        let pattern = Pattern::parse(text);
        pattern.inspect_err(|error| cx.error(&expression_at, error.to_string()))
    });
    Some(FunctionEvent::Token {
        source: source?,
        expression: expression.transpose().ok()?,
    })
}

fn lower_request(
    written: &written::FunctionAuthorizer,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> Option<FunctionEvent> {
    let expression_at = at.key("identity_validation_expression");
    if expression_at.is_written() {
        let message = "this is about the one token of `event: token`: take it out, or write that";
        cx.error_at_key(&expression_at, message);
    }
    let format = written.payload_format.map(|format| match format {
        written::PayloadFormat::V1 => PayloadFormat::V1,
        written::PayloadFormat::V2 => PayloadFormat::V2,
    });
    if written.simple_responses && format == Some(PayloadFormat::V1) {
        let message = "simple responses go with payload format 2.0: write `payload_format: \"2.0\"`, \
                       or take this out";
        cx.error_at_key(&at.key("simple_responses"), message);
    }
    let section = at.key("identity_sources");
    let written_sources = written.identity_sources.as_deref().unwrap_or_default();
    let mut sources = Vec::new();
    for (index, text) in written_sources.iter().enumerate() {
        sources.extend(lower_source(text, &section.item(index), cx));
    }
    // With fewer, callers would be told apart by less than was written.
    (sources.len() == written_sources.len()).then_some(FunctionEvent::Request {
        sources,
        format,
        simple_responses: written.simple_responses,
    })
}

fn lower_source(text: &str, at: &Cursor<'_>, cx: &mut Lowering<'_>) -> Option<FunctionSource> {
    if text.starts_with("$request.header.") || text.starts_with("$request.querystring.") {
        return lower_identity_source(text, at, cx).map(FunctionSource::Sent);
    }
    let known = text
        .strip_prefix('$')
        .filter(|text| text.starts_with("context.") || text.starts_with("stageVariables."));
    let Some(known) = known else {
        let shown = shortened(text);
        let form = "`$request.header.<name>`, `$request.querystring.<name>`, `$context.<name>` or \
                    `$stageVariables.<name>`";
        cx.error(
            at,
            format!("`{shown}` is not an identity source: write {form}"),
        );
        return None;
    };
    let source = match Reference::parse(known) {
        Ok(reference) => FunctionSource::Known(reference),
        Err(error) => {
            cx.error(at, error.to_string());
            return None;
        }
    };
    if !source.is_known_before() {
        let shown = shortened(text);
        let message = format!("`{shown}` is not known before the caller is: name another");
        cx.error(at, message);
        return None;
    }
    Some(source)
}
