//! A connection's bytes under observation: is it waiting, sending a head, being served, or stuck?
//!
//! Hyper times only what it parses itself. The time-outs of a listener are wider, so the stream
//! notes when something last moved, and one timer per connection looks at those notes now and then
//! instead of being reset with every request.

use std::cell::Cell;
use std::future::Future;
use std::io::IoSlice;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_rustls::server::TlsStream;

use super::pipelined::Pipelined;
use crate::exchange::Restraint;
use crate::store::connection::Place;

/// Largest piece of a response that is handed on at once, so that a client that takes its answer
/// slowly is seen to take it.
const PIECE_BYTES_MAX: usize = 16 << 10;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waiting for a request since then.
    Idle(Instant),
    /// Receiving a request head since then.
    Head(Instant),
    /// Answering at least one request.
    Busy,
}

/// Notes about one connection, shared by its stream, its service and its timer.
#[derive(Debug)]
pub(super) struct Activity {
    phase: Cell<Phase>,
    in_flight: Cell<u32>,
    served: Cell<bool>,
    first_request: Notify,
    blocked_since: Cell<Option<Instant>>,
    /// Responses whose next piece nobody asks for, because the client leaves no room for it.
    unasked: Cell<u32>,
    /// When a response last moved.
    moved: Cell<Instant>,
    /// On HTTP/2 bytes are no sign of a head: they may be pings and settings.
    bytes_start_heads: Cell<bool>,
    pipelined: Pipelined,
}

impl Activity {
    pub(super) fn new(now: Instant) -> Rc<Self> {
        Rc::new(Self {
            phase: Cell::new(Phase::Head(now)),
            in_flight: Cell::new(0),
            served: Cell::new(false),
            first_request: Notify::new(),
            blocked_since: Cell::new(None),
            unasked: Cell::new(0),
            moved: Cell::new(now),
            bytes_start_heads: Cell::new(true),
            pipelined: Pipelined::default(),
        })
    }

