use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use redb::Database;

use super::database::{make, open};
use super::disk::Disk;
use super::*;
use crate::model::{ApiKeyId, Day, Period, UsagePlanName};
use crate::store::faulty_disk::{Faulty, REACHES};
use crate::telemetry::operator_log::explain;

const PATH: &str = "usage.redb";
const DAY: u64 = 86_400;
const MONDAY: u64 = 20_780 * DAY;
const TERMS: QuotaTerms = QuotaTerms {
    limit: 100,
    offset: 0,
    period: Period::Week,
    since: 0,
};

impl Disk for Faulty {
    fn open(&self) -> Result<Database, UsageError> {
        open(Path::new(PATH), self.clone())
    }
}

fn on(disk: &Faulty) -> Usage {
    let database = Disk::open(disk).unwrap();
    Usage::new(
        Path::new(PATH).into(),
        Arc::new(disk.clone()),
        database,
        MONDAY,
    )
    .unwrap()
}

fn new_disk() -> Faulty {
    let disk = Faulty::with(Vec::new());
    drop(make(Path::new(PATH), disk.clone()).unwrap());
    disk
}

fn cell(usage: &Usage, number: usize) -> Arc<QuotaCell> {
    let key = ApiKeyId::new(&format!("key{number:07}"));
    usage.cell(&UsagePlanName::new("basic"), &key)
}

fn charge(usage: &Usage, number: usize, at: u64, times: u64) {
    let cell = cell(usage, number);
    for _ in 0..times {
        let _kept = cell.charge(&TERMS, at).unwrap();
    }
}

/// Counts a request of a key whose plan has no quota.
fn count(usage: &Usage, number: usize) {
    let cell = cell(usage, number);
    let _kept = cell.count(MONDAY);
}

fn rows(usage: &Usage) -> Vec<(String, String, u64, Option<u64>)> {
    let wanted = Wanted {
        from: Day::of(0),
        to: Day::of(u64::MAX),
        plan: None,
        key: None,
        after: None,
    };
    let rows = usage.page(&wanted).unwrap().rows.into_iter();
    let row = |(day, plan_key, used): (Day, PlanKey, DayUse)| {
        (
            day.to_string(),
            plan_key.key.to_string(),
            used.used,
            used.remaining,
        )
    };
    rows.map(row).collect()
}

fn row(day: &str, number: usize, used: u64, remaining: u64) -> (String, String, u64, Option<u64>) {
    (
        day.to_owned(),
        format!("key{number:07}"),
        used,
        Some(remaining),
    )
}

#[test]
fn what_was_used_outlives_the_process_to_the_day() {
    let directory = tempfile::tempdir().unwrap();
    let usage = Usage::open(directory.path(), MONDAY).unwrap();
    charge(&usage, 1, MONDAY, 5);
    charge(&usage, 2, MONDAY, 1);
    usage.commit(MONDAY).unwrap();
    charge(&usage, 1, MONDAY, 2);
    usage.commit(MONDAY).unwrap();
    drop(usage);

    let usage = Usage::open(directory.path(), MONDAY + 1).unwrap();
    assert_eq!(usage.cells(), 2);
    let standing = cell(&usage, 1).standing(&TERMS, MONDAY + 1);
    assert_eq!(
        (standing.used, standing.remaining, standing.today),
        (7, 93, 7)
    );
    charge(&usage, 1, MONDAY + 1, 1);
    // The last request of a day may be counted when the next one has begun to be.
    charge(&usage, 1, MONDAY + DAY, 4);
    usage.commit(MONDAY + DAY).unwrap();
    cell(&usage, 1)
        .charge(&TERMS, MONDAY + DAY)
        .unwrap()
        .give_back();
    cell(&usage, 3)
        .set_remaining(3, Some(Period::Week), MONDAY)
        .unwrap();
    usage.commit(MONDAY + DAY).unwrap();
    drop(usage);

    let usage = Usage::open(directory.path(), MONDAY + DAY).unwrap();
    assert_eq!(
        rows(&usage),
        [
            row("2026-11-23", 1, 8, 92),
            row("2026-11-23", 2, 1, 99),
            row("2026-11-24", 1, 4, 88)
        ]
    );
    assert_eq!(cell(&usage, 3).standing(&TERMS, MONDAY + DAY).remaining, 3);
}

