//! What becomes of limits when servers fail.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use gateway::clock;
use gateway::model::{self, RedisLayout, WithoutStore};
use gateway::store::fleet::{Allowance, Claim, FleetFigures, Verdict};
use gateway_tests::redis::Redis;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Node, as_user, beyond, bucket, fleet_of, hammer, nodes, quota, shared, some, user};
use crate::program;
use std::sync::Arc;

const GATEWAYS: u32 = 3;

/// Gateways that refuse where nobody answers, so that only what was taken in Redis is admitted.
fn strict(layout: RedisLayout, ports: &[u16]) -> model::Fleet {
    model::Fleet {
        unreachable: WithoutStore::Refuse,
        ..fleet_of(GATEWAYS, layout, ports)
    }
}

fn figures(nodes: &[Node]) -> Vec<FleetFigures> {
    nodes
        .iter()
        .map(|node| node.fleet.counters().figures())
        .collect()
}

fn lost(nodes: &[Node]) -> u64 {
    figures(nodes).iter().map(|figures| figures.lost).sum()
}

/// Waits until all gateways admit something or know that nothing is left.
fn wait_for_answers(nodes: &[Node]) {
    let all = |nodes: &[Node]| figures(nodes).iter().all(|figures| figures.is_reached);
    gateway_tests::wait::until_now("Redis answers all gateways", || all(nodes));
}

/// Neither less than there was, nor more than the stated bound.
#[track_caller]
fn check(admitted: u64, bounds: RangeInclusive<u64>) {
    let most = bounds.end();
    assert!(bounds.contains(&admitted), "{admitted}, and at most {most}");
}

/// All that is left of a limit, taken by everybody. Servers that have just been given other parts may refuse
/// for a while.
fn exhaust(limits: &[Arc<Allowance>]) -> u64 {
    let mut admitted = 0;
    gateway_tests::wait::until_now("nothing to be left", || {
        let more = hammer(limits, Duration::from_millis(1_200)).len();
        admitted += u64::try_from(more).unwrap();
        more == 0 && limits.iter().all(|limit| limit.left() == 0)
    });
    admitted
}

#[test]
fn a_server_that_has_lost_everything_is_told_what_was_taken() {
    let Some(program) = program("redis-server") else {
        return;
    };
    let mut redis = Redis::start(&program, &[]);
    let model = strict(RedisLayout::Standalone, &[redis.port()]);
    let nodes = nodes(&model);
    let terms = quota(2_000);
    let limits = shared(&nodes, "quota", terms);
    let mut admitted = some(&limits, 400);
    redis.kill();
    admitted += u64::try_from(hammer(&limits, Duration::from_millis(300)).len()).unwrap();
    redis.again();
    wait_for_answers(&nodes);
    let before = admitted;
    admitted += exhaust(&limits);
    let lost = lost(&nodes);
    println!("{admitted} of 2000; {before} before all of it was lost, {lost} told again");
    assert!(
        lost + u64::from(GATEWAYS) >= before,
        "{lost} of {before} were told again"
    );
    let bound = 2_000 + lost + beyond(&model, &terms);
    check(admitted, 2_000..=bound);
    // Each of them has told before it was given anything, so that nobody else has had it for long.
    assert!(admitted <= 2_000 + lost / 2, "{admitted} with {lost} lost");
}

#[test]
fn a_server_that_is_killed_under_load_costs_at_most_what_it_lost() {
    let Some(program) = program("redis-server") else {
        return;
    };
    let safe = ["--appendonly", "yes", "--appendfsync", "everysec"];
    let mut redis = Redis::start(&program, &safe);
    let model = strict(RedisLayout::Standalone, &[redis.port()]);
    let nodes = nodes(&model);
    let terms = quota(60_000);
    let limits = shared(&nodes, "quota", terms);
    let taken = || figures(&nodes).iter().map(|it| it.taken).sum::<u64>();
    let mut admitted = std::thread::scope(|scope| {
        let load = scope.spawn(|| hammer(&limits, Duration::from_secs(4)).len());
        for _ in 0..3 {
            let before = taken();
            let more = || taken() >= before + 500;
            gateway_tests::wait::until_now("requests that are admitted", more);
            redis.kill();
            redis.again();
        }
        u64::try_from(load.join().unwrap()).unwrap()
    });
    wait_for_answers(&nodes);
    let failures: u64 = figures(&nodes).iter().map(|figures| figures.failures).sum();
    assert!(failures > 0, "nothing was asked while it was gone");
    admitted += exhaust(&limits);
    let lost = lost(&nodes);
    let bound = 60_000 + lost + beyond(&model, &terms);
    println!("{admitted} of 60000; {lost} lost by three kills, so at most {bound}");
    check(admitted, 60_000..=bound);
}

