//! Many prefixes on several lists: what the kernel's tables say is what asking every entry says.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as the tests do")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, HashMap, MapData};
use gateway::model::{
    InstanceName, ListAction, ListFormat, ListMode, ListName, Lists as Model, NamedList, Prefix,
};
use gateway::store::list::{ByHand, Change, Lists, Moment, Standing};
use gateway_common::capacity::{LIST_IPV4_FILTER_WORDS, LIST_IPV6_FILTER_BITS};
use gateway_common::list::{
    Ipv4PrefixData, PlainEntry, ipv4_bit, ipv4_prefix_data, ipv6_32_bit, ipv6_48_bit,
};
use gateway_common::name;
use gateway_common::settings::{Control, FLAG_LIST_IPV6_SHORT, FLAG_LISTS, Settings};
use gateway_tests::capability::or_skip;
use gateway_tests::edge::{Bench, CLIENT, OTHER_CLIENT, PORT, SERVER};
use gateway_tests::pinned::pinned;
use tokio::time::Instant;

/// Prefixes in all files together. `GATEWAY_SOAK_PREFIXES` says otherwise.
const PREFIXES: usize = 50_000;
/// Addresses that are asked for.
const PROBES: usize = 400;
/// How long a change by hand may take, whatever else is on the lists.
const BY_HAND_MAX: Duration = Duration::from_secs(1);

fn prefixes() -> usize {
    let asked = std::env::var("GATEWAY_SOAK_PREFIXES");
    asked.map_or(PREFIXES, |text| {
        text.parse().expect("GATEWAY_SOAK_PREFIXES is a number")
    })
}

/// A generator whose numbers do not matter (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn address(&mut self) -> IpAddr {
        let random = self.next();
        if random & 7 == 0 {
            let high = 0x2001_0db8_u128 << 96 | u128::from(self.below(1 << 20)) << 76;
            Ipv6Addr::from(high | u128::from(self.next())).into()
        } else {
            // Away from what the bench itself is reached by.
            Ipv4Addr::from(u32::try_from(self.next() >> 32).unwrap() | 1 << 31).into()
        }
    }

    /// Mostly addresses and long prefixes, as feeds have them, and a few wide ones.
    fn prefix(&mut self) -> Prefix {
        let address = self.address();
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let spare = match self.below(100) {
            0 => 20,
            1..=40 => self.below(12),
            _ => 0,
        };
        Prefix::containing(address, bits - u8::try_from(spare).unwrap())
    }
}

/// A list file with `count` random prefixes.
fn feed(path: &Path, count: usize, numbers: &mut Numbers) -> Vec<Prefix> {
    let prefixes: Vec<Prefix> = (0..count).map(|_| numbers.prefix()).collect();
    let lines: Vec<String> = prefixes.iter().map(Prefix::to_string).collect();
    std::fs::write(path, lines.join("\n")).unwrap();
    prefixes
}

fn named(name: &str, action: ListAction, mode: ListMode, file: PathBuf) -> NamedList {
    NamedList {
        name: ListName::new(name),
        action,
        mode,
        file,
        format: ListFormat::Auto,
    }
}

/// The tables in force, read as the program reads them.
struct Tables {
    settings: Settings,
    filter4: Array<MapData, u64>,
    filter6: Array<MapData, u64>,
    exact4: HashMap<MapData, [u8; 4], PlainEntry>,
    exact6: HashMap<MapData, [u8; 16], PlainEntry>,
    prefix4: LpmTrie<MapData, Ipv4PrefixData, PlainEntry>,
    prefix6: LpmTrie<MapData, [u8; 16], PlainEntry>,
}

impl Tables {
    fn open(instance: &InstanceName) -> Self {
        let control: Array<_, Control> = pinned(instance.as_str(), name::MAP_CONTROL);
        let settings: Array<_, Settings> = pinned(instance.as_str(), name::MAP_SETTINGS);
        let active = u32::try_from(control.get(&0, 0).unwrap().active).unwrap();
        let settings = settings.get(&active, 0).unwrap();
        let of = |[first, second]: [&'static str; 2]| match settings.list_generation {
            0 => first,
            _ => second,
        };
        Self {
            settings,
            filter4: pinned(instance.as_str(), name::MAP_LIST4_FILTER),
            filter6: pinned(instance.as_str(), name::MAP_LIST6_FILTER),
            exact4: pinned(instance.as_str(), of(name::MAP_LIST4_EXACT)),
            exact6: pinned(instance.as_str(), of(name::MAP_LIST6_EXACT)),
            prefix4: pinned(instance.as_str(), of(name::MAP_LIST4_PREFIX)),
            prefix6: pinned(instance.as_str(), of(name::MAP_LIST6_PREFIX)),
        }
    }

