//! Signatures that are spelt or made in another way.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use gateway_tests::issuer::{Key, claims};
use serde_json::json;

use super::{MALFORMED, Row, SIGNATURE, check, good, row};

/// The order of P-256 (FIPS 186-4, D.1.2.3).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
    0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

#[tokio::test]
async fn a_signature_of_ecdsa_is_two_numbers_of_their_size() {
    let ec = Key::ec("ec");
    let token = ec.token(&claims(json!({})));
    let (message, signature) = token.rsplit_once('.').unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (r, s) = bytes.split_at(32);
    let with = |bytes: &[u8]| format!("{message}.{}", URL_SAFE_NO_PAD.encode(bytes));
    // There are two signatures of each. RFC 7518 asks for no particular one, and whoever writes the
    // other one has made no other token of it.
    let other = with(&[r, &minus(s)].concat());
    let mut rows = vec![
        good("as it was made", token.clone()),
        good("the other", other),
    ];
    let wrong: [(&str, Vec<u8>); 9] = [
        ("zeroes", vec![0; 64]),
        ("s is zero", [r, &[0; 32]].concat()),
        ("r is the order", [&ORDER, s].concat()),
        ("the halves exchanged", [s, r].concat()),
        ("empty", Vec::new()),
        ("one byte less", bytes[..63].to_vec()),
        ("one byte more", [&bytes, &[0][..]].concat()),
        ("longer halves", [&[0], r, &[0], s].concat()),
        ("DER", der(r, s)),
    ];
    rows.extend(wrong.map(|(name, bytes)| row(name, with(&bytes), SIGNATURE)));
    check(&[&ec], rows).await;
}

#[tokio::test]
async fn a_token_has_one_spelling() {
    let (ec, rsa) = (Key::ec("ec"), Key::rsa("rsa"));
    let token = ec.token(&claims(json!({})));
    let of_rsa = rsa.token(&claims(json!({})));
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut rows: Vec<Row> = vec![good("ECDSA", token.clone()), good("RSA", of_rsa.clone())];
    let malformed = [
        ("padding", format!("{token}==")),
        ("padding of RSA", format!("{of_rsa}==")),
        ("bits that mean nothing", trailing_bits(&token)),
        ("the other alphabet", in_standard_alphabet(&ec)),
        ("a part more", format!("{token}.")),
        ("a fourth part", format!("{token}.{signature}")),
        ("encrypted", format!("{message}.{message}.{signature}")),
        ("a token behind it", format!("{token},{token}")),
        ("a space within", token.replacen('.', ". ", 1)),
        ("a tab", format!("{token}\t{token}")),
        ("another scheme", format!("Basic {token}")),
        ("two schemes", format!("Bearer Bearer {token}")),
        ("nothing but dots", "..".to_owned()),
        ("no signature", message.to_owned()),
    ];
    rows.extend(malformed.map(|(name, token)| row(name, token, MALFORMED)));
    let (message, signature) = of_rsa.rsplit_once('.').unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let longer = URL_SAFE_NO_PAD.encode([&[0], bytes.as_slice()].concat());
    let token = format!("{message}.{longer}");
    rows.push(row("a zero before", token, SIGNATURE));
    check(&[&ec, &rsa], rows).await;
}

/// A token whose signature is written in the alphabet of RFC 4648, section 4, and differs for it.
fn in_standard_alphabet(key: &Key) -> String {
    let written = (0..64).find_map(|number: u32| {
        let token = key.token(&claims(json!({"jti": number})));
        let (message, signature) = token.rsplit_once('.').unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let standard = STANDARD_NO_PAD.encode(bytes);
        (standard != signature).then(|| format!("{message}.{standard}"))
    });
    written.unwrap()
}

/// The order without `s`.
fn minus(s: &[u8]) -> Vec<u8> {
    let mut difference = vec![0; 32];
    let mut borrow = 0;
    for (place, digit) in difference.iter_mut().enumerate().rev() {
        let value = i16::from(ORDER[place]) - i16::from(s[place]) - borrow;
        borrow = i16::from(value < 0);
        *digit = u8::try_from(value.rem_euclid(256)).unwrap();
    }
    difference
}

/// `r` and `s` as X.509 writes a signature.
fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let digits: Vec<u8> = number
            .iter()
            .copied()
            .skip_while(|byte| *byte == 0)
            .collect();
        let sign = (digits[0] >= 0x80).then_some(0);
        let digits: Vec<u8> = sign.into_iter().chain(digits).collect();
        [&[2, u8::try_from(digits.len()).unwrap()], digits.as_slice()].concat()
    };
    let both = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(both.len()).unwrap()], both.as_slice()].concat()
}

/// The token with another last character, whose bits that count are the same.
fn trailing_bits(token: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    let place = ALPHABET.iter().position(|byte| *byte == last.as_bytes()[0]);
    // 64 bytes leave four bits of the last character without a meaning.
    format!("{rest}{}", char::from(ALPHABET[place.unwrap() | 1]))
}
