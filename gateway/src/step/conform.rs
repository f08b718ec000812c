//! Is the answer what its method declares?
//!
//! No behaviour of the service, where models of responses only document; so nobody looks unless the
//! route says so.

use std::collections::BTreeMap;

use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};

use super::schemas::BodySchemas;
use crate::body::{BodyBudget, NoMemory};
use crate::language::media_type::MediaType;
use crate::language::message::Body;
use crate::language::schema::Schema;
use crate::model::ResponseCheck;

/// What the answers of one method have to be.
#[derive(Debug)]
pub struct ConformPlan {
    /// What happens to one that is something else.
    pub check: ResponseCheck,
    /// By their status; every other one passes.
    pub by_status: BTreeMap<u16, BodySchemas>,
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nonconformity {
    /// It is not what its model says.
    Invalid,
    /// It is larger than one that is looked into may be.
    TooLarge,
    /// Its content coding is not read here, or it is not in it.
    Coding,
    /// All of it did not come within the time-out of the integration.
    TooSlow,
    /// There is no memory to look into it.
    Memory,
}

impl Nonconformity {
    /// What the access log calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::TooLarge => "too_large",
            Self::Coding => "coding",
            Self::TooSlow => "too_slow",
            Self::Memory => "memory",
        }
    }
}

impl ConformPlan {
    /// What this answer has to be; `None` lets it pass.
    #[must_use]
    pub fn schema(&self, head: &Response<()>) -> Option<&Schema> {
        if matches!(
            head.status(),
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        ) {
            return None;
        }
        let schemas = self.by_status.get(&head.status().as_u16())?;
        let content_type = head.headers().get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        schemas.schema(MediaType::of_body(content_type))
    }
}

/// Holds a body against its schema.
///
/// # Errors
/// What is wrong.
pub fn conform(schema: &Schema, body: &[u8], budget: &BodyBudget) -> Result<(), Nonconformity> {
    let body = Body::new(body);
    let room = budget.lend(body.value_memory());
    let _room = room.map_err(|NoMemory| Nonconformity::Memory)?;
    let value = body.value().map_err(|_error| Nonconformity::Invalid)?;
    let judged = schema.validate(value);
    judged.map_err(|_invalid| Nonconformity::Invalid)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::language::schema::Models;

    #[test]
    fn the_value_of_a_body_needs_memory() {
        let list = json!({"type": "array"});
        let schema = Models::new([("List", &list)]).unwrap().compile("List");
        let schema = schema.unwrap();
        let budget = BodyBudget::new(10_000);
        let of = |count: usize| format!("[{}]", vec![r#"{"":0}"#; count].join(","));
        assert_eq!(conform(&schema, of(5).as_bytes(), &budget), Ok(()));
        let beyond = conform(&schema, of(50).as_bytes(), &budget);
        assert_eq!(beyond, Err(Nonconformity::Memory));
        assert_eq!(budget.used(), 0);
    }
}
