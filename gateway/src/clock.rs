//! Wall and monotonic time, in one place.
