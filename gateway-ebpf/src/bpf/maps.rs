//! The maps. Names are those of [`gateway_common::name`]; a test compares.

use core::marker::PhantomData;

use aya_ebpf::bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC};
use aya_ebpf::btf_maps::lpm_trie::Key;
use aya_ebpf::btf_maps::{Array, HashMap, LpmTrie, PerCpuArray, RingBuf};
use aya_ebpf::helpers::{bpf_jiffies64, bpf_ktime_get_ns};
use aya_ebpf::macros::btf_map;
use aya_ebpf::programs::XdpContext;
use gateway_common::bucket::{Alone, Line};
use gateway_common::capacity::{
    AGGREGATE_BITS, CALLER_LINE_BITS, ENDPOINT_LINE_BITS, EVENT_RING_BYTES, FLOW_MAX,
    LIST_EXACT_MAX, LIST_IPV4_FILTER_WORDS, LIST_IPV6_FILTER_BITS, LIST_MAX, LIST_PREFIX_MAX,
    OFFENCE_LINE_BITS, RULES_COUNT, SLOT_COUNT, SOURCE_LINE_BITS, VOUCHED_LINE_BITS,
};
use gateway_common::counter::{
    COUNTER_COUNT, Counter, INCIDENT_CAPACITY, Incident, LISTENER_COUNTER_COUNT, TickClock,
};
use gateway_common::endpoint::EndpointLine;
use gateway_common::event::{Event, Sampler};
use gateway_common::flow::{FlowKey, FlowRow};
use gateway_common::list::{Ipv4Key, Ipv4PrefixData, Ipv6Key, ListEntry, ipv4_prefix_data};
use gateway_common::settings::{
    Control, NEWCOMERS_COUNT, Rules, Settings, SharedLimit, SourceLimit,
};
use gateway_common::slot::Slot;
use gateway_common::trace::{Step, Trace};
use gateway_common::word::Word;
use gateway_ebpf::attack;
use gateway_ebpf::frame::Frame;
use gateway_ebpf::judge::Judgement;
use gateway_ebpf::limits::{self, Act, Answer};
use gateway_ebpf::lists::{self, Considered, Listed};
use gateway_ebpf::other;
use gateway_ebpf::reading::Reading;
use gateway_ebpf::ruling::Outcome;
use gateway_ebpf::tables::{Fault, Tables};

use super::cookie;
use super::outlined;
use super::word::MapWord;

const MAPPED: usize = BPF_F_MMAPABLE as usize;
const ON_DEMAND: usize = BPF_F_NO_PREALLOC as usize;
const EXACT: usize = LIST_EXACT_MAX as usize;
const PREFIX: usize = LIST_PREFIX_MAX as usize;
/// Every filter and the endpoint table hold two generations, one after the other.
const GENERATIONS: usize = 2;

#[btf_map(name = "control")]
static CONTROL: Array<Control, 1, MAPPED> = Array::new();
#[btf_map(name = "settings")]
static SETTINGS: Array<Settings, GENERATIONS> = Array::new();
#[btf_map(name = "rules")]
static RULES: Array<Rules, { GENERATIONS * RULES_COUNT }> = Array::new();
// Mapped arrays start on a page, so that a line is one cache line.
#[btf_map(name = "endpoints")]
static ENDPOINTS: Array<EndpointLine, { GENERATIONS << ENDPOINT_LINE_BITS }, MAPPED> = Array::new();
#[btf_map(name = "sources")]
static SOURCES: Array<Line<MapWord>, { 1 << SOURCE_LINE_BITS }, MAPPED> = Array::new();
#[btf_map(name = "aggregates")]
static AGGREGATES: Array<MapWord, { 1 << AGGREGATE_BITS }, MAPPED> = Array::new();
#[btf_map(name = "slots")]
static SLOTS: Array<Slot<MapWord>, { SLOT_COUNT as usize }, MAPPED> = Array::new();
#[btf_map(name = "callers")]
static CALLERS: Array<Line<MapWord>, { 1 << CALLER_LINE_BITS }, MAPPED> = Array::new();
#[btf_map(name = "vouched")]
static VOUCHED: Array<Line<MapWord>, { 1 << VOUCHED_LINE_BITS }, MAPPED> = Array::new();
#[btf_map(name = "newcomers")]
static NEWCOMERS: Array<Alone<MapWord>, NEWCOMERS_COUNT, MAPPED> = Array::new();
#[btf_map(name = "flows")]
static FLOWS: HashMap<FlowKey, FlowRow, FLOW_MAX> = HashMap::new();
#[btf_map(name = "offences")]
static OFFENCES: Array<Line<MapWord>, { 1 << OFFENCE_LINE_BITS }, MAPPED> = Array::new();
#[btf_map(name = "events")]
pub(super) static EVENTS: RingBuf<Event, { EVENT_RING_BYTES as usize }> = RingBuf::new();
#[btf_map(name = "sampler")]
pub(super) static SAMPLER: PerCpuArray<Sampler, 1> = PerCpuArray::new();
#[btf_map(name = "trace")]
pub(super) static TRACE: Array<Trace, 1> = Array::new();
#[btf_map(name = "list4_filter")]
static LIST4_FILTER: Array<u64, { GENERATIONS * LIST_IPV4_FILTER_WORDS as usize }, MAPPED> =
    Array::new();
