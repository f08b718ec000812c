//! Mistakes that others shipped, each with the test that would catch it here.
//!
//! A test below checks that every test named exists where the table says. Tests that fit nowhere
//! else follow.
//!
//! | mistake | file | test |
//! |---|---|---|
//! | rate x elapsed overflows | gateway-common/src/limit_tests.rs | no_time_and_no_cost_overflows |
//! | refill rounds to zero | gateway-common/src/limit_tests.rs | increments_are_rounded_up_and_never_zero |
//! | limit multiplied by the number of CPUs | tests/kernel/rate.rs | the_burst_is_one_for_all_cpus |
//! | fixed window admits twice the rate at its edges | tests/kernel/rate.rs | no_window_admits_twice_the_rate |
//! | spoofed sources turn the table over | tests/kernel/rate.rs | spoofed_sources_that_appear_once_never_push_out_an_offender |
//! | one table for limits of very different rates forgets who is refused | tests/kernel/rate.rs | nobody_out_of_packets_gives_way_to_newcomers_under_a_limit_of_connections_that_is_slower |
//! | data of a later fragment read as ports | tests/kernel/hazards.rs | data_of_a_later_fragment_is_never_read_as_ports |
//! | transport header walked as an extension header | tests/kernel/hazards.rs | a_transport_header_is_never_walked_as_an_extension_header |
//! | more than two VLAN tags are a way around | tests/kernel/parse.rs | up_to_four_vlan_tags_are_read_and_a_fifth_is_no_bypass |
//! | packets without DF dropped | tests/kernel/hazards.rs | packets_without_df_are_admitted |
//! | ICMP errors, neighbour discovery or ARP limited | tests/kernel/hazards.rs | icmp_errors_neighbour_discovery_and_arp_are_never_limited |
//! | health checks and probes of a balancer limited | tests/kernel/hazards.rs | health_checks_of_management_and_allowed_sources_are_never_limited |
//! | an attachment by netlink leaves nothing to pin | tests/kernel/veth_attach.rs | what_netlink_attached_is_named_and_taken_over_where_it_is_ours |
//! | maps read under another policy than they were written for | tests/kernel/sync.rs | a_restart_swaps_the_whole_list_and_keeps_nothing_stale |
//! | a stale link makes a restart lose the protection | tests/kernel/life.rs | a_restart_takes_over_without_a_gap_and_keeps_every_word |
//! | a banned peer cannot finish its close | tests/kernel/hazards.rs | a_source_out_of_connections_can_still_close_those_it_has |
//! | boot and monotonic clocks mixed | tests/kernel/clock.rs | the_program_and_this_process_read_the_same_clock |
//! | layouts of two versions mixed: the maps | tests/kernel/artefact.rs | every_map_has_its_name_size_and_flags |
//! | layouts of two versions mixed: what is saved | gateway/src/store/bucket/tests.rs | another_boot_layout_or_size_starts_fresh_and_says_so |
//! | an expired prefix opens its live covering prefix | tests/kernel/sync.rs | what_ends_inside_a_live_prefix_stays_denied |
//! | a full map ignored, so open: buckets | tests/kernel/rate.rs | a_full_line_charges_the_aggregate |
//! | a full map ignored, so open: penalties | tests/kernel/penalty_store.rs | full_tables_refuse_and_are_counted |
//! | a full map ignored, so open: lists | gateway/src/store/list/tests.rs | lists_that_are_full_refuse_and_change_nothing |
//! | a ring buffer wakes its reader for every drop | tests/kernel/events.rs | a_drop_wakes_nobody |
//! | a trusted proxy's address banned, everyone out | tests/kernel/penalty_store.rs | proxies_and_balancers_are_never_penalised |
//! | an answer with a number that clients ignore | tests/kernel/cookies.rs | a_syn_beyond_the_budget_comes_back_as_a_syn_ack_that_is_right_in_every_byte |
//! | a failed login locks out the identity it names | tests/api/penalties.rs | forged_tokens_are_their_senders_and_no_fault_of_whom_they_name |

