//! Authorizers of signatures.

use super::credentials;
use crate::config::cursor::Cursor;
use crate::config::lower::Lowering;
use crate::config::written;
use crate::model::{CredentialFile, IamSettings};

/// Why what a file holds is not known that was not to be opened, or that was reported.
const UNOPENED: &str = "it was not opened with the configuration";

/// Lowers the authorizer at `at`. A file of access keys that cannot be used is refused, unless a
/// deployment has frozen the authorizer: then nobody may have looked after it for long, and whoever is
/// going to use the keys decides.
pub(super) fn lower(
    written: &written::IamAuthorizer,
    at: &Cursor<'_>,
    is_frozen: bool,
    cx: &mut Lowering<'_>,
) -> IamSettings {
    let at = at.key("credentials");
    let (path, kept) = cx.awaited(&written.credentials, &at);
    let read = kept.map(|kept| {
        kept.credentials(&path, credentials::FILE_BYTES_MAX, |content| {
            credentials::parse(&path, content, kept)
        })
    });
    let held = match read {
        None => Err(UNOPENED.to_owned()),
        Some(Ok(credentials)) => Ok(credentials),
        Some(Err(faults)) if is_frozen => {
            let why = faults.join("; ");
            let message = format!(
                "`{}` cannot be used: {why}: every signature is refused until a reload finds its keys",
                path.display()
            );
            cx.warning(&at, message);
            Err(why)
        }
        Some(Err(faults)) => {
            for fault in faults {
                cx.error(&at, fault);
            }
            Err(UNOPENED.to_owned())
        }
    };
    IamSettings {
        credentials: CredentialFile { path, held },
        allow_unsigned_payload: written.allow_unsigned_payload.unwrap_or(false),
    }
}
