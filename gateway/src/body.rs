//! Bodies with bounds: the one limited reader of request bodies, the memory that buffered ones may
//! take, and what a response body can be.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

/// What went wrong with a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// More bytes than the route allows.
    #[error("the request body is larger than the route allows")]
    TooLarge,
    /// Nothing arrived for the listener's body time-out.
    #[error("the request body stopped arriving")]
    Timeout,
    /// Ended early, was framed wrongly, or the client left.
    #[error("the request body broke off")]
    Broken,
}

/// What a request body came to, readable while and after somebody else reads the body.
#[derive(Debug, Default)]
pub struct BodyProgress {
    bytes: Cell<u64>,
    fault: Cell<Option<BodyFault>>,
    /// What it begins with, where somebody wants that.
    start: RefCell<Option<Start>>,
}

/// What a body begins with.
#[derive(Debug)]
struct Start {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl BodyProgress {
    /// Bytes received.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Keeps what it begins with, up to `bytes_max`.
    pub fn keep_start(&self, bytes_max: usize) {
        let bytes = Vec::new();
        *self.start.borrow_mut() = Some(Start { bytes, bytes_max });
    }

    /// What it began with so far, where that was kept and nobody has taken it.
    #[must_use]
    pub fn take_start(&self) -> Option<Vec<u8>> {
        self.start.borrow_mut().take().map(|start| start.bytes)
    }

    fn note(&self, piece: &[u8], length: u64) {
        self.bytes.set(self.bytes.get().saturating_add(length));
        if let Some(start) = &mut *self.start.borrow_mut() {
            let room = start.bytes_max.saturating_sub(start.bytes.len());
            let part = piece.get(..room.min(piece.len()));
            start.bytes.extend_from_slice(part.unwrap_or_default());
        }
    }

    /// What ended it, if not its end.
    #[must_use]
    pub fn fault(&self) -> Option<BodyFault> {
        self.fault.get()
    }
}

/// A request body that ends in an error beyond its limit or after silence. Whoever reads on behind that
/// gets the same error again.
#[derive(Debug)]
pub struct LimitedBody {
    /// What was read of it before, and comes first.
    begun: Option<Buffered>,
    inner: Incoming,
    remaining: u64,
    timeout: Duration,
    silence: Option<Pin<Box<Sleep>>>,
    progress: Rc<BodyProgress>,
}

impl LimitedBody {
    /// Reads `inner` up to `bytes_max`, waiting at most `timeout` for each piece.
    #[must_use]
    pub fn new(inner: Incoming, bytes_max: u64, timeout: Duration) -> Self {
        Self {
            begun: None,
            inner,
            remaining: bytes_max,
            timeout,
            silence: None,
            progress: Rc::default(),
        }
    }

    /// A view of what it came to.
    #[must_use]
    pub fn progress(&self) -> Rc<BodyProgress> {
        Rc::clone(&self.progress)
    }

    fn fail(&self, fault: BodyFault) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        self.progress.fault.set(Some(fault));
        Poll::Ready(Some(Err(fault)))
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timeout = self.timeout;
        let silence = self
            .silence
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        silence.as_mut().poll(cx)
    }

    /// Reads the whole body into memory that `budget` accounts for. A body that cannot be read whole
    /// has lost nothing: it begins with what was read.
    ///
    /// # Errors
    /// [`BufferError`]: the body's own fault, or no memory left in the budget.
    pub async fn buffer(&mut self, budget: &BodyBudget) -> Result<Buffered, BufferError> {
        let mut whole = budget.growing();
        let outcome = self.read_into(&mut whole).await;
        let read = whole.finish();
        match outcome {
            Ok(()) => Ok(read),
            Err(error) => {
                self.begun = Some(read);
                Err(error)
            }
        }
    }

    async fn read_into(&mut self, whole: &mut Growing) -> Result<(), BufferError> {
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await
        {
            if let Ok(data) = frame?.into_data() {
                whole.push(&data)?;
            }
        }
        Ok(())
    }
}

impl Body for LimitedBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        if let Some(Buffered(begun)) = self.begun.take()
            && !begun.is_empty()
        {
            return Poll::Ready(Some(Ok(Frame::data(begun))));
        }
        if let Some(fault) = self.progress.fault() {
            return Poll::Ready(Some(Err(fault)));
        }
        let frame = match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Pending => {
                return match self.poll_silence(cx) {
                    Poll::Ready(()) => self.fail(BodyFault::Timeout),
                    Poll::Pending => Poll::Pending,
                };
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(Err(_broken))) => return self.fail(BodyFault::Broken),
            Poll::Ready(Some(Ok(frame))) => frame,
        };
        self.silence = None;
        // Trailers are not forwarded: nothing here can vouch for them.
        let Ok(data) = frame.into_data() else {
            return Poll::Ready(None);
        };
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let Some(remaining) = self.remaining.checked_sub(length) else {
            return self.fail(BodyFault::TooLarge);
        };
        self.remaining = remaining;
        self.progress.note(&data, length);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.begun.is_none() && self.progress.fault().is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.inner.size_hint();
        let begun = self.begun.as_ref().map_or(0, |begun| begun.bytes().len());
        let begun = u64::try_from(begun).unwrap_or(u64::MAX);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(begun));
        }
        hint.set_lower(hint.lower().saturating_add(begun));
        hint
    }
}

/// The memory that all buffered bodies of the process may take together.
#[derive(Clone, Debug)]
pub struct BodyBudget {
    used: Arc<AtomicU64>,
    bytes_max: Arc<AtomicU64>,
}

