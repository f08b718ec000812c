//! A self-hosted API gateway with a kernel edge.
//!
//! Read the modules downward and you have followed one packet to one response. A packet is judged
//! by the XDP program that [`xdp`] attaches and feeds. What passes reaches a socket of
//! [`listener`], which terminates TLS and speaks HTTP. [`entry`] pins one snapshot for the request
//! and finds its API; [`pipeline`] runs the steps in their documented order: [`router`], the steps
//! in [`step`], the [`integration`]. One exchange carries the request through all of them. What
//! lives longer than a request is in [`store`] and [`upstream`]; what a request runs by was written
//! in [`config`], understood in [`model`] and compiled in [`snapshot`].

pub mod xdp;
pub mod listener;
pub mod entry;
pub mod pipeline;
pub mod router;
pub mod step;
pub mod integration;
pub mod exchange;
pub mod config;
pub mod model;
pub mod snapshot;
pub mod store;
pub mod aws;
pub mod oauth;
pub mod upstream;
pub mod telemetry;
pub mod body;
pub mod concurrency;
pub mod packet;
pub mod language;
pub mod clock;
pub mod daemon;
pub mod cli;
