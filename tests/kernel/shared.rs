//! Two enforcers on one word: this process through a mapping, and the program.

use std::sync::atomic::{AtomicBool, Ordering};

use gateway_common::address::{self, Address, Class, KIND_CONNECTIONS};
use gateway_common::capacity::SOURCE_LINE_BITS;
use gateway_common::counter::Incident;
use gateway_common::limit::Charge;
use gateway_common::name;
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::SourceLimit;
use gateway_tests::mapping::Lines;
use gateway_tests::packet::SYN;

use crate::site::{CLIENT, orders, per_second, segment, site};

const SECOND: u64 = 1_000_000_000;
const RATE: u64 = 1000;
const BURST: u64 = 100;
const ENFORCERS: u64 = 2;

fn monotonic() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap() * SECOND + u64::try_from(now.tv_nsec).unwrap()
}

/// Two seconds; a soak asks for more.
fn duration_ns() -> u64 {
    let seconds = std::env::var("GATEWAY_SOAK_SECONDS").map(|text| text.parse().unwrap());
    seconds.unwrap_or(2) * SECOND
}

#[test]
fn two_enforcers_never_admit_more_than_one_would() {
    let orders = orders([per_second(RATE, BURST, true), SourceLimit::default()]);
    let Some(mut object) = site(orders) else {
        return;
    };
    let tag = Address::v4(CLIENT).tag(&Class::new(KIND_CONNECTIONS, 0, orders.settings.seed));
    let index = address::index(tag, orders.settings.seed, SOURCE_LINE_BITS) as usize;
    let lines = match object.map(name::MAP_SOURCES).unwrap() {
        aya::maps::Map::Array(map) => Lines::map(map.fd(), 1 << SOURCE_LINE_BITS).unwrap(),
        other => panic!("the sources are {other:?}"),
    };
    let SourceLimit {
        source: limit,
        yields_ns,
        ..
    } = orders.rules.limits[0];
    let stop = AtomicBool::new(false);
    let start = monotonic();
    let daemon = std::thread::scope(|scope| {
        let charging = scope.spawn(|| {
            let line = lines.get(index).unwrap();
            let (mut admitted, mut asked) = (0_u64, 0_u64);
            let first = monotonic();
            // When a charge was refused last, and how much more the bucket holds since then: less than one
            // unit was there. At first it is full.
            let (mut refused, mut room_ns, mut missed_ns) = (first, 0, 0);
            while !stop.load(Ordering::Relaxed) {
                asked += 1;
                let now = monotonic();
                match line.charge(tag, now, 1, &limit, yields_ns) {
                    Some(Charge::Admitted { .. } | Charge::AdmittedAfterRaces) => admitted += 1,
                    Some(Charge::Limited { .. }) => {
                        missed_ns += (now - refused).saturating_sub(room_ns);
                        (refused, room_ns) = (now, (BURST - 1) * SECOND / RATE);
                    }
                    None => panic!("the line has room"),
                }
            }
            (admitted, asked, (refused - first).saturating_sub(missed_ns))
        });
        while monotonic() - start < duration_ns() {
            object
                .run(name::PROGRAM_EDGE, &segment(SYN), 10_000)
                .unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        charging.join().unwrap()
    });
    let elapsed = monotonic() - start;
    let kernel = object
        .counter(Verdict::Pass, Reason::NewConnection, Family::Ipv4)
        .unwrap();
    let refused = object
        .counter(Verdict::Drop, Reason::ConnectionRate, Family::Ipv4)
        .unwrap();
    let (admitted, asked, saturated_ns) = daemon;
    let permitted = elapsed * RATE / SECOND + BURST + ENFORCERS;
    let owed = saturated_ns * RATE / SECOND + BURST - ENFORCERS;
    let total = admitted + kernel.packets;
    println!(
        "{total} admitted, {owed} to {permitted} were to be: {admitted} of {asked} here, {} of {} in the kernel; \
         {} races lost",
        kernel.packets,
        kernel.packets + refused.packets,
        object.incident(Incident::RacesLost).unwrap()
    );
    assert!(total <= permitted, "{total} of {permitted}");
    assert!(total >= owed, "{total}, at least {owed}");
    // Both asked far above the rate; only pauses of the whole machine longer than the burst lose
    // some of it.
    assert!(total * 2 >= permitted, "{total} of {permitted}");
    assert!(admitted > 0 && kernel.packets > 0);
}