use gateway_common::address::Address;
use gateway_common::list::{ENTRY_MANAGEMENT, LIST_ALLOW, LIST_MANAGEMENT, NEVER, PlainEntry};
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::{SourceLimit, Treatment};
use gateway_oracle::site::Site;
use gateway_tests::named::is_test;
use gateway_tests::packet::{
    ACK, SYN, TCP, UDP, ethernet, extension, fragment, frame4, frame6, ipv4, ipv6, tcp, udp,
};

use crate::differential;
use crate::site::{
    CLIENT, PORT, SERVER, check, client6, orders, per_second, segment, server6, settings, site,
};

const FIN: u8 = 0x01;
const RST: u8 = 0x04;

const V4: Family = Family::Ipv4;
const V6: Family = Family::Ipv6;

#[test]
fn every_mistake_has_a_test_that_exists() {
    let rows: Vec<_> = include_str!("hazards.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//! | "))
        .map(|row| row.trim_end_matches(" |").split(" | ").collect::<Vec<_>>())
        .filter(|cells| cells[0] != "mistake")
        .collect();
    assert_eq!(rows.len(), 27, "rows of the table");
    for row in rows {
        let [mistake, file, test] = row[..] else {
            panic!("three cells: {row:?}");
        };
        assert!(is_test(file, test), "{mistake}: {file} has no test {test}");
    }
}

/// A later fragment with the bytes of a SYN to the listener, or of a datagram to another port, is
/// the same fragment to us.
#[test]
fn data_of_a_later_fragment_is_never_read_as_ports() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    for (name, protocol, data) in [
        ("a SYN to us", TCP, tcp(1, PORT, SYN)),
        ("an ACK to another port", TCP, tcp(1, 22, ACK)),
        ("a datagram to us", UDP, udp(1, PORT, 8)),
        ("a datagram to another port", UDP, udp(1, 53, 8)),
    ] {
        for offset in [1, 0x1fff] {
            let frame = frame4(&ipv4(CLIENT, SERVER, protocol, offset, &data));
            check(
                &mut object,
                name,
                &frame,
                (Verdict::Drop, Reason::Fragment, V4),
            );
            let packet = fragment(protocol, offset, false, &data);
            let frame = frame6(&ipv6(client6(), server6(), 44, &packet));
            check(
                &mut object,
                name,
                &frame,
                (Verdict::Drop, Reason::Fragment, V6),
            );
        }
    }
}

/// The first byte of a transport header is half of its source port, whatever extension header it
/// would name.
#[test]
fn a_transport_header_is_never_walked_as_an_extension_header() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    for number in [0, 43, 44, 51, 60, TCP, UDP] {
        let name = format!("source port starts with {number}");
        let port = u16::from_be_bytes([number, 0]);
        let (syn, datagram) = (tcp(port, PORT, SYN), udp(port, PORT, 32));
        let opened = (Verdict::Pass, Reason::NewConnection, V6);
        let admitted = (Verdict::Pass, Reason::Admitted, V6);
        let mut row = |next, payload: &[u8], expected| {
            let frame = frame6(&ipv6(client6(), server6(), next, payload));
            check(&mut object, &name, &frame, expected);
        };
        row(TCP, &syn, opened);
        row(60, &extension(TCP, 0, &syn), opened);
        row(UDP, &datagram, admitted);
        row(0, &extension(UDP, 0, &datagram), admitted);
    }
}

#[test]
fn packets_without_df_are_admitted() {
    let Some(mut object) = site(settings()) else {
        return;
    };
    for (name, field) in [("DF", 0x4000), ("none", 0), ("the reserved bit", 0x8000)] {
        let frame = frame4(&ipv4(CLIENT, SERVER, TCP, field, &tcp(1, PORT, SYN)));
        check(
            &mut object,
            name,
            &frame,
            (Verdict::Pass, Reason::NewConnection, V4),
        );
        let frame = frame4(&ipv4(CLIENT, SERVER, TCP, field, &tcp(1, PORT, ACK)));
        check(
            &mut object,
            name,
            &frame,
            (Verdict::Pass, Reason::Admitted, V4),
        );
    }
}

