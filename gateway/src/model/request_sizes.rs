//! How large the head of a request to an API may be.

/// Bounds of a request's head, which hold beside those of the listener: the service's own by
/// default (1.7 of docs/semantics.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestSizes {
    /// Path and query; 1 KiB to 63 KiB, default 10,240 bytes. Beyond it 414.
    pub url_bytes_max: u32,
    /// Values of all headers of a request to a REST API, request line and headers of one to an HTTP
    /// API; 1 KiB to 1 MiB, default 10,240 bytes. Beyond it 431.
    pub header_bytes_max: u32,
}

impl RequestSizes {
    /// The bounds of the service.
    pub const SERVICE: Self = Self {
        url_bytes_max: 10_240,
        header_bytes_max: 10_240,
    };
}
