//! Keys that change under way: rotation, outages, floods.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::super::{FETCH_INTERVAL_MIN, JwtAuthorizer, KeySet, Refusal, WAITERS_MAX};
use super::issuer::{NOW, Signer, build, claims, claims_with, document, file, model, name};
use super::server::{Answer, Server};
use crate::model::{Jwks, JwksSource};
use crate::store::decision::Decisions;

/// An authorizer over a server's keys, with its refresh task.
struct Running {
    authorizer: Arc<JwtAuthorizer>,
    refresh: JoinHandle<()>,
}

impl Running {
    fn start(server: &Server, interval_min: Duration) -> Self {
        let mut model = model(JwksSource::Url(server.url()));
        model.issuers[0].jwks = server.jwks();
        let keys =
            KeySet::open_paced(&model.issuers[0].jwks, &server.tls(), interval_min).expect("good");
        let refresh = tokio::spawn(Arc::clone(&keys).refresh());
        let decisions = Decisions::new(1 << 20);
        Self {
            authorizer: Arc::new(JwtAuthorizer::new(&name(), &model, vec![keys], &decisions)),
            refresh,
        }
    }

    async fn judge(&self, token: &str) -> Result<(), Refusal> {
        self.authorizer.authorize(Some(token), NOW).await.map(drop)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.refresh.abort();
    }
}

const SOON: Duration = Duration::from_millis(10);

