//! That a request was admitted is a type, not a flag.

/// Held by whoever passed every admission step. Only [`super::admit`] can make one, and an
/// integration asks for it.
#[derive(Debug)]
pub struct Permit(());

impl Permit {
    pub(super) const fn grant() -> Self {
        Self(())
    }
}