    /// The entry that the program finds for an address, behind the filter.
    fn find(&self, address: IpAddr) -> Option<PlainEntry> {
        let generation = self.settings.list_generation;
        if self.settings.flags & FLAG_LISTS == 0 {
            return None;
        }
        let found = match address {
            IpAddr::V4(v4) => {
                let bit = ipv4_bit(v4.into());
                let index = generation * LIST_IPV4_FILTER_WORDS + bit.word;
                if self.filter4.get(&index, 0).unwrap() & bit.mask == 0 {
                    return None;
                }
                let key = Key::new(32, ipv4_prefix_data(v4.into()));
                let exact = self.exact4.get(&v4.octets(), 0);
                exact.or_else(|_none| self.prefix4.get(&key, 0))
            }
            IpAddr::V6(v6) => {
                let high = u64::try_from(u128::from(v6) >> 64).unwrap();
                let seed = self.settings.seed;
                let base = generation << (LIST_IPV6_FILTER_BITS - 6);
                let bits = [
                    ipv6_48_bit(high, seed, LIST_IPV6_FILTER_BITS),
                    ipv6_32_bit(high, seed, LIST_IPV6_FILTER_BITS),
                ];
                let set = |bit: &gateway_common::list::FilterBit| {
                    self.filter6.get(&(base + bit.word), 0).unwrap() & bit.mask != 0
                };
                let has_short = self.settings.flags & FLAG_LIST_IPV6_SHORT != 0;
                if !has_short && !bits.iter().any(set) {
                    return None;
                }
                let key = Key::new(128, v6.octets());
                let exact = self.exact6.get(&v6.octets(), 0);
                exact.or_else(|_none| self.prefix6.get(&key, 0))
            }
        };
        found.ok()
    }

    fn judge(&self, address: IpAddr, now_ns: u64) -> Standing {
        match self.find(address) {
            Some(entry) if entry.is_management() => Standing::Management,
            Some(entry) if entry.allows(now_ns) => Standing::Allowed(entry.allow_list),
            Some(entry) if entry.denies(now_ns) => Standing::Denied(entry.deny_list),
            Some(entry) if entry.would_deny(now_ns) => Standing::Monitored(entry.monitor_list),
            Some(_) | None => Standing::Unlisted,
        }
    }

    fn len(&self) -> usize {
        self.exact4.keys().count()
            + self.exact6.keys().count()
            + self.prefix4.keys().count()
            + self.prefix6.keys().count()
    }
}

/// What everybody should think of an address: every entry is asked.
struct Naive {
    management: Vec<Prefix>,
    allow: Vec<(u16, Vec<Prefix>)>,
    deny: Vec<(u16, Vec<Prefix>)>,
    monitor: Vec<(u16, Vec<Prefix>)>,
}

impl Naive {
    fn judge(&self, address: IpAddr) -> Standing {
        let on = |list: &Vec<Prefix>| list.iter().any(|prefix| prefix.contains(address));
        let first = |lists: &[(u16, Vec<Prefix>)]| {
            let found = lists.iter().find(|(_, list)| on(list));
            found.map(|(number, _)| *number)
        };
        if on(&self.management) {
            Standing::Management
        } else if let Some(list) = first(&self.allow) {
            Standing::Allowed(list)
        } else if let Some(list) = first(&self.deny) {
            Standing::Denied(list)
        } else {
            first(&self.monitor).map_or(Standing::Unlisted, Standing::Monitored)
        }
    }

