//! Policy documents as IAM defines them: who may do what, to which resource, under which conditions.
//!
//! [`Policy::parse`] reads a document once, refuses whatever it does not understand, and says where
//! it stands; every value that can be read at load is. [`evaluate`] judges one request. A part of a
//! statement that cannot be judged is neither met nor unmet: it keeps an `Allow` from applying and
//! lets a `Deny` apply, so that doubt never permits anything. [`authorize`] says how the decision
//! about a resource policy and the one about the caller's own policy make one.
//!
//! Sources: the IAM User Guide, "IAM JSON policy elements reference"; the API Gateway Developer
//! Guide, "Amazon API Gateway resource policies".

mod action;
mod arn;
mod authorization;
mod cidr;
mod condition;
mod document;
mod error;
mod evaluation;
mod glob;
mod key;
mod number;
mod offload;
mod operator;
mod place;
mod principal;
mod read;
mod resource;
mod template;
mod timestamp;
mod truth;
mod value;

pub use action::ActionError;
pub use arn::{Arn, ArnPatternError, NotAnArn};
pub use authorization::{Authorization, Phase, Verdict, authorize};
pub use cidr::{Cidr, CidrError};
pub use document::{Form, Policy};
pub use error::{PolicyError, Problem};
pub use evaluation::{Decision, Judgement, Request, StatementName, evaluate};
pub use glob::is_like;
pub use key::{Key, KeyError};
pub use number::{Number, NumberError};
pub use offload::{Offload, offloads};
pub use operator::OperatorError;
pub use place::{Place, Segment};
pub use principal::{Caller, Identity, PrincipalError};
pub use resource::{ApiScope, ResourceError, expand};
pub use template::TemplateError;
pub use timestamp::{Timestamp, TimestampError};
pub use value::{Context, Found, Value};

#[cfg(test)]
mod tests;