#[test]
fn a_bucket_whose_server_has_lost_it_begins_with_what_is_owed_still() {
    let Some(program) = program("redis-server") else {
        return;
    };
    let mut redis = Redis::start(&program, &[]);
    let model = strict(RedisLayout::Standalone, &[redis.port()]);
    let nodes = nodes(&model);
    // A refill of half an hour: what comes back meanwhile is a request or two.
    let terms = bucket(1, 1_800);
    let limits = shared(&nodes, "slow", terms);
    let began = clock::monotonic_ns();
    let mut admitted = some(&limits, 300);
    redis.kill();
    redis.again();
    wait_for_answers(&nodes);
    let before = admitted;
    admitted += exhaust(&limits);
    let refilled = (clock::monotonic_ns() - began).div_ceil(1_000_000_000);
    let lost = lost(&nodes);
    println!("{admitted} of 1800; {before} before all of it was lost, {lost} told again");
    let bound = 1_800 + refilled + lost + beyond(&model, &terms);
    check(admitted, 1_800..=bound);
    assert!(
        lost + u64::from(GATEWAYS) >= before,
        "{lost} of {before} were told again"
    );
}

#[test]
fn what_shares_have_admitted_is_charged_when_the_server_answers() {
    let Some(program) = program("redis-server") else {
        return;
    };
    let mut redis = Redis::start(
        &program,
        &["--appendonly", "yes", "--appendfsync", "always"],
    );
    let model = fleet_of(GATEWAYS, RedisLayout::Standalone, &[redis.port()]);
    let nodes = nodes(&model);
    let terms = quota(2_000);
    let limits = shared(&nodes, "quota", terms);
    let mut admitted = some(&limits, 100);
    redis.kill();
    for limit in &limits {
        gateway_tests::wait::until_now("a gateway on its own", || {
            let verdict = limit.take(clock::monotonic_ns());
            admitted += u64::from(verdict == Verdict::Admitted);
            verdict == Verdict::Alone
        });
        for _ in 0..400 {
            let _kept = Claim::alone(limit, clock::monotonic_ns());
            admitted += 1;
        }
        // Something else has refused them.
        for _ in 0..50 {
            Claim::alone(limit, clock::monotonic_ns()).give_back();
        }
    }
    redis.again();
    // Also of a gateway whose callers do not come any more.
    let taken = || redis.ask(&["hget", "test:{quota}", "taken"]).parse::<u64>();
    gateway_tests::wait::until_now("all of it to be charged", || {
        taken().is_ok_and(|taken| taken >= admitted)
    });
    admitted += exhaust(&limits);
    println!("{admitted} of 2000, 1200 of them by shares");
    assert_eq!(lost(&nodes), 0);
    let bound = 2_000 + beyond(&model, &terms);
    check(admitted, 2_000..=bound);
}

#[test]
fn a_name_that_is_taken_there_is_its_limits_own_trouble() {
    let Some(program) = program("redis-server") else {
        return;
    };
    let redis = Redis::start(&program, &[]);
    drop(redis.ask(&["rpush", "test:{theirs}", "something"]));
    let model = fleet_of(1, RedisLayout::Standalone, &[redis.port()]);
    let node = Node::start(1, &model);
    let (theirs, ours) = (bucket(1, 10), quota(100_000));
    let theirs = node.fleet.named(1, || "theirs".to_owned(), theirs);
    let ours = node.fleet.named(2, || "ours".to_owned(), ours);
    let alone = || theirs.take(clock::monotonic_ns()) == Verdict::Alone;
    gateway_tests::wait::until_now("the share to decide", alone);
    let asked = node.fleet.counters().figures().failures;
    let again = || {
        let verdict = ours.take(clock::monotonic_ns());
        assert_ne!(verdict, Verdict::Alone);
        theirs.take(clock::monotonic_ns());
        node.fleet.counters().figures().failures >= asked + 5
    };
    gateway_tests::wait::until_now("it to be asked again and again", again);
    assert!(node.fleet.counters().figures().is_reached);
}

