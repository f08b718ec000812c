//! The kernel edge: the object, its maps, its life.
