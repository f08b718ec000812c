//! Events: which drops become one, what they carry, and that nobody is woken by them.

use std::os::fd::{AsFd as _, BorrowedFd};

use aya::maps::{Map, MapData, PerCpuArray, PerCpuValues, RingBuf};
use gateway_common::address::Address;
use gateway_common::counter::Incident;
use gateway_common::event::{EVENT_BYTES, Sampler, watch};
use gateway_common::list::{LIST_NAMED, NEVER, PlainEntry};
use gateway_common::name;
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::{Control, Settings};
use gateway_tests::object::Object;
use gateway_tests::packet::{self, ACK, SYN, TCP};
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::site::{CLIENT, DROP, PASS, PORT, SERVER, segment, segment_from, settings, site};

const SECOND: u64 = 1_000_000_000;

/// The site with a budget of so many events per second and CPU, and a list that denies the
/// client's /24. All of it runs on one CPU, because what a CPU knows of events is its own.
fn denying(events_per_second: u32) -> Option<Object> {
    let mut object = site(Settings {
        events_per_second,
        ..settings()
    })?;
    let allowed = sched_getaffinity(None).unwrap();
    let first = (0..CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu));
    let mut one = CpuSet::new();
    one.set(first.unwrap());
    sched_setaffinity(None, &one).unwrap();
    let entry = PlainEntry {
        deny_until_ns: NEVER,
        deny_list: LIST_NAMED,
        ..PlainEntry::default()
    };
    let network = Address::v4(CLIENT & !0xff);
    object.deny(0, network, 24, entry).unwrap();
    Some(object)
}

fn now(object: &mut Object) -> u64 {
    object.tick().unwrap().1
}

/// Somebody watches one drop in `2^(sampling - 1)`, for so long.
fn watched(object: &mut Object, sampling: u8, seconds: u64) {
    let end = now(object) + seconds * SECOND;
    let mut map = object.array::<Control>(name::MAP_CONTROL).unwrap();
    let mut control = map.get(&0, 0).unwrap();
    control.events = watch(sampling, end);
    map.set(0, control, 0).unwrap();
}

fn ring(object: &mut Object) -> RingBuf<&mut MapData> {
    RingBuf::try_from(object.map(name::MAP_EVENTS).unwrap()).unwrap()
}

fn events(object: &mut Object) -> Vec<Event> {
    let mut ring = ring(object);
    let mut events = Vec::new();
    while let Some(item) = ring.next() {
        events.push(Event::of(&item));
    }
    events
}

/// The fields of an event that these tests look at.
#[derive(Debug)]
struct Event {
    time_ns: u64,
    /// Frame, captured, interface, listener, list, stands for.
    numbers: [u32; 6],
    verdict: u8,
    reason: u8,
    family: u8,
    is_new_offender: u8,
    bytes: Vec<u8>,
}

impl Event {
    fn of(record: &[u8]) -> Self {
        assert_eq!(record.len(), 40 + EVENT_BYTES);
        let number = |at: usize| u32::from_ne_bytes(*record[at..].first_chunk().unwrap());
        Self {
            time_ns: u64::from_ne_bytes(*record.first_chunk().unwrap()),
            numbers: [8, 12, 16, 20, 24, 28].map(number),
            verdict: record[32],
            reason: record[33],
            family: record[34],
            is_new_offender: record[35],
            bytes: record[40..].to_vec(),
        }
    }

    const fn stands_for(&self) -> u32 {
        self.numbers[5]
    }
}

fn sampler(object: &mut Object) -> PerCpuArray<&mut MapData, Sampler> {
    PerCpuArray::try_from(object.map(name::MAP_SAMPLER).unwrap()).unwrap()
}

/// Drops since the last event, on all CPUs.
fn unreported(object: &mut Object) -> u32 {
    let values = sampler(object).get(&0, 0).unwrap();
    values.iter().map(|one| one.since).sum()
}

