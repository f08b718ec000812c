//! What ARNs and hosts of all APIs have in common, and the ids of the APIs.

use super::Lowering;
use super::host::parse_host;
use crate::config::cursor::Cursor;
use crate::config::tree::shortened;
use crate::config::written;
use crate::model::{self, ApiId, Identity, is_account};

/// Longest id of an API.
const ID_BYTES_MAX: usize = 32;

/// Lowers the identity of the gateway.
pub(super) fn lower(written: &written::Identity, cx: &mut Lowering<'_>) -> Identity {
    let at = cx.root.key("gateway");
    let default = Identity::default();
    let label = "write 1 to 63 lower-case letters, digits and `-`";
    let mut checked = |key: &str,
                       value: &Option<String>,
                       default,
                       is_sound: fn(&str) -> bool,
                       form| {
        match value {
            None => default,
            Some(text) if is_sound(text) => text.clone(),
            Some(text) => {
                let shown = shortened(text);
                cx.error(&at.key(key), format!("`{shown}` is not {form}"));
                default
            }
        }
    };
    Identity {
        account: checked(
            "account",
            &written.account,
            default.account,
            is_account,
            "an account: write twelve digits, in quotes",
        ),
        region: checked(
            "region",
            &written.region,
            default.region,
            is_label,
            &format!("a region: {label}"),
        ),
        partition: checked(
            "partition",
            &written.partition,
            default.partition,
            is_label,
            &format!("a partition: {label}"),
        ),
        host_suffix: lower_suffix(written, &at.key("host_suffix"), default.host_suffix, cx),
    }
}

/// Whether `text` is one label of a host, and one part of an ARN.
pub(super) fn is_label(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(allowed)
}

fn lower_suffix(
    written: &written::Identity,
    at: &Cursor<'_>,
    default: String,
    cx: &mut Lowering<'_>,
) -> String {
    let Some(suffix) = &written.host_suffix else {
        return default;
    };
    parse_host(suffix).unwrap_or_else(|error| {
        cx.error(
            at,
            format!("`{}` is not a host: {error}", shortened(suffix)),
        );
        default
    })
}

/// The id of the API `name`: as written, or as it follows from the name.
pub(super) fn lower_id(
    name: &str,
    written: Option<&str>,
    at: &Cursor<'_>,
    cx: &mut Lowering<'_>,
) -> ApiId {
    match written.map(parse_id) {
        Some(Ok(id)) => return id,
        Some(Err(message)) => cx.error(at, message),
        None => {}
    }
    derived_id(name)
}

/// The id of an API that is written so.
///
/// # Errors
/// What an id is: 1 to 32 lower-case letters and digits.
pub fn parse_id(text: &str) -> Result<ApiId, String> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if (1..=ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(ApiId::new(text));
    }
    let shown = shortened(text);
    Err(format!(
        "`{shown}` is not an id: write 1 to {ID_BYTES_MAX} lower-case letters and digits"
    ))
}

/// The id of an API that writes none.
pub(in crate::config) fn derived_id(name: &str) -> ApiId {
    ApiId::new(&model::derived_id(name))
}
