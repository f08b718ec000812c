//! Questions that do not depend on each other, asked at once.

use std::future::{Future, poll_fn};
use std::task::Poll;

/// Waits for all of these at once, and gives what they came to in their order. Of several that fail the first
/// one in that order counts, as if one had been asked after another; nobody waits for those behind it.
///
/// # Cancel safety
/// As safe as what is waited for.
pub(super) async fn together<F, T, E>(asking: impl IntoIterator<Item = F>) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<T, E>>,
{
    let asking = asking.into_iter().map(|one| (Box::pin(one), None));
    let mut asking: Vec<_> = asking.collect();
    poll_fn(|cx| {
        for (waiting, answer) in &mut asking {
            if answer.is_none()
                && let Poll::Ready(ready) = waiting.as_mut().poll(cx)
            {
                *answer = Some(ready);
            }
        }
        let decides = |answer: &Option<_>| !matches!(answer, Some(Ok(_)));
        match asking.iter().find(|(_, answer)| decides(answer)) {
            Some((_, None)) => Poll::Pending,
            Some((_, Some(_))) | None => Poll::Ready(()),
        }
    })
    .await;
    asking
        .into_iter()
        .filter_map(|(_, answer)| answer)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::task::yield_now;

    use super::*;

    /// What comes of those that answer so after as many rounds, and how many rounds each was asked in.
    async fn outcome(asking: &[(usize, Result<u8, u8>)]) -> (Result<Vec<u8>, u8>, Vec<usize>) {
        let rounds: Vec<_> = asking.iter().map(|_| Cell::new(1)).collect();
        let asking = asking.iter().zip(&rounds);
        let asking = asking.map(async |((waits, answer), rounds)| {
            for _ in 0..*waits {
                yield_now().await;
                rounds.set(rounds.get() + 1);
            }
            *answer
        });
        let answers = together(asking).await;
        (answers, rounds.into_iter().map(Cell::into_inner).collect())
    }

    #[tokio::test]
    async fn all_are_waited_for_at_once_and_keep_their_order() {
        assert_eq!(outcome(&[]).await, (Ok(vec![]), vec![]));
        assert_eq!(outcome(&[(2, Ok(1))]).await, (Ok(vec![1]), vec![3]));
        let three = [(3, Ok(1)), (1, Ok(2)), (2, Ok(3))];
        assert_eq!(outcome(&three).await, (Ok(vec![1, 2, 3]), vec![4, 2, 3]));
    }

    #[tokio::test]
    async fn the_first_failure_in_their_order_counts() {
        let late = [(3, Err(1)), (1, Err(2)), (9, Ok(3))];
        assert_eq!(outcome(&late).await, (Err(1), vec![4, 2, 4]));
        let early = [(1, Err(1)), (9, Ok(2)), (9, Err(3))];
        assert_eq!(outcome(&early).await, (Err(1), vec![2, 2, 2]));
        let second = [(2, Ok(1)), (1, Err(2)), (9, Err(3))];
        assert_eq!(outcome(&second).await, (Err(2), vec![3, 2, 3]));
    }
}
