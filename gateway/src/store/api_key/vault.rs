//! The secret of an instance, and what is made of it: what recognizes values, hides those that are
//! kept, and tells damage from what was written.
//!
//! The secret is 32 random bytes in a file beside the database, so that a copy of the database alone
//! tells nothing of any value, nor whether a guess is right. Each use has a key of its own (HKDF, RFC
//! 5869). The database holds a mark by which another secret than its own is told.

use std::fmt;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::{hmac, rand};

use super::error::ApiKeyError;
use super::key::ValueMac;
use super::value::{KeyValue, NoRandomness};
use crate::model::ApiKeyId;
use crate::store::private_file::{Missing, Unpublished, failed, open_to_read};

/// Name of the secret in the state directory.
const FILE_NAME: &str = "api-keys.secret";
/// Length of the secret, and of every key that is made of it.
const SECRET_BYTES: usize = 32;

/// Says for what these keys are, so that no other use of HKDF makes the same ones.
const SALT: &[u8] = b"gateway api keys 1";

/// Where the secret of a state directory is.
pub(super) fn path(state_directory: &Path) -> PathBuf {
    state_directory.join(FILE_NAME)
}

/// The keys that are made of a secret.
pub(super) struct Vault {
    values: hmac::Key,
    rows: hmac::Key,
    seal: RandomizedNonceKey,
    mark: [u8; SECRET_BYTES],
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(..)")
    }
}

/// The length of what HKDF is to make.
struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        SECRET_BYTES
    }
}

impl Vault {
    /// Of the secret in `state_directory`, which is made where it is missing and `missing` allows it.
    ///
    /// # Errors
    /// See [`ApiKeyError`].
    pub(super) fn open(state_directory: &Path, missing: Missing) -> Result<Self, ApiKeyError> {
        let path = path(state_directory);
        if missing == Missing::Made && !path.exists() {
            make(&path, state_directory)?;
        }
        let file = open_to_read(&path, state_directory)?;
        Self::of(&read(&path, &file)?)
    }

    /// Of a secret.
    pub(super) fn of(secret: &[u8; SECRET_BYTES]) -> Result<Self, ApiKeyError> {
        let secret = Salt::new(HKDF_SHA256, SALT).extract(secret);
        let made = |purpose| derived(&secret, purpose).map_err(|_unspecified| NoRandomness);
        let mac = |key: [u8; SECRET_BYTES]| hmac::Key::new(hmac::HMAC_SHA256, &key);
        let seal = RandomizedNonceKey::new(&AES_256_GCM, &made(b"seal")?);
        Ok(Self {
            values: mac(made(b"values")?),
            rows: mac(made(b"rows")?),
            seal: seal.map_err(|_unspecified| NoRandomness)?,
            mark: made(b"mark")?,
        })
    }

    /// What a value is recognized by.
    pub(super) fn mac_of(&self, value: &[u8]) -> ValueMac {
        ValueMac(tag(&hmac::sign(&self.values, value)))
    }

    /// What a database is known by to be of this secret. It tells nothing of it.
    pub(super) const fn mark(&self) -> &[u8] {
        &self.mark
    }

    /// Whether a database with this mark is of this secret.
    pub(super) fn is_marked(&self, mark: &[u8]) -> bool {
        verify_slices_are_equal(mark, &self.mark).is_ok()
    }

    /// What the row of a key is known by to be as it was written.
    pub(super) fn stamp(&self, id: &ApiKeyId, row: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.rows);
        context.update(id.as_str().as_bytes());
        context.update(row);
        tag(&context.sign())
    }

    /// Whether the row of a key is as it was written with this stamp.
    pub(super) fn is_stamped(&self, id: &ApiKeyId, row: &[u8], stamp: &[u8]) -> bool {
        verify_slices_are_equal(stamp, &self.stamp(id, row)).is_ok()
    }

    /// Hides a value: nonce, text, tag. Of another key it does not open.
    pub(super) fn hide(&self, id: &ApiKeyId, value: &KeyValue) -> Result<Vec<u8>, NoRandomness> {
        let mut text = value.expose().as_bytes().to_vec();
        let about = Aad::from(id.as_str().as_bytes());
        let nonce = self.seal.seal_in_place_append_tag(about, &mut text);
        let nonce = nonce.map_err(|_unspecified| NoRandomness)?;
        Ok([nonce.as_ref().as_slice(), &text].concat())
    }

    /// The value that was hidden; `None` where this is not what [`Self::hide`] made.
    pub(super) fn reveal(&self, id: &ApiKeyId, hidden: &[u8]) -> Option<KeyValue> {
        let (nonce, text) = hidden.split_first_chunk::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        let about = Aad::from(id.as_str().as_bytes());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let text = self.seal.open_in_place(nonce, about, &mut text).ok()?;
        KeyValue::parse(std::str::from_utf8(text).ok()?).ok()
    }
}

