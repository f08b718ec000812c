//! Is the request what its method declares?
//!
//! Parameters come first, so that the body of a request that lacks one need not be read. What a
//! client reads about a body says nothing of it; a gateway response may ask for more.
//!
//! Source: Amazon API Gateway Developer Guide, "Request validation for REST APIs in API Gateway".

use std::sync::Arc;

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::exchange::{Reason, Rejection};
use crate::language::media_type::MediaType;
use crate::language::message::{Body, Parameters, Place};
use crate::language::schema::Schema;

/// What one method checks.
#[derive(Debug)]
pub struct ValidatePlan {
    /// Parameters that have to be there, in the order in which they are told.
    pub required: Vec<(Place, Box<str>)>,
    /// What the body has to be; `None` leaves it unchecked.
    pub body: Option<BodySchemas>,
}

/// Which schema a body has to follow, by its media type.
#[derive(Debug)]
pub struct BodySchemas {
    /// By media type.
    pub by_media_type: Vec<(String, Arc<Schema>)>,
    /// For every other media type; `None` leaves their bodies unchecked.
    pub otherwise: Option<Arc<Schema>>,
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

/// Checks a body that was read whole.
///
/// # Errors
/// A rejection if it is not what the model for its media type says.
pub fn body(plan: &BodySchemas, headers: &HeaderMap, body: &[u8]) -> Result<(), Rejection> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (first, second) = (types.next(), types.next());
    if second.is_some() {
        // A backend might take another one than is taken here.
        return Err(invalid("[several content types]".into()));
    }
    let content_type = first.and_then(|value| value.to_str().ok());
    let Some(schema) = plan.schema(MediaType::of_body(content_type)) else {
        return Ok(());
    };
    let body = Body::new(body);
    let value = body
        .value()
        .map_err(|error| invalid(format!("[{error}]").into()))?;
    let judged = schema.validate(value);
    judged.map_err(|found| invalid(found.text().into()))
}

impl BodySchemas {
    fn schema(&self, media_type: MediaType<'_>) -> Option<&Schema> {
        let mut named = self.by_media_type.iter();
        let own = named.find(|(known, _)| media_type.is(known));
        let own = own.map(|(_, schema)| schema);
        own.or(self.otherwise.as_ref()).map(AsRef::as_ref)
    }
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
