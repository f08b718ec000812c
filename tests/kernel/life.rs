//! The life of the kernel edge: start, takeover, end.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as the tests do")]

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use gateway::clock::monotonic_ns;
use gateway::model::{AttachMode, BucketTables, EdgeMode, OnExit};
use gateway::xdp::{EdgeError, Mode, Start, stats};
use gateway_common::limit::{Limit, Rate};
use gateway_common::reason::{Reason, Verdict};
use gateway_tests::capability::or_skip;
use gateway_tests::counted::Counted;
use gateway_tests::edge::{Bench, CLIENT, INTERFACE, PORT, SERVER, listener};

/// Looks at what a moment may change.
const ATTEMPTS_MAX: usize = 200;

fn pins(bench: &Bench) -> PathBuf {
    PathBuf::from("/sys/fs/bpf/gateway").join(bench.gateway.instance.as_str())
}

/// The program on the gateway's interface, if any.
fn program(bench: &Bench) -> Option<String> {
    bench.server.run(|| {
        let output = std::process::Command::new("ip")
            .args(["-details", "link", "show", "dev", INTERFACE])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, after) = text.split_once("prog/xdp id ")?;
        Some(after.split_whitespace().next()?.to_owned())
    })
}

#[test]
fn a_start_attaches_natively_and_detach_leaves_nothing() {
    let Some(bench) = or_skip(Bench::new("start")) else {
        return;
    };
    let edge = bench.start().unwrap();
    let [attachment] = edge.attachments() else {
        panic!("{:?}", edge.attachments());
    };
    assert_eq!(attachment.interface, INTERFACE);
    assert_eq!(attachment.mode, Mode::Native);
    assert!(!attachment.adopted);
    let _listener = bench.listen(&format!("{SERVER}:{PORT}"));
    assert!(bench.reaches(CLIENT));
    let counted = Counted::by(&edge);
    assert_eq!(counted.packets(Verdict::Pass, Reason::NewConnection), 1);
    assert!(counted.packets(Verdict::Pass, Reason::Admitted) >= 1);
    assert!(program(&bench).is_some());
    edge.shutdown(OnExit::Detach).unwrap();
    assert_eq!(program(&bench), None);
    assert!(!pins(&bench).exists());
}

#[test]
fn a_restart_takes_over_without_a_gap_and_keeps_every_word() {
    let Some(bench) = or_skip(Bench::new("restart")) else {
        return;
    };
    let edge = bench.start().unwrap();
    let _listener = bench.listen(&format!("{SERVER}:{PORT}"));
    assert!(bench.reaches(CLIENT));
    let (buckets, first) = (edge.buckets(), program(&bench));
    let slot = buckets.claim_slot(42).unwrap();
    buckets.slot(slot).admitted.store(7, Ordering::Relaxed);
    let seed = buckets.seed();
    drop(buckets);
    edge.shutdown(OnExit::Keep).unwrap();

    // No daemon: the program judges on, and the statistics can be read.
    assert_eq!(program(&bench), first);
    assert!(bench.reaches(CLIENT));
    let instance = bench.gateway.instance.clone();
    let pinned = bench
        .server
        .run(move || stats::open_pinned(&instance))
        .unwrap()
        .unwrap();
    assert_eq!(pinned.attachments[0].interface, INTERFACE);
    let counted = Counted(pinned.statistics.read().unwrap());
    assert_eq!(counted.packets(Verdict::Pass, Reason::NewConnection), 2);
    assert_eq!(counted.0.slots.len(), 1);
    assert_eq!(counted.0.slots[0].admitted, 7);

    let edge = bench.start().unwrap();
    assert!(edge.attachments()[0].adopted);
    assert_ne!(program(&bench), first);
    assert_eq!(edge.buckets().seed(), seed);
    assert_eq!(edge.buckets().claim_slot(42), Ok(slot));
    assert!(bench.reaches(CLIENT));
    let counted = Counted::by(&edge);
    assert_eq!(counted.packets(Verdict::Pass, Reason::NewConnection), 3);
}

