use super::*;
use gateway_common::address::{KIND_CONNECTIONS, KIND_PACKETS};
use gateway_common::limit::{Limit, Rate};
use std::os::unix::fs::PermissionsExt as _;

const BOOT: BootId = BootId([7; 16]);
const SECOND: u64 = 1_000_000_000;

fn limit(kind: u32, burst: u64) -> SourceLimit {
    let limit = Limit::new(Rate::per_second(1), burst, 1).unwrap();
    SourceLimit {
        class: Class::new(kind, 0, 7),
        source: limit,
        aggregate: limit,
        yields_ns: limit.increment(1).min(limit.slack_ns(1)),
        precise: 0,
    }
}

fn admitted(buckets: &Buckets, address: &str, kind: u32) -> bool {
    let address = address.parse().unwrap();
    matches!(
        buckets.charge_source(address, SECOND, &limit(kind, 2)),
        Charge::Admitted { .. }
    )
}

#[test]
fn a_file_keeps_buckets_slots_and_seed_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE_NAME);
    let (first, opened) = Buckets::open_file(&path, BOOT, BucketTables::default()).unwrap();
    assert_eq!(opened, Opened::Created);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(admitted(&first, "192.0.2.1", KIND_CONNECTIONS));
    assert!(admitted(&first, "192.0.2.1", KIND_CONNECTIONS));
    let slot = first.claim_slot(11).unwrap();
    first.slot(slot).admitted.store(5, Ordering::Relaxed);
    let seed = first.seed();
    drop(first);

    let (second, opened) = Buckets::open_file(&path, BOOT, BucketTables::default()).unwrap();
    assert_eq!(opened, Opened::Kept);
    assert_eq!(second.seed(), seed);
    assert!(!admitted(&second, "192.0.2.1", KIND_CONNECTIONS));
    assert!(admitted(&second, "192.0.2.1", KIND_PACKETS));
    assert!(admitted(&second, "192.0.2.2", KIND_CONNECTIONS));
    assert_eq!(second.claim_slot(11), Ok(slot));
    assert_eq!(second.slot(slot).admitted.load(Ordering::Relaxed), 5);
}

#[test]
fn another_boot_layout_or_size_starts_fresh_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE_NAME);
    let (buckets, _) = Buckets::open_file(&path, BOOT, BucketTables::default()).unwrap();
    buckets.claim_slot(11).unwrap();
    drop(buckets);
    let (buckets, opened) =
        Buckets::open_file(&path, BootId([8; 16]), BucketTables::default()).unwrap();
    assert_eq!(opened, Opened::Replaced(Stale::Boot));
    assert_eq!(buckets.slots_claimed(), 0);

    let mut bytes = std::fs::read(&path).unwrap();
    bytes[8] = 99;
    std::fs::write(&path, &bytes).unwrap();
    let (_, opened) = Buckets::open_file(&path, BOOT, BucketTables::default()).unwrap();
    assert_eq!(opened, Opened::Replaced(Stale::Layout { found: 99 }));

    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(4096).unwrap();
    let (_, opened) = Buckets::open_file(&path, BOOT, BucketTables::default()).unwrap();
    assert_eq!(opened, Opened::Replaced(Stale::Damaged));
}

