//! What answers an admitted request.

mod http_proxy;
mod headers;
mod rest_headers;
mod path_template;

pub use http_proxy::{
    ForwardPlan, IntegrationRequest, IntegrationResponse, body_rejection, forward,
};
pub use path_template::PathTemplate;
pub use rest_headers::RestHeaders;
