//! What is remembered of tokens.

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
