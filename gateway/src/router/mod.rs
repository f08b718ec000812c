//! Which route answers a path and method.
//!
//! The precedence is that of Amazon API Gateway's HTTP APIs: a route whose whole path matches
//! comes before one that ends in a greedy variable, literal segments before variables, a longer
//! greedy prefix before a shorter one, a route that names the method before `ANY` on the same
//! path, and `$default` last. Segments are compared percent-decoded; an encoded slash is data.

mod path;
mod trie;

pub use path::{PathError, RequestPath};
pub use trie::{Match, Router};