#[test]
fn an_event_says_what_was_dropped_and_shows_its_start() {
    let Some(mut object) = denying(100) else {
        return;
    };
    watched(&mut object, 1, 60);
    let before = now(&mut object);
    let short = segment(SYN);
    let payload = [packet::tcp(40_000, PORT, ACK), (0..=255).collect()].concat();
    let long = packet::frame4(&packet::ipv4(CLIENT, SERVER, TCP, 0x4000, &payload));
    for frame in [&short, &long] {
        assert_eq!(object.judge(frame).unwrap(), DROP);
    }
    let found = events(&mut object);
    assert_eq!(found.len(), 2);
    for (event, frame) in found.iter().zip([&short, &long]) {
        let captured = frame.len().min(EVENT_BYTES);
        let length = |bytes: usize| u32::try_from(bytes).unwrap();
        assert_eq!(
            event.numbers,
            [
                length(frame.len()),
                length(captured),
                1,
                1,
                LIST_NAMED.into(),
                1
            ]
        );
        assert_eq!(event.bytes[..captured], frame[..captured]);
        assert!(event.bytes[captured..].iter().all(|byte| *byte == 0));
        assert_eq!(event.verdict, Verdict::Drop as u8);
        assert_eq!(event.reason, Reason::Denied as u8);
        assert_eq!(event.family, Family::Ipv4 as u8);
        // The clock of the tick lags a tick at most; a second is generous.
        let after = now(&mut object);
        assert!(event.time_ns + SECOND > before && event.time_ns <= after);
    }
    assert_eq!(found[0].is_new_offender, 1);
    assert_eq!(found[1].is_new_offender, 0);
}

#[test]
fn a_drop_that_is_only_monitored_is_an_event_too() {
    let Some(mut object) = denying(100) else {
        return;
    };
    watched(&mut object, 1, 60);
    let mut rules = object.rules();
    rules.monitor = Reason::Denied.bit();
    object.set_rules(1, rules).unwrap();
    assert_eq!(object.judge(&segment(ACK)).unwrap(), PASS);
    let found = events(&mut object);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].verdict, Verdict::WouldDrop as u8);
}

#[test]
fn without_a_reader_and_after_its_end_there_are_no_events() {
    let Some(mut object) = denying(100) else {
        return;
    };
    object.run(name::PROGRAM_EDGE, &segment(ACK), 100).unwrap();
    assert!(events(&mut object).is_empty());
    assert_eq!(unreported(&mut object), 0);
    // A watch that ended a second ago: what a reader that died leaves behind.
    let end = now(&mut object) - SECOND;
    let mut map = object.array::<Control>(name::MAP_CONTROL).unwrap();
    let control = Control {
        events: watch(1, end),
        ..map.get(&0, 0).unwrap()
    };
    map.set(0, control, 0).unwrap();
    object.run(name::PROGRAM_EDGE, &segment(ACK), 100).unwrap();
    assert!(events(&mut object).is_empty());
    assert_eq!(unreported(&mut object), 0);
}

#[test]
fn what_passes_is_no_event() {
    let Some(mut object) = denying(100) else {
        return;
    };
    watched(&mut object, 1, 60);
    let free = segment_from(CLIENT + 256, ACK);
    assert_eq!(object.judge(&free).unwrap(), PASS);
    assert!(events(&mut object).is_empty());
}

#[test]
fn one_drop_in_so_many_is_an_event_and_together_they_stand_for_all() {
    let Some(mut object) = denying(u32::MAX) else {
        return;
    };
    watched(&mut object, 4, 600);
    object.run(name::PROGRAM_EDGE, &segment(ACK), 800).unwrap();
    let found = events(&mut object);
    // The first, because its source is new, and one in eight of the others.
    assert_eq!(found.len(), 1 + 799 / 8);
    let stood_for: u32 = found.iter().map(Event::stands_for).sum();
    assert_eq!(stood_for + unreported(&mut object), 800);
}

#[test]
fn the_first_drop_of_every_source_is_an_event() {
    let Some(mut object) = denying(u32::MAX) else {
        return;
    };
    watched(&mut object, 25, 600);
    let sources: Vec<u32> = (0..40).map(|number| (CLIENT & !0xff) + number).collect();
    for _ in 0..3 {
        for source in &sources {
            let frame = segment_from(*source, ACK);
            assert_eq!(object.judge(&frame).unwrap(), DROP);
        }
    }
    let found = events(&mut object);
    assert!(found.iter().all(|event| event.is_new_offender == 1));
    // Sources that share a place displace one another, under this seed fewer than one in ten.
    assert!((40..50).contains(&found.len()), "{}", found.len());
}

