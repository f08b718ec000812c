//! Tiny BPF programs, assembled here: tests that need a program of somebody else's, or one at the
//! other end of the cable, need no compiler for it.
//!
//! Instructions are those of the kernel's `Documentation/bpf/standardization/instruction-set.rst`,
//! helper numbers those of `linux/bpf.h`.

use std::os::fd::RawFd;

/// One instruction.
pub(crate) type Instruction = [u8; 8];

/// Ends the program with what register 0 holds.
pub(crate) const EXIT: Instruction = [0x95, 0, 0, 0, 0, 0, 0, 0];

fn encode(operation: u8, registers: u8, offset: i16, value: i32) -> Instruction {
    let ([o0, o1], [v0, v1, v2, v3]) = (offset.to_le_bytes(), value.to_le_bytes());
    [operation, registers, o0, o1, v0, v1, v2, v3]
}

/// `to = value`, with its sign.
pub(crate) fn set(to: u8, value: i32) -> Instruction {
    encode(0xb7, to, 0, value)
}

/// `to += value`.
pub(crate) fn add(to: u8, value: i32) -> Instruction {
    encode(0x07, to, 0, value)
}

/// `to += from`.
pub(crate) fn add_register(to: u8, from: u8) -> Instruction {
    encode(0x0f, from << 4 | to, 0, 0)
}

/// `to &= value`, of the low 32 bits; the others become zero.
pub(crate) fn and(to: u8, value: u32) -> Instruction {
    encode(0x54, to, 0, value.cast_signed())
}

/// `to |= value`, of the low 32 bits; the others become zero.
pub(crate) fn or(to: u8, value: u32) -> Instruction {
    encode(0x44, to, 0, value.cast_signed())
}

/// `to ^= value`, of the low 32 bits; the others become zero.
pub(crate) fn xor(to: u8, value: u32) -> Instruction {
    encode(0xa4, to, 0, value.cast_signed())
}

/// `to >>= bits`.
pub(crate) fn shift_right(to: u8, bits: u8) -> Instruction {
    encode(0x77, to, 0, i32::from(bits))
}

/// `to = from`.
pub(crate) fn move_register(to: u8, from: u8) -> Instruction {
    encode(0xbf, from << 4 | to, 0, 0)
}

/// `to = *(u32 *)(base + offset)`.
pub(crate) fn load(to: u8, base: u8, offset: i16) -> Instruction {
    encode(0x61, base << 4 | to, offset, 0)
}

/// `*(u32 *)(base + offset) = from`.
pub(crate) fn store(base: u8, offset: i16, from: u8) -> Instruction {
    encode(0x63, from << 4 | base, offset, 0)
}

/// `to = *(u64 *)(base + offset)`.
pub(crate) fn load_long(to: u8, base: u8, offset: i16) -> Instruction {
    encode(0x79, base << 4 | to, offset, 0)
}

/// `*(u64 *)(base + offset) = from`.
pub(crate) fn store_long(base: u8, offset: i16, from: u8) -> Instruction {
    encode(0x7b, from << 4 | base, offset, 0)
}

/// `to = ` the address of the first value of an array that is open as `map`.
pub(crate) fn value_of(to: u8, map: RawFd) -> [Instruction; 2] {
    [encode(0x18, 2 << 4 | to, 0, map), encode(0, 0, 0, 0)]
}

/// `*(u16 *)(base + offset) = from`.
pub(crate) fn store_half(base: u8, offset: i16, from: u8) -> Instruction {
    encode(0x6b, from << 4 | base, offset, 0)
}

/// `*(u32 *)(base + offset) = value`.
pub(crate) fn store_immediate(base: u8, offset: i16, value: i32) -> Instruction {
    encode(0x62, base, offset, value)
}

/// Skips `count` instructions if `left > right`.
pub(crate) fn skip_if_greater(left: u8, right: u8, count: i16) -> Instruction {
    encode(0x2d, right << 4 | left, count, 0)
}

/// Skips `count` instructions unless `left > right`.
pub(crate) fn skip_unless_greater(left: u8, right: u8, count: i16) -> Instruction {
    encode(0xbd, right << 4 | left, count, 0)
}

/// Calls a helper.
pub(crate) fn call(helper: i32) -> Instruction {
    encode(0x85, 0, 0, helper)
}

/// Name of the program in every object made here.
pub(crate) const NAME: &str = "program";
/// Bytes of an ELF header.
const HEADER_BYTES: u64 = 64;

/// A relocatable object with one program in the section `section`.
pub(crate) fn elf(section: &str, code: &[Instruction]) -> Vec<u8> {
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
