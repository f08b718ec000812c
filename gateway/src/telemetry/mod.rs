//! Access log, metrics, operator log.
