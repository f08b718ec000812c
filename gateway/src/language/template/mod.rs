//! Templates that need no template language.
//!
//! Gateway responses are filled in by plain substitution, many mapping templates are fixed text,
//! and mock integrations read one number from theirs.

mod gateway_response;
mod literal;
mod mock_status;

pub use gateway_response::{GatewayResponseTemplate, REFERENCES_MAX, TemplateError};
pub use literal::{Literal, NotLiteral};
pub use mock_status::{DEPTH_MAX, MockStatusError, mock_status};

/// Bytes of a template, more of which are refused: the quota of mapping templates, 300 KB.
pub const TEMPLATE_BYTES_MAX: usize = 300 * 1024;