/// What is refused are new connections; a peer that is refused them still ends those it has.
#[test]
fn a_source_out_of_connections_can_still_close_those_it_has() {
    let connections = per_second(1, 1, true);
    let Some(mut object) = site(orders([connections, SourceLimit::default()])) else {
        return;
    };
    let opened = (Verdict::Pass, Reason::NewConnection, V4);
    check(&mut object, "the last one", &segment(SYN), opened);
    let refused = (Verdict::Drop, Reason::ConnectionRate, V4);
    check(&mut object, "one too many", &segment(SYN), refused);
    let admitted = (Verdict::Pass, Reason::Admitted, V4);
    for (name, flags) in [
        ("data", ACK),
        ("the end", FIN | ACK),
        ("the last acknowledgement", ACK),
        ("a reset", RST),
        ("a reset with ACK", RST | ACK),
    ] {
        check(&mut object, name, &segment(flags), admitted);
    }
}

/// Where everything that can be dropped is dropped, path MTU discovery and neighbours still work.
#[test]
fn icmp_errors_neighbour_discovery_and_arp_are_never_limited() {
    let guarded = Site(Some([Treatment::Drop; 3]));
    let Some((_, mut object)) = differential::site(guarded) else {
        return;
    };
    let message = |kind| [kind, 4, 0, 0, 0, 0, 5, 0];
    let (four, six) = (
        |kind| frame4(&ipv4(CLIENT, SERVER, 1, 0, &message(kind))),
        |kind| frame6(&ipv6(client6(), server6(), 58, &message(kind))),
    );
    for kind in [3, 4, 5, 11, 12] {
        let passed = (Verdict::Pass, Reason::NotOurs, V4);
        check(&mut object, &format!("type {kind}"), &four(kind), passed);
    }
    for kind in (1..=4).chain(130..=137).chain([143]) {
        let passed = (Verdict::Pass, Reason::NotOurs, V6);
        check(&mut object, &format!("type {kind}"), &six(kind), passed);
    }
    let arp = ethernet(&[], 0x0806, &[0; 28]);
    let passed = (Verdict::Pass, Reason::NotIp, Family::Other);
    check(&mut object, "ARP", &arp, passed);
    // That nothing passes which need not shows that the site is as strict as it says.
    let dropped = |family| (Verdict::Drop, Reason::OtherTraffic, family);
    check(&mut object, "echo", &four(8), dropped(V4));
    check(&mut object, "echo", &six(128), dropped(V6));
}

#[test]
fn health_checks_of_management_and_allowed_sources_are_never_limited() {
    let spent = per_second(1, 1, true);
    let management = PlainEntry {
        flags: ENTRY_MANAGEMENT,
        lists: 1 << LIST_MANAGEMENT,
        ..PlainEntry::default()
    };
    let allowed = PlainEntry {
        allow_until_ns: NEVER,
        allow_list: LIST_ALLOW,
        lists: 1 << LIST_ALLOW,
        ..PlainEntry::default()
    };
    for (entry, reason) in [(management, Reason::Management), (allowed, Reason::Allowed)] {
        let Some(mut object) = site(orders([spent, spent])) else {
            return;
        };
        // Whoever is on no list has one of each.
        let limited = (Verdict::Drop, Reason::ConnectionRate, V4);
        check(
            &mut object,
            "first",
            &segment(SYN),
            (Verdict::Pass, Reason::NewConnection, V4),
        );
        check(&mut object, "second", &segment(SYN), limited);
        object.deny(0, Address::v4(CLIENT), 32, entry).unwrap();
        for _ in 0..20 {
            check(
                &mut object,
                "SYN",
                &segment(SYN),
                (Verdict::Pass, reason, V4),
            );
            check(
                &mut object,
                "ACK",
                &segment(ACK),
                (Verdict::Pass, reason, V4),
            );
        }
    }
}
