//! The BPF object under test, loaded without pins or interfaces and run packet by packet.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, HashMap, Map, MapData, PerCpuArray, PerCpuValues};
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader};
use gateway_common::address::Address;
use gateway_common::bucket::PlainLine;
use gateway_common::capacity::{
    ENDPOINT_LINE_BITS, LIST_IPV4_FILTER_WORDS, LIST_IPV6_FILTER_BITS, RULES_COUNT,
};
use gateway_common::counter::{Counter, Incident, counter_index};
use gateway_common::endpoint::{self, Endpoint, EndpointLine};
use gateway_common::list::{self, FilterBit, PlainEntry};
use gateway_common::name;
use gateway_common::reason::{Family, Reason, Verdict};
use gateway_common::settings::{Control, FLAG_LISTENERS, FLAG_LISTS, Rules, Settings};
use gateway_common::trace::Trace;

/// Names another object than the committed one.
pub const OBJECT: &str = "GATEWAY_EBPF_OBJECT";

/// Where the object under test lies.
#[must_use]
pub fn path() -> PathBuf {
    std::env::var_os(OBJECT).map_or_else(
        || {
            let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
            package.join("../gateway-ebpf/object/gateway-ebpf.o")
        },
        PathBuf::from,
    )
}

/// A destination that is ours.
#[derive(Clone, Copy, Debug)]
pub struct Listening {
    /// Local address.
    pub address: Address,
    /// 6 for TCP, 17 for UDP.
    pub protocol: u8,
    /// Port.
    pub port: u16,
}

/// What the program is told: the settings, and the rules of every listener and of the host.
#[derive(Clone, Copy, Debug, Default)]
pub struct Orders {
    /// For all.
    pub settings: Settings,
    /// The same for each.
    pub rules: Rules,
}

impl From<Settings> for Orders {
    fn from(settings: Settings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }
}

/// One loaded object with maps of its own.
#[derive(Debug)]
pub struct Object {
    ebpf: Ebpf,
    settings: Settings,
    rules: Rules,
}

/// What came of running a program on a packet.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// The program's answer: 1 drops, 2 passes.
    pub action: u32,
    /// Mean time of one run, as the kernel measured it.
    pub duration: Duration,
}

impl Object {
    /// Loads the object and its programs, but for the one that explains.
    ///
    /// # Errors
    /// Names what is missing where the kernel or our privileges do not suffice.
    pub fn load() -> anyhow::Result<Self> {
        let path = path();
        let bytes =
            std::fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        Self::from_bytes(
            &bytes,
            &[name::PROGRAM_EDGE, name::PROGRAM_EMPTY, name::PROGRAM_TICK],
        )
    }

