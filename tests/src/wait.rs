//! Waiting for conditions, never for time alone.

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

/// How long anything may take that ought to happen at once. Wide, because machines are busy.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// How long to pause between two looks at something that cannot be awaited.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What `future` gives.
///
/// # Panics
/// When it has not ended within [`DEADLINE`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(DEADLINE, future).await.ok();
    outcome.unwrap_or_else(|| fail(&format!("still waiting for {what} after {DEADLINE:?}")))
}

/// Looks until `look` sees something.
///
/// # Panics
/// When it has seen nothing within [`DEADLINE`].
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let looking = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    within(what, looking).await
}

/// Waits for the end of all of them, on the task that calls.
pub async fn all<F: Future<Output = ()>>(futures: impl IntoIterator<Item = F>) {
    let mut left: Vec<_> = futures.into_iter().map(Box::pin).collect();
    poll_fn(|cx| {
        left.retain_mut(|future| future.as_mut().poll(cx).is_pending());
        if left.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// What a socket with a time-out receives; `None` where nothing comes within it. A signal, such as
/// that of a child's end, interrupts such a call (signal(7)) and only means that it begins anew.
///
/// # Panics
/// At every other error.
pub fn received<T>(mut receive: impl FnMut() -> std::io::Result<T>) -> Option<T> {
    loop {
        match receive() {
            Ok(received) => return Some(received),
            Err(error) => match error.kind() {
                std::io::ErrorKind::Interrupted => {}
                std::io::ErrorKind::WouldBlock => return None,
                _ => fail(&error.to_string()),
            },
        }
    }
}

/// Fails the test.
///
/// # Panics
/// Always.
#[expect(clippy::panic, reason = "a harness fails tests by panicking")]
pub fn fail(message: &str) -> ! {
    panic!("{message}")
}

/// Waits, outside of a runtime, until something holds.
///
/// # Panics
/// It does not in time; `what` says what was waited for.
pub fn until_now(what: &str, mut holds: impl FnMut() -> bool) {
    let start = tokio::time::Instant::now();
    while !holds() {
        if start.elapsed() >= DEADLINE {
            fail(&format!("still waiting for {what} after {DEADLINE:?}"));
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}