#[test]
fn pages_follow_each_other_without_gap_or_repetition() {
    let usage = on(&new_disk());
    for number in 0..PAGE_ROWS_MAX + 5 {
        charge(&usage, number, MONDAY, 1);
    }
    usage.commit(MONDAY).unwrap();
    let mut wanted = Wanted {
        from: Day::of(MONDAY),
        to: Day::of(MONDAY),
        plan: Some(UsagePlanName::new("basic")),
        key: None,
        after: None,
    };
    let mut keys = Vec::new();
    loop {
        let page = usage.page(&wanted).unwrap();
        assert!(page.rows.len() <= PAGE_ROWS_MAX);
        keys.extend(page.rows.into_iter().map(|(_, plan_key, _)| plan_key.key));
        wanted.after = page.last;
        if wanted.after.is_none() {
            break;
        }
    }
    assert_eq!(keys.len(), PAGE_ROWS_MAX + 5);
    assert!(keys.is_sorted_by(|one, other| one < other));
    wanted.key = Some(ApiKeyId::new("key0000007"));
    assert_eq!(usage.page(&wanted).unwrap().rows.len(), 1);
    wanted.plan = Some(UsagePlanName::new("other"));
    assert_eq!(usage.page(&wanted).unwrap().rows.len(), 0);
    let day_before = Day::of(MONDAY).before(1);
    let backwards = Wanted {
        to: day_before,
        ..wanted
    };
    assert_eq!(usage.page(&backwards).unwrap().rows.len(), 0);
}

/// A commit that failed may be in the file, in memory or nowhere: what is counted is never counted twice.
#[test]
fn a_disk_that_fails_costs_nobody_a_request_and_counts_none_twice() {
    let (mut failed, mut succeeded) = (0, 0);
    for (name, reaches) in REACHES {
        for (skipped, times) in (0..5).flat_map(|skipped| (1..6).map(move |it| (skipped, it))) {
            let case = format!("{times} from {skipped} on, {name} written");
            let disk = new_disk();
            let usage = on(&disk);
            charge(&usage, 1, MONDAY, 3);
            charge(&usage, 2, MONDAY, 1);
            usage.commit(MONDAY).unwrap();
            disk.fail(skipped, times, reaches);
            let mut count = 3;
            for turn in 0..12 {
                charge(&usage, 1, MONDAY + turn, 1);
                count += 1;
                match usage.commit(MONDAY + turn) {
                    Ok(()) => succeeded += 1,
                    Err(error) => {
                        failed += 1;
                        assert!(explain(&error).contains(PATH), "{case}");
                    }
                }
                let next = on(&disk.behind_a_crash());
                let kept = cell(&next, 1).standing(&TERMS, MONDAY).used;
                assert!((3..=count).contains(&kept), "{case}: {kept} of {count}");
                let standing = cell(&usage, 1).standing(&TERMS, MONDAY);
                assert_eq!(standing.used, count, "{case}");
            }
            let expected = [row("2026-11-23", 1, 15, 85), row("2026-11-23", 2, 1, 99)];
            assert_eq!(rows(&on(&disk.behind_a_crash())), expected, "{case}");
            assert_eq!(rows(&usage), expected, "{case}");
        }
    }
    assert!(failed > 100 && succeeded > 100, "{failed} {succeeded}");
}

#[test]
fn a_day_that_ends_while_the_disk_fails_is_written_when_it_is_sound() {
    let disk = new_disk();
    let usage = on(&disk);
    charge(&usage, 1, MONDAY, 3);
    usage.commit(MONDAY).unwrap();
    disk.fail(0, 2, |_| true);
    charge(&usage, 1, MONDAY + DAY - 1, 2);
    usage.commit(MONDAY + DAY - 1).unwrap_err();
    assert_eq!(usage.failures(), 1);
    charge(&usage, 1, MONDAY + DAY - 1, 1);
    charge(&usage, 1, MONDAY + DAY, 4);
    while usage.commit(MONDAY + DAY).is_err() {}
    assert_eq!(
        rows(&on(&disk.behind_a_crash())),
        [row("2026-11-23", 1, 6, 94), row("2026-11-24", 1, 4, 90)]
    );
}

