//! What is remembered of tokens.

use super::Refusal;
use crate::exchange::Identity;
use crate::language::object_memory;
use crate::store::decision::Remembered;

impl Remembered for Identity {
    fn bytes(&self) -> usize {
        let scopes = self
            .scopes()
            .iter()
            .map(|scope| size_of::<String>() + scope.len());
        size_of::<Self>() + object_memory(self.claims()) + scopes.sum::<usize>()
    }

    fn principal(&self) -> Option<&str> {
        self.subject()
    }
}

impl Remembered for Refusal {
    fn bytes(&self) -> usize {
        size_of::<Self>()
    }

    /// Nobody: what a refused token says of itself is not believed.
    fn principal(&self) -> Option<&str> {
        None
    }
}