#[test]
fn a_restart_with_tables_of_another_size_takes_over_what_is_owed() {
    let Some(mut bench) = or_skip(Bench::new("resized")) else {
        return;
    };
    let tables = |throttles, callers| BucketTables::new(throttles, callers).unwrap();
    let owed = monotonic_ns() + 3_600_000_000_000;
    let edge = bench.start().unwrap();
    let _listener = bench.listen(&format!("{SERVER}:{PORT}"));
    assert!(bench.reaches(CLIENT));
    let (buckets, seed) = (edge.buckets(), edge.buckets().seed());
    assert_eq!(buckets.sizes(), BucketTables::default());
    let limit = Limit::new(Rate::per_second(1), 2, 1).unwrap();
    for tag in 1..=20 {
        let slot = buckets.claim_slot(tag).unwrap();
        buckets.slot(slot).tat.store(owed + tag, Ordering::Relaxed);
        let word = buckets
            .caller_line(tag)
            .find_or_claim(tag, 1, limit.increment(1));
        word.unwrap().store(owed + tag, Ordering::Relaxed);
    }
    drop(buckets);
    edge.shutdown(OnExit::Keep).unwrap();

    let before = program(&bench);
    for sizes in [
        tables(2_048, 1_048_576),
        tables(1_024, 1_024),
        tables(1_024, 2_048),
    ] {
        bench.gateway.buckets = sizes;
        let edge = bench.start().unwrap();
        // The program judges on, by the same words of sources.
        assert!(edge.attachments()[0].adopted);
        let notes = edge.notes().join("\n");
        assert!(notes.ends_with("what was owed is owed still"), "{notes}");
        let buckets = edge.buckets();
        assert_eq!((buckets.sizes(), buckets.seed()), (sizes, seed));
        assert_eq!(buckets.slots_claimed(), 20);
        for tag in 1..=20 {
            let slot = buckets.claim_slot(tag).unwrap();
            let tat = &buckets.slot(slot).tat;
            assert_eq!(tat.load(Ordering::Relaxed), owed + tag);
            let way = buckets.caller_line(tag).find(tag).unwrap();
            assert_eq!(way.tat.load(Ordering::Relaxed), owed + tag);
        }
        let read = edge.statistics().read().unwrap();
        assert_eq!((read.sizes, read.slots.len()), (Some(sizes), 20));
        drop(buckets);
        edge.shutdown(OnExit::Keep).unwrap();
        let instance = bench.gateway.instance.clone();
        let pinned = bench.server.run(move || stats::open_pinned(&instance));
        let owing = pinned
            .unwrap()
            .unwrap()
            .debts
            .read(owed - 1)
            .unwrap()
            .callers;
        assert_eq!(owing.len(), 20);
    }
    assert_ne!(program(&bench), before);
    assert!(bench.reaches(CLIENT));
    // The same sizes once more: nothing is said, and nothing moves.
    let edge = bench.start().unwrap();
    assert!(edge.notes().is_empty(), "{:?}", edge.notes());
    let counted = Counted::by(&edge);
    assert_eq!(counted.packets(Verdict::Pass, Reason::NewConnection), 2);
}

#[test]
fn a_second_gateway_of_the_instance_is_refused_by_name() {
    let Some(bench) = or_skip(Bench::new("second")) else {
        return;
    };
    let _edge = bench.start().unwrap();
    let error = bench.start().unwrap_err();
    assert!(matches!(error, EdgeError::InstanceRunning { .. }));
    let name = bench.gateway.instance.as_str();
    assert!(error.to_string().contains(name), "{error}");
}

