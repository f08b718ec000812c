//! Tokens that the gateway gets for itself, by its own id and secret: the client credentials grant of
//! OAuth 2.0 (RFC 6749 section 4.4).
//!
//! A [`Client`] has a token at hand when a server is to be shown one, and gets the next before that
//! ends. [`Shown`] is what goes into a request: such a token, or one that never changes. Without a token
//! nobody is asked, and what would have been asked has no answer. No secret and no token is in any
//! message or `Debug` form.

mod request;
mod answer;
mod client;
mod shown;

pub use answer::{AnswerError, LIFETIME_DEFAULT, RefusalCode};
pub use client::{ANSWER_BYTES_MAX, Client, FetchError, NoToken, REFRESH_MAX, TIMEOUT};
pub use request::RequestError;
pub use shown::{Presented, Shown};
