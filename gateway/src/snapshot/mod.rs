//! What runs: compiled once per load, pinned by every request.
