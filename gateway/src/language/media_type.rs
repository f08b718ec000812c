//! Media types, and whether a payload is text or binary.
//!
//! A REST API lists its binary media types; everything else is text. The tables are those of the
//! page "Content type conversions in API Gateway" of Amazon's guide.

/// Bytes of an entry of `binaryMediaTypes`, more of which are refused.
pub const MEDIA_TYPE_BYTES_MAX: usize = 256;

/// Entries of `binaryMediaTypes`, more of which are refused.
pub const BINARY_MEDIA_TYPES_MAX: usize = 256;

/// What a body without a `Content-Type` is.
const DEFAULT: MediaType<'static> = MediaType {
    main: "application",
    sub: "json",
};

/// A media type without its parameters.
#[derive(Debug, Clone, Copy)]
pub struct MediaType<'h> {
    main: &'h str,
    sub: &'h str,
}

impl<'h> MediaType<'h> {
    /// The first media type of a `Content-Type` or an `Accept`; `None` if there is none.
    #[must_use]
    pub fn first(header: &'h str) -> Option<Self> {
        let first = header.split([',', ';']).next()?;
        let (main, sub) = first.trim().split_once('/')?;
        (is_token(main) && is_token(sub)).then_some(Self { main, sub })
    }

    /// The media type of a body by its `Content-Type`, or that a client accepts first; without a
    /// readable header it is `application/json`.
    #[must_use]
    pub fn of_body(content_type: Option<&'h str>) -> Self {
        content_type.and_then(Self::first).unwrap_or(DEFAULT)
    }

    /// Whether this is `text`, a media type in whatever case.
    #[must_use]
    pub fn is(self, text: &str) -> bool {
        MediaType::first(text).is_some_and(|other| self == other)
    }
}

/// Whether a header has a comma outside of quotes: several media types, of which one reader may take
/// the first and another the last. In quotes that are never closed a comma counts as well.
#[must_use]
pub fn are_several(header: &str) -> bool {
    let (mut is_quoted, mut is_escaped, mut in_quotes) = (false, false, false);
    for byte in header.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => {
                is_quoted = !is_quoted;
                in_quotes = false;
            }
            b',' if !is_quoted => return true,
            b',' => in_quotes = true,
            _ => {}
        }
    }
    is_quoted && in_quotes
}

impl PartialEq for MediaType<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.main.eq_ignore_ascii_case(other.main) && self.sub.eq_ignore_ascii_case(other.sub)
    }
}

impl Eq for MediaType<'_> {}

impl std::fmt::Display for MediaType<'_> {
    /// In lower case, as models and templates are looked up.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (main, sub) = (
            self.main.to_ascii_lowercase(),
            self.sub.to_ascii_lowercase(),
        );
        write!(formatter, "{main}/{sub}")
    }
}

/// An API's binary media types.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BinaryMediaTypes(Vec<Pattern>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    main: Part,
    sub: Part,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Any,
    Only(Box<str>),
}

/// Why a list is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaTypeError {
    /// No media type.
    #[error("`{0}` is no media type: write one such as `image/png`, `image/*` or `*/*`")]
    Entry(Box<str>),
    /// More than [`BINARY_MEDIA_TYPES_MAX`].
    #[error("there are too many binary media types: at most {BINARY_MEDIA_TYPES_MAX}")]
    TooMany,
}

