//! What one request carries through the steps.