#[test]
fn a_server_that_hangs_and_goes_on_gives_nothing_twice() {
    let Some(program) = program("redis-server") else {
        return;
    };
    let redis = Redis::start(&program, &[]);
    let model = model::Fleet {
        timeout: Duration::from_millis(200),
        ..strict(RedisLayout::Standalone, &[redis.port()])
    };
    let nodes = nodes(&model);
    let terms = quota(3_000);
    let limits = shared(&nodes, "quota", terms);
    let mut admitted = some(&limits, 100);
    let pid = Pid::from_raw(redis.pid().try_into().unwrap());
    for _ in 0..3 {
        kill(pid, Signal::SIGSTOP).unwrap();
        admitted += u64::try_from(hammer(&limits, Duration::from_millis(500)).len()).unwrap();
        kill(pid, Signal::SIGCONT).unwrap();
        admitted += some(&limits, 100);
    }
    wait_for_answers(&nodes);
    admitted += exhaust(&limits);
    let failures: u64 = figures(&nodes).iter().map(|figures| figures.failures).sum();
    println!("{admitted} of 3000, with {failures} questions that were not answered");
    assert!(failures > 0);
    // Nothing is lost, and what was given to a question that nobody waited for came back.
    assert_eq!(lost(&nodes), 0);
    assert!(
        (3_000..=3_000 + u64::from(GATEWAYS)).contains(&admitted),
        "{admitted}"
    );
}

/// A master with two replicas, and three sentinels, two of whom decide.
struct Watched {
    servers: Vec<Redis>,
    sentinels: Vec<Redis>,
}

impl Watched {
    fn start(program: &Path) -> Self {
        let safe = ["--appendonly", "yes", "--appendfsync", "everysec"];
        let mut settings = safe.to_vec();
        settings.extend([
            "--min-replicas-to-write",
            "1",
            "--repl-diskless-sync-delay",
            "0",
        ]);
        settings.extend(user("~test:*", &["+role"]));
        let master = Redis::start(program, &settings);
        let port = master.port().to_string();
        let of_replicas = format!("127.0.0.1 {port}");
        settings.extend(["--replicaof", &of_replicas]);
        let mut servers = vec![master];
        servers.extend((0..2).map(|_| Redis::start(program, &settings)));
        for replica in &servers[1..] {
            replica.wait("master_link_status:up", &["info", "replication"]);
        }
        servers[0].wait("min_slaves_good_slaves:2", &["info", "replication"]);
        let sentinels = (0..3).map(|_| Redis::sentinel(program, servers[0].port()));
        let sentinels: Vec<Redis> = sentinels.collect();
        for sentinel in &sentinels {
            sentinel.wait("num-other-sentinels\n2", &["sentinel", "master", "pets"]);
            sentinel.wait("num-slaves\n2", &["sentinel", "master", "pets"]);
        }
        Self { servers, sentinels }
    }
}

