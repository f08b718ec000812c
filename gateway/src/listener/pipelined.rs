//! Requests that a client sends without waiting for answers (RFC 9112, section 9.3.2): one is answered each
//! time that the worker comes to the connection.
//!
//! Hyper answers what it has read in a row, and comes back to the other connections after many. Among
//! clients that wait for their answers, one that does not would be served as often as all of them together;
//! so it takes turns with them.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;

/// Whether a connection has had its turn.
#[derive(Debug, Default)]
pub(super) struct Pipelined {
    has_answered: Cell<bool>,
}

impl Pipelined {
    /// Runs the connection to its end. Each time that the worker polls this is a turn, however often the
    /// connection itself is polled meanwhile.
    pub(super) async fn run<C: Future>(&self, mut connection: Pin<&mut C>) -> C::Output {
        poll_fn(|cx| {
            self.has_answered.set(false);
            connection.as_mut().poll(cx)
        })
        .await
    }

    /// Waits until a request of the connection may be answered: at once for the first one of each turn.
    pub(super) async fn turn(&self) {
        while self.has_answered.replace(true) {
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::pin;
    use std::rc::Rc;

    use bytes::Bytes;
    use http_body_util::Empty;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::Notify;
    use tokio::task::{LocalSet, spawn_local, yield_now};

    use super::*;

    /// Requests of one client, all sent at once.
    const REQUESTS: usize = 200;

    /// How often another task had its turn before the last of them was answered.
    async fn turns_of_another(pipelined: Option<Rc<Pipelined>>) -> usize {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let mut requests = "GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(REQUESTS - 1);
        requests.push_str("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        client.write_all(requests.as_bytes()).await.unwrap();
        let turns = Rc::new(Cell::new(0));
        let another = spawn_local({
            let turns = Rc::clone(&turns);
            async move {
                loop {
                    turns.set(turns.get() + 1);
                    yield_now().await;
                }
            }
        });
        // As each request of a caller who is penalised does.
        let changed = Rc::new(Notify::new());
        let (waits, changes) = (pipelined.clone(), Rc::clone(&changed));
        let service = service_fn(move |_| {
            let (waits, changes) = (waits.clone(), Rc::clone(&changes));
            async move {
                if let Some(waits) = waits {
                    waits.turn().await;
                }
                changes.notify_one();
                Ok::<_, Infallible>(http::Response::new(Empty::<Bytes>::new()))
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(server), service);
        let driven = async {
            let mut connection = pin!(connection);
            loop {
                tokio::select! {
                    biased;
                    outcome = &mut connection => return outcome,
                    () = changed.notified() => {}
                }
            }
        };
        let outcome = match &pipelined {
            Some(pipelined) => pipelined.run(pin!(driven)).await,
            None => driven.await,
        };
        outcome.unwrap();
        another.abort();
        let mut answers = String::new();
        client.read_to_string(&mut answers).await.unwrap();
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), REQUESTS);
        turns.get()
    }

    #[tokio::test]
    async fn whoever_sends_many_at_once_takes_turns_with_the_others() {
        let tasks = LocalSet::new();
        let alone = tasks.run_until(turns_of_another(None)).await;
        let fairly = turns_of_another(Some(Rc::default()));
        let fairly = tasks.run_until(fairly).await;
        assert!(alone < REQUESTS / 2, "{alone}: hyper does it by itself");
        assert!(fairly >= REQUESTS - 1, "{fairly}");
    }
}