#[test]
fn damage_that_is_found_by_a_panic_is_an_error_and_loses_nothing() {
    let disk = new_disk();
    let usage = on(&disk);
    charge(&usage, 1, MONDAY, 3);
    disk.fail(0, 1, |_| panic!("damage"));
    let error = usage.commit(MONDAY + 1).unwrap_err();
    assert!(explain(&error).contains("is damaged"), "{error}");
    assert_eq!(usage.failures(), 1);
    let wanted = Wanted {
        from: Day::of(MONDAY),
        to: Day::of(MONDAY),
        plan: None,
        key: None,
        after: None,
    };
    assert_eq!(usage.page(&wanted).unwrap().lacks_since, Some(MONDAY));
    charge(&usage, 1, MONDAY, 1);
    while usage.commit(MONDAY + 2).is_err() {}
    assert_eq!(rows(&usage), [row("2026-11-23", 1, 4, 96)]);
    assert_eq!(usage.page(&wanted).unwrap().lacks_since, None);
}

#[test]
fn the_last_days_with_any_use_are_kept_whatever_the_clock_said() {
    let usage = on(&new_disk());
    for day in 0..=DAYS_KEPT as u64 {
        charge(&usage, 1, MONDAY + 2 * day * DAY, 1);
        usage.commit(MONDAY + 2 * day * DAY).unwrap();
    }
    let rows = rows(&usage);
    assert_eq!(rows.len(), DAYS_KEPT);
    assert_eq!(rows[0].0, Day::of(MONDAY + 2 * DAY).to_string());
}

/// What is known of a key goes with the last of its days, whether it was used or left something by hand.
#[test]
fn keys_that_are_not_used_any_more_are_forgotten_with_their_days() {
    let disk = new_disk();
    let usage = on(&disk);
    charge(&usage, 1, MONDAY, 1);
    let left = |number, at| {
        let cell = cell(&usage, number);
        cell.set_remaining(1, Some(Period::Week), at).unwrap();
    };
    left(2, MONDAY);
    for day in 0..=DAYS_KEPT as u64 + 7 {
        charge(&usage, 3, MONDAY + day * DAY, 1);
        usage.commit(MONDAY + day * DAY).unwrap();
        if day == 8 {
            left(4, MONDAY + day * DAY);
        }
    }
    drop(usage);
    let next = on(&disk);
    let known = |number: usize| {
        let key = ApiKeyId::new(&format!("key{number:07}"));
        let plan = UsagePlanName::new("basic");
        next.find(&PlanKey { plan, key }).is_some()
    };
    assert_eq!([1, 2, 3, 4].map(known), [false, false, true, true]);
}

/// Cells of keys that are deleted are no more than a process would have that starts.
#[test]
fn cells_that_nobody_holds_go_when_the_file_says_nothing_of_them() {
    let disk = new_disk();
    let usage = on(&disk);
    let known = |usage: &Usage, number: usize| {
        let key = ApiKeyId::new(&format!("key{number:07}"));
        let plan = UsagePlanName::new("basic");
        usage.find(&PlanKey { plan, key }).is_some()
    };
    let held = cell(&usage, 1);
    // Of these, one is never used, one has a quota, and one has none.
    drop(cell(&usage, 2));
    charge(&usage, 3, MONDAY, 7);
    count(&usage, 4);
    usage.commit(MONDAY).unwrap();
    assert_eq!(
        [1, 2, 3, 4].map(|it| known(&usage, it)),
        [true, false, true, true]
    );
    // Once a day, also where nothing is to be written.
    drop(cell(&usage, 2));
    usage.commit(MONDAY + 1).unwrap();
    assert!(known(&usage, 2));
    usage.commit(MONDAY + DAY).unwrap();
    assert_eq!(
        [1, 2, 3, 4].map(|it| known(&usage, it)),
        [true, false, true, false]
    );
    // A key that comes back within its period has no quota anew, and its days are added to.
    assert_eq!(cell(&usage, 3).standing(&TERMS, MONDAY + DAY).used, 7);
    count(&usage, 4);
    for day in 1..=DAYS_KEPT as u64 + 7 {
        let _kept = held.charge(&TERMS, MONDAY + day * DAY).unwrap();
        usage.commit(MONDAY + day * DAY).unwrap();
        if day == 1 {
            let row = rows(&usage).into_iter().find(|row| row.1 == "key0000004");
            assert_eq!(row.map(|row| row.2), Some(2));
        }
    }
    assert_eq!(
        [1, 2, 3, 4].map(|it| known(&usage, it)),
        [true, false, false, false]
    );
    let next = on(&disk.behind_a_crash());
    assert_eq!(
        [1, 2, 3, 4].map(|it| known(&next, it)),
        [true, false, false, false]
    );
}