#[test]
fn tables_of_another_size_take_over_what_is_owed() {
    // So few that no line of the smallest table is full of them, wherever they fall.
    const OWING: u64 = 24;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE_NAME);
    let (small, large) = (sizes(1_024, 1_024), sizes(2_048, 8_192));
    let (first, opened) = Buckets::open_file(&path, BOOT, large).unwrap();
    assert_eq!(opened, Opened::Created);
    let now = crate::clock::monotonic_ns();
    let hour = 3_600 * SECOND;
    for _ in 0..2 {
        assert!(admitted(&first, "192.0.2.1", KIND_CONNECTIONS));
    }
    first.count(Verdict::Drop, Reason::ConnectionRate, Family::Ipv4);
    for tag in 1..=OWING {
        let slot = first.claim_slot(tag).unwrap();
        first
            .slot(slot)
            .tat
            .store(now + hour + tag, Ordering::Relaxed);
        first.slot(slot).admitted.store(tag, Ordering::Relaxed);
        let line = first.caller_line(tag << 40);
        let word = line.find_or_claim(tag << 40, now, SECOND);
        word.unwrap().store(now + hour + tag, Ordering::Relaxed);
    }
    // Who owes nothing any more needs no room.
    let paid = first.caller_line(77).find_or_claim(77, now, SECOND);
    paid.unwrap().store(now - 1, Ordering::Relaxed);
    let seed = first.seed();
    drop(first);

    let mut before = large;
    for next in [small, large, small] {
        let (buckets, opened) = Buckets::open_file(&path, BOOT, next).unwrap();
        let resized = Resized {
            before,
            now: next,
            throttles_lost: 0,
            callers_lost: 0,
        };
        assert_eq!(opened, Opened::Resized(resized));
        assert!(resized.to_string().ends_with("what was owed is owed still"));
        assert_eq!((buckets.sizes(), buckets.seed()), (next, seed));
        assert!(!admitted(&buckets, "192.0.2.1", KIND_CONNECTIONS));
        assert_eq!(buckets.slots_claimed() as u64, OWING);
        for tag in 1..=OWING {
            let slot = buckets.claim_slot(tag).unwrap();
            let slot = buckets.slot(slot);
            assert_eq!(slot.tat.load(Ordering::Relaxed), now + hour + tag);
            assert_eq!(slot.admitted.load(Ordering::Relaxed), tag);
            let way = buckets.caller_line(tag << 40).find(tag << 40).unwrap();
            assert_eq!(way.tat.load(Ordering::Relaxed), now + hour + tag);
        }
        assert!(buckets.caller_line(77).find(77).is_none());
        let reading = read_file(&path).unwrap();
        assert_eq!((reading.sizes, reading.slots.len() as u64), (next, OWING));
        let cell = counter_index(Verdict::Drop, Reason::ConnectionRate, Family::Ipv4) as usize;
        assert_eq!(reading.counters[cell].packets, 1);
        let owing = read_file_lines(&path, now).unwrap().callers;
        assert_eq!(owing.len() as u64, OWING);
        before = next;
    }
    let (_, opened) = Buckets::open_file(&path, BOOT, small).unwrap();
    assert_eq!(opened, Opened::Kept);
}

#[test]
fn where_tables_become_too_small_whoever_owes_most_keeps_a_bucket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE_NAME);
    let (small, large) = (sizes(1_024, 1_024), sizes(4_096, 65_536));
    let (first, _) = Buckets::open_file(&path, BOOT, large).unwrap();
    let now = crate::clock::monotonic_ns();
    let owed = |number: u64| now + 3_600 * SECOND + number;
    for number in 1..=2_000 {
        let slot = first.claim_slot(number).unwrap();
        first.slot(slot).tat.store(owed(number), Ordering::Relaxed);
        let tag = number << 20;
        let word = first.caller_line(tag).find_or_claim(tag, now, SECOND);
        word.unwrap().store(owed(number), Ordering::Relaxed);
    }
    drop(first);
    let (buckets, opened) = Buckets::open_file(&path, BOOT, small).unwrap();
    let Opened::Resized(resized) = opened else {
        panic!("{opened:?}");
    };
    assert_eq!(resized.throttles_lost, 2_000 - 1_024);
    let kept = |number: u64| {
        buckets
            .caller_line(number << 20)
            .find(number << 20)
            .is_some()
    };
    let lost = (1..=2_000).filter(|&number| !kept(number)).count();
    assert_eq!(resized.callers_lost, lost);
    assert!(lost >= 2_000 - 1_024, "{lost}");
    assert!(!resized.is_whole());
    let said = format!("976 throttles and {lost} callers found no room, and owe nothing any more");
    assert!(resized.to_string().ends_with(&said), "{resized}");
    // Four of a line, and those that owe most: nobody in it owes less than whoever found no room.
    for number in (1..=2_000).filter(|&number| !kept(number)) {
        let line = buckets.caller_line(number << 20);
        let least = line.ways.iter().map(|way| way.tat.load(Ordering::Relaxed));
        assert!(least.min().unwrap() > owed(number));
    }
    assert_eq!(buckets.claim_slot(5_000), Err(SlotsFull { count: 1_024 }));
    let slot = buckets.claim_slot(2_000).unwrap();
    assert_eq!(buckets.slot(slot).tat.load(Ordering::Relaxed), owed(2_000));
}

