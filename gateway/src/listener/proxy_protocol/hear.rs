//! A header from a socket, and not a byte beyond it: what follows is TLS or HTTP.

use std::io;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::{Progress, ProxyHeaderError, Said, read};

/// Bytes looked at in one go. Usual headers are shorter.
const PIECE_BYTES: usize = 256;

/// Why nothing was heard.
#[derive(Debug, thiserror::Error)]
pub(in crate::listener) enum Unheard {
    /// The balancer closed without a word, as some do to see whether anybody listens.
    #[error("nothing was sent")]
    Nothing,
    /// It closed in the middle.
    #[error("the connection ended within the PROXY header")]
    BrokenOff,
    /// It sent something else.
    #[error(transparent)]
    Invalid(#[from] ProxyHeaderError),
    /// The connection failed.
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// Takes the header that a connection begins with.
///
/// # Errors
/// See [`Unheard`].
///
/// # Cancel safety
/// None: a part of the header may have been taken. Whoever gives up closes the connection.
pub(in crate::listener) async fn hear(stream: &mut TcpStream) -> Result<Said, Unheard> {
    let mut header = Vec::with_capacity(PIECE_BYTES);
    let mut piece = [0; PIECE_BYTES];
    loop {
        let count = stream.peek(&mut piece).await?;
        let arrived = piece.get(..count).unwrap_or_default();
        if arrived.is_empty() {
            return Err(if header.is_empty() {
                Unheard::Nothing
            } else {
                Unheard::BrokenOff
            });
        }
        let known = header.len();
        // Bounded: `read` refuses what grows beyond the longest header.
        header.extend_from_slice(arrived);
        let (taken, said) = match read(&header)? {
            Progress::Incomplete => (count, None),
            Progress::Whole { length, said } => (length.saturating_sub(known), Some(said)),
        };
        // They have arrived, so this waits for nobody.
        let taken = piece.get_mut(..taken).unwrap_or_default();
        stream.read_exact(taken).await?;
        if let Some(said) = said {
            return Ok(said);
        }
    }
}