#[test]
fn a_cell_whose_use_cannot_be_written_stays() {
    let disk = new_disk();
    let usage = on(&disk);
    count(&usage, 1);
    disk.fail(0, 1_000, |_| true);
    for day in 0..3 {
        usage.commit(MONDAY + day * DAY).unwrap_err();
        assert_eq!(usage.cells(), 1);
    }
}

#[track_caller]
fn check_refused(bytes: &[u8], expected: &str) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(PATH);
    std::fs::write(&path, bytes).unwrap();
    let error = explain(&Usage::open(directory.path(), MONDAY).unwrap_err());
    assert!(error.contains(expected) && error.contains(PATH), "{error}");
    assert!(!std::fs::read(&path).unwrap().is_empty() || bytes.is_empty());
}

#[test]
fn a_file_that_is_damaged_or_of_something_else_is_named_and_not_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(PATH);
    let usage = Usage::open(directory.path(), MONDAY).unwrap();
    charge(&usage, 1, MONDAY, 77);
    usage.commit(MONDAY).unwrap();
    drop(usage);
    let sound = std::fs::read(&path).unwrap();
    check_refused(b"", "is empty");
    check_refused(b"no database", "damaged");
    check_refused(&sound[..sound.len() / 2], "damaged");
    // A count that was changed where it stands, as the disk has it.
    let count = 77_u64.to_le_bytes();
    let at: Vec<usize> = (0..sound.len() - 4)
        .filter(|&at| sound[at..at + 5] == count[..5])
        .collect();
    let mut refused = 0;
    for at in at {
        let mut bytes = sound.clone();
        bytes[at] = 78;
        std::fs::write(&path, &bytes).unwrap();
        if let Err(error) = Usage::open(directory.path(), MONDAY) {
            refused += 1;
            assert!(explain(&error).contains("damaged"), "{}", explain(&error));
        }
    }
    assert!(refused >= 2, "neither the quota nor the day: {refused}");

    let table = redb::TableDefinition::<&str, u64>::new("facts");
    let other = |fact: &str, version: u64| {
        let path = tempfile::NamedTempFile::new().unwrap();
        let database = Database::create(path.path()).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction
            .open_table(table)
            .unwrap()
            .insert(fact, version)
            .unwrap();
        transaction.commit().unwrap();
        drop(database);
        std::fs::read(path.path()).unwrap()
    };
    check_refused(&other("version", 2), "not of usage");
    check_refused(&other("version of usage", 9), "has version 9");
}

const CHILD: &str = "GATEWAY_TEST_USAGE_DIRECTORY";

/// A process that counts and commits until it is killed, and says with each commit how many it has.
#[test]
fn a_process_that_is_killed_loses_what_it_had_not_committed_and_no_more() {
    let Some(directory) = std::env::var_os(CHILD) else {
        return kill_and_look();
    };
    let usage = Usage::open(Path::new(&directory), MONDAY).unwrap();
    let cell = cell(&usage, 1);
    for count in 1_u64.. {
        let _counted = cell.count(MONDAY);
        if count % 10 == 0 {
            usage.commit(MONDAY).unwrap();
            println!("committed={count};");
        }
    }
}

fn kill_and_look() {
    const NAME: &str = "store::usage::store_tests::\
                        a_process_that_is_killed_loses_what_it_had_not_committed_and_no_more";
    let directory = tempfile::tempdir().unwrap();
    let mut before = 0;
    for round in 1..=4 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", NAME])
            .env(CHILD, directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut said = String::new();
        let mut bytes = [0; 64];
        while said.matches("committed=").count() < 5 * round {
            let length = stdout.read(&mut bytes).unwrap();
            assert!(length > 0, "{said}");
            said.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        stdout.read_to_string(&mut said).unwrap();
        let committed = said
            .rsplit("committed=")
            .find_map(|text| text.split_once(';'));
        let committed: u64 = committed.unwrap().0.parse().unwrap();
        let usage = Usage::open(directory.path(), MONDAY).unwrap();
        let found = rows(&usage)[0].2;
        // The commit in flight may have reached the disk before it was told of.
        let known = before + committed;
        assert!((known..=known + 10).contains(&found), "{found} of {known}");
        before = found;
        drop(usage);
    }
}
