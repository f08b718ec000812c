//! What a store takes of memory, told from its texts.
//!
//! Cedar keeps a tree of what it has read, in which a list or a record of one item has a node with room
//! for eleven. So what opens one counts for far more than the bytes that stand in it, and an operator for
//! more than a name. The prices cover what stores took that were made of one thing over and over
//! (cedar-policy 4.14); of most others they are about twice of what those take.

/// What each piece of a text costs, in bytes of memory.
struct Prices {
    /// A byte of the text.
    byte: usize,
    /// What opens a list, a record or a condition.
    bracket: usize,
    /// A character of an operator.
    operator: usize,
}

const POLICIES: Prices = Prices {
    byte: 68,
    bracket: 2_000,
    operator: 300,
};

/// Policies may name all of them, and what they name is kept twice.
const ENTITIES: Prices = Prices {
    byte: 24,
    bracket: 1_300,
    operator: 0,
};

/// An ancestor of an entity: its name, in a table that is half empty.
const ANCESTOR: usize = 280;

/// Bytes that policies take at most.
pub(super) fn of_policies(text: &str) -> usize {
    POLICIES.of(text)
}

/// Bytes that entities take at most, which have so many ancestors together.
pub(super) fn of_entities(text: &str, ancestors: usize) -> usize {
    ENTITIES.of(text) + ancestors * ANCESTOR
}

impl Prices {
    fn of(&self, text: &str) -> usize {
        let prices = text.bytes().map(|byte| match byte {
            b'{' | b'[' => self.byte + self.bracket,
            b'=' | b'!' | b'<' | b'>' | b'&' | b'|' | b'+' | b'-' | b'*' | b'.' => {
                self.byte + self.operator
            }
            _ => self.byte,
        });
        prices.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was measured of 120,000 bytes of each, in bytes of memory for each of the text.
    #[test]
    fn what_stores_took_that_were_measured_is_covered() {
        let policies = [
            ("permit(principal,action,resource);\n", 39.1),
            ("1,", 64.1),
            ("[],", 61.8),
            ("[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]],", 97.5),
            ("\"\",", 48.8),
            ("{a:1},", 315.0),
            ("!true&&", 69.3),
            ("1<1||", 156.1),
            ("principal.a||", 43.0),
            ("if true then true else ", 25.4),
            ("A::\"10000\",", 34.9),
        ];
        let entities = [
            ("10000,", 18.7),
            ("true,", 1.1),
            ("\"10000\",", 16.0),
            ("[10000],", 131.9),
            ("{\"a\":10000},", 95.1),
            ("\"10000\":1,", 10.4),
            (r#"{"__entity":{"type":"A","id":"1000"}},"#, 10.1),
            (
                r#"{"uid":{"type":"A","id":"1000"},"attrs":{"a":1},"parents":[]},"#,
                40.2,
            ),
            (
                r#"{"uid":{"type":"A","id":"1000"},"attrs":{},"parents":[]},"#,
                12.1,
            ),
        ];
        let policies = policies.map(|(text, took)| (text, of_policies(text), took));
        let entities = entities.map(|(text, took)| (text, of_entities(text, 0), took));
        for (text, told, took) in policies.into_iter().chain(entities) {
            let bytes = |count: usize| f64::from(u32::try_from(count).unwrap());
            let told = bytes(told) / bytes(text.len());
            assert!(told >= took, "{text}: {told} of {took}");
        }
        assert_eq!(of_entities("", 3), 3 * ANCESTOR);
    }
}
