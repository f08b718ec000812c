//! What the gateway promises its clients, end to end and without special rights.

mod forwarding;
