//! Programs on the interfaces at both ends of a cable: what a network card or somebody else would
//! do there.

use anyhow::Context as _;
use aya::Ebpf;
use aya::programs::{SchedClassifier, TcAttachType, Xdp, xdp::XdpMode};

use crate::assembled::{
    EXIT, Instruction, NAME, add, call, elf, move_register, set, store_immediate,
};
use crate::namespace::Namespace;

/// `bpf_skb_store_bytes`.
const STORE_BYTES: i32 = 9;
/// `bpf_skb_vlan_pop`.
const VLAN_POP: i32 = 19;
/// `bpf_skb_load_bytes`.
const LOAD_BYTES: i32 = 26;
/// `bpf_skb_change_head`.
const CHANGE_HEAD: i32 = 43;
/// `TC_ACT_OK`.
const ACCEPT: i32 = 0;
/// `XDP_DROP`.
const DROP: i32 = 1;
/// `XDP_PASS`.
const PASS: i32 = 2;
/// Tags that [`untag`] takes off at most.
const TAGS_MAX: usize = 5;

/// A program that stays attached until this is dropped.
#[derive(Debug)]
pub struct Attached(Ebpf);

impl Attached {
    /// Identity of the program called `program`.
    ///
    /// # Errors
    /// When there is none, or the kernel does not tell.
    pub fn id(&self) -> anyhow::Result<u32> {
        let program = self.0.program(NAME).context("assembled with this name")?;
        Ok(program.info()?.id())
    }
}

/// Puts these tags, outermost last, into every frame that leaves by `interface`: into its bytes, as
/// on a cable, and not beside them as an offload would.
///
/// # Errors
/// The kernel's.
pub fn tag(namespace: &Namespace, interface: &str, types: &[u16]) -> anyhow::Result<Attached> {
    let mut code = vec![move_register(6, 1)];
    for (kind, id) in types.iter().zip(1_u8..) {
        let [high, low] = kind.to_be_bytes();
        let tag = i32::from_le_bytes([high, low, 0, id]);
        code.extend([move_register(1, 6), set(2, 4), set(3, 0), call(CHANGE_HEAD)]);
        // The addresses, four bytes further forward, with the tag behind them.
        code.extend([
            move_register(1, 6),
            set(2, 4),
            move_register(3, 10),
            add(3, -16),
        ]);
        code.extend([set(4, 12), call(LOAD_BYTES), store_immediate(10, -4, tag)]);
        code.extend([
            move_register(1, 6),
            set(2, 0),
            move_register(3, 10),
            add(3, -16),
        ]);
        code.extend([set(4, 16), set(5, 0), call(STORE_BYTES)]);
    }
    code.extend([set(0, ACCEPT), EXIT]);
    classify(namespace, interface, &code, TcAttachType::Egress)
}

/// Takes every tag off frames that come in by `interface`, after XDP has seen them.
///
/// # Errors
/// The kernel's.
pub fn untag(namespace: &Namespace, interface: &str) -> anyhow::Result<Attached> {
    let mut code = vec![move_register(6, 1)];
    for _ in 0..TAGS_MAX {
        code.extend([move_register(1, 6), call(VLAN_POP)]);
    }
    code.extend([set(0, ACCEPT), EXIT]);
    classify(namespace, interface, &code, TcAttachType::Ingress)
}

/// An XDP program that passes everything, on `interface`.
///
/// # Errors
/// The kernel's.
pub fn pass_all(namespace: &Namespace, interface: &str) -> anyhow::Result<Attached> {
    answer_all(namespace, interface, PASS)
}

/// An XDP program that drops everything, on `interface`.
///
/// # Errors
/// The kernel's.
pub fn drop_all(namespace: &Namespace, interface: &str) -> anyhow::Result<Attached> {
    answer_all(namespace, interface, DROP)
}

fn answer_all(namespace: &Namespace, interface: &str, action: i32) -> anyhow::Result<Attached> {
    let _inside = namespace.enter();
    let mut object = Ebpf::load(&elf("xdp", &[set(0, action), EXIT]))?;
    let program: &mut Xdp = object
        .program_mut(NAME)
        .context("assembled so")?
        .try_into()?;
    program.load()?;
    program.attach(interface, XdpMode::Driver)?;
    Ok(Attached(object))
}

fn classify(
    namespace: &Namespace,
    interface: &str,
    code: &[Instruction],
    direction: TcAttachType,
) -> anyhow::Result<Attached> {
    let _inside = namespace.enter();
    let mut object = Ebpf::load(&elf("classifier", code))?;
    let program: &mut SchedClassifier = object
        .program_mut(NAME)
        .context("assembled so")?
        .try_into()?;
    program.load()?;
    program.attach(interface, direction)?;
    Ok(Attached(object))
}
