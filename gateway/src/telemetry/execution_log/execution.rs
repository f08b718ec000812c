//! One request that is followed.

use std::fmt;
use std::sync::Arc;

use super::super::access_log::{Record, Sink};
use super::{BODY_BYTES_MAX, Event, Masks, Message, Step};
use crate::body::BodyProgress;
use crate::clock;

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// What failed.
    Errors,
    /// Every step.
    Steps,
    /// Every step, with headers and bodies.
    Data,
}

/// How the requests to a route are followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionPlan {
    /// How much is told.
    pub detail: Detail,
    /// What never is.
    pub masks: Masks,
}

/// A request that is followed.
#[derive(Debug)]
pub struct Execution {
    plan: Arc<ExecutionPlan>,
    /// What the body of its answer begins with, where that is told.
    answer: Vec<u8>,
}

impl Execution {
    pub(in crate::telemetry) const fn new(plan: Arc<ExecutionPlan>) -> Self {
        Self {
            plan,
            answer: Vec::new(),
        }
    }

    /// Whether headers and bodies are told.
    #[must_use]
    pub fn tells_data(&self) -> bool {
        self.plan.detail == Detail::Data
    }

    /// Keeps what its answer begins with.
    pub(in crate::telemetry) fn answer(&mut self, piece: &[u8]) {
        if self.tells_data() {
            let room = BODY_BYTES_MAX.saturating_sub(self.answer.len());
            let part = piece.get(..room.min(piece.len()));
            self.answer.extend_from_slice(part.unwrap_or_default());
        }
    }

    /// Tells how it ended.
    pub(in crate::telemetry) fn end(
        &self,
        record: &Record,
        sink: &Sink,
        body: Option<&BodyProgress>,
    ) {
        let follower = Follower {
            execution: self,
            record,
            sink,
        };
        follower.request_body(body);
        if !self.answer.is_empty() {
            follower.show(Step::ResponseBody, |message, _| {
                message.push(format_args!("Method response body after transformations: "));
                message.body(&self.answer);
            });
        }
        match (record.reason, record.detail.as_deref()) {
            (None, _) => {
                follower.tell(
                    Step::Success,
                    format_args!("Successfully completed execution"),
                );
            }
            (Some(reason), None) => {
                follower.fail(format_args!("Execution failed due to {reason}"));
            }
            (Some(reason), Some(detail)) => {
                follower.fail(format_args!("Execution failed due to {reason}: {detail}"));
            }
        }
        if let Some(status) = record.status {
            let status = format_args!("Method completed with status: {status}");
            follower.tell(Step::End, status);
        }
    }
}

/// What tells of a request that is followed.
#[derive(Clone, Copy, Debug)]
pub struct Follower<'a> {
    pub(in crate::telemetry) execution: &'a Execution,
    pub(in crate::telemetry) record: &'a Record,
    pub(in crate::telemetry) sink: &'a Sink,
}

impl Follower<'_> {
    /// Tells of a step, unless only failures are asked for.
    pub fn tell(&self, step: Step, arguments: fmt::Arguments<'_>) {
        if self.execution.plan.detail >= Detail::Steps {
            let mut message = Message::default();
            message.push(arguments);
            self.write(step, message);
        }
    }

    /// As [`Self::tell`], with what is masked.
    pub fn tell_masked(&self, step: Step, fill: impl FnOnce(&mut Message, &Masks)) {
        if self.execution.plan.detail >= Detail::Steps {
            self.write_masked(step, fill);
        }
    }

    /// Tells of headers or a body, where data is asked for.
    pub fn show(&self, step: Step, fill: impl FnOnce(&mut Message, &Masks)) {
        if self.execution.tells_data() {
            self.write_masked(step, fill);
        }
    }

    /// Shows what a whole body begins with.
    pub fn show_body(&self, step: Step, what: &str, body: &[u8]) {
        self.show(step, |message, _| {
            message.push(format_args!("{what}: "));
            message.body(body);
        });
    }

    /// Shows what has come of the body of the request, once.
    pub fn request_body(&self, body: Option<&BodyProgress>) {
        if let Some(start) = body.and_then(BodyProgress::take_start) {
            let what = "Method request body before transformations";
            self.show_body(Step::RequestBody, what, &start);
        }
    }

    fn fail(&self, arguments: fmt::Arguments<'_>) {
        let mut message = Message::default();
        message.push(arguments);
        self.write(Step::Failure, message);
    }

    fn write_masked(&self, step: Step, fill: impl FnOnce(&mut Message, &Masks)) {
        let mut message = Message::default();
        fill(&mut message, &self.execution.plan.masks);
        self.write(step, message);
    }

    fn write(&self, step: Step, message: Message) {
        let text = message.finish();
        let event = Event::new(clock::wall(), self.record, step, &text);
        self.sink.execution(&event);
    }
}