fn derived(secret: &Prk, purpose: &[u8]) -> Result<[u8; SECRET_BYTES], Unspecified> {
    let mut key = [0; SECRET_BYTES];
    secret.expand(&[purpose], Length)?.fill(&mut key)?;
    Ok(key)
}

/// A tag of HMAC-SHA-256, whose length is that of its hash.
fn tag(tag: &hmac::Tag) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

fn make(path: &Path, state_directory: &Path) -> Result<(), ApiKeyError> {
    let mut secret = [0; SECRET_BYTES];
    rand::fill(&mut secret).map_err(|_unspecified| NoRandomness)?;
    let (unpublished, mut file) = Unpublished::make(path, state_directory)?;
    file.write_all(&secret).map_err(failed("write", path))?;
    file.sync_all().map_err(failed("fsync", path))?;
    // Where another process was faster, its secret counts.
    unpublished.publish(path)?;
    Ok(())
}

fn read(path: &Path, file: &File) -> Result<[u8; SECRET_BYTES], ApiKeyError> {
    let mode = file.metadata().map_err(failed("stat", path))?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        let path = path.to_owned();
        return Err(ApiKeyError::SecretOpen { path, mode });
    }
    let mut secret = Vec::with_capacity(SECRET_BYTES + 1);
    let found = file.take(SECRET_BYTES as u64 + 1).read_to_end(&mut secret);
    found.map_err(failed("read", path))?;
    secret
        .try_into()
        .map_err(|_vector| ApiKeyError::SecretLength {
            path: path.to_owned(),
            expected: SECRET_BYTES,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; SECRET_BYTES] = [7; SECRET_BYTES];

    fn value(text: &str) -> KeyValue {
        KeyValue::parse(text).unwrap()
    }

    /// What other implementations of RFC 5869 and RFC 2104 make of the same: what is on disks is to be
    /// recognized by every later version.
    #[test]
    fn values_are_recognized_by_a_mac_that_later_versions_make_as_well() {
        let vault = Vault::of(&SECRET).unwrap();
        let extracted = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SALT), &SECRET);
        let extracted = hmac::Key::new(hmac::HMAC_SHA256, extracted.as_ref());
        let expanded = hmac::sign(&extracted, b"values\x01");
        let key = hmac::Key::new(hmac::HMAC_SHA256, expanded.as_ref());
        let expected = hmac::sign(&key, b"abcdefghijklmnopqrst");
        let found = vault.mac_of(b"abcdefghijklmnopqrst");
        assert_eq!(found.0.as_slice(), expected.as_ref());
        assert_ne!(vault.mac_of(b""), vault.mac_of(b"a"));
        let other = Vault::of(&[8; SECRET_BYTES]).unwrap();
        assert_ne!(other.mac_of(b"abcdefghijklmnopqrst"), found);
        assert_ne!(other.mark(), vault.mark());
        assert_eq!(format!("{vault:?} {found:?}"), "Vault(..) ValueMac(..)");
    }

    #[test]
    fn what_is_hidden_is_revealed_with_the_same_secret_and_for_the_same_key_alone() {
        let vault = Vault::of(&SECRET).unwrap();
        let (id, text) = (ApiKeyId::new("abcdefghij"), "abcdefghijklmnopqrst");
        let hidden = vault.hide(&id, &value(text)).unwrap();
        assert_eq!(vault.reveal(&id, &hidden), Some(value(text)));
        // Twice the same is not told by looking.
        assert_ne!(vault.hide(&id, &value(text)).unwrap(), hidden);
        assert_eq!(vault.reveal(&ApiKeyId::new("abcdefghik"), &hidden), None);
        let other = Vault::of(&[8; SECRET_BYTES]).unwrap();
        assert_eq!(other.reveal(&id, &hidden), None);
        for place in 0..hidden.len() {
            let mut damaged = hidden.clone();
            damaged[place] ^= 1;
            assert_eq!(vault.reveal(&id, &damaged), None, "{place}");
            assert_eq!(vault.reveal(&id, &hidden[..place]), None, "{place}");
        }
    }
}
