//! Limits across gateways, kept in a real Redis.

mod bounds;
mod calendar;
mod failures;
mod gateways;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use gateway::clock;
use gateway::model::{self, Period, Redis, RedisLayout, RedisServer, SecretText, WithoutStore};
use gateway::store::fleet::{Allowance, BucketTerms, Fleet, Terms, Verdict};
use gateway::store::usage::QuotaTerms;
use gateway_common::limit::{Limit, Rate};
use gateway_tests::wait::until_now;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// A user of servers who may do what the documentation asks for, with this prefix of keys and beside it what
/// else servers that belong together are asked.
fn user<'a>(keys: &'a str, beside: &[&'a str]) -> Vec<&'a str> {
    let mut settings = vec!["--user", "gateway", "on", ">secret", keys];
    settings.extend(["+evalsha", "+script|load", "+time", "+get", "+set"]);
    settings.extend(["+hset", "+hmget", "+hdel", "+expireat", "+ping"]);
    settings.extend(beside);
    settings
}

/// The same, asked by that user.
fn as_user(model: model::Fleet) -> model::Fleet {
    let redis = Redis {
        username: Some("gateway".to_owned()),
        password: Some(SecretText::new("secret".to_owned())),
        ..model.redis
    };
    model::Fleet { redis, ..model }
}

/// What several gateways of a fleet agree on.
fn fleet_of(gateways: u32, layout: RedisLayout, ports: &[u16]) -> model::Fleet {
    let servers = ports.iter().map(|&port| RedisServer {
        host: "127.0.0.1".to_owned(),
        port,
    });
    model::Fleet {
        name: "test".to_owned(),
        gateways: NonZeroU32::new(gateways).unwrap(),
        lease: model::Fleet::LEASE,
        idle: model::Fleet::IDLE,
        // Two processors are shared by everything that runs here.
        timeout: Duration::from_secs(1),
        unreachable: WithoutStore::Share,
        redis: Redis {
            layout,
            servers: servers.collect(),
            database: 0,
            username: None,
            password: None,
            sentinel_password: None,
            tls: None,
        },
    }
}

/// As much of a gateway as limits across gateways need. Dropping it stops it, and waits for that.
struct Node {
    fleet: Fleet,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Node {
    fn start(number: u64, model: &model::Fleet) -> Self {
        let (fleet, lender) = Fleet::new(number);
        fleet.put_in_force(Some(model));
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(lender.run(stopped));
        });
        Self {
            fleet,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn limit(&self, name: &str, terms: Terms) -> Arc<Allowance> {
        self.fleet.named(1, || name.to_owned(), terms)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended.
            let _told = stop.send(());
        }
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// Gateways from the first on.
fn nodes(model: &model::Fleet) -> Vec<Node> {
    let numbers = 1..=model.gateways.get();
    numbers
        .map(|number| Node::start(number.into(), model))
        .collect()
}

/// The same limit, as all of them have it.
fn shared(nodes: &[Node], name: &str, terms: Terms) -> Vec<Arc<Allowance>> {
    nodes.iter().map(|node| node.limit(name, terms)).collect()
}

/// When requests were admitted by anybody, in nanoseconds, in order, if all of them ask all the time.
fn hammer(limits: &[Arc<Allowance>], time: Duration) -> Vec<u64> {
    let end = Instant::now() + time;
    let mut admitted = std::thread::scope(|scope| {
        let threads = limits.iter().map(|limit| {
            scope.spawn(move || {
                let mut admitted = Vec::new();
                while Instant::now() < end {
                    let now_ns = clock::monotonic_ns();
                    match limit.take(now_ns) {
                        Verdict::Admitted => admitted.push(now_ns),
                        Verdict::Refused { .. } => {}
                        Verdict::Alone => panic!("Redis does not answer"),
                    }
                    std::thread::sleep(Duration::from_micros(300));
                }
                admitted
            })
        });
        let threads: Vec<_> = threads.collect();
        let admitted = threads.into_iter().map(|thread| thread.join().unwrap());
        admitted.flatten().collect::<Vec<u64>>()
    });
    admitted.sort_unstable();
    admitted
}

/// So many requests of each gateway, all of which are admitted in the end; how many that are together.
fn some(limits: &[Arc<Allowance>], each: u64) -> u64 {
    std::thread::scope(|scope| {
        for limit in limits {
            scope.spawn(move || {
                let mut admitted = 0;
                until_now("requests that are left", || {
                    while admitted < each && limit.take(clock::monotonic_ns()) == Verdict::Admitted
                    {
                        admitted += 1;
                    }
                    admitted == each
                });
            });
        }
    });
    each * u64::try_from(limits.len()).unwrap()
}

/// Most that gateways admit beyond a limit: what each had in hand, and a credit.
fn beyond(model: &model::Fleet, terms: &Terms) -> u64 {
    u64::from(model.gateways.get()) * (terms.lease(model.lease) + 1)
}

/// A bucket of `rate` requests per second.
fn bucket(rate: u64, burst: u64) -> Terms {
    let limit = Limit::new(Rate::per_second(rate), burst, 1).unwrap();
    Terms::Bucket(BucketTerms::new(&limit))
}

/// A quota of so many requests a month.
fn quota(limit: u64) -> Terms {
    Terms::Quota(QuotaTerms {
        limit,
        offset: 0,
        period: Period::Month,
        since: 0,
    })
}