#[tokio::test]
async fn the_first_token_waits_for_the_first_fetch() {
    let signer = Signer::ed25519("a");
    let server = Server::start(Answer::Document(document(&[&signer]))).await;
    let running = Running::start(&server, FETCH_INTERVAL_MIN);
    assert_eq!(
        running.judge(&signer.token("EdDSA", &claims())).await,
        Ok(())
    );
    running.authorizer.key_sets()[0].first_fetch().await;
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it() {
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let server = Server::start(Answer::Document(document(&[&old]))).await;
    let running = Running::start(&server, SOON);
    assert_eq!(running.judge(&old.token("EdDSA", &claims())).await, Ok(()));
    server.answer(Answer::Document(document(&[&old, &new])));
    assert_eq!(running.judge(&new.token("EdDSA", &claims())).await, Ok(()));
    assert_eq!(server.requests(), 2);
    // Nothing was lost, so the decision on the old key's token still stands.
    let hits = running.authorizer.granted().counts().hits;
    assert_eq!(running.judge(&old.token("EdDSA", &claims())).await, Ok(()));
    assert_eq!(running.authorizer.granted().counts().hits, hits + 1);
}

#[tokio::test]
async fn a_key_that_is_gone_takes_its_remembered_decisions_along() {
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let server = Server::start(Answer::Document(document(&[&old]))).await;
    let running = Running::start(&server, SOON);
    let token = old.token("EdDSA", &claims());
    assert_eq!(running.judge(&token).await, Ok(()));
    server.answer(Answer::Document(document(&[&new])));
    assert_eq!(running.judge(&token).await, Ok(()), "remembered");
    assert_eq!(running.judge(&new.token("EdDSA", &claims())).await, Ok(()));
    assert_eq!(running.judge(&token).await, Err(Refusal::UnknownKey));
    // What was decided since is remembered as before.
    let hits = running.authorizer.granted().counts().hits;
    assert_eq!(running.judge(&new.token("EdDSA", &claims())).await, Ok(()));
    assert_eq!(running.authorizer.granted().counts().hits, hits + 1);
}

/// An issuer may publish a second key under a name that is taken.
#[tokio::test]
async fn a_key_that_is_new_takes_remembered_refusals_along() {
    let (old, new) = (Signer::ed25519("a"), Signer::ed25519("a"));
    let server = Server::start(Answer::Document(document(&[&old]))).await;
    let running = Running::start(&server, SOON);
    let token = new.token("EdDSA", &claims());
    for _ in 0..2 {
        assert_eq!(running.judge(&token).await, Err(Refusal::BadSignature));
    }
    assert_eq!(running.authorizer.granted().counts().refusals, 1);
    server.answer(Answer::Document(document(&[&old, &new])));
    let unknown = Signer::ed25519("unknown").token("EdDSA", &claims());
    assert_eq!(running.judge(&unknown).await, Err(Refusal::UnknownKey));
    assert_eq!(running.judge(&token).await, Ok(()));
    assert_eq!(running.judge(&old.token("EdDSA", &claims())).await, Ok(()));
}

#[tokio::test]
async fn the_last_good_keys_serve_while_the_issuer_fails() {
    let (known, unknown) = (Signer::ed25519("known"), Signer::ed25519("unknown"));
    let server = Server::start(Answer::Document(document(&[&known]))).await;
    let running = Running::start(&server, SOON);
    let keys = Arc::clone(&running.authorizer.key_sets()[0]);
    keys.first_fetch().await;
    for (round, answer) in [
        Answer::Document("garbage".to_owned()),
        Answer::Document(r#"{"keys":[]}"#.to_owned()),
        Answer::Bytes(b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n".to_vec()),
        Answer::Endless,
    ]
    .into_iter()
    .enumerate()
    {
        server.answer(answer);
        // Asks for a fetch, which fails.
        let token = unknown.token("EdDSA", &claims());
        assert_eq!(running.judge(&token).await, Err(Refusal::KeysOutdated));
        let token = known.token(
            "EdDSA",
            &json!({"round": round, "iss": super::issuer::ISSUER,
            "aud": super::issuer::AUDIENCE, "exp": NOW + 1}),
        );
        assert_eq!(
            running.judge(&token).await,
            Ok(()),
            "never seen before, known key"
        );
        assert!(keys.status().failures > round as u64);
    }
    drop(server);
    let token = unknown.token("EdDSA", &claims());
    assert_eq!(running.judge(&token).await, Err(Refusal::KeysOutdated));
    assert_eq!(
        running.judge(&known.token("EdDSA", &claims())).await,
        Ok(())
    );
}

#[tokio::test]
async fn a_key_is_unknown_only_where_the_issuer_was_seen_to_lack_it() {
    let known = Signer::ed25519("known");
    let server = Server::start(Answer::Document(document(&[&known]))).await;
    let running = Running::start(&server, SOON);
    let keys = Arc::clone(&running.authorizer.key_sets()[0]);
    keys.first_fetch().await;
    let token = Signer::ed25519("made up").token("EdDSA", &claims());
    server.answer(Answer::Document("garbage".to_owned()));
    assert_eq!(running.judge(&token).await, Err(Refusal::KeysOutdated));
    server.answer(Answer::Document(document(&[&known])));
    assert_eq!(running.judge(&token).await, Err(Refusal::UnknownKey));
    // What was known before a fetch that fails is not any more.
    server.answer(Answer::Document("garbage".to_owned()));
    let failures = keys.status().failures;
    until_it_fails(&running, &token).await;
    assert!(keys.status().failures > failures);
    assert_eq!(running.judge(&token).await, Err(Refusal::KeysOutdated));
    // Nor does an issuer that says nothing say that it has no such key.
    running.refresh.abort();
    assert_eq!(running.judge(&token).await, Err(Refusal::KeysOutdated));
}

/// Shows the token until it is not its sender's fault any more that its key is not known.
async fn until_it_fails(running: &Running, token: &str) {
    while running.judge(token).await == Err(Refusal::UnknownKey) {}
}

#[tokio::test]
async fn a_token_that_says_that_it_has_expired_asks_nobody_for_its_key() {
    let known = Signer::ed25519("known");
    let server = Server::start(Answer::Document(document(&[&known]))).await;
    let running = Running::start(&server, SOON);
    running.authorizer.key_sets()[0].first_fetch().await;
    let of = |exp: serde_json::Value| {
        let claims = claims_with("exp", exp);
        Signer::ed25519("withdrawn").token("EdDSA", &claims)
    };
    let expired = Err(Refusal::ExpiredOfUnknownKey);
    for exp in [json!(NOW), json!(0), json!(-1), json!(0.5)] {
        assert_eq!(running.judge(&of(exp.clone())).await, expired, "{exp}");
    }
    assert_eq!(server.requests(), 1);
    // What is no time says nothing.
    for exp in [json!(NOW + 1), json!("0"), json!(null), json!([])] {
        let judged = running.judge(&of(exp.clone())).await;
        assert_eq!(judged, Err(Refusal::UnknownKey), "{exp}");
    }
    // It is remembered of none of them: the next key set may have the key.
    assert_eq!(running.authorizer.granted().counts().refusals, 0);
}

#[tokio::test]
async fn a_key_that_is_published_and_cannot_be_used_is_nobodys_fault() {
    let known = Signer::ed25519("known");
    let with = |kid: &str| {
        let mut set: serde_json::Value =
            serde_json::from_str(&document(&[&known])).expect("it is JSON");
        let weak = json!({"kty": "RSA", "kid": kid, "n": "AQAB", "e": "AQAB"});
        set["keys"].as_array_mut().expect("a list").push(weak);
        set.to_string()
    };
    let server = Server::start(Answer::Document(with("weak"))).await;
    let running = Running::start(&server, SOON);
    let token = Signer::ed25519("weak").token("EdDSA", &claims());
    for _ in 0..2 {
        assert_eq!(running.judge(&token).await, Err(Refusal::UnusableKey));
    }
    server.answer(Answer::Document(with("another")));
    while running.judge(&token).await == Err(Refusal::UnusableKey) {}
    assert_eq!(running.judge(&token).await, Err(Refusal::UnknownKey));
    // One of the same name that can be used is used.
    server.answer(Answer::Document(with("known")));
    assert_eq!(
        running.judge(&known.token("EdDSA", &claims())).await,
        Ok(())
    );
}

#[tokio::test]
async fn without_any_keys_nothing_can_be_judged() {
    let signer = Signer::ed25519("a");
    let server = Server::start(Answer::Document("garbage".to_owned())).await;
    let running = Running::start(&server, SOON);
    let token = signer.token("EdDSA", &claims());
    assert_eq!(running.judge(&token).await, Err(Refusal::KeysUnavailable));
    server.answer(Answer::Document(document(&[&signer])));
    assert_eq!(running.judge(&token).await, Ok(()), "as soon as there are");
}

#[tokio::test]
async fn a_flood_of_unknown_keys_waits_for_one_fetch() {
    let signer = Signer::ed25519("a");
    let server = Server::start(Answer::Document(document(&[&signer]))).await;
    let running = Running::start(&server, Duration::from_secs(1));
    running.authorizer.key_sets()[0].first_fetch().await;
    let begin = Instant::now();
    let mut waiting = JoinSet::new();
    for round in 0..1_000 {
        let header = json!({"alg": "EdDSA", "kid": format!("made up {round}")});
        let token = signer.signed(&header, &claims());
        let authorizer = Arc::clone(&running.authorizer);
        waiting.spawn(async move { authorizer.authorize(Some(&token), NOW).await.map(drop) });
    }
    while let Some(outcome) = waiting.join_next().await {
        assert_eq!(outcome.expect("without a panic"), Err(Refusal::UnknownKey));
    }
    // One for each second that was begun, however many asked.
    let permitted = 2 + begin.elapsed().as_secs();
    assert!(
        server.requests() as u64 <= permitted,
        "{}",
        server.requests()
    );
}

#[tokio::test]
async fn a_key_that_was_just_seen_absent_is_refused_without_waiting() {
    let signer = Signer::ed25519("a");
    let server = Server::start(Answer::Document(document(&[&signer]))).await;
    let mut model = model(JwksSource::Url(server.url()));
    model.issuers[0].jwks = server.jwks();
    let hour = Duration::from_secs(3_600);
    let keys = KeySet::open_paced(&model.issuers[0].jwks, &server.tls(), hour).expect("good");
    let authorizer = JwtAuthorizer::new(
        &name(),
        &model,
        vec![Arc::clone(&keys)],
        &Decisions::new(1 << 20),
    );
    let token = Signer::ed25519("b").token("EdDSA", &claims());
    let mut first = pin!(authorizer.authorize(Some(&token), NOW));
    let polled = poll_fn(|context| Poll::Ready(first.as_mut().poll(context))).await;
    assert!(polled.is_pending(), "it waits for the first fetch");
    let refresh = tokio::spawn(Arc::clone(&keys).refresh());
    assert_eq!(first.await.map(drop), Err(Refusal::UnknownKey));
    let mut again = pin!(authorizer.authorize(Some(&token), NOW));
    match poll_fn(|context| Poll::Ready(again.as_mut().poll(context))).await {
        Poll::Ready(outcome) => assert_eq!(outcome.map(drop), Err(Refusal::UnknownKey)),
        Poll::Pending => panic!("it waits an hour"),
    }
    let known = signer.token("EdDSA", &claims());
    assert!(authorizer.authorize(Some(&known), NOW).await.is_ok());
    assert_eq!(server.requests(), 1);
    refresh.abort();
}

#[tokio::test]
async fn a_fetch_that_began_before_the_wish_is_not_the_last_word() {
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let server = Server::start(Answer::Document(document(&[&old]))).await;
    let running = Running::start(&server, Duration::ZERO);
    running.authorizer.key_sets()[0].first_fetch().await;
    // A fetch hangs with the old document while the issuer rotates.
    let gate = Arc::new(Semaphore::new(0));
    server.answer(Answer::Gated(Arc::clone(&gate), document(&[&old])));
    let token = new.token("EdDSA", &claims());
    let mut early = pin!(running.judge(&token));
    assert!(
        poll_fn(|context| Poll::Ready(early.as_mut().poll(context)))
            .await
            .is_pending()
    );
    server.requested(2).await;
    server.answer(Answer::Document(document(&[&new])));
    let mut late = pin!(running.judge(&token));
    assert!(
        poll_fn(|context| Poll::Ready(late.as_mut().poll(context)))
            .await
            .is_pending()
    );
    gate.add_permits(1);
    assert_eq!(late.await, Ok(()));
}

#[tokio::test]
async fn all_who_wait_share_fetches_and_their_number_is_bounded() {
    let (first, second) = (Signer::ed25519("first"), Signer::ed25519("second"));
    let server = Server::start(Answer::Document(document(&[&first]))).await;
    let running = Running::start(&server, Duration::ZERO);
    let keys = Arc::clone(&running.authorizer.key_sets()[0]);
    keys.first_fetch().await;

    let gate = Arc::new(Semaphore::new(0));
    server.answer(Answer::Gated(
        Arc::clone(&gate),
        document(&[&first, &second]),
    ));
    let mut waiting = JoinSet::new();
    let token = second.token("EdDSA", &claims());
    for _ in 0..=WAITERS_MAX {
        let (authorizer, token) = (Arc::clone(&running.authorizer), token.clone());
        waiting.spawn(async move { authorizer.authorize(Some(&token), NOW).await.map(drop) });
    }
    // One too many: it is refused while all others wait for the fetch that hangs.
    let refused = waiting
        .join_next()
        .await
        .expect("one ends")
        .expect("without a panic");
    assert_eq!(refused, Err(Refusal::TooManyWait));
    server.requested(2).await;
    gate.add_permits(1);
    while let Some(outcome) = waiting.join_next().await {
        assert_eq!(outcome.expect("without a panic"), Ok(()));
    }
    // One wish for a fetch may have come while the last one ran.
    assert!(keys.status().fetches <= 3, "{:?}", keys.status());
}

#[tokio::test]
async fn waiting_ends_at_the_deadline() {
    let server = Server::start(Answer::Silence).await;
    let mut model = model(JwksSource::Url(server.url()));
    model.issuers[0].jwks = Jwks {
        timeout: Duration::from_millis(100),
        ..server.jwks()
    };
    // Nobody runs the refresh task: only the deadline can end this.
    let keys = KeySet::open(&model.issuers[0].jwks, &server.tls()).expect("good");
    let authorizer = JwtAuthorizer::new(&name(), &model, vec![keys], &Decisions::new(1 << 20));
    let token = Signer::ed25519("a").token("EdDSA", &claims());
    let begin = Instant::now();
    let outcome = authorizer.authorize(Some(&token), NOW).await;
    assert_eq!(outcome.map(drop), Err(Refusal::KeysUnavailable));
    assert!(begin.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn keys_are_renewed_in_the_background() {
    let (old, new) = (Signer::ed25519("old"), Signer::ed25519("new"));
    let server = Server::start(Answer::Document(document(&[&old]))).await;
    let mut jwks = server.jwks();
    jwks.refresh = SOON;
    let keys = KeySet::open_paced(&jwks, &server.tls(), SOON).expect("good");
    let refresh = tokio::spawn(Arc::clone(&keys).refresh());
    keys.first_fetch().await;
    server.answer(Answer::Document(document(&[&old, &new])));
    let seen = server.requests();
    // The second next request was begun after the first of them was answered and taken over.
    server.requested(seen + 2).await;
    assert_eq!(keys.status().keys, 2);
    refresh.abort();
}

#[test]
fn workers_on_other_threads_are_woken() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
    };
    let control = runtime();
    let signer = Signer::ed25519("a");
    let gate = Arc::new(Semaphore::new(0));
    let answer = Answer::Gated(Arc::clone(&gate), document(&[&signer]));
    let server = control.block_on(Server::start(answer));
    let running = {
        let _inside = control.enter();
        Running::start(&server, FETCH_INTERVAL_MIN)
    };
    let token = signer.token("EdDSA", &claims());
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (authorizer, token) = (Arc::clone(&running.authorizer), token.clone());
            std::thread::spawn(move || {
                runtime()
                    .block_on(authorizer.authorize(Some(&token), NOW))
                    .map(drop)
            })
        })
        .collect();
    control.block_on(async {
        server.requested(1).await;
        gate.add_permits(1);
        running.authorizer.key_sets()[0].first_fetch().await;
    });
    for worker in workers {
        assert_eq!(worker.join().expect("no worker panics"), Ok(()));
    }
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_reload_keeps_what_did_not_change() {
    let signer = Signer::ed25519("a");
    let server = Server::start(Answer::Document(document(&[&signer]))).await;
    let mut by_url = model(JwksSource::Url(server.url()));
    by_url.issuers[0].jwks = server.jwks();
    let (decisions, tls) = (Decisions::new(1 << 20), server.tls());
    let build =
        |model, previous| build(model, &decisions, &tls, previous).expect("the model is good");
    let first = build(&by_url, None);
    let refresh = tokio::spawn(Arc::clone(&first.key_sets()[0]).refresh());
    let token = signer.token("EdDSA", &claims());
    first
        .authorize(Some(&token), NOW)
        .await
        .expect("the token is good");
    let same = build(&by_url, Some(&first));
    assert!(Arc::ptr_eq(&first, &same));

    let mut stricter = by_url.clone();
    stricter.issuers[0].audiences = vec!["dogs".to_owned()];
    let changed = build(&stricter, Some(&same));
    assert!(Arc::ptr_eq(&changed.key_sets()[0], &same.key_sets()[0]));
    let outcome = changed.authorize(Some(&token), NOW).await;
    assert_eq!(
        outcome.map(drop),
        Err(Refusal::WrongAudience),
        "not the remembered decision"
    );
    refresh.abort();

    let by_file = model(file(Some(&document(&[&signer]))));
    let first = build(&by_file, None);
    assert!(Arc::ptr_eq(&first, &build(&by_file, Some(&first))));
    first
        .authorize(Some(&token), NOW)
        .await
        .expect("the token is good");
    let rewritten = model(file(Some(&document(&[&Signer::ed25519("a")]))));
    let changed = build(&rewritten, Some(&first));
    let outcome = changed.authorize(Some(&token), NOW).await;
    assert_eq!(
        outcome.map(drop),
        Err(Refusal::BadSignature),
        "another key of the same name"
    );
    let broken = model(file(Some("{}")));
    assert!(super::issuer::build(&broken, &decisions, &tls, Some(&changed)).is_err());
}

/// A fetch may begin and end between any two looks of whoever waits for it.
#[tokio::test]
async fn a_key_that_a_fetch_brought_is_never_missed() {
    let server = Server::start(Answer::Document(document(&[]))).await;
    let tls = server.tls();
    let keys = KeySet::open_paced(&server.jwks(), &tls, Duration::from_millis(1)).expect("good");
    let refresh = tokio::spawn(Arc::clone(&keys).refresh());
    keys.first_fetch().await;
    for round in 0..ROTATIONS {
        let id = if round % 2 == 0 { "a" } else { "b" };
        server.answer(Answer::Document(document(&[&Signer::ed25519(id)])));
        let asking = (0..WORKERS)
            .map(|_| Arc::clone(&keys))
            .map(|keys| tokio::task::spawn_blocking(move || ask_on_a_worker(&keys, id)));
        let outcomes = asking.collect::<JoinSet<_>>().join_all().await;
        for outcome in outcomes.into_iter().flatten().flatten() {
            assert_eq!(outcome, Ok(()), "round {round}");
        }
    }
    refresh.abort();
}

/// Asks for the key many times at once, as a worker of the gateway does.
fn ask_on_a_worker(keys: &Arc<KeySet>, id: &'static str) -> Vec<Result<(), Refusal>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let asking = (0..ASKING).map(|_| Arc::clone(keys));
    let asking = asking.map(|keys| async move { keys.keys_with(id).await.map(drop) });
    let asked = async { asking.collect::<JoinSet<_>>().join_all().await };
    runtime.expect("a runtime can be made").block_on(asked)
}

/// Rotations, workers, and how often each of them asks for the key of each.
const ROTATIONS: usize = 100;
const WORKERS: usize = 4;
const ASKING: usize = 500;
