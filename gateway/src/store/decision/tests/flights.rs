//! Many who ask the same at once.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use tokio::sync::oneshot;
use tokio::task::{LocalSet, yield_now};

use super::super::{Flights, Fresh, Undecided, WAITERS_MAX, Whose};
use super::*;

type Cache = Arc<DecisionCache<Thing>>;
type Questions = Arc<Flights<Thing, &'static str>>;

fn fresh(number: u64) -> Fresh<Thing> {
    Fresh {
        decision: thing(number),
        lifetime: long(),
    }
}

fn stores() -> (Cache, Questions) {
    (Arc::new(one_mebibyte().cache("main")), Questions::default())
}

/// Asks, and counts how often that takes a question, whose answer `told` brings.
async fn ask(
    (cache, questions): &(Cache, Questions),
    asked: &Rc<Cell<u32>>,
    told: oneshot::Receiver<Result<u64, &'static str>>,
) -> Result<u64, Undecided<&'static str>> {
    let key = cache.key(0, &[b"token"]);
    let begin = || {
        asked.set(asked.get() + 1);
        Ok(async move { told.await.expect("it is told").map(fresh) })
    };
    let decided = cache.decided(questions, key, 0, begin).await;
    decided.map(|thing| thing.number)
}

/// Lets whoever can go on do so.
async fn settle() {
    for _ in 0..10 {
        yield_now().await;
    }
}

/// Whether `future` still waits once everything else has been done.
async fn waits<F: Future + Unpin>(future: &mut F) -> bool {
    settle().await;
    let polled = poll_fn(|cx| Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending()));
    polled.await
}

#[tokio::test]
async fn the_first_asks_and_the_others_wait_for_it() {
    let run = async {
        let (stores, asked) = (stores(), Rc::new(Cell::new(0)));
        let (tell, told) = oneshot::channel();
        let mut first = pin!(ask(&stores, &asked, told));
        assert!(waits(&mut first).await);
        let (_never, unused) = oneshot::channel();
        let mut second = pin!(ask(&stores, &asked, unused));
        assert!(waits(&mut second).await);
        assert_eq!(tell.send(Ok(5)), Ok(()));
        assert_eq!((first.await, second.await), (Ok(5), Ok(5)));
        let (_never, unused) = oneshot::channel();
        assert_eq!(ask(&stores, &asked, unused).await, Ok(5), "remembered");
        assert_eq!(asked.get(), 1);
        let counts = stores.0.counts();
        assert_eq!((counts.hits, counts.misses, counts.coalesced), (1, 2, 1));
    };
    LocalSet::new().run_until(run).await;
}

#[tokio::test]
async fn a_question_goes_on_when_its_client_leaves() {
    let run = async {
        let (stores, asked) = (stores(), Rc::new(Cell::new(0)));
        let (tell, told) = oneshot::channel();
        {
            let mut first = pin!(ask(&stores, &asked, told));
            assert!(waits(&mut first).await);
        }
        let (_never, unused) = oneshot::channel();
        let mut second = pin!(ask(&stores, &asked, unused));
        assert!(waits(&mut second).await);
        assert_eq!(tell.send(Ok(5)), Ok(()));
        assert_eq!(second.await, Ok(5));
        assert_eq!(asked.get(), 1);
    };
    LocalSet::new().run_until(run).await;
}

#[tokio::test]
async fn who_comes_after_something_was_forgotten_asks_anew() {
    let run = async {
        let (stores, asked) = (stores(), Rc::new(Cell::new(0)));
        let (tell_old, told_old) = oneshot::channel();
        let mut old = pin!(ask(&stores, &asked, told_old));
        assert!(waits(&mut old).await);
        stores.0.decisions().forget(Whose::Authorizer("main"));
        let (tell_new, told_new) = oneshot::channel();
        let mut new = pin!(ask(&stores, &asked, told_new));
        assert!(waits(&mut new).await);
        assert_eq!(asked.get(), 2);
        assert_eq!(tell_old.send(Ok(1)), Ok(()));
        assert_eq!(old.await, Ok(1), "it had asked before");
        assert!(waits(&mut new).await, "and its answer is for nobody else");
        assert_eq!(tell_new.send(Ok(2)), Ok(()));
        assert_eq!(new.await, Ok(2));
        let (_never, unused) = oneshot::channel();
        assert_eq!(ask(&stores, &asked, unused).await, Ok(2));
    };
    LocalSet::new().run_until(run).await;
}

