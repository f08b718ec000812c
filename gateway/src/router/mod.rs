//! Which route answers a path and method.
//!
//! The precedence is that of Amazon API Gateway. In HTTP APIs a route whose whole path matches
//! comes before one that ends in a greedy variable, literal segments before variables, a longer
//! greedy prefix before a shorter one, a route that names the method before `ANY` on the same
//! path, and `$default` last. In REST APIs the path decides first, level by level (a literal segment,
//! a variable, a greedy variable, with a step back where a branch ends), and then the method, which
//! is never looked for on another path. Segments are compared percent-decoded; an encoded slash is data.

mod path;
mod trie;

pub use path::{PathError, RequestPath, Slashes};
pub use trie::{Match, Router};
