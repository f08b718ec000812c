//! Bodies with bounds.
