//! Real keys, made for each run, and the tokens they sign.

mod issuer;
mod server;
mod discovery;
mod documents;
mod judging;
mod header;
mod claims;
mod issuers;
mod remembering;
mod fetching;
mod rotation;
