//! Ids that follow from what they stand for, as the service's look.

use aws_lc_rs::digest::{SHA256, digest};

/// Characters of an id, as many as those of the service have.
const BYTES: usize = 10;

/// Ten lower-case letters and digits that stay the same as long as `text` does, on every host.
#[must_use]
pub fn derived_id(text: &str) -> String {
    const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let digest = digest(&SHA256, text.as_bytes());
    let characters = digest.as_ref().iter().take(BYTES).map(|byte| {
        let index = usize::from(*byte) % ALPHABET.len();
        ALPHABET.get(index).copied().map_or('0', char::from)
    });
    characters.collect()
}

/// The id of a resource of a REST API, by the path that its definition has for it.
#[must_use]
pub fn resource_id(api: &super::ApiId, path: &str) -> String {
    derived_id(&format!("{api} {path}"))
}

#[cfg(test)]
mod tests {
    use super::super::ApiId;
    use super::*;

    #[test]
    fn an_id_follows_from_its_text_alone() {
        // Changing these would change the hosts and ARNs of every API without an id of its own.
        assert_eq!(derived_id("pets"), "n9wykop9j2");
        assert_ne!(derived_id("pets"), derived_id("orders"));
        assert_eq!(derived_id("pets").len(), BYTES);
    }

    #[test]
    fn resources_have_ids_of_their_own() {
        let (one, other) = (ApiId::new("a"), ApiId::new("b"));
        assert_eq!(resource_id(&one, "/pets"), resource_id(&one, "/pets"));
        assert_ne!(resource_id(&one, "/pets"), resource_id(&one, "/"));
        assert_ne!(resource_id(&one, "/pets"), resource_id(&other, "/pets"));
    }
}