    pub(super) fn speaks_http2(&self, now: Instant) {
        self.bytes_start_heads.set(false);
        self.phase.set(Phase::Idle(now));
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Whether any request was read.
    pub(super) fn has_served(&self) -> bool {
        self.served.get()
    }

    /// Waits until a request was read; at once where one was. For one waiter.
    pub(super) async fn first_request(&self) {
        if !self.has_served() {
            self.first_request.notified().await;
        }
    }

    /// Since when the client has not taken what is there for it: its socket is full, or, with
    /// HTTP/2, every answer under way waits for it to open a window.
    pub(super) fn blocked_since(&self) -> Option<Instant> {
        let all_unasked = self.unasked.get() > 0 && self.unasked.get() == self.in_flight.get();
        self.blocked_since
            .get()
            .or(all_unasked.then_some(self.moved.get()))
    }

    /// A request begins; it ends when the guard is dropped.
    pub(super) fn begin(self: &Rc<Self>) -> InFlight {
        if !self.served.replace(true) {
            self.first_request.notify_one();
        }
        self.in_flight.set(self.in_flight.get() + 1);
        self.phase.set(Phase::Busy);
        InFlight(Rc::clone(self))
    }

    /// Runs the connection to its end, in which each poll is a turn of its pipelined requests.
    pub(super) async fn in_turns<C: Future>(&self, connection: Pin<&mut C>) -> C::Output {
        self.pipelined.run(connection).await
    }

    fn bytes_read(&self) {
        if self.bytes_start_heads.get() && matches!(self.phase.get(), Phase::Idle(_)) {
            self.phase.set(Phase::Head(Instant::now()));
        }
    }
}

/// One request in flight.
#[derive(Debug)]
pub(super) struct InFlight(Rc<Activity>);

impl InFlight {
    /// Waits until it may be answered, behind others of its connection. On HTTP/2 every request is a task of
    /// its own, which takes turns anyway.
    pub(super) async fn turn(&self) {
        if self.0.bytes_start_heads.get() {
            self.0.pipelined.turn().await;
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let left = self.0.in_flight.get().saturating_sub(1);
        self.0.in_flight.set(left);
        if left == 0 {
            self.0.phase.set(Phase::Idle(Instant::now()));
        }
    }
}

/// A response body that keeps its request in flight.
#[derive(Debug)]
pub(super) struct InFlightBody<B> {
    body: B,
    /// The rest of a piece that was too large.
    rest: Bytes,
    /// In this order: the body is dropped before its request ends.
    in_flight: Option<Unasked>,
    /// What its client takes of the listener while it is answered, where a proxy is between the two.
    place: Option<Place>,
}

/// A request in flight whose answer may be waiting to be asked for its next piece.
#[derive(Debug)]
struct Unasked {
    in_flight: InFlight,
    unasked: bool,
}

impl Unasked {
    fn set(&mut self, unasked: bool) {
        let activity = &self.in_flight.0;
        activity.moved.set(Instant::now());
        if self.unasked != unasked {
            self.unasked = unasked;
            let count = activity.unasked.get();
            activity.unasked.set(if unasked {
                count + 1
            } else {
                count.saturating_sub(1)
            });
        }
    }
}

impl Drop for Unasked {
    fn drop(&mut self) {
        self.set(false);
    }
}

impl<B> InFlightBody<B> {
    pub(super) fn new(body: B, in_flight: InFlight, place: Option<Place>) -> Self {
        let mut in_flight = Unasked {
            in_flight,
            unasked: false,
        };
        in_flight.set(true);
        Self {
            body,
            rest: Bytes::new(),
            in_flight: Some(in_flight),
            place,
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for InFlightBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = &mut *self;
        let frame = if this.rest.is_empty() {
            Pin::new(&mut this.body).poll_frame(cx)
        } else {
            Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.rest)))))
        };
        match &frame {
            Poll::Ready(None) => {
                this.in_flight = None;
                this.place = None;
            }
            Poll::Ready(Some(_)) | Poll::Pending => {
                if let Some(in_flight) = &mut this.in_flight {
                    in_flight.set(frame.is_ready());
                }
            }
        }
        frame.map_ok(|frame| {
            frame.map_data(|mut data| {
                this.rest = data.split_off(data.len().min(PIECE_BYTES_MAX));
                data
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        let body = self.body.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = body.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(body.lower().saturating_add(rest));
        hint
    }
}

/// A stream that can be broken off.
pub(super) trait Abort {
    /// Has the peer be told by RST when it is closed, and drops what was not sent.
    fn abort(&self);
}

impl Abort for TcpStream {
    fn abort(&self) {
        if let Err(error) = self.set_zero_linger() {
            tracing::debug!(%error, "SO_LINGER");
        }
    }
}

impl Abort for TlsStream<TcpStream> {
    fn abort(&self) {
        self.get_ref().0.abort();
    }
}

/// A stream that takes notes, and that is not read while its connection is held back.
#[derive(Debug)]
pub(super) struct Watched<S: Abort> {
    stream: S,
    restraint: Rc<Restraint>,
    /// While it is not read.
    pause: Option<Pin<Box<Sleep>>>,
    /// Bytes read ahead to tell HTTP/2 from HTTP/1.
    replay: Bytes,
    activity: Rc<Activity>,
}

impl<S: Abort> Watched<S> {
    pub(super) fn new(stream: S, replay: Bytes, activity: Rc<Activity>) -> Self {
        Self {
            stream,
            restraint: Rc::default(),
            pause: None,
            replay,
            activity,
        }
    }

    /// Has it be held back as `restraint` says.
    pub(super) fn held_back_by(mut self, restraint: Rc<Restraint>) -> Self {
        self.restraint = restraint;
        self
    }

    /// Ready when it may be read.
    fn poll_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(until) = self.restraint.unread_until(Instant::now()) {
            let pause = self
                .pause
                .get_or_insert_with(|| Box::pin(sleep_until(until)));
            if pause.deadline() != until {
                pause.as_mut().reset(until);
            }
            if pause.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        self.pause = None;
        self.restraint.release();
        Poll::Ready(())
    }

    fn note_write<T>(&self, outcome: &Poll<T>) {
        match outcome {
            Poll::Ready(_) => self.activity.blocked_since.set(None),
            Poll::Pending => {
                if self.activity.blocked_since.get().is_none() {
                    self.activity.blocked_since.set(Some(Instant::now()));
                }
            }
        }
    }
}

impl<S: Abort> Drop for Watched<S> {
    fn drop(&mut self) {
        if self.restraint.cut_for().is_some() {
            self.stream.abort();
        }
    }
}

impl<S: AsyncRead + Abort + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.restraint.is_paused() && self.poll_pause(cx).is_pending() {
            return Poll::Pending;
        }
        if !self.replay.is_empty() {
            let length = self.replay.len().min(buffer.remaining());
            buffer.put_slice(&self.replay.split_to(length));
            self.activity.bytes_read();
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if outcome.is_ready() && buffer.filled().len() > before {
            self.activity.bytes_read();
        }
        outcome
    }
}

impl<S: AsyncWrite + Abort + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note_write(&outcome);
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.note_write(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.note_write(&outcome);
        outcome
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: Abort> Watched<S> {
    /// Whether bytes are waiting that were read ahead.
    #[cfg(test)]
    const fn replay_remaining(&self) -> usize {
        self.replay.len()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    impl Abort for tokio::io::DuplexStream {
        fn abort(&self) {}
    }

    #[tokio::test]
    async fn a_stream_that_is_held_back_is_read_when_its_pause_is_over() {
        let (near, mut far) = tokio::io::duplex(64);
        let restraint = Rc::new(Restraint::default());
        let activity = Activity::new(Instant::now());
        let mut stream =
            Watched::new(near, Bytes::new(), activity).held_back_by(Rc::clone(&restraint));
        tokio::io::AsyncWriteExt::write_all(&mut far, b"ab")
            .await
            .unwrap();
        let (begun, moment) = (Instant::now(), std::time::Duration::from_millis(40));
        restraint.hold(begun, moment, Box::new("away"));
        assert!(restraint.is_held());
        // A longer pause that is asked for meanwhile counts.
        let longer = async {
            tokio::time::sleep(moment / 4).await;
            restraint.slow(begun, 3 * moment);
        };
        let mut text = [0; 1];
        let (read, ()) = tokio::join!(stream.read_exact(&mut text), longer);
        read.unwrap();
        assert!(begun.elapsed() >= 3 * moment);
        assert!(!restraint.is_paused() && !restraint.is_held());
        stream.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"b");
    }

    #[tokio::test]
    async fn bytes_read_ahead_come_first_and_start_a_head() {
        let (near, mut far) = tokio::io::duplex(64);
        let activity = Activity::new(Instant::now());
        drop(activity.begin());
        assert!(matches!(activity.phase(), Phase::Idle(_)));
        let mut stream = Watched::new(near, Bytes::from_static(b"GET"), Rc::clone(&activity));
        assert_eq!(stream.replay_remaining(), 3);
        tokio::io::AsyncWriteExt::write_all(&mut far, b" /")
            .await
            .unwrap();
        let mut text = [0; 5];
        stream.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"GET /");
        assert!(matches!(activity.phase(), Phase::Head(_)));
    }

    #[test]
    fn a_connection_is_idle_only_when_its_last_request_has_ended() {
        let activity = Activity::new(Instant::now());
        let (one, two) = (activity.begin(), activity.begin());
        drop(one);
        assert_eq!(activity.phase(), Phase::Busy);
        drop(two);
        assert!(matches!(activity.phase(), Phase::Idle(_)));
    }
}
