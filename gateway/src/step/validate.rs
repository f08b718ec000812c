//! Is the request what its method declares?
//!
//! Parameters come first, and then the body's media type, so that the body of a request that lacks one need not be read. What a
//! client reads about a body says nothing of it; a gateway response may ask for more.
//!
//! Source: Amazon API Gateway Developer Guide, "Request validation for REST APIs in API Gateway".

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::schemas::BodySchemas;
use crate::body::BodyBudget;
use crate::exchange::{Reason, Rejection};
use crate::language::media_type::{self, MediaType};
use crate::language::message::{Body, Parameters, Place};

/// What one method checks.
#[derive(Debug)]
pub struct ValidatePlan {
    /// Parameters that have to be there, in the order in which they are told.
    pub required: Vec<(Place, Box<str>)>,
    /// The media types that bodies may have; `None` allows every one.
    pub content_types: Option<Vec<String>>,
    /// What the body has to be; `None` leaves it unchecked.
    pub body: Option<BodySchemas>,
}

/// Checks that every required parameter has a value that is not blank.
///
/// # Errors
/// A rejection that names those that have none.
pub fn parameters(plan: &ValidatePlan, request: &impl Parameters) -> Result<(), Rejection> {
    let is_missing = |(place, name): &&(Place, Box<str>)| {
        let values = request.all(*place, name);
        values.iter().all(|value| value.trim().is_empty())
    };
    let missing = plan.required.iter().filter(is_missing);
    let missing: Vec<&str> = missing.map(|(_, name)| name.as_ref()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(", ");
    Err(Rejection {
        message: Some(format!("Missing required request parameters: [{names}]").into()),
        ..Rejection::detailed(Reason::ParameterMissing, names)
    })
}

/// Checks that the method takes bodies of this media type. A request without body and without
/// `Content-Type` passes.
///
/// # Errors
/// 415 for every other one, and for several at once. No behaviour of the service.
pub fn content_type(
    plan: &ValidatePlan,
    headers: &HeaderMap,
    has_body: bool,
) -> Result<(), Rejection> {
    let Some(allowed) = &plan.content_types else {
        return Ok(());
    };
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (first, second) = (types.next(), types.next());
    if first.is_none() && !has_body {
        return Ok(());
    }
    let written = first.map(|value| value.to_str().unwrap_or_default());
    let found = match written {
        None => Some(MediaType::of_body(None)),
        // What cannot be read is none of those that are allowed.
        Some(written) => MediaType::first(written),
    };
    let is_allowed = |found: MediaType<'_>| allowed.iter().any(|known| found.is(known));
    let is_one = second.is_none() && !written.is_some_and(media_type::are_several);
    if is_one && found.is_some_and(is_allowed) {
        return Ok(());
    }
    Err(Reason::ContentType.into())
}

/// Checks a body that was read whole.
///
/// # Errors
/// A rejection if it is not what the model for its media type says, 503 without memory for its
/// value.
pub fn body(
    plan: &BodySchemas,
    headers: &HeaderMap,
    body: &[u8],
    budget: &BodyBudget,
) -> Result<(), Rejection> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (first, second) = (types.next(), types.next());
    let content_type = first.and_then(|value| value.to_str().ok());
    if second.is_some() || content_type.is_some_and(media_type::are_several) {
        // A backend might take another one than is taken here.
        return Err(invalid("[several content types]".into()));
    }
    let Some(schema) = plan.schema(MediaType::of_body(content_type)) else {
        return Ok(());
    };
    let body = Body::new(body);
    let _room = budget.lend(body.value_memory())?;
    let value = body
        .value()
        .map_err(|error| invalid(format!("[{error}]").into()))?;
    let judged = schema.validate(value);
    judged.map_err(|found| invalid(found.text().into()))
}

fn invalid(found: Box<str>) -> Rejection {
    Rejection {
        validation: Some(found),
        ..Rejection::new(Reason::BodyInvalid)
    }
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
