//! What the suites share.

pub mod object;
pub mod packet;
pub mod mapping;
pub mod dump;
pub mod capability;
pub mod namespace;
pub mod pinned;
pub mod counted;
pub mod counted_lookups;
pub mod edge;
mod assembled;
pub mod flood;
pub mod receive;
pub mod redis;

pub mod wait;
pub mod process;
pub mod lines;
pub mod named;
pub mod setup;
pub mod gateway;
pub mod command;
pub mod metrics;
pub mod upstream;
pub mod client;
pub mod raw;
pub mod h2;
pub mod authority;
pub mod identities;
pub mod issuer;
pub mod site;
pub mod abuse;
pub mod aws;
pub mod function;
pub mod lambda;
pub mod verified_permissions;
pub mod token_server;
pub mod steady;
pub mod held;
pub mod metadata;
pub mod signing;

pub mod netns;
pub mod cable;