#[btf_map(name = "list6_filter")]
static LIST6_FILTER: Array<u64, { GENERATIONS << (LIST_IPV6_FILTER_BITS - 6) }, MAPPED> =
    Array::new();
#[btf_map(name = "list4_exact_a")]
static LIST4_EXACT_A: HashMap<Ipv4Key, ListEntry<MapWord>, EXACT, ON_DEMAND> = HashMap::new();
#[btf_map(name = "list4_exact_b")]
static LIST4_EXACT_B: HashMap<Ipv4Key, ListEntry<MapWord>, EXACT, ON_DEMAND> = HashMap::new();
#[btf_map(name = "list6_exact_a")]
static LIST6_EXACT_A: HashMap<Ipv6Key, ListEntry<MapWord>, EXACT, ON_DEMAND> = HashMap::new();
#[btf_map(name = "list6_exact_b")]
static LIST6_EXACT_B: HashMap<Ipv6Key, ListEntry<MapWord>, EXACT, ON_DEMAND> = HashMap::new();
#[btf_map(name = "list4_prefix_a")]
static LIST4_PREFIX_A: LpmTrie<Ipv4PrefixData, ListEntry<MapWord>, PREFIX> = LpmTrie::new();
#[btf_map(name = "list4_prefix_b")]
static LIST4_PREFIX_B: LpmTrie<Ipv4PrefixData, ListEntry<MapWord>, PREFIX> = LpmTrie::new();
#[btf_map(name = "list6_prefix_a")]
static LIST6_PREFIX_A: LpmTrie<Ipv6Key, ListEntry<MapWord>, PREFIX> = LpmTrie::new();
#[btf_map(name = "list6_prefix_b")]
static LIST6_PREFIX_B: LpmTrie<Ipv6Key, ListEntry<MapWord>, PREFIX> = LpmTrie::new();
#[btf_map(name = "counters")]
static COUNTERS: PerCpuArray<Counter, COUNTER_COUNT> = PerCpuArray::new();
#[btf_map(name = "list_counters")]
static LIST_COUNTERS: PerCpuArray<Counter, LIST_MAX> = PerCpuArray::new();
#[btf_map(name = "listener_counts")]
static LISTENER_COUNTERS: PerCpuArray<Counter, LISTENER_COUNTER_COUNT> = PerCpuArray::new();
#[btf_map(name = "incidents")]
static INCIDENTS: PerCpuArray<u64, INCIDENT_CAPACITY> = PerCpuArray::new();
#[btf_map(name = "tick_clock")]
static TICK_CLOCK: PerCpuArray<TickClock, 1> = PerCpuArray::new();

/// How a program uses the maps: what its words do, and what becomes of the steps.
///
/// # Safety
/// [`Self::Word`] is one `u64` and nothing else: words in maps are reached as it.
pub(super) unsafe trait Access {
    /// A cell of a map.
    type Word: Word;

    /// Whether incidents and lists are counted and the clock's cell is refreshed.
    const WRITES: bool;

    /// Index of the interface that the packet came in on.
    fn interface(context: &XdpContext) -> u32;

    /// Keeps a step.
    fn note(step: impl FnOnce() -> Step);
}

/// The access of the program that judges packets: it writes, and keeps no steps.
pub(super) struct Enforcing;

// SAFETY: a `MapWord` is one `u64`.
unsafe impl Access for Enforcing {
    type Word = MapWord;

    const WRITES: bool = true;

    #[inline(always)]
    fn interface(context: &XdpContext) -> u32 {
        // SAFETY: the context is the one this program was called with.
        unsafe { (*context.ctx).ingress_ifindex }
    }

    #[inline(always)]
    fn note(step: impl FnOnce() -> Step) {
        // Dropped unmade.
        let _ = step;
    }
}

/// The maps as the judgement asks for them.
pub(super) struct Maps<'a, A> {
    context: &'a XdpContext,
    access: PhantomData<A>,
}

