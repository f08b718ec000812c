//! HTTP/2 frames written by hand (RFC 9113), for what no well-behaved client sends.

use std::net::SocketAddr;

use tokio::io::AsyncReadExt as _;

use crate::raw::Raw;
use crate::wait::within;

/// What HTTP/2 connections begin with.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frame types.
pub mod kind {
    #![expect(missing_docs, reason = "the names are those of RFC 9113, section 6")]
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// HEADERS or CONTINUATION: the header block ends here.
pub const END_HEADERS: u8 = 4;
/// HEADERS or DATA: the request ends here.
pub const END_STREAM: u8 = 1;

/// A frame that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its stream.
    pub stream: u32,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// A frame to be written.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .expect("frames are short")
        .to_be_bytes();
    let mut bytes = Vec::from(length.get(1..).expect("four bytes"));
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A header field, as a literal that no table remembers (RFC 7541, section 6.2.2).
#[must_use]
pub fn field(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        push_length(&mut bytes, text.len());
        bytes.extend(text.as_bytes());
    }
    bytes
}

fn push_length(bytes: &mut Vec<u8>, length: usize) {
    if length < 127 {
        bytes.push(u8::try_from(length).expect("it is below 127"));
        return;
    }
    bytes.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128 + 128).expect("seven bits and a mark"));
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).expect("seven bits"));
}

/// The header block of `GET path`.
#[must_use]
pub fn get(path: &str) -> Vec<u8> {
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "api.test"),
        (":path", path),
    ];
    fields
        .iter()
        .flat_map(|(name, value)| field(name, value))
        .collect()
}

/// A connection that has greeted.
#[derive(Debug)]
pub struct Http2 {
    /// The socket.
    pub raw: Raw,
}

impl Http2 {
    /// Connects, and greets with these settings.
    pub async fn connect(address: SocketAddr, settings: &[u8]) -> Self {
        let mut raw = Raw::connect(address).await;
        raw.write(PREFACE).await;
        raw.write(frame(kind::SETTINGS, 0, 0, settings)).await;
        Self { raw }
    }

    /// Writes a frame.
    pub async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.raw.write(frame(kind, flags, stream, payload)).await;
    }

    /// The next frame; `None` at the end.
    pub async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        within("a frame", self.raw.stream.read_exact(&mut head))
            .await
            .ok()?;
        let [a, b, c, kind, _flags, d, e, f, g] = head;
        let length = u32::from_be_bytes([0, a, b, c]);
        let mut payload = vec![0; usize::try_from(length).expect("24 bits")];
        within("a payload", self.raw.stream.read_exact(&mut payload))
            .await
            .ok()?;
        Some(Frame {
            kind,
            stream: u32::from_be_bytes([d, e, f, g]),
            payload,
        })
    }

    /// The first frame of this type; `None` if the end comes before.
    pub async fn read_kind(&mut self, kind: u8) -> Option<Frame> {
        let reading = async {
            loop {
                let frame = self.read().await?;
                if frame.kind == kind {
                    return Some(frame);
                }
            }
        };
        within("a frame of the type that has to come", reading).await
    }

    /// Whether a stream is reset, or the connection ended for an error, before an answer comes.
    pub async fn refused(&mut self) -> bool {
        within("a refusal or an answer", self.is_refused()).await
    }

    async fn is_refused(&mut self) -> bool {
        loop {
            match self.read().await {
                Some(Frame {
                    kind: kind::RST_STREAM,
                    ..
                }) => return true,
                Some(Frame {
                    kind: kind::GOAWAY,
                    payload,
                    ..
                }) => return payload.get(7) != Some(&0),
                Some(Frame {
                    kind: kind::HEADERS,
                    ..
                })
                | None => return false,
                Some(_) => {}
            }
        }
    }

    /// The error code of the GOAWAY that must come; `None` if the end comes without.
    pub async fn goaway(&mut self) -> Option<u8> {
        self.read_kind(kind::GOAWAY)
            .await
            .and_then(|frame| frame.payload.get(7).copied())
    }
}
