//! The call of a function that authorized a request, for `$context.authorizer`.

/// One call, as it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionCall {
    /// How long it took.
    pub latency_ms: u64,
    /// The status that it was answered with; `None` without an answer.
    pub status: Option<u16>,
    /// What whoever runs the function called it.
    pub id: Option<Box<str>>,
}