    /// Loads an object and the named programs in it.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_bytes(bytes: &[u8], programs: &[&str]) -> anyhow::Result<Self> {
        let mut ebpf = EbpfLoader::new()
            .load(bytes)
            .context("cannot create BPF maps (needs root or CAP_BPF and CAP_NET_ADMIN)")?;
        for program in programs {
            xdp(&mut ebpf, program)?
                .load()
                .with_context(|| format!("cannot load `{program}`"))?;
        }
        Ok(Self {
            ebpf,
            settings: Settings::default(),
            rules: Rules::default(),
        })
    }

    /// The loaded object itself.
    pub fn ebpf(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }

    /// The settings last applied.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// The rules last applied.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// Puts orders in force, with [`FLAG_LISTENERS`] added.
    pub fn apply(&mut self, orders: impl Into<Orders>) -> anyhow::Result<()> {
        let Orders { settings, rules } = orders.into();
        self.rules = rules;
        for listener in 0..u32::try_from(RULES_COUNT)? {
            self.set_rules(listener, rules)?;
        }
        self.adjust(settings)
    }

    /// Puts rules of one listener in force; number 0 is the host.
    pub fn set_rules(&mut self, listener: u32, rules: Rules) -> anyhow::Result<()> {
        let mut map = self.array::<Rules>(name::MAP_RULES)?;
        Ok(map.set(listener, rules, 0)?)
    }

    /// Puts settings in force under the same rules, with [`FLAG_LISTENERS`] added.
    pub fn adjust(&mut self, settings: Settings) -> anyhow::Result<()> {
        self.settings = Settings {
            flags: settings.flags | FLAG_LISTENERS,
            ..settings
        };
        let settings = self.settings;
        self.array::<Settings>(name::MAP_SETTINGS)?
            .set(0, settings, 0)?;
        self.control(Control::default())
    }

    /// Moves the words that change from moment to moment.
    pub fn control(&mut self, control: Control) -> anyhow::Result<()> {
        Ok(self
            .array::<Control>(name::MAP_CONTROL)?
            .set(0, control, 0)?)
    }

    /// Adds listener 1 to the endpoint table of the generation in force.
    pub fn listen(&mut self, at: Listening) -> anyhow::Result<()> {
        for port in [at.port, 0] {
            self.enter(at.address, endpoint::key(at.protocol, port), 1)?;
        }
        Ok(())
    }

    /// Adds an entry to the endpoint table of the generation in force, unless it is there.
    pub fn enter(&mut self, address: Address, key: u64, listener: u32) -> anyhow::Result<()> {
        let seed = self.settings.endpoint_seed;
        let line = endpoint::line_index(address, key, seed, ENDPOINT_LINE_BITS)
            | self.settings.endpoint_generation << ENDPOINT_LINE_BITS;
        let mut table = self.array::<EndpointLine>(name::MAP_ENDPOINTS)?;
        let mut found = table.get(&line, 0)?;
        if found.find(address, key).is_some() {
            return Ok(());
        }
        let free = found
            .entries
            .iter_mut()
            .find(|entry| entry.key == 0)
            .context("the endpoint line is full: choose another seed")?;
        *free = Endpoint {
            address,
            key,
            listener,
            reserved: 0,
        };
        Ok(table.set(line, found, 0)?)
    }

    /// One cell of the statistics of lists or listeners, summed over CPUs.
    pub fn cell(&mut self, map: &str, index: u32) -> anyhow::Result<Counter> {
        let map = PerCpuArray::<_, Counter>::try_from(self.map(map)?)?;
        Ok(sum(&map.get(&index, 0)?))
    }

    /// Denies an address or prefix in generation `generation`.
    pub fn deny(
        &mut self,
        generation: usize,
        address: Address,
        length: u32,
        entry: PlainEntry,
    ) -> anyhow::Result<()> {
        self.settings.flags |= FLAG_LISTS;
        let (settings, word_base) = (self.settings, u32::try_from(generation)?);
        self.adjust(settings)?;
        if let Some(v4) = address.as_v4() {
            self.mark(
                name::MAP_LIST4_FILTER,
                word_base * LIST_IPV4_FILTER_WORDS,
                list::ipv4_bit(v4),
            )?;
            if length == 32 {
                let map = self.map(at(&name::MAP_LIST4_EXACT, generation)?)?;
                let mut map = HashMap::<_, [u8; 4], PlainEntry>::try_from(map)?;
                return Ok(map.insert(v4.to_be_bytes(), entry, 0)?);
            }
            let map = self.map(at(&name::MAP_LIST4_PREFIX, generation)?)?;
            let mut map = LpmTrie::<_, [u8; 8], PlainEntry>::try_from(map)?;
            return Ok(map.insert(&Key::new(length, list::ipv4_prefix_data(v4)), entry, 0)?);
        }
        let bits = LIST_IPV6_FILTER_BITS;
        let bit = if length >= 48 {
            list::ipv6_48_bit(address.high, settings.seed, bits)
        } else {
            list::ipv6_32_bit(address.high, settings.seed, bits)
        };
        self.mark(name::MAP_LIST6_FILTER, word_base << (bits - 6), bit)?;
        let bytes = (u128::from(address.high) << 64 | u128::from(address.low)).to_be_bytes();
        if length == 128 {
            let map = self.map(at(&name::MAP_LIST6_EXACT, generation)?)?;
            let mut map = HashMap::<_, [u8; 16], PlainEntry>::try_from(map)?;
            return Ok(map.insert(bytes, entry, 0)?);
        }
        let map = self.map(at(&name::MAP_LIST6_PREFIX, generation)?)?;
        let mut map = LpmTrie::<_, [u8; 16], PlainEntry>::try_from(map)?;
        Ok(map.insert(&Key::new(length, bytes), entry, 0)?)
    }

    /// Runs the judging program once.
    pub fn judge(&mut self, packet: &[u8]) -> anyhow::Result<u32> {
        Ok(self.run(name::PROGRAM_EDGE, packet, 1)?.action)
    }

    /// Asks the explaining program what becomes of a packet that comes in on an interface.
    pub fn explain(&mut self, packet: &[u8], interface: u32) -> anyhow::Result<Trace> {
        let mut map = self.array::<Trace>(name::MAP_TRACE)?;
        let mut trace = map.get(&0, 0)?;
        trace.interface = interface;
        map.set(0, trace, 0)?;
        let program = xdp(&mut self.ebpf, name::PROGRAM_EXPLAIN)?;
        if program.fd().is_err() {
            program
                .load()
                .context("cannot load the explaining program")?;
        }
        self.run(name::PROGRAM_EXPLAIN, packet, 1)?;
        Ok(self.array::<Trace>(name::MAP_TRACE)?.get(&0, 0)?)
    }

    /// Runs a program `repeat` times on copies of one packet.
    pub fn run(&mut self, program: &str, packet: &[u8], repeat: u32) -> anyhow::Result<Run> {
        let result = xdp(&mut self.ebpf, program)?.test_run(TestRunOptions {
            data_in: Some(packet),
            repeat,
            ..TestRunOptions::new()
        })?;
        Ok(Run {
            action: result.return_value,
            duration: result.duration,
        })
    }

    /// Runs [`name::PROGRAM_TICK`]: `jiffies64` and `CLOCK_MONOTONIC` in nanoseconds.
    pub fn tick(&mut self) -> anyhow::Result<(u64, u64)> {
        let mut out = [0; 64];
        xdp(&mut self.ebpf, name::PROGRAM_TICK)?.test_run(TestRunOptions {
            data_in: Some(&[0; 64]),
            data_out: Some(&mut out),
            ..TestRunOptions::new()
        })?;
        let [jiffies, now, ..] = out.as_chunks::<8>().0 else {
            return Err(anyhow!("the packet came back too short"));
        };
        Ok((u64::from_ne_bytes(*jiffies), u64::from_ne_bytes(*now)))
    }

    /// One cell of the statistics, summed over CPUs.
    pub fn counter(
        &mut self,
        verdict: Verdict,
        reason: Reason,
        family: Family,
    ) -> anyhow::Result<Counter> {
        self.cell(name::MAP_COUNTERS, counter_index(verdict, reason, family))
    }

    /// One incident's count, summed over CPUs.
    pub fn incident(&mut self, incident: Incident) -> anyhow::Result<u64> {
        let map = self.map(name::MAP_INCIDENTS)?;
        let map = PerCpuArray::<_, u64>::try_from(map)?;
        Ok(map.get(&(incident as u32), 0)?.iter().sum())
    }

    /// The source table.
    pub fn sources(&mut self) -> anyhow::Result<Array<&mut MapData, PlainLine>> {
        self.array(name::MAP_SOURCES)
    }

    /// An array map by name.
    pub fn array<T: aya::Pod>(&mut self, name: &str) -> anyhow::Result<Array<&mut MapData, T>> {
        Ok(Array::try_from(self.map(name)?)?)
    }

    /// A map by name.
    pub fn map(&mut self, name: &str) -> anyhow::Result<&mut Map> {
        self.ebpf
            .map_mut(name)
            .with_context(|| format!("the object has no map `{name}`"))
    }

    fn mark(&mut self, filter: &str, base: u32, bit: FilterBit) -> anyhow::Result<()> {
        let mut filter = self.array::<u64>(filter)?;
        let index = base + bit.word;
        let word = filter.get(&index, 0)?;
        Ok(filter.set(index, word | bit.mask, 0)?)
    }
}

fn sum(values: &PerCpuValues<Counter>) -> Counter {
    values.iter().fold(Counter::default(), |sum, one| Counter {
        packets: sum.packets + one.packets,
        bytes: sum.bytes + one.bytes,
    })
}

fn xdp<'a>(ebpf: &'a mut Ebpf, program: &str) -> anyhow::Result<&'a mut Xdp> {
    ebpf.program_mut(program)
        .with_context(|| format!("the object has no program `{program}`"))?
        .try_into()
        .with_context(|| format!("`{program}` is no XDP program"))
}

fn at<'a>(names: &[&'a str; 2], generation: usize) -> anyhow::Result<&'a str> {
    names
        .get(generation)
        .copied()
        .context("there are two generations")
}