#[test]
fn pins_of_another_user_are_refused_also_in_mode_auto() {
    let Some(mut bench) = or_skip(Bench::new("foreign")) else {
        return;
    };
    bench.gateway.edge.mode = EdgeMode::Auto;
    bench.start().unwrap().shutdown(OnExit::Keep).unwrap();
    std::os::unix::fs::chown(pins(&bench), Some(12_345), None).unwrap();
    let error = bench.start_any().unwrap_err();
    assert!(
        matches!(error, EdgeError::ForeignPins { owner: 12_345, .. }),
        "{error}"
    );
}

#[test]
fn with_detach_the_program_goes_with_the_process_however_it_ends() {
    let Some(mut bench) = or_skip(Bench::new("gone")) else {
        return;
    };
    bench.gateway.edge.on_exit = OnExit::Detach;
    let edge = bench.start().unwrap();
    assert!(program(&bench).is_some());
    drop(edge);
    // A process that another test has forked holds the descriptors until it executes its program.
    assert!((0..ATTEMPTS_MAX).any(|_| program(&bench).is_none()));
}

#[test]
fn off_removes_what_an_earlier_run_left() {
    let Some(mut bench) = or_skip(Bench::new("off")) else {
        return;
    };
    bench.start().unwrap().shutdown(OnExit::Keep).unwrap();
    assert!(program(&bench).is_some());
    bench.gateway.edge.mode = EdgeMode::Off;
    let Start::Absent(absence) = bench.start_any().unwrap() else {
        panic!("attached though off");
    };
    assert!(absence.cause.contains("`off`"), "{absence}");
    assert_eq!(program(&bench), None);
    assert!(!pins(&bench).exists());
}

#[test]
fn loopback_takes_the_generic_path_and_says_so() {
    let Some(mut bench) = or_skip(Bench::new("generic")) else {
        return;
    };
    bench.gateway.edge.interfaces = vec!["lo".to_owned()];
    bench.gateway.edge.on_exit = OnExit::Detach;
    let edge = bench.start().unwrap();
    assert_eq!(edge.attachments()[0].mode, Mode::Generic);
    drop(edge);
    bench.gateway.edge.attach = AttachMode::Native;
    // A test beside this one that starts a program holds copies of all descriptors between fork
    // and exec, that of the dropped link among them.
    let error = std::iter::repeat_with(|| bench.start().unwrap_err())
        .take(100)
        .find(|error| !matches!(error, EdgeError::Occupied { .. }))
        .unwrap();
    assert!(
        matches!(error, EdgeError::Attach { mode: "native", .. }),
        "{error}"
    );
    bench.gateway.edge.mode = EdgeMode::Auto;
    let Start::Absent(absence) = bench.start_any().unwrap() else {
        panic!("attached natively to lo");
    };
    assert!(absence.to_string().contains("native mode"), "{absence}");
    assert!(!absence.to_string().contains('\n'), "{absence}");
}

/// The mode of a link is fixed, so for another one the program has to be taken off first.
#[test]
fn a_mode_that_is_refused_leaves_the_interface_judged_in_the_old_one() {
    let Some(mut bench) = or_skip(Bench::new("mode")) else {
        return;
    };
    bench.gateway.edge.interfaces = vec!["lo".to_owned()];
    bench.start().unwrap().shutdown(OnExit::Keep).unwrap();
    bench.gateway.edge.attach = AttachMode::Native;
    let error = bench.start().unwrap_err();
    assert!(
        matches!(error, EdgeError::Attach { mode: "native", .. }),
        "{error}"
    );
    bench.gateway.edge.attach = AttachMode::Auto;
    let edge = bench.start().unwrap();
    let [attachment] = edge.attachments() else {
        panic!("{:?}", edge.attachments());
    };
    assert_eq!((attachment.mode, attachment.adopted), (Mode::Generic, true));
}