    /// Addresses inside and beside what is listed, and others.
    fn probes(&self, numbers: &mut Numbers) -> Vec<IpAddr> {
        let lists = self.allow.iter().chain(&self.deny).chain(&self.monitor);
        let all: Vec<&Prefix> = lists.flat_map(|(_, list)| list).collect();
        let mut probes = Vec::with_capacity(PROBES);
        while probes.len() < PROBES {
            let random = numbers.address();
            probes.push(random);
            let chosen = usize::try_from(numbers.below(all.len() as u64)).unwrap();
            let prefix = all.get(chosen).unwrap();
            probes.push(match (prefix.network(), random) {
                (IpAddr::V4(v4), _) => {
                    Ipv4Addr::from(u32::from(v4) ^ u32::try_from(numbers.below(4)).unwrap()).into()
                }
                (IpAddr::V6(v6), _) => {
                    Ipv6Addr::from(u128::from(v6) ^ u128::from(numbers.below(4))).into()
                }
            });
        }
        probes
    }

    #[track_caller]
    fn expect(&self, lists: &Lists, instance: &InstanceName, numbers: &mut Numbers) {
        let tables = Tables::open(instance);
        let now_ns = Moment::now().monotonic_ns;
        let mut listed = 0;
        for probe in self.probes(numbers) {
            let expected = self.judge(probe);
            listed += usize::from(expected != Standing::Unlisted);
            assert_eq!(lists.judge(probe, now_ns), expected, "accept: {probe}");
            assert_eq!(tables.judge(probe, now_ns), expected, "kernel: {probe}");
        }
        assert!(listed > PROBES / 4, "{listed} probes were listed");
    }
}

fn by_hand<T>(what: &str, change: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let outcome = change();
    say(what, begun);
    let took = begun.elapsed();
    assert!(took < BY_HAND_MAX, "{what} took {took:?}");
    outcome
}

/// Figures for whoever runs this with `--nocapture`.
#[expect(clippy::print_stdout, reason = "a test reports what it measured")]
fn say(what: &str, begun: Instant) {
    println!("{what}: {:?}", begun.elapsed());
}

/// The lists of one test, in the kernel and as everybody should see them.
struct Many {
    state: tempfile::TempDir,
    model: Model,
    lists: Lists,
    naive: Naive,
    numbers: Numbers,
    count: usize,
}

impl Many {
    /// Reads three files; nothing is in force yet.
    fn read(seed: u64) -> Self {
        let state = tempfile::tempdir().unwrap();
        let mut numbers = Numbers(seed);
        let count = prefixes();
        let file = |name: &str| state.path().join(name);
        let model = Model {
            offloaded: Vec::new(),
            proxies: Vec::new(),
            management: vec!["240.0.0.0/12".parse().unwrap()],
            named: vec![
                named("drop", ListAction::Deny, ListMode::Enforce, file("drop")),
                named("watch", ListAction::Deny, ListMode::Monitor, file("watch")),
                named("good", ListAction::Allow, ListMode::Enforce, file("good")),
            ],
        };
        let dropped = feed(&file("drop"), count / 10 * 8, &mut numbers);
        let watched = feed(&file("watch"), count / 10, &mut numbers);
        let good = feed(&file("good"), count / 10, &mut numbers);
        let naive = Naive {
            management: model.management.clone(),
            allow: vec![(1, Vec::new()), (5, good)],
            deny: vec![(0, Vec::new()), (3, dropped)],
            monitor: vec![(4, watched)],
        };
        let lists = Lists::open(state.path(), Moment::now()).unwrap();
        let begun = Instant::now();
        lists.install(lists.prepare(&model).unwrap()).unwrap();
        say(&format!("{count} prefixes read and indexed"), begun);
        Self {
            state,
            model,
            lists,
            naive,
            numbers,
            count,
        }
    }

    fn expect(&mut self, bench: &Bench) {
        let instance = &bench.gateway.instance;
        self.naive.expect(&self.lists, instance, &mut self.numbers);
    }

