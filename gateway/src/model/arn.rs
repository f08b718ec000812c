//! Pieces of Amazon Resource Names.

/// Digits of an account.
const ACCOUNT_DIGITS: usize = 12;

/// Whether `text` is the number of an account.
#[must_use]
pub fn is_account(text: &str) -> bool {
    text.len() == ACCOUNT_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether `text` is a partition or a region, such as `aws-cn` and `eu-west-1`.
pub(super) fn is_place(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_twelve_digits_and_places_are_lower_case() {
        assert!(is_account("111122223333"));
        for wrong in ["", "11112222333", "1111222233334", "11112222333a"] {
            assert!(!is_account(wrong), "{wrong}");
        }
        assert!(is_place("aws") && is_place("us-gov-west-1"));
        for wrong in ["", "EU-west-1", "eu_west_1", "*"] {
            assert!(!is_place(wrong), "{wrong}");
        }
    }
}
