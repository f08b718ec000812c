//! What of a request is checked before its integration gets it.
//!
//! Source: Amazon API Gateway Developer Guide, "Request validation for REST APIs in API Gateway".

use crate::language::message::Place;

/// What a method checks; REST APIs only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validation {
    /// Parameters that are declared as required, in the order of their names with their places.
    pub required: Vec<(Place, Box<str>)>,
    /// Whether these have to be there and not blank. Otherwise nothing checks it, and only exports
    /// and mappings have them.
    pub parameters: bool,
    /// What the body has to be; `None` leaves it unchecked.
    pub body: Option<BodyModels>,
    /// The media types of bodies beside which every other one is refused; `None` refuses none. No
    /// behaviour of the service.
    pub content_types: Option<Vec<String>>,
    /// Whether answers are held against the models of the method's responses; `None` does not. No
    /// behaviour of the service.
    pub response: Option<ResponseCheck>,
}

/// What happens to an answer that is not what its model says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseCheck {
    /// It is sent, and noted.
    Monitor,
    /// The client gets 502 instead.
    Enforce,
}

/// Which model a body has to follow, by its media type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyModels {
    /// By media type, in the order of the definition.
    pub by_media_type: Vec<(String, String)>,
    /// For every other media type; `None` leaves their bodies unchecked, as in the service.
    pub otherwise: Option<String>,
}

impl BodyModels {
    /// Whether no body has to follow any model.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.by_media_type.is_empty() && self.otherwise.is_none()
    }

    /// Every model that it names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let named = self.by_media_type.iter().map(|(_, model)| model);
        named.chain(&self.otherwise).map(String::as_str)
    }
}