    /// Changes by hand, while everything else is loaded.
    fn change_by_hand(&mut self, bench: &Bench) {
        let (lists, now) = (self.lists.clone(), Moment::now());
        let client: Prefix = format!("{CLIENT}/32").parse().unwrap();
        let wide: Prefix = "160.0.0.0/11".parse().unwrap();
        let short: Prefix = "2001:d00::/24".parse().unwrap();
        let somebody = self.naive.deny.last().unwrap().1.first().unwrap();
        let narrow = Prefix::containing(somebody.network(), 16);
        assert!(bench.reaches(CLIENT));
        for prefix in [client, wide, short] {
            by_hand(&format!("deny {prefix}"), || {
                lists.add(Change::deny(prefix), None, now).unwrap();
            });
        }
        assert!(!bench.reaches(CLIENT) && bench.reaches(OTHER_CLIENT));
        by_hand(&format!("allow {narrow}"), || {
            lists.add(Change::allow(narrow), None, now).unwrap();
        });
        self.naive.deny.first_mut().unwrap().1 = vec![client, wide, short];
        self.naive.allow.first_mut().unwrap().1 = vec![narrow];
        self.expect(bench);
        for prefix in [wide, short] {
            by_hand(&format!("deny {prefix} no more"), || {
                assert!(lists.remove(Change::deny(prefix), now).unwrap());
            });
        }
        self.naive.deny.first_mut().unwrap().1 = vec![client];
        self.expect(bench);
    }

    /// Another content of the longest list, while an address comes and goes by hand.
    fn swap(&mut self, bench: &Bench) {
        let path = self.state.path().join("drop");
        let dropped = feed(&path, self.count / 10 * 8, &mut self.numbers);
        self.naive.deny.last_mut().unwrap().1 = dropped;
        let prepared = self.lists.prepare(&self.model).unwrap();
        let (lists, now) = (self.lists.clone(), Moment::now());
        let other: Prefix = format!("{OTHER_CLIENT}/32").parse().unwrap();
        std::thread::scope(|scope| {
            let swap = scope.spawn(|| {
                let begun = Instant::now();
                lists.install(prepared).unwrap();
                say("swapped", begun);
            });
            let mut changes = 0;
            while !swap.is_finished() || changes == 0 {
                by_hand("deny during the swap", || {
                    lists.add(Change::deny(other), None, now).unwrap();
                });
                assert!(!bench.reaches(OTHER_CLIENT));
                by_hand("no more during the swap", || {
                    assert!(lists.remove(Change::deny(other), now).unwrap());
                });
                assert!(bench.reaches(OTHER_CLIENT) && !bench.reaches(CLIENT));
                changes += 1;
            }
            swap.join().unwrap();
        });
        self.expect(bench);
    }

    /// Hits of the one address that is denied by hand.
    fn hits(&self) -> u64 {
        let entries = self.lists.entries(ByHand::Deny, Moment::now()).unwrap();
        entries.first().unwrap().hits.unwrap()
    }
}

#[test]
fn many_prefixes_mean_what_each_of_them_says() {
    let Some(bench) = or_skip(Bench::new("million")) else {
        return;
    };
    let seed = std::env::var("GATEWAY_SEED").map_or(0x5eed, |text| text.parse().unwrap());
    println!("GATEWAY_SEED={seed}");
    let edge = bench.start().unwrap();
    let _listener = bench.listen(&format!("{SERVER}:{PORT}"));
    let mut many = Many::read(seed);
    let begun = Instant::now();
    many.lists.attach(edge.list_sink()).unwrap();
    say("staged and in force", begun);
    let status = many.lists.status().unwrap();
    let bytes: usize = status.iter().map(|list| list.bytes).sum();
    println!("user space: {bytes} bytes");
    many.expect(&bench);

    many.change_by_hand(&bench);
    let before = many.hits();
    assert!(before > 0);
    many.swap(&bench);
    let after = many.hits();
    assert!(after > before, "hits were lost: {before}, then {after}");

    // Out of the configuration a list is gone, and opens nothing that another one shuts.
    let Many { lists, model, .. } = &mut many;
    model.named.remove(1);
    lists.install(lists.prepare(model).unwrap()).unwrap();
    many.naive.monitor.clear();
    many.expect(&bench);
    let Many { lists, model, .. } = &mut many;
    model.named.clear();
    let begun = Instant::now();
    lists.install(lists.prepare(model).unwrap()).unwrap();
    say("emptied", begun);
    assert_eq!(Tables::open(&bench.gateway.instance).len(), 3);
    assert!(!bench.reaches(CLIENT) && bench.reaches(OTHER_CLIENT));
}
