//! Who is calling?