#[test]
fn a_failover_of_sentinels_costs_at_most_what_the_replica_did_not_have() {
    let Some(program) = program("redis-server") else {
        return;
    };
    let mut watched = Watched::start(&program);
    let ports: Vec<u16> = watched.sentinels.iter().map(Redis::port).collect();
    let layout = RedisLayout::Sentinel {
        master: "pets".to_owned(),
    };
    let model = as_user(strict(layout, &ports));
    let nodes = nodes(&model);
    let terms = quota(3_000);
    let limits = shared(&nodes, "quota", terms);
    let mut admitted = some(&limits, 300);
    watched.servers[0].kill();
    admitted += u64::try_from(hammer(&limits, Duration::from_secs(1)).len()).unwrap();
    let old = watched.servers[0].port().to_string();
    let sentinel = &watched.sentinels[0];
    gateway_tests::wait::until_now("another master", || {
        let master = sentinel.ask(&["sentinel", "get-master-addr-by-name", "pets"]);
        !master.contains(&old)
    });
    wait_for_answers(&nodes);
    admitted += exhaust(&limits);
    let lost = lost(&nodes);
    let bound = 3_000 + lost + beyond(&model, &terms);
    println!("{admitted} of 3000; {lost} lost by the failover, so at most {bound}");
    check(admitted, 3_000..=bound);
}

/// Three masters that have a third of all keys each.
fn cluster(program: &Path) -> Vec<Redis> {
    let mut settings = vec!["--cluster-enabled", "yes"];
    // Else the others refuse everything as soon as they know that one is gone.
    settings.extend(["--cluster-require-full-coverage", "no"]);
    settings.extend(user("~test:*", &["+cluster|slots"]));
    let start = |_| Redis::start(program, &settings);
    let servers: Vec<Redis> = (0..3).map(start).collect();
    let mut words = vec!["--cluster".to_owned(), "create".to_owned()];
    words.extend(servers.iter().map(Redis::server));
    words.extend(["--cluster-replicas", "0", "--cluster-yes"].map(str::to_owned));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let said = servers[0].ask(&words);
    assert!(said.contains("All 16384 slots covered"), "{said}");
    for server in &servers {
        server.wait("cluster_state:ok", &["cluster", "info"]);
    }
    servers
}

#[test]
fn a_cluster_that_loses_a_server_keeps_the_limits_of_the_others() {
    let Some(program) = program("redis-server") else {
        return;
    };
    let mut servers = cluster(&program);
    let ports: Vec<u16> = servers.iter().map(Redis::port).collect();
    let model = as_user(strict(RedisLayout::Cluster, &ports[..2]));
    let nodes = nodes(&model);
    let terms = quota(600);
    // Enough names that each server has some of them.
    let limits: Vec<_> = (0..12)
        .map(|number| {
            let limits = nodes.iter().map(|node| {
                let name = || format!("quota {number}");
                node.fleet.named(number, name, terms)
            });
            limits.collect::<Vec<_>>()
        })
        .collect();
    let mut admitted: Vec<u64> = limits.iter().map(|limits| some(limits, 50)).collect();
    servers[2].kill();
    let place = |number: usize| {
        let key = format!("test:{{quota {number}}}");
        servers[0].ask(&["exists", &key]).parse::<u64>().is_ok()
            || servers[1].ask(&["exists", &key]).parse::<u64>().is_ok()
    };
    let kept: Vec<bool> = (0..12).map(place).collect();
    assert!(kept.contains(&true) && kept.contains(&false), "{kept:?}");
    for ((limits, admitted), is_kept) in limits.iter().zip(&mut admitted).zip(&kept) {
        *admitted += if *is_kept {
            exhaust(limits)
        } else {
            let admitted = hammer(limits, Duration::from_millis(1_500));
            u64::try_from(admitted.len()).unwrap()
        };
        let verdict = limits[0].verdict(clock::monotonic_ns());
        if *is_kept {
            assert!(
                (600..=603).contains(admitted),
                "{admitted} of 600: {verdict:?}"
            );
        } else {
            assert!(*admitted <= 600, "{admitted}");
        }
    }
    println!("{admitted:?} of 600 each, kept: {kept:?}");
    // It is said, although the other two answer.
    let gone = kept.iter().position(|kept| !kept).unwrap();
    let kept = kept.iter().position(|kept| *kept).unwrap();
    for (at, node) in nodes.iter().enumerate() {
        let failures = || node.fleet.counters().figures().failures;
        let before = failures();
        gateway_tests::wait::until_now("a question that nobody answers", || {
            limits[gone][at].take(clock::monotonic_ns());
            failures() > before
        });
        limits[kept][at].take(clock::monotonic_ns());
        assert!(!node.fleet.counters().figures().is_reached);
    }
}