#[test]
fn the_program_of_somebody_else_is_named_and_left_alone() {
    let Some(bench) = or_skip(Bench::new("mine")) else {
        return;
    };
    let Some(other) = or_skip(Bench::new("other")) else {
        return;
    };
    let edge = bench.start().unwrap();
    let before = program(&bench).unwrap();
    let mut gateway = other.gateway.clone();
    gateway.edge = bench.gateway.edge.clone();
    let error = bench
        .server
        .run(move || gateway::xdp::start(&gateway, |_sink| Ok(())))
        .unwrap_err();
    assert!(
        matches!(&error, EdgeError::Occupied { occupant } if occupant.program_id.to_string() == before),
        "{error}"
    );
    // It is ours as well, and its pins say whose.
    let text = error.to_string();
    let instance = bench.gateway.instance.as_str();
    for part in [
        "`gateway_edge` with tag ".to_owned(),
        format!("pinned as `/sys/fs/bpf/gateway/{instance}/"),
        format!("`gateway xdp detach --instance {instance}`"),
    ] {
        assert!(text.contains(&part), "no {part} in {text}");
    }
    assert_eq!(program(&bench), Some(before));
    drop(edge);
}

#[test]
fn without_names_the_interfaces_with_a_listeners_address_are_chosen() {
    let Some(mut bench) = or_skip(Bench::new("chosen")) else {
        return;
    };
    bench.gateway.edge.interfaces = Vec::new();
    let names = |bench: &Bench| -> Vec<String> {
        let edge = bench.start().unwrap();
        let attachments = edge.attachments().iter();
        attachments
            .map(|attachment| attachment.interface.clone())
            .collect()
    };
    assert_eq!(names(&bench), [INTERFACE]);
    bench.gateway.listeners = vec![listener("0.0.0.0:8443")];
    assert_eq!(names(&bench), [INTERFACE]);
    bench.gateway.listeners = vec![listener("127.0.0.1:8443")];
    assert_eq!(names(&bench), ["lo"]);
    assert_eq!(program(&bench), None);
    bench.gateway.listeners = vec![listener("192.0.2.1:8443")];
    let error = bench.start().unwrap_err();
    assert!(matches!(error, EdgeError::NoInterface), "{error}");
}

#[test]
fn an_interface_that_is_not_named_any_more_is_let_go() {
    let Some(mut bench) = or_skip(Bench::new("unnamed")) else {
        return;
    };
    bench.gateway.edge.interfaces.push("lo".to_owned());
    let mut edge = bench.start().unwrap();
    assert_eq!(edge.attachments().len(), 2);
    bench.gateway.edge.interfaces = vec!["lo".to_owned()];
    bench.apply(&mut edge, &bench.gateway).unwrap();
    assert_eq!(edge.attachments().len(), 1);
    assert_eq!(program(&bench), None);
    edge.shutdown(OnExit::Keep).unwrap();

    bench.gateway.edge.interfaces = vec![INTERFACE.to_owned()];
    let edge = bench.start().unwrap();
    assert!(!edge.attachments()[0].adopted);
    drop(edge);
    let instance = bench.gateway.instance.clone();
    let pinned = bench.server.run(move || stats::open_pinned(&instance));
    let attachments = pinned.unwrap().unwrap().attachments;
    assert_eq!(attachments.len(), 1);
    assert_eq!(attachments[0].interface, INTERFACE);
}

#[test]
fn unknown_and_new_interfaces_are_refused() {
    let Some(mut bench) = or_skip(Bench::new("new")) else {
        return;
    };
    let mut edge = bench.start().unwrap();
    let mut changed = bench.gateway.clone();
    changed.edge.interfaces.push("lo".to_owned());
    let error = bench.apply(&mut edge, &changed).unwrap_err();
    assert!(matches!(error, EdgeError::NewInterface { .. }), "{error}");
    drop(edge);
    bench.gateway.edge.interfaces = vec!["nope0".to_owned()];
    let error = bench.start().unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("`nope0`") && text.contains(INTERFACE),
        "{text}"
    );
}