/// Why a body could not be buffered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BufferError {
    /// The body itself.
    #[error(transparent)]
    Body(#[from] BodyFault),
    /// The budget is spent.
    #[error(transparent)]
    Memory(#[from] NoMemory),
}

/// The budget is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("all memory for buffered bodies is in use")]
pub struct NoMemory;

impl BodyBudget {
    /// A budget of `bytes_max`.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        Self {
            used: Arc::default(),
            bytes_max: Arc::new(AtomicU64::new(bytes_max)),
        }
    }

    /// Changes the size; what is lent stays lent.
    pub fn resize(&self, bytes_max: u64) {
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    /// Bytes lent out.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// A body in memory to which pieces are added.
    #[must_use]
    pub fn growing(&self) -> Growing {
        Growing {
            bytes: BytesMut::new(),
            lease: self.lease(),
        }
    }

    /// A body that was made at once.
    ///
    /// # Errors
    /// [`NoMemory`] if the budget has no room for it.
    pub fn hold(&self, bytes: Vec<u8>) -> Result<Buffered, NoMemory> {
        Ok(self.lend(bytes.len())?.hold(bytes))
    }

    /// Lends memory that does not hold a body, but works on one.
    ///
    /// # Errors
    /// [`NoMemory`] if the budget has no room for it.
    pub fn lend(&self, bytes: usize) -> Result<BudgetLease, NoMemory> {
        let mut lease = self.lease();
        lease.grow(bytes)?;
        Ok(lease)
    }

    fn lease(&self) -> BudgetLease {
        BudgetLease {
            budget: self.clone(),
            bytes: 0,
        }
    }
}

/// A body that is made piece by piece.
#[derive(Debug)]
pub struct Growing {
    bytes: BytesMut,
    lease: BudgetLease,
}

impl Growing {
    /// Adds a piece.
    ///
    /// # Errors
    /// [`NoMemory`] if the budget has no room for it. It is kept, and accounted for, all the same:
    /// who can do with what is there loses nothing.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), NoMemory> {
        let room = self.lease.grow(piece.len());
        self.bytes.extend_from_slice(piece);
        room
    }

    /// The whole body.
    #[must_use]
    pub fn finish(self) -> Buffered {
        Buffered(Bytes::from_owner(Held {
            bytes: self.bytes.freeze(),
            _lease: self.lease,
        }))
    }
}

/// Memory lent to one body, returned when dropped.
#[derive(Debug)]
pub struct BudgetLease {
    budget: BodyBudget,
    bytes: u64,
}

impl BudgetLease {
    /// A body that was made in the memory that was lent.
    #[must_use]
    pub fn hold(self, bytes: Vec<u8>) -> Buffered {
        Buffered(Bytes::from_owner(Held {
            bytes: bytes.into(),
            _lease: self,
        }))
    }

    fn grow(&mut self, by: usize) -> Result<(), NoMemory> {
        let by = u64::try_from(by).unwrap_or(u64::MAX);
        let used = self
            .budget
            .used
            .fetch_add(by, Ordering::Relaxed)
            .saturating_add(by);
        self.bytes = self.bytes.saturating_add(by);
        if used > self.budget.bytes_max.load(Ordering::Relaxed) {
            return Err(NoMemory);
        }
        Ok(())
    }
}

impl Drop for BudgetLease {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A request body in memory. Its part of the budget goes back with the last reference to its
/// bytes: whoever sends them may still hold them long after they were handed over.
#[derive(Debug)]
pub struct Buffered(Bytes);

impl Buffered {
    /// The body.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its bytes, to which its part of the budget stays bound.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

#[derive(Debug)]
struct Held {
    bytes: Bytes,
    _lease: BudgetLease,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// What is sent to an upstream.
#[derive(Debug)]
pub enum UpstreamBody {
    /// Nothing.
    Empty,
    /// A body read before; its memory is returned when it has been sent.
    Buffered(Option<Buffered>),
    /// A body as it arrives.
    Stream(LimitedBody),
}

impl UpstreamBody {
    /// A body that is at hand.
    #[must_use]
    pub const fn whole(bytes: Bytes) -> Self {
        Self::Buffered(Some(Buffered(bytes)))
    }

    /// All of a body that was read before; `None` of one that was not.
    #[must_use]
    pub fn into_whole(self) -> Option<Bytes> {
        match self {
            Self::Empty => Some(Bytes::new()),
            Self::Buffered(whole) => whole.map(Buffered::into_bytes),
            Self::Stream(_) => None,
        }
    }

    /// A body that was read before; `None` of one that was not.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Empty => Some(&[]),
            Self::Buffered(Some(Buffered(bytes))) => Some(bytes),
            Self::Buffered(None) | Self::Stream(_) => None,
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Buffered(whole) => {
                let whole = whole.take().filter(|Buffered(bytes)| !bytes.is_empty());
                Poll::Ready(whole.map(|Buffered(bytes)| Ok(Frame::data(bytes))))
            }
            Self::Stream(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Buffered(whole) => whole
                .as_ref()
                .is_none_or(|Buffered(bytes)| bytes.is_empty()),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Buffered(whole) => SizeHint::with_exact(
                whole
                    .as_ref()
                    .and_then(|Buffered(bytes)| u64::try_from(bytes.len()).ok())
                    .unwrap_or(0),
            ),
            Self::Stream(body) => body.size_hint(),
        }
    }
}
