//! What is told and counted of a request from the moment that its route is known.

use std::borrow::Cow;
use std::fmt;

use http::request::Parts;

use crate::exchange::Exchange;
use crate::snapshot::Observed;
use crate::telemetry::execution_log::{Masks, Message, Step};

/// Counts the request for its route, and follows it, where its stage asks for that.
pub(super) fn follow(
    observed: &Observed,
    head: &Parts,
    parameters: &[(&str, Cow<'_, str>)],
    exchange: &mut Exchange,
) {
    exchange.record.route.clone_from(&observed.counts);
    let Some(plan) = &observed.execution else {
        return;
    };
    exchange.record.follow(plan);
    let Some(follower) = exchange.record.follower() else {
        return;
    };
    let id = exchange.request_id().unwrap_or_default();
    let start = format_args!("Starting execution for request: {id}");
    follower.tell(Step::Start, start);
    let key = exchange.record.record.route.as_deref().unwrap_or_default();
    let path = key.split_once(' ').map_or(key, |(_, path)| path);
    let method = &head.method;
    let resource = format_args!("HTTP Method: {method}, Resource Path: {path}");
    follower.tell(Step::Resource, resource);
    follower.show(Step::RequestPath, |message, _| {
        message.push(format_args!("Method request path: "));
        message.pairs(parameters.iter().map(|(name, value)| (name, value)));
    });
    follower.show(Step::RequestQuery, |message, masks| {
        message.push(format_args!("Method request query string: "));
        message.pairs(masks.told_query(head.uri.query().unwrap_or_default()));
    });
    follower.show(
        Step::RequestHeaders,
        |message: &mut Message, masks: &Masks| {
            message.push(format_args!("Method request headers: "));
            message.pairs(masks.told(&head.headers));
        },
    );
}

/// Tells that a step has let the request pass.
pub(super) fn passed(exchange: &Exchange, step: Step, arguments: fmt::Arguments<'_>) {
    if let Some(follower) = exchange.record.follower() {
        follower.tell(step, arguments);
    }
}
