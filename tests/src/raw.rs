//! Bytes on a socket, for what no well-behaved client sends.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{connect, connect_from};
use crate::wait::within;

/// A TCP connection.
#[derive(Debug)]
pub struct Raw {
    /// The socket.
    pub stream: TcpStream,
}

impl Raw {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        Self {
            stream: connect(address).await,
        }
    }

    /// Connects from a source address of the loopback network.
    pub async fn connect_from(source: &str, address: SocketAddr) -> Self {
        Self {
            stream: connect_from(source, address).await,
        }
    }

    /// Sends bytes. A peer that has closed already is seen when reading.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        drop(within("writing", self.stream.write_all(bytes.as_ref())).await);
    }

    /// Says that nothing more will be sent.
    pub async fn finish(&mut self) {
        drop(within("the end of writing", self.stream.shutdown()).await);
    }

    /// Everything until the peer closes, whether orderly or with a reset.
    pub async fn read_to_end(&mut self) -> String {
        let mut read = Vec::new();
        // What had arrived before a reset stays.
        drop(within("the peer's end", self.stream.read_to_end(&mut read)).await);
        String::from_utf8_lossy(&read).into_owned()
    }

    /// Reads until `mark` has come.
    pub async fn read_until(&mut self, mark: &str) -> String {
        let mut read = Vec::new();
        let reading = async {
            while !String::from_utf8_lossy(&read).contains(mark) {
                let mut piece = [0; 4096];
                let count = self.stream.read(&mut piece).await.expect("the peer sends");
                assert_ne!(
                    count,
                    0,
                    "the end before {mark:?}: {:?}",
                    String::from_utf8_lossy(&read)
                );
                read.extend_from_slice(piece.get(..count).expect("as many were read"));
            }
        };
        within(mark, reading).await;
        String::from_utf8_lossy(&read).into_owned()
    }

    /// Resets the connection instead of closing it.
    pub fn reset(self) {
        self.stream
            .set_zero_linger()
            .expect("a socket can be told so");
    }
}

/// Sends bytes on a connection of their own: everything that comes back.
pub async fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut raw = Raw::connect(address).await;
    raw.write(bytes).await;
    raw.read_to_end().await
}
