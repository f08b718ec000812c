//! Whom a function that authorizes callers has named.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::language::policy::Policy;

/// What a function returned of a caller. Bounded by what is read of its answer.
#[derive(Clone)]
pub struct FunctionCaller {
    /// What it calls the caller; `None` in a simple response, which has no place for it.
    pub principal: Option<Box<str>>,
    /// What it says that the caller may do.
    pub says: Said,
    /// What else it tells of the caller, for `$context.authorizer` and for backends.
    pub context: Map<String, Value>,
    /// Bytes of the answer that all of this was read from.
    pub bytes: usize,
    /// The API key that stands for the caller, where requests bring none of their own.
    pub usage_key: Option<Box<str>>,
}

/// What a function says that a caller may do.
#[derive(Clone, Debug)]
pub enum Said {
    /// What a policy allows, which is asked about every request anew: one document, in a list as
    /// policies of callers are.
    Policies(Vec<Arc<Policy>>),
    /// Everything that asks this function, or nothing of it: a simple response.
    Simply(bool),
}

impl FunctionCaller {
    /// Its policies; `None` of a simple response.
    #[must_use]
    pub fn policies(&self) -> Option<&[Arc<Policy>]> {
        match &self.says {
            Said::Policies(policies) => Some(policies),
            Said::Simply(_) => None,
        }
    }

    /// The entry `name` of its context as text: what is no text in the way that JSON writes it. `null` is
    /// none, and so is `claims`, which stands for those of a token.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<Cow<'_, str>> {
        if name == "claims" {
            return None;
        }
        match self.context.get(name)? {
            Value::Null => None,
            Value::String(text) => Some(Cow::Borrowed(text)),
            value @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                Some(Cow::Owned(value.to_string()))
            }
        }
    }
}

// What is told of callers goes to a log by name or not at all, and an API key never.
impl fmt::Debug for FunctionCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionCaller").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn caller(context: &Value) -> FunctionCaller {
        FunctionCaller {
            principal: Some("user-7".into()),
            says: Said::Simply(true),
            context: context.as_object().unwrap().clone(),
            bytes: 100,
            usage_key: Some("hidden".into()),
        }
    }

    #[test]
    fn entries_of_the_context_are_text() {
        let caller = caller(&json!({
            "tenant": "t1", "level": 3, "beta": true, "none": null, "list": [1, "a"], "claims": "x"
        }));
        for (name, expected) in [
            ("tenant", Some("t1")),
            ("level", Some("3")),
            ("beta", Some("true")),
            ("list", Some(r#"[1,"a"]"#)),
            ("none", None),
            ("claims", None),
            ("other", None),
        ] {
            assert_eq!(caller.property(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn nothing_of_a_caller_is_shown() {
        let shown = format!("{:?}", caller(&json!({"secret": "hidden"})));
        assert_eq!(shown, "FunctionCaller { .. }");
    }
}