impl<'a, A: Access> Maps<'a, A> {
    #[inline(always)]
    pub(super) const fn new(context: &'a XdpContext) -> Self {
        Self {
            context,
            access: PhantomData,
        }
    }
}

/// Counts a judgement on this CPU.
#[inline(always)]
pub(super) fn count(judgement: &Judgement) {
    let bytes = judgement.bytes;
    grow(COUNTERS.get_ptr_mut(judgement.cell as u32), bytes);
    if judgement.listener != 0 {
        let cell = judgement.listener_cell as u32;
        grow(LISTENER_COUNTERS.get_ptr_mut(cell), bytes);
    }
}

#[inline(always)]
fn grow(cell: Option<*mut Counter>, bytes: u64) {
    let Some(cell) = cell else {
        return;
    };
    // SAFETY: the cell belongs to this CPU, and nothing preempts the program on it.
    let cell = unsafe { &mut *cell };
    cell.packets += 1;
    cell.bytes += bytes;
}

/// A value of a map, its words seen as those of another access.
///
/// # Safety
/// `value` lies in a map, and `U` is `T` but for the type of its words, see [`Access`].
#[inline(always)]
const unsafe fn seen<'a, T, U>(value: *const T) -> &'a U {
    // SAFETY: map values stay where they are while the program runs; the rest is the caller's.
    unsafe { &*value.cast() }
}

