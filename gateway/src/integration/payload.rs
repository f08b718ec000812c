//! Payloads between text and binary.
//!
//! Source: Amazon API Gateway Developer Guide, "Content type conversions in API Gateway".

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use crate::body::BodyBudget;
use crate::exchange::{Reason, Rejection};
use crate::language::media_type::Conversion;

/// The usual alphabet, padded; what comes may lack the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What `conversion` makes of `payload`, in memory that `budget` accounts for.
///
/// # Errors
/// 500 for what has to be base64 and is not, 503 without memory.
pub(super) fn convert(
    conversion: Conversion,
    payload: Bytes,
    budget: &BodyBudget,
) -> Result<Bytes, Rejection> {
    // What is made has its room before it is made.
    match conversion {
        Conversion::Unchanged => Ok(payload),
        Conversion::Text if std::str::from_utf8(&payload).is_ok() => Ok(payload),
        Conversion::Text => {
            let room = budget.lend(lossy_length(&payload))?;
            let text = String::from_utf8_lossy(&payload).into_owned();
            Ok(room.hold(text.into_bytes()).into_bytes())
        }
        Conversion::Base64Decode => {
            let encoded = payload.trim_ascii();
            let room = budget.lend(base64::decoded_len_estimate(encoded.len()))?;
            let decoded = BASE64.decode(encoded).map_err(|error| {
                let detail = format!("the body is no base64: {error}");
                Rejection::detailed(Reason::PayloadEncoding, detail)
            })?;
            Ok(room.hold(decoded).into_bytes())
        }
        Conversion::Base64Encode => {
            // One that cannot be said is more than there is.
            let length = base64::encoded_len(payload.len(), true).unwrap_or(usize::MAX);
            let room = budget.lend(length)?;
            Ok(room.hold(BASE64.encode(&payload).into_bytes()).into_bytes())
        }
    }
}

/// Bytes of the text that invalid bytes make U+FFFD in.
fn lossy_length(payload: &[u8]) -> usize {
    let of_chunk = |chunk: std::str::Utf8Chunk<'_>| {
        let replaced = if chunk.invalid().is_empty() {
            0
        } else {
            char::REPLACEMENT_CHARACTER.len_utf8()
        };
        chunk.valid().len() + replaced
    };
    payload.utf8_chunks().map(of_chunk).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(conversion: Conversion, payload: &[u8], expected: Result<&[u8], Reason>) {
        let budget = BodyBudget::new(64);
        let found = convert(conversion, Bytes::copy_from_slice(payload), &budget);
        let found = found.map_err(|rejection| rejection.reason);
        assert_eq!(
            found.as_deref().map_err(|reason| *reason),
            expected,
            "{payload:?}"
        );
        drop(found);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn payloads_are_converted() {
        check(Conversion::Unchanged, b"\xff\0", Ok(b"\xff\0"));
        check(Conversion::Text, "ü".as_bytes(), Ok("ü".as_bytes()));
        check(Conversion::Text, b"a\xffb", Ok("a\u{fffd}b".as_bytes()));
        check(Conversion::Base64Encode, b"\xff\0", Ok(b"/wA="));
        check(Conversion::Base64Encode, b"", Ok(b""));
        for written in ["/wA=", "/wA", " /wA=\r\n"] {
            check(Conversion::Base64Decode, written.as_bytes(), Ok(b"\xff\0"));
        }
        check(Conversion::Base64Decode, b"", Ok(b""));
        for broken in ["{}", "/w A=", "_wA=", "/"] {
            let expected = Err(Reason::PayloadEncoding);
            check(Conversion::Base64Decode, broken.as_bytes(), expected);
        }
    }

    #[test]
    fn what_is_made_is_accounted_for() {
        let memory = Err(Reason::BodyMemory);
        check(Conversion::Base64Encode, &[0; 49], memory);
        check(Conversion::Text, &[0xff; 22], memory);
        check(
            Conversion::Text,
            &[0xff; 21],
            Ok("\u{fffd}".repeat(21).as_bytes()),
        );
        // Before it is made: what could not be decoded is not even looked at.
        check(Conversion::Base64Decode, &[b'{'; 100], memory);
        check(Conversion::Unchanged, &[0xff; 65], Ok(&[0xff; 65]));
    }

    proptest! {
        #[test]
        fn bytes_come_back_from_text(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let budget = BodyBudget::new(1024);
            let made = |conversion, payload| convert(conversion, payload, &budget).expect("room");
            let bytes = Bytes::from(bytes);
            let text = made(Conversion::Base64Encode, bytes.clone());
            prop_assert_eq!(&made(Conversion::Text, text.clone()), &text);
            prop_assert_eq!(&made(Conversion::Base64Decode, text), &bytes);
            let shown = made(Conversion::Text, bytes.clone());
            prop_assert!(std::str::from_utf8(&shown).is_ok());
            prop_assert_eq!(shown == bytes, std::str::from_utf8(&bytes).is_ok());
        }
    }
}
