//! What it costs to let a caller in: by what is remembered, and the first time.
//!
//! Times are those of the processor, of this thread alone. Tokens have about 1 KiB.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use gateway::exchange::Identity;
use gateway::language::cedar::{
    Attribute, Described, EntityName, Question, Source, Sources, Store, TypeName,
};
use gateway::language::policy::{
    self, Arn, Caller, Decision, Form, Found, Key as ConditionKey, Policy, Request, evaluate,
};
use gateway::model::{
    Algorithm, AuthorizerName, IdentitySource, Issuer, Jwks, JwksFile, JwksSource, JwtSettings,
    TokenRules,
};
use gateway::step::authorize::jwt::{JwtAuthorizer, KeySet, Recalled};
use gateway::store::decision::{DECISION_BYTES_DEFAULT, Decisions};
use gateway::upstream::tls::client_config;
use gateway_tests::issuer::{AUDIENCE, ISSUER, Key, claims, key_set, now};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::outcome::{Budget, Case, Outcome};

/// Callers that are let in by what is remembered, in one window.
const CACHED: u32 = 200_000;
/// Tokens that are judged for the first time, in one window.
const FIRST: u32 = 500;
/// Questions that a store is asked, in one window.
const ASKED: u32 = 200;
/// Policies of that store.
const POLICIES: usize = 1_000;
/// Callers that are remembered together.
const PRINCIPALS: u64 = 50_000;

/// Measures everything.
///
/// # Errors
/// A token or a policy that is not judged as it has to be.
pub(crate) fn run(windows: u16) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    outcome.notes.push(
        "processor time of one thread; baselines are bare verifications with a parsed key"
            .to_owned(),
    );
    let (ec, rsa) = (Key::ec("ec"), Key::rsa("rsa"));
    outcome.cases.push(cached(&ec, windows)?);
    outcome.cases.push(first("jwt_first_rs256", &rsa, windows)?);
    outcome.cases.push(first("jwt_first_es256", &ec, windows)?);
    outcome.cases.push(cedar(windows)?);
    outcome.cases.push(principals(&ec)?);
    Ok(outcome)
}

/// A token that is remembered, and a policy of ten statements that is judged for the method.
fn cached(key: &Key, windows: u16) -> anyhow::Result<Case> {
    let authorizer = authorizer(key)?;
    let header = format!("Bearer {}", key.token(&of("user-1", 1)));
    judge(&authorizer, &header)?;
    let policy = ten_statements()?;
    let (mut values, now) = (Vec::new(), now());
    for _ in 0..windows {
        let start = processor_ns();
        for _ in 0..CACHED {
            let Ok(Recalled::Identity(identity)) = authorizer.recall(Some(black_box(&header)), now)
            else {
                bail!("the token is not remembered");
            };
            black_box(identity);
            let request = Request {
                action: "execute-api:Invoke",
                resource: Arn::parse(black_box(METHOD))?,
                caller: Caller::Anonymous,
                context: &Nothing,
            };
            let judged = evaluate(&policy, &request);
            anyhow::ensure!(judged.decision == Decision::Allow, "the policy denies");
        }
        values.push(each(start, CACHED)?);
    }
    Ok(Case {
        name: "cached_decision".to_owned(),
        unit: "ns",
        windows: values,
        baseline: Vec::new(),
        budget: Some(Budget::AtMost(1_000.0)),
    })
}

/// Tokens that nobody has seen before, beside what their signatures take alone.
fn first(name: &str, key: &Key, windows: u16) -> anyhow::Result<Case> {
    let tokens: Vec<String> = (0..u64::from(FIRST))
        .map(|number| key.token(&of(&format!("user-{number}"), number)))
        .collect();
    let parts: Vec<(&str, Vec<u8>)> = tokens
        .iter()
        .map(|token| gateway_tests::issuer::signed_parts(token))
        .collect();
    let verifier = key.verifier();
    let (mut values, mut baseline) = (Vec::new(), Vec::new());
    for _ in 0..windows {
        let authorizer = authorizer(key)?;
        let start = processor_ns();
        for token in &tokens {
            black_box(judge(&authorizer, token)?);
        }
        values.push(each(start, FIRST)?);
        let start = processor_ns();
        for (message, signature) in &parts {
            let verified = verifier.verify_sig(message.as_bytes(), black_box(signature));
            verified.map_err(|_refused| anyhow!("the signature is wrong"))?;
        }
        baseline.push(each(start, FIRST)?);
    }
    let (ratio, increment) = (1.3, 0.0);
    Ok(Case {
        name: name.to_owned(),
        unit: "ns",
        windows: values,
        baseline,
        budget: Some(Budget::Over { ratio, increment }),
    })
}

/// A store that has a policy for each of many roles and actions, and a caller with one of the roles.
fn cedar(windows: u16) -> anyhow::Result<Case> {
    let policies = (0..POLICIES).map(|number| {
        format!(
            "permit(principal in Role::\"role-{number}\", action == Action::\"GET /{number}\", resource) \
             when {{ context.level >= {} }};",
            number % 5
        )
    });
    let source = Source {
        name: "policies.cedar".into(),
        text: policies.collect::<Vec<_>>().join("\n").into(),
    };
    let read = Store::read(Sources {
        policies: vec![Arc::new(source)],
        ..Sources::default()
    });
    let (store, _warnings) = read.map_err(|problems| anyhow!("{problems:?}"))?;
    let question = question(POLICIES / 2)?;
    let mut values = Vec::new();
    for _ in 0..windows {
        let start = processor_ns();
        for _ in 0..ASKED {
            let answer = store.answer(black_box(&question))?;
            anyhow::ensure!(answer.is_allowed, "the policies refuse");
        }
        values.push(each(start, ASKED)?);
    }
    Ok(Case {
        name: "cedar_1000_policies".to_owned(),
        unit: "ns",
        windows: values,
        baseline: Vec::new(),
        budget: None,
    })
}

