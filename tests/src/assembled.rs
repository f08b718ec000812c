//! Tiny BPF programs, assembled here: tests that need a program of somebody else's, or one at the
//! other end of the cable, need no compiler for it.
//!
//! Instructions are those of the kernel's `Documentation/bpf/standardization/instruction-set.rst`,
//! helper numbers those of `linux/bpf.h`.

use anyhow::Context as _;
use aya::Ebpf;
use aya::programs::{SchedClassifier, TcAttachType, Xdp, xdp::XdpMode};

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
        code.extend([set(4, 12), call(LOAD_BYTES), store_word(10, -4, tag)]);
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
    let _inside = namespace.enter();
    let mut object = Ebpf::load(&elf("xdp", &[set(0, PASS), EXIT]))?;
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

type Instruction = [u8; 8];

const EXIT: Instruction = [0x95, 0, 0, 0, 0, 0, 0, 0];

fn with_immediate(operation: u8, registers: u8, offset: i16, value: i32) -> Instruction {
    let ([o0, o1], [v0, v1, v2, v3]) = (offset.to_le_bytes(), value.to_le_bytes());
    [operation, registers, o0, o1, v0, v1, v2, v3]
}

fn set(register: u8, value: i32) -> Instruction {
    with_immediate(0xb7, register, 0, value)
}

fn add(register: u8, value: i32) -> Instruction {
    with_immediate(0x07, register, 0, value)
}

fn move_register(to: u8, from: u8) -> Instruction {
    with_immediate(0xbf, from << 4 | to, 0, 0)
}

fn store_word(base: u8, offset: i16, value: i32) -> Instruction {
    with_immediate(0x62, base, offset, value)
}

fn call(helper: i32) -> Instruction {
    with_immediate(0x85, 0, 0, helper)
}

/// Name of the program in every object made here.
const NAME: &str = "program";
/// Bytes of an ELF header.
const HEADER_BYTES: u64 = 64;

/// A relocatable object with one program in the section `section`.
fn elf(section: &str, code: &[Instruction]) -> Vec<u8> {
    let code = code.concat();
    let license = b"GPL\0".to_vec();
    let names = format!("\0{section}\0license\0.symtab\0.strtab\0{NAME}\0");
    let name = |wanted: &str| {
        let at = names
            .find(&format!("\0{wanted}\0"))
            .expect("every name is in the table");
        u32::try_from(at + 1).expect("the table is short")
    };
    // A symbol is name, type, visibility, section, value and size; the first one is empty.
    let mut symbols = vec![0; 24];
    symbols.extend(name(NAME).to_le_bytes());
    symbols.extend([0x12, 0, 1, 0]);
    symbols.extend(0_u64.to_le_bytes());
    symbols.extend((code.len() as u64).to_le_bytes());

    // Kind, flags, link, info, alignment and entry size beside name and contents.
    let sections = [
        (0, 0, 0, 0, 0, 0, Vec::new()),
        (name(section), 1, 0x6, 0, 8, 0, code),
        (name("license"), 1, 0x3, 0, 1, 0, license),
        (name(".symtab"), 2, 0, 4, 8, 24, symbols),
        (name(".strtab"), 3, 0, 0, 1, 0, names.clone().into_bytes()),
    ];
    let mut contents = Vec::new();
    let mut headers = Vec::new();
    for (name, kind, flags, link, alignment, entry, bytes) in sections {
        contents.resize(contents.len().next_multiple_of(8), 0);
        let offset = if kind == 0 {
            0
        } else {
            HEADER_BYTES + contents.len() as u64
        };
        let info = u32::from(kind == 2);
        headers.extend([u32::to_le_bytes(name), u32::to_le_bytes(kind)].concat());
        headers.extend(
            [flags, 0, offset, bytes.len() as u64]
                .map(u64::to_le_bytes)
                .concat(),
        );
        headers.extend([u32::to_le_bytes(link), u32::to_le_bytes(info)].concat());
        headers.extend([u64::to_le_bytes(alignment), u64::to_le_bytes(entry)].concat());
        contents.extend(bytes);
    }
    contents.resize(contents.len().next_multiple_of(8), 0);
    let table = HEADER_BYTES + contents.len() as u64;
    // Little endian, 64 bits, relocatable, machine 247 (BPF).
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend([1, 0, 247, 0, 1, 0, 0, 0]);
    file.extend([0, 0, table].map(u64::to_le_bytes).concat());
    file.extend([0, 0, 0, 0]);
    file.extend([64_u16, 0, 0, 64, 5, 4].map(u16::to_le_bytes).concat());
    file.extend(contents);
    file.extend(headers);
    file
}