fn sizes(throttles: u64, callers: u64) -> BucketTables {
    BucketTables::new(throttles, callers).unwrap()
}

#[test]
fn links_and_files_open_to_others_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("target");
    std::fs::write(&target, "precious").unwrap();
    let path = directory.path().join(FILE_NAME);
    std::os::unix::fs::symlink(&target, &path).unwrap();
    let error = Buckets::open_file(&path, BOOT, BucketTables::default()).unwrap_err();
    assert!(error.to_string().contains("a symbolic link"), "{error}");
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");

    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "x").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let error = Buckets::open_file(&path, BOOT, BucketTables::default()).unwrap_err();
    assert!(error.to_string().contains("open to other users"), "{error}");
}

#[test]
fn slots_are_claimed_released_and_retained_by_tag() {
    let directory = tempfile::tempdir().unwrap();
    let (buckets, _) = Buckets::open_file(
        &directory.path().join(FILE_NAME),
        BOOT,
        BucketTables::default(),
    )
    .unwrap();
    let one = buckets.claim_slot(1).unwrap();
    let two = buckets.claim_slot(2).unwrap();
    assert_ne!(one, two);
    assert_eq!(buckets.claim_slot(1), Ok(one));
    buckets.slot(one).tat.store(9, Ordering::Relaxed);
    buckets.release_slot(one);
    assert_eq!(buckets.slots_claimed(), 1);
    let again = buckets.claim_slot(1).unwrap();
    assert_eq!(buckets.slot(again).tat.load(Ordering::Relaxed), 0);
    assert_eq!(buckets.retain_slots(&HashSet::from([2])), 1);
    assert_eq!(buckets.claim_slot(2), Ok(two));
}

#[test]
fn one_slot_more_than_there_are_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (buckets, _) = Buckets::open_file(
        &directory.path().join(FILE_NAME),
        BOOT,
        BucketTables::default(),
    )
    .unwrap();
    let count = buckets.sizes().throttles();
    for tag in 1..=u64::from(count) {
        buckets.claim_slot(tag).unwrap();
    }
    assert_eq!(buckets.claim_slot(u64::MAX), Err(SlotsFull { count }));
}

#[test]
fn a_full_line_charges_the_aggregate_and_counts_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE_NAME);
    let (buckets, _) = Buckets::open_file(&path, BOOT, BucketTables::default()).unwrap();
    // Enough debtors to fill some lines: each owes two units, more than a newcomer may replace.
    let mut limited = 0;
    for number in 0..400_000_u32 {
        let address = IpAddr::from(std::net::Ipv4Addr::from(0x0a00_0000 + number));
        for _ in 0..2 {
            match buckets.charge_source(address, SECOND, &limit(KIND_PACKETS, 2)) {
                Charge::Admitted { .. } => {}
                Charge::Limited { .. } => limited += 1,
                Charge::AdmittedAfterRaces => panic!("the daemon retries until it wins"),
            }
        }
    }
    buckets.count(Verdict::Drop, Reason::ConnectionRate, Family::Ipv4);
    let reading = read_file(&path).unwrap();
    let full = reading.incidents[Incident::LineFull as usize];
    assert!(
        full > 0 && limited > 0,
        "{full} full lines, {limited} limited"
    );
    let cell = counter_index(Verdict::Drop, Reason::ConnectionRate, Family::Ipv4) as usize;
    assert_eq!(reading.counters[cell].packets, 1);
}

#[test]
fn tags_tell_words_and_callers_apart() {
    let directory = tempfile::tempdir().unwrap();
    let (buckets, _) = Buckets::open_file(
        &directory.path().join(FILE_NAME),
        BOOT,
        BucketTables::default(),
    )
    .unwrap();
    assert_eq!(
        Buckets::slot_tag(&["a", "b"]),
        Buckets::slot_tag(&["a", "b"])
    );
    assert_ne!(
        Buckets::slot_tag(&["ab", "c"]),
        Buckets::slot_tag(&["a", "bc"])
    );
    assert_ne!(buckets.caller_tag(1, b"x"), buckets.caller_tag(2, b"x"));
    assert_ne!(buckets.caller_tag(1, b"x"), buckets.caller_tag(1, b"y"));
}