#[test]
fn more_than_the_budget_of_a_second_is_skipped_and_counted() {
    const BUDGET: u32 = 5;
    const DROPS: u32 = 1_000;
    let Some(mut object) = denying(BUDGET) else {
        return;
    };
    watched(&mut object, 1, 600);
    let before = now(&mut object);
    object
        .run(name::PROGRAM_EDGE, &segment(ACK), DROPS)
        .unwrap();
    let seconds = u32::try_from(now(&mut object) / SECOND - before / SECOND).unwrap() + 1;
    let count = u32::try_from(events(&mut object).len()).unwrap();
    assert!(count >= BUDGET && count <= seconds * BUDGET, "{count}");
    let skipped = object.incident(Incident::EventSkipped).unwrap();
    assert_eq!(skipped, u64::from(DROPS - count));
}

#[test]
fn events_beyond_a_full_ring_are_lost_and_counted() {
    let Some(mut object) = denying(u32::MAX) else {
        return;
    };
    watched(&mut object, 1, 600);
    const DROPS: u32 = 10_000;
    object
        .run(name::PROGRAM_EDGE, &segment(ACK), DROPS)
        .unwrap();
    let lost = object.incident(Incident::EventLost).unwrap();
    let found = events(&mut object);
    assert!(lost > 0);
    assert_eq!(found.len() as u64 + lost, u64::from(DROPS));
    // Lost ones are part of what the next one stands for.
    assert_eq!(u64::from(unreported(&mut object)), lost);
    object.judge(&segment(ACK)).unwrap();
    let found = events(&mut object);
    assert_eq!(u64::from(found[0].stands_for()), lost + 1);
}

/// A reader that waits is not woken: it would be once per drop.
#[test]
fn a_drop_wakes_nobody() {
    let Some(mut object) = denying(u32::MAX) else {
        return;
    };
    watched(&mut object, 1, 600);
    let waiting = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let (data, flags) = (epoll::EventData::new_u64(7), epoll::EventFlags::IN);
    epoll::add(&waiting, descriptor(&mut object), data, flags).unwrap();
    // An entry is ready once somebody has woken it: nothing looks into the ring here.
    let woken = || {
        let mut ready = Vec::with_capacity(1);
        let now = Timespec::default();
        epoll::wait(&waiting, spare_capacity(&mut ready), Some(&now)).unwrap()
    };
    assert_eq!(woken(), 0);
    object.run(name::PROGRAM_EDGE, &segment(ACK), 100).unwrap();
    assert_eq!(woken(), 0, "an event woke its reader");
    // They are there all the same, for whoever looks.
    let ring = descriptor(&mut object);
    let mut look = [PollFd::from_borrowed_fd(ring, PollFlags::IN)];
    assert_eq!(poll(&mut look, Some(&Timespec::default())).unwrap(), 1);
    assert_eq!(events(&mut object).len(), 100);
}

fn descriptor(object: &mut Object) -> BorrowedFd<'_> {
    match object.map(name::MAP_EVENTS).unwrap() {
        Map::RingBuf(data) => data.fd().as_fd(),
        other => panic!("the events are {other:?}"),
    }
}

/// Frames shorter than an event holds, down to the shortest that the kernel runs a program on.
#[test]
fn short_frames_are_shown_whole() {
    let Some(mut object) = denying(u32::MAX) else {
        return;
    };
    watched(&mut object, 1, 600);
    // Five tags: nobody can say whom it is for, so it is dropped.
    for length in 34..=140 {
        let mut frame = packet::ethernet(&[0x8100; 5], 0x0800, &[9; 120]);
        frame.truncate(length);
        assert_eq!(object.judge(&frame).unwrap(), DROP, "{length}");
        let found = events(&mut object);
        let captured = length.min(EVENT_BYTES);
        assert_eq!(found[0].bytes[..captured], frame[..captured]);
        assert!(found[0].bytes[captured..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn a_new_watch_knows_no_offenders() {
    let Some(mut object) = denying(u32::MAX) else {
        return;
    };
    watched(&mut object, 25, 600);
    let news = |object: &mut Object| {
        object.run(name::PROGRAM_EDGE, &segment(ACK), 3).unwrap();
        events(object).len()
    };
    assert_eq!(news(&mut object), 1);
    assert_eq!(news(&mut object), 0);
    let cpus = aya::util::nr_cpus().unwrap();
    let empty = PerCpuValues::try_from(vec![Sampler::EMPTY; cpus]).unwrap();
    sampler(&mut object).set(0, empty, 0).unwrap();
    assert_eq!(news(&mut object), 1);
}