impl<A: Access> Tables for Maps<'_, A> {
    type Word = A::Word;

    #[inline(always)]
    fn control(&self) -> Result<&Control, Fault> {
        CONTROL.get(0).ok_or(Fault)
    }

    #[inline(always)]
    fn settings(&self, index: u32) -> Result<&Settings, Fault> {
        SETTINGS.get(index).ok_or(Fault)
    }

    #[inline(always)]
    fn rules(&self, index: u32) -> Result<&Rules, Fault> {
        RULES.get(index).ok_or(Fault)
    }

    #[inline(always)]
    fn endpoint_line(&self, index: u32) -> Result<&EndpointLine, Fault> {
        ENDPOINTS.get(index).ok_or(Fault)
    }

    #[inline(always)]
    fn list_ipv4_filter(&self, index: u32) -> Result<u64, Fault> {
        LIST4_FILTER.get(index).copied().ok_or(Fault)
    }

    #[inline(always)]
    fn list_ipv6_filter(&self, index: u32) -> Result<u64, Fault> {
        LIST6_FILTER.get(index).copied().ok_or(Fault)
    }

    #[inline(always)]
    fn list_ipv4_exact(&self, generation: u32, key: &Ipv4Key) -> Option<&ListEntry<A::Word>> {
        let map = if generation == 0 {
            &LIST4_EXACT_A
        } else {
            &LIST4_EXACT_B
        };
        // SAFETY: programs remove nothing, and what user space removes outlives the packet.
        map.get_ptr(key).map(|entry| unsafe { seen(entry) })
    }

    #[inline(always)]
    fn list_ipv4_prefix(&self, generation: u32, key: &Ipv4Key) -> Option<&ListEntry<A::Word>> {
        let map = if generation == 0 {
            &LIST4_PREFIX_A
        } else {
            &LIST4_PREFIX_B
        };
        let key = Key::new(32, ipv4_prefix_data(u32::from_be_bytes(*key)));
        // SAFETY: as above.
        map.get(&key).map(|entry| unsafe { seen(entry) })
    }

    #[inline(always)]
    fn list_ipv6_exact(&self, generation: u32, key: &Ipv6Key) -> Option<&ListEntry<A::Word>> {
        let map = if generation == 0 {
            &LIST6_EXACT_A
        } else {
            &LIST6_EXACT_B
        };
        // SAFETY: as above.
        map.get_ptr(key).map(|entry| unsafe { seen(entry) })
    }

    #[inline(always)]
    fn list_ipv6_prefix(&self, generation: u32, key: &Ipv6Key) -> Option<&ListEntry<A::Word>> {
        let map = if generation == 0 {
            &LIST6_PREFIX_A
        } else {
            &LIST6_PREFIX_B
        };
        // SAFETY: as above.
        map.get(&Key::new(128, *key))
            .map(|entry| unsafe { seen(entry) })
    }

    #[inline(always)]
    fn source_line(&self, index: u32) -> Result<&Line<A::Word>, Fault> {
        // SAFETY: a line in its map.
        let line = SOURCES.get_ptr(index).map(|line| unsafe { seen(line) });
        line.ok_or(Fault)
    }

    #[inline(always)]
    fn aggregate(&self, index: u32) -> Result<&A::Word, Fault> {
        // SAFETY: a word in its map.
        let word = AGGREGATES.get_ptr(index).map(|word| unsafe { seen(word) });
        word.ok_or(Fault)
    }

    #[inline(always)]
    fn vouched_line(&self, index: u32) -> Result<&Line<A::Word>, Fault> {
        // SAFETY: a line in its map.
        let line = VOUCHED.get_ptr(index).map(|line| unsafe { seen(line) });
        line.ok_or(Fault)
    }

    #[inline(always)]
    fn newcomers(&self, which: u32) -> Result<&A::Word, Fault> {
        let alone = NEWCOMERS.get(which).ok_or(Fault)?;
        // SAFETY: a word in its map.
        Ok(unsafe { seen(&raw const alone.word) })
    }

    #[inline(always)]
    fn flow(&self, key: &FlowKey) -> Option<&FlowRow> {
        // SAFETY: programs write no rows, and what user space removes outlives the packet.
        unsafe { FLOWS.get(key) }
    }

    #[inline(always)]
    fn offence_line(&self, index: u32) -> Result<&Line<A::Word>, Fault> {
        // SAFETY: a line in its map.
        let line = OFFENCES.get_ptr(index).map(|line| unsafe { seen(line) });
        line.ok_or(Fault)
    }

    #[inline(always)]
    fn interface(&self) -> u32 {
        A::interface(self.context)
    }

    #[inline(always)]
    fn now(&self) -> Result<u64, Fault> {
        let clock = TICK_CLOCK.get_ptr_mut(0).ok_or(Fault)?;
        // SAFETY: the cell belongs to this CPU, and nothing preempts the program on it.
        let clock = unsafe { &mut *clock };
        // SAFETY: the helper takes nothing and only reads the kernel's clock.
        let jiffies = unsafe { bpf_jiffies64() };
        if clock.jiffies == jiffies {
            return Ok(clock.now_ns);
        }
        let now = self.now_precise();
        if A::WRITES {
            *clock = TickClock {
                jiffies,
                now_ns: now,
            };
        }
        Ok(now)
    }

    #[inline(always)]
    fn now_precise(&self) -> u64 {
        // SAFETY: the helper takes nothing and only reads the kernel's clock.
        unsafe { bpf_ktime_get_ns() }
    }

    #[inline(always)]
    fn incident(&self, incident: Incident) {
        if A::WRITES
            && let Some(cell) = INCIDENTS.get_ptr_mut(incident as u32)
        {
            // SAFETY: the cell belongs to this CPU, and nothing preempts the program on it.
            unsafe { *cell += 1 };
        }
    }

    #[inline(always)]
    fn answer_syn(&self, syn: &Reading) -> bool {
        // Where nothing is to change, it is said what would become of the packet.
        !A::WRITES || cookie::answer(self.context, syn)
    }

    #[inline(always)]
    fn count_list(&self, list: u32, bytes: u64) {
        if A::WRITES {
            grow(LIST_COUNTERS.get_ptr_mut(list), bytes);
        }
    }

    #[inline(always)]
    fn note(&self, step: impl FnOnce() -> Step) {
        A::note(step);
    }

    #[inline(always)]
    fn ask_limit<F: Frame>(
        &self,
        frame: &F,
        limit: &SourceLimit,
        packet: &Reading,
        seed: u64,
        act: Act,
    ) -> Result<Answer, Fault> {
        if A::WRITES {
            outlined::ask_limit(self.context, limit, packet, seed, act)
        } else {
            limits::ask(frame, self, limit, packet, seed, act)
        }
    }

    #[inline(always)]
    fn ask_lists(
        &self,
        packet: &Reading,
        generation: u32,
        considered: Considered,
    ) -> Result<Listed, Fault> {
        if A::WRITES {
            outlined::ask_lists(packet, generation, considered)
        } else {
            lists::ask(self, packet, generation, considered)
        }
    }

    #[inline(always)]
    fn ask_newcomers(
        &self,
        packet: &Reading,
        seed: u64,
        shared: &SharedLimit,
        which: u32,
    ) -> Result<bool, Fault> {
        if A::WRITES {
            outlined::ask_newcomers(packet, seed, shared, which)
        } else {
            attack::admits(self, packet, seed, shared, which)
        }
    }

    #[inline(always)]
    fn judge_other<F: Frame>(
        &self,
        frame: &F,
        settings: &Settings,
        packet: &Reading,
        monitored: u64,
    ) -> Result<Outcome, Fault> {
        if A::WRITES {
            outlined::judge_other(self.context, settings, packet, monitored)
        } else {
            other::judge(frame, self, settings, packet, monitored)
        }
    }
}
