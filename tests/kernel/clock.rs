//! The clock of the program: coarse within a tick, and never behind on an idle machine.

use gateway_common::counter::TickClock;
use gateway_common::name;
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::SourceLimit;
use gateway_tests::capability::or_skip;
use gateway_tests::object::Object;
use gateway_tests::packet::SYN;

use crate::site::{orders, per_second, segment, site};

const SECOND: u64 = 1_000_000_000;

/// Nanoseconds of a tick, from two reports of the tick program.
fn tick_ns(object: &mut Object) -> u64 {
    let (first_jiffies, first) = object.tick().unwrap();
    loop {
        let (jiffies, now) = object.tick().unwrap();
        if now - first > SECOND / 5 {
            return (now - first) / (jiffies - first_jiffies);
        }
    }
}

#[test]
fn the_tick_program_tells_the_length_of_a_tick() {
    let Some(mut object) = or_skip(Object::load()) else {
        return;
    };
    let tick = tick_ns(&mut object);
    // HZ is 100, 250, 300 or 1000; a fifth of a second may be off by one tick.
    let known = [100, 250, 300, 1000].map(|hz| SECOND / hz);
    let off = |exact: u64| tick.abs_diff(exact) * 100 / exact;
    assert!(known.iter().any(|exact| off(*exact) < 12), "{tick} ns");
}

/// Expiries and debts are moments of one clock on both sides: the one that stands still while the
/// machine is suspended.
#[test]
fn the_program_and_this_process_read_the_same_clock() {
    let Some(mut object) = or_skip(Object::load()) else {
        return;
    };
    let monotonic = || {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        now.tv_sec.unsigned_abs() * SECOND + now.tv_nsec.unsigned_abs()
    };
    let before = monotonic();
    let (_, now) = object.tick().unwrap();
    assert!((before..=monotonic()).contains(&now));
}

#[test]
fn the_coarse_clock_errs_by_a_tick_and_interrupt_latency() {
    const RATE: u64 = 100_000;
    // Half a second's worth, so that the pauses between two runs cost nothing.
    const BURST: u64 = 50_000;
    // Interrupt latency, and the pause behind the last run.
    const LATENCY_NS: u64 = 100_000_000;
    let Some(mut object) = site(orders([
        per_second(RATE, BURST, false),
        SourceLimit::default(),
    ])) else {
        return;
    };
    let tick = tick_ns(&mut object);
    let start = object.tick().unwrap().1;
    while object.tick().unwrap().1 - start < SECOND {
        object
            .run(name::PROGRAM_EDGE, &segment(SYN), 100_000)
            .unwrap();
    }
    let elapsed = object.tick().unwrap().1 - start;
    let passed = object
        .counter(Verdict::Pass, Reason::NewConnection, Family::Ipv4)
        .unwrap()
        .packets;
    let exact = elapsed / (SECOND / RATE) + BURST;
    let error = (tick + LATENCY_NS) / (SECOND / RATE);
    println!("{passed} passed, {exact} exact, {error} permitted error");
    assert!(
        passed <= exact + error,
        "{passed}, exact {exact} by {error}"
    );
    assert!(
        passed + error >= exact,
        "{passed}, exact {exact} by {error}"
    );
}

/// A CPU that slept without ticks must not judge by the time at which it fell asleep.
#[test]
fn an_idle_tickless_cpu_wakes_to_the_right_time() {
    let Some(mut object) = site(orders([per_second(1, 1000, false), SourceLimit::default()]))
    else {
        return;
    };
    let tick = tick_ns(&mut object);
    object.judge(&segment(SYN)).unwrap();
    // Waiting for a message that nobody sends leaves the CPU idle.
    let (_sender, receiver) = std::sync::mpsc::sync_channel::<()>(0);
    let idle = std::time::Duration::from_secs(1);
    assert!(receiver.recv_timeout(idle).is_err());
    object.judge(&segment(SYN)).unwrap();
    let now = object.tick().unwrap().1;
    let clocks =
        aya::maps::PerCpuArray::<_, TickClock>::try_from(object.map(name::MAP_CLOCK).unwrap())
            .unwrap();
    let newest = clocks
        .get(&0, 0)
        .unwrap()
        .iter()
        .map(|clock| clock.now_ns)
        .max();
    let lag = now - newest.unwrap();
    // A loaded machine may run us late; an old clock would lag by the whole second.
    assert!(lag < tick + SECOND / 4, "{lag} ns behind");
}
