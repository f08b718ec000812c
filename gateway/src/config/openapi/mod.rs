//! OpenAPI definitions: OpenAPI 3.0 and Swagger 2.0 with the extensions of Amazon API Gateway.
//!
//! A definition is translated into the written form of one API, of which every node keeps the place
//! of what it was made from. So there is one judge of what a configuration means, and what it says
//! points into the definition. It lives in `config` because it makes trees of it.
//!
//! Nothing in a definition is passed over: each part that has a meaning at run time becomes a
//! [`Finding`]. What is refused makes the whole configuration wrong or, where the user asked for a
//! part of the definition, routes that answer 500; it never opens a route.

mod surrogate;
mod placeholder;
mod reference;
mod survey;
mod document;
mod finding;
mod made;
mod treatment;
mod carried;
mod kind;
mod authorizer;
mod security;
mod signers;
mod validator;
mod model;
mod method_request;
mod method_response;
mod cors;
mod endpoint;
mod policy;
mod setting;
mod response;
mod integration;
mod gateway_response;
mod operation;
mod sweep;
mod translation;
mod expansion;
mod judgement;
mod print;
mod print_json;
mod import;
mod export;

pub use export::ExportFormat;
pub use finding::{Finding, Treatment};
pub use import::{Import, ImportOptions, import};

pub(super) use carried::NO_PART;
pub(super) use expansion::expand;
pub(super) use export::{Surroundings, Title, definition, left};
pub(super) use print::print;
