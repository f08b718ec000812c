//! Trying again what failed, ever more rarely.

/// Most turns between two attempts. Turns come once per second.
const TURNS_MAX: u32 = 64;

/// Counts the turns until the next attempt. A new one is due at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    /// Turns to let pass after the next failure, halved.
    last: u32,
    left: u32,
}

impl Backoff {
    /// Lets a turn pass; whether this one is for an attempt.
    #[must_use]
    pub const fn is_due(&mut self) -> bool {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                false
            }
            None => true,
        }
    }

    /// Notes that the attempt failed.
    pub fn failed(&mut self) {
        self.last = (self.last * 2).clamp(1, TURNS_MAX);
        self.left = self.last;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_become_rare_and_never_end() {
        let mut backoff = Backoff::default();
        let mut attempts = Vec::new();
        for turn in 0..300_u32 {
            if backoff.is_due() {
                attempts.push(turn);
                backoff.failed();
            }
        }
        assert_eq!(attempts, [0, 2, 5, 10, 19, 36, 69, 134, 199, 264]);
    }
}