impl BinaryMediaTypes {
    /// From the entries of `binaryMediaTypes`. A wildcard stands for a whole part.
    ///
    /// # Errors
    /// See [`MediaTypeError`].
    pub fn parse<'e>(entries: impl IntoIterator<Item = &'e str>) -> Result<Self, MediaTypeError> {
        let mut patterns = Vec::new();
        for entry in entries {
            if patterns.len() == BINARY_MEDIA_TYPES_MAX {
                return Err(MediaTypeError::TooMany);
            }
            let pattern = Pattern::parse(entry);
            let refused =
                || MediaTypeError::Entry(entry.chars().take(MEDIA_TYPE_BYTES_MAX).collect());
            patterns.push(pattern.ok_or_else(refused)?);
        }
        Ok(Self(patterns))
    }

    /// Whether a body or an answer of this type is binary.
    #[must_use]
    pub fn class(&self, media_type: MediaType<'_>) -> Class {
        if self.0.iter().any(|pattern| pattern.matches(media_type)) {
            Class::Binary
        } else {
            Class::Text
        }
    }

    /// Whether the API lists any.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Pattern {
    fn parse(entry: &str) -> Option<Self> {
        let (main, sub) = entry
            .split_once('/')
            .filter(|_| entry.len() <= MEDIA_TYPE_BYTES_MAX)?;
        Some(Self {
            main: Part::parse(main)?,
            sub: Part::parse(sub)?,
        })
    }

    fn matches(&self, media_type: MediaType<'_>) -> bool {
        self.main.matches(media_type.main) && self.sub.matches(media_type.sub)
    }
}

impl Part {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "*" => Some(Self::Any),
            _ => (is_token(text) && !text.contains('*')).then(|| Self::Only(text.into())),
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(only) => only.eq_ignore_ascii_case(text),
        }
    }
}

/// A token of RFC 9110.
fn is_token(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token)
}

/// What a payload is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Its type is not listed.
    Text,
    /// Its type is listed.
    Binary,
}

/// An integration's or an integration response's `contentHandling`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentHandling {
    /// `CONVERT_TO_TEXT`.
    ConvertToText,
    /// `CONVERT_TO_BINARY`.
    ConvertToBinary,
}

/// Whether the gateway may look at a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// `HTTP_PROXY`: bytes pass as they are. Amazon's gateway forces those it takes for text through
    /// UTF-8, which destroys what is none.
    Intact,
    /// Every other integration.
    Converted,
}

/// What is done to a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversion {
    /// It becomes UTF-8, invalid bytes U+FFFD.
    Text,
    /// Its base64 is decoded; if it is none, the answer is 500.
    Base64Decode,
    /// It becomes base64.
    Base64Encode,
    /// Nothing.
    Unchanged,
}

/// What is done to a request's body on its way to the integration.
#[must_use]
pub const fn of_request(
    transfer: Transfer,
    body: Class,
    handling: Option<ContentHandling>,
) -> Conversion {
    use ContentHandling::{ConvertToBinary, ConvertToText};
    match (transfer, body, handling) {
        (Transfer::Intact, ..) => Conversion::Unchanged,
        (Transfer::Converted, Class::Text, None | Some(ConvertToText)) => Conversion::Text,
        (Transfer::Converted, Class::Text, Some(ConvertToBinary)) => Conversion::Base64Decode,
        (Transfer::Converted, Class::Binary, None | Some(ConvertToBinary)) => Conversion::Unchanged,
        (Transfer::Converted, Class::Binary, Some(ConvertToText)) => Conversion::Base64Encode,
    }
}

/// What is done to an integration's payload on its way to the client, of whom `accept` is the class
/// of the first media type in `Accept`. Without a list both classes are text, and the rows of an
/// API without a list follow from those.
#[must_use]
pub const fn of_response(
    transfer: Transfer,
    payload: Class,
    accept: Class,
    handling: Option<ContentHandling>,
) -> Conversion {
    use ContentHandling::{ConvertToBinary, ConvertToText};
    if matches!(transfer, Transfer::Intact) {
        return Conversion::Unchanged;
    }
    match (payload, accept, handling) {
        (Class::Text, Class::Text, None | Some(ConvertToText))
        | (Class::Text, Class::Binary, Some(ConvertToText)) => Conversion::Text,
        (Class::Text, Class::Text, Some(ConvertToBinary))
        | (Class::Text, Class::Binary, None | Some(ConvertToBinary)) => Conversion::Base64Decode,
        (Class::Binary, Class::Text, None | Some(ConvertToText))
        | (Class::Binary, Class::Binary, Some(ConvertToText)) => Conversion::Base64Encode,
        (Class::Binary, Class::Text, Some(ConvertToBinary))
        | (Class::Binary, Class::Binary, None | Some(ConvertToBinary)) => Conversion::Unchanged,
    }
}

#[cfg(test)]
#[path = "media_type_tests.rs"]
mod tests;