#[tokio::test]
async fn a_failure_is_told_to_all_who_wait_and_not_remembered() {
    let run = async {
        let (stores, asked) = (stores(), Rc::new(Cell::new(0)));
        let (tell, told) = oneshot::channel();
        let mut first = pin!(ask(&stores, &asked, told));
        assert!(waits(&mut first).await);
        let (_never, unused) = oneshot::channel();
        let mut second = pin!(ask(&stores, &asked, unused));
        assert!(waits(&mut second).await);
        assert_eq!(tell.send(Err("no")), Ok(()));
        let failed = Err(Undecided::Failed("no"));
        assert_eq!((first.await, second.await), (failed.clone(), failed));
        let (tell, told) = oneshot::channel();
        assert_eq!(tell.send(Ok(3)), Ok(()));
        assert_eq!(ask(&stores, &asked, told).await, Ok(3));
        assert_eq!(asked.get(), 2);
    };
    LocalSet::new().run_until(run).await;
}

#[tokio::test]
async fn who_may_not_ask_is_refused_and_leaves_nothing_behind() {
    let run = async {
        let (cache, questions) = stores();
        let key = cache.key(0, &[b"token"]);
        let begin = || Err::<std::future::Pending<_>, _>("too often");
        let refused = cache.decided(&questions, key, 0, begin).await;
        assert_eq!(refused.map(drop), Err(Undecided::Failed("too often")));
        let begin = || Ok(async { Ok(fresh(4)) });
        let decided = cache.decided(&questions, key, 0, begin).await;
        assert_eq!(decided.map(|thing| thing.number), Ok(4));
    };
    LocalSet::new().run_until(run).await;
}

#[tokio::test]
async fn no_more_wait_than_may() {
    let run = async {
        let (stores, asked) = (stores(), Rc::new(Cell::new(0)));
        let (tell, told) = oneshot::channel();
        let mut first = pin!(ask(&stores, &asked, told));
        assert!(waits(&mut first).await);
        let mut others: Vec<_> = (1..WAITERS_MAX)
            .map(|_| {
                let (_never, unused) = oneshot::channel();
                Box::pin(ask(&stores, &asked, unused))
            })
            .collect();
        for other in &mut others {
            assert!(
                poll_fn(|cx| Poll::Ready(other.as_mut().poll(cx).is_pending())).await,
                "there is room"
            );
        }
        let (_never, unused) = oneshot::channel();
        let refused = ask(&stores, &asked, unused).await;
        assert_eq!(refused, Err(Undecided::Crowded));
        assert_eq!(tell.send(Ok(5)), Ok(()));
        for other in others {
            assert_eq!(other.await, Ok(5));
        }
        assert_eq!(first.await, Ok(5));
        assert_eq!(asked.get(), 1);
    };
    LocalSet::new().run_until(run).await;
}

#[tokio::test]
async fn questions_of_clients_that_left_are_bounded_too() {
    let run = async {
        let (cache, questions) = stores();
        let begin = || Ok(std::future::pending());
        for number in 0..WAITERS_MAX {
            let key = cache.key(0, &[&number.to_be_bytes()]);
            let mut left = Box::pin(cache.decided(&questions, key, 0, begin));
            assert!(poll_fn(|cx| Poll::Ready(left.as_mut().poll(cx).is_pending())).await);
        }
        let key = cache.key(0, &[b"one more"]);
        let refused = cache.decided(&questions, key, 0, begin).await;
        assert_eq!(refused.map(drop), Err(Undecided::Crowded));
    };
    LocalSet::new().run_until(run).await;
}

/// Workers are threads, and any of them may end first.
#[test]
fn workers_wait_for_each_other_and_not_for_one_that_has_ended() {
    let (cache, questions) = stores();
    let key = cache.key(0, &[b"token"]);
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime")
    };
    let (first, tasks) = (runtime(), LocalSet::new());
    let begin = || Ok(std::future::pending());
    tasks.block_on(&first, async {
        let mut asking = pin!(cache.decided(&questions, key, 0, begin));
        assert!(waits(&mut asking).await);
    });
    let waiting = std::thread::spawn({
        let (cache, questions) = (Arc::clone(&cache), Arc::clone(&questions));
        move || {
            let asking = cache.decided(&questions, key, 0, begin);
            LocalSet::new().block_on(&runtime(), asking).map(drop)
        }
    });
    while cache.counts().coalesced == 0 {
        std::thread::yield_now();
    }
    drop(tasks);
    let outcome = waiting.join().expect("it does not panic");
    assert_eq!(outcome, Err(Undecided::Abandoned));
    let begin = || Ok(async { Ok(fresh(6)) });
    let again = LocalSet::new().block_on(&first, cache.decided(&questions, key, 0, begin));
    assert_eq!(again.map(|thing| thing.number), Ok(6));
}
