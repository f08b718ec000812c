//! The query that a backend gets, as mappings change it.
//!
//! What is not changed stays as it was written, with one exception: where a parameter is replaced or
//! taken away, each `;` of the client's is encoded. Some backends end a parameter there (HTML 4.01,
//! section B.2.2) and would find one again that is gone; to all others it means the same.

use std::borrow::Cow;

use super::look_alike;
use crate::language::mapping::http::Change;

/// A parameter that is changed.
#[derive(Debug)]
pub(super) struct QueryChange {
    pub(super) change: Change,
    pub(super) name: String,
    /// Decoded; nothing is done with that of one that is taken away.
    pub(super) value: String,
    /// Whether it holds what the gateway knows, so that nothing that a backend may take for it comes
    /// from the client.
    pub(super) is_ours: bool,
}

/// The query as it is sent: of `own`, which the integration's URL has, of the client's, and of
/// `changes`.
pub(super) fn changed(
    own: Option<&str>,
    sent: Option<&str>,
    changes: &[QueryChange],
) -> Option<String> {
    let is_replaced = changes.iter().any(QueryChange::replaces);
    let sent = sent.map(|sent| {
        if is_replaced && sent.contains(';') {
            Cow::Owned(sent.replace(';', "%3B"))
        } else {
            Cow::Borrowed(sent)
        }
    });
    // Names only matter where something is replaced.
    let piece = |text| {
        if is_replaced {
            Piece::named(text)
        } else {
            Piece::unnamed(text)
        }
    };
    let sent = sent.iter().flat_map(|sent| sent.split('&')).map(piece);
    let sent = sent.filter(|piece| !changes.iter().any(|change| change.is_imitated(piece)));
    let own = own.into_iter().flat_map(|own| own.split('&')).map(piece);
    let mut pieces: Vec<Piece<'_>> = own.chain(sent).collect();
    for change in changes {
        if change.replaces() {
            pieces.retain(|piece| piece.name.as_deref() != Some(&change.name));
        }
        if change.change != Change::Remove {
            pieces.push(change.piece());
        }
    }
    let texts: Vec<Cow<'_, str>> = pieces.into_iter().map(|piece| piece.text).collect();
    (!texts.is_empty()).then(|| texts.join("&"))
}

/// What stands between two `&` of a query.
struct Piece<'a> {
    /// Its name, decoded; `None` of an empty piece, and where names do not matter.
    name: Option<Cow<'a, str>>,
    text: Cow<'a, str>,
}

impl<'a> Piece<'a> {
    fn named(text: &'a str) -> Self {
        let pair = form_urlencoded::parse(text.as_bytes()).next();
        Self {
            name: pair.map(|(name, _)| name),
            ..Self::unnamed(text)
        }
    }

    const fn unnamed(text: &'a str) -> Self {
        Self {
            name: None,
            text: Cow::Borrowed(text),
        }
    }
}

impl QueryChange {
    fn replaces(&self) -> bool {
        self.change != Change::Append
    }

    /// The parameter as it is added.
    fn piece(&self) -> Piece<'_> {
        let mut pair = form_urlencoded::Serializer::new(String::new());
        let pair = pair.append_pair(&self.name, &self.value).finish();
        Piece {
            name: Some(Cow::Borrowed(&self.name)),
            text: Cow::Owned(pair),
        }
    }

    /// Whether a backend may take a piece of the client's query for what is the gateway's own.
    fn is_imitated(&self, piece: &Piece<'_>) -> bool {
        let is_like = |name: &str| look_alike::is_parameter(&self.name, name);
        self.is_ours && self.replaces() && piece.name.as_deref().is_some_and(is_like)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        own: Option<&str>,
        sent: Option<&str>,
        changes: &[(Change, &str, &str, bool)],
        expected: Option<&str>,
    ) {
        let changes = changes
            .iter()
            .map(|&(change, name, value, is_ours)| QueryChange {
                change,
                name: name.into(),
                value: value.into(),
                is_ours,
            });
        let changes: Vec<QueryChange> = changes.collect();
        assert_eq!(changed(own, sent, &changes).as_deref(), expected);
    }

    #[test]
    fn a_query_keeps_what_is_not_changed() {
        use Change::{Append, Overwrite, Remove};
        check(None, None, &[], None);
        check(None, Some("a=1&&b=%20;+"), &[], Some("a=1&&b=%20;+"));
        let append = [(Append, "a", "b c&", true)];
        check(
            Some("x=1"),
            Some("a;_a"),
            &append,
            Some("x=1&a;_a&a=b+c%26"),
        );
        let overwrite = [(Overwrite, "x", "3", false)];
        check(
            Some("x=1"),
            Some("x&%78=2&y&X"),
            &overwrite,
            Some("y&X&x=3"),
        );
        check(
            None,
            Some("x=1&y=2"),
            &[(Remove, "y", "", false)],
            Some("x=1"),
        );
        check(None, Some("x=1&x"), &[(Remove, "x", "", false)], None);
    }

    #[test]
    fn no_separator_hides_a_parameter() {
        let gone = [(Change::Remove, "sub", "", false)];
        let own = Some("own=1;2");
        check(
            own,
            Some("a=1;sub=2&b=;"),
            &gone,
            Some("own=1;2&a=1%3Bsub=2&b=%3B"),
        );
    }

    #[test]
    fn nothing_is_taken_for_what_is_the_gateways_own() {
        let ours = [(Change::Overwrite, "user_id", "me", true)];
        let sent = "user.id=1&USER_ID=2&user_id[]=3&user%5Bid=4&+user-id=5&user=6";
        check(
            Some("user-id=own"),
            Some(sent),
            &ours,
            Some("user-id=own&user=6&user_id=me"),
        );
    }
}