fn question(role: usize) -> anyhow::Result<Question> {
    let name = |kind: &str, id: String| {
        let kind = TypeName::parse(kind)?;
        Ok::<_, anyhow::Error>(EntityName { kind, id })
    };
    Ok(Question {
        principal: Described {
            name: name("User", "user-1".to_owned())?,
            attributes: BTreeMap::new(),
            parents: vec![name("Role", format!("role-{role}"))?],
        },
        action: name("Action", format!("GET /{role}"))?,
        resource: Described {
            name: name("Area", "orders".to_owned())?,
            attributes: BTreeMap::new(),
            parents: Vec::new(),
        },
        context: BTreeMap::from([("level".to_owned(), Attribute::Json(json!(7)))]),
    })
}

/// What the process grows by when it remembers so many callers, within the usual bound.
fn principals(key: &Key) -> anyhow::Result<Case> {
    let authorizer = authorizer(key)?;
    let before = resident_bytes()?;
    for number in 0..PRINCIPALS {
        let claims = of(&format!("user-{number}"), number);
        judge(&authorizer, &key.token(&claims))?;
    }
    let after = resident_bytes()?;
    let held = authorizer.granted().counts().held;
    anyhow::ensure!(
        held == PRINCIPALS,
        "only {held} callers of {PRINCIPALS} have room"
    );
    let megabytes = u32::try_from(after.saturating_sub(before) / 1_000_000)?;
    let case = Case::value("cache_50k_principals_mb", "MB", f64::from(megabytes));
    Ok(case.within(Budget::AtMost(64.0)))
}

fn authorizer(key: &Key) -> anyhow::Result<JwtAuthorizer> {
    let jwks = Jwks {
        source: JwksSource::File(JwksFile {
            path: "keys.json".into(),
            document: Ok(key_set(&[key]).into_bytes().into()),
        }),
        timeout: Duration::from_secs(1),
        bytes_max: 150_000,
        refresh: Duration::from_secs(600),
    };
    let keys = KeySet::open(&jwks, &client_config(rustls::RootCertStore::empty()))?;
    let settings = JwtSettings {
        identity_source: IdentitySource::Header(http::header::AUTHORIZATION),
        issuers: vec![Issuer {
            name: ISSUER.to_owned(),
            audiences: vec![AUDIENCE.to_owned()],
            algorithms: vec![Algorithm::RS256, Algorithm::ES256],
            jwks,
        }],
        claims: Vec::new(),
        tokens: TokenRules::Audience,
        leeway: Duration::ZERO,
        decision_ttl: Duration::from_secs(300),
        refusal_ttl: Duration::from_secs(5),
    };
    let decisions = Decisions::new(DECISION_BYTES_DEFAULT);
    let name = AuthorizerName::new("main");
    Ok(JwtAuthorizer::new(&name, &settings, vec![keys], &decisions))
}

/// Judges as a request does; the keys are there, so that nothing waits.
fn judge(authorizer: &JwtAuthorizer, token: &str) -> anyhow::Result<Arc<Identity>> {
    let now = now();
    match authorizer.recall(Some(token), now)? {
        Recalled::Identity(identity) => Ok(identity),
        Recalled::Nothing(token) => {
            let mut cx = Context::from_waker(Waker::noop());
            match pin!(authorizer.judge(token, now)).poll(&mut cx) {
                Poll::Ready(identity) => Ok(identity?),
                Poll::Pending => bail!("it waits for keys"),
            }
        }
    }
}

/// Claims that make a token of about 1 KiB.
fn of(subject: &str, number: u64) -> Value {
    claims(json!({
        "sub": subject,
        "jti": format!("{number:032}"),
        "client_id": "web",
        "groups": ["readers", "writers", "operators"],
        "name": "Somebody With A Name Of The Usual Length",
        "note": "x".repeat(280),
    }))
}

const METHOD: &str = "arn:aws:execute-api:us-east-1:111122223333:abc123/prod/GET/pets/7";

fn ten_statements() -> anyhow::Result<Policy> {
    let statement = |number: usize| {
        let resource = if number == 9 { "pets" } else { "other" };
        json!({
            "Effect": if number.is_multiple_of(2) { "Deny" } else { "Allow" },
            "Action": "execute-api:Invoke",
            "Resource": format!("arn:aws:execute-api:*:111122223333:abc123/prod/*/{resource}/*"),
        })
    };
    let statements: Vec<Value> = (0..10).map(statement).collect();
    let document = json!({"Version": "2012-10-17", "Statement": statements});
    let parsed = Policy::parse(&document, Form::Identity);
    parsed.map_err(|errors| anyhow!("{errors:?}"))
}

/// Nothing is known of the request that a condition could ask about; there are none.
#[derive(Debug)]
struct Nothing;

impl policy::Context for Nothing {
    fn find(&self, _key: &ConditionKey) -> Found<'_> {
        Found::Absent
    }
}

/// Nanoseconds of the processor that each of `count` took since `start`.
fn each(start: u64, count: u32) -> anyhow::Result<f64> {
    let spent = u32::try_from(processor_ns() - start).context("a window of seconds")?;
    Ok(f64::from(spent) / f64::from(count))
}

/// Processor time of this thread, in nanoseconds.
fn processor_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let whole = u64::try_from(time.tv_sec).unwrap_or_default() * 1_000_000_000;
    whole + u64::try_from(time.tv_nsec).unwrap_or_default()
}

fn resident_bytes() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages = text.split(' ').nth(1).context("resident pages")?;
    Ok(pages.parse::<u64>()? * u64::try_from(rustix::param::page_size())?)
}
