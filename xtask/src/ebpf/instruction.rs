//! A look at the instructions, for one mistake that no compiler reports.
//!
//! An atomic add may return what it found (`fetch`) or nothing. A relaxed add whose result is used
//! has been seen compiled into the second kind, leaving the operand in the register where the
//! program expects the result. The mark of it: after an atomic operation without fetch its source
//! register is read again. No honest code of ours does that, so any such read fails the build.

use anyhow::bail;

/// Refuses code in which the operand of an atomic operation without fetch is read afterwards.
pub(super) fn refuse_lost_fetch(section: &str, code: &[u8]) -> anyhow::Result<()> {
    let (slots, rest) = code.as_chunks::<8>();
    if !rest.is_empty() {
        bail!("section `{section}` is no whole number of instructions");
    }
    let instructions: Vec<Instruction> = slots.iter().copied().map(Instruction).collect();
    for (index, instruction) in instructions.iter().enumerate() {
        if instruction.is_atomic_without_fetch()
            && let Some(reader) = reader_after(&instructions, index, instruction.source())
        {
            bail!(
                "section `{section}`: instruction {reader} reads what the atomic operation at \
                 {index} does not return"
            );
        }
    }
    Ok(())
}

/// Refuses calls other than the few helpers that the program is meant to make, and its own
/// functions: memory functions of the compiler, for one, would copy by the byte. Map lookups are
/// inlined for arrays; the others stand in blocks that a packet within its limits never enters, or
/// once per tick. `functions` are those called by name, by index of the instruction.
pub(super) fn refuse_other_calls(
    section: &str,
    code: &[u8],
    functions: &[(usize, String)],
) -> anyhow::Result<()> {
    let is_own = |index: usize| {
        functions
            .iter()
            .any(|(at, name)| *at == index && name.starts_with("gateway_"))
    };
    let (slots, _) = code.as_chunks::<8>();
    let mut wide = false;
    for (index, slot) in slots.iter().enumerate() {
        let instruction = Instruction(*slot);
        // The second half of a wide load is no instruction.
        let is_call = !wide
            && matches!(instruction.class(), CLASS_JMP)
            && instruction.operation() == JUMP_CALL;
        if is_call && instruction.listed().is_none() && !is_own(index) {
            bail!(
                "section `{section}`: instruction {index} calls helper or function {}, which is \
                 none of those the program is meant to call",
                instruction.immediate()
            );
        }
        wide = !wide && instruction.code() == LOAD_WIDE;
    }
    Ok(())
}

/// The first instruction on some path behind `start` that reads `register` before it is written.
fn reader_after(code: &[Instruction], start: usize, register: u8) -> Option<usize> {
    let mut seen = vec![false; code.len()];
    let mut open = vec![start + 1];
    while let Some(index) = open.pop() {
        let (Some(instruction), Some(seen)) = (code.get(index), seen.get_mut(index)) else {
            continue;
        };
        if std::mem::replace(seen, true) {
            continue;
        }
        if instruction.reads(register) {
            return Some(index);
        }
        if !instruction.writes(register) {
            open.extend(instruction.successors(index));
        }
    }
    None
}

/// One slot of eight bytes (Linux `Documentation/bpf/standardization/instruction-set.rst`).
#[derive(Clone, Copy, Debug)]
struct Instruction([u8; 8]);

const CLASS_LD: u8 = 0;
const CLASS_LDX: u8 = 1;
const CLASS_ST: u8 = 2;
const CLASS_STX: u8 = 3;
const CLASS_ALU: u8 = 4;
const CLASS_JMP: u8 = 5;
const CLASS_JMP32: u8 = 6;
const CLASS_ALU64: u8 = 7;
const MODE_ATOMIC: u8 = 0xc0;
const FETCH: i32 = 1;
const CMPXCHG: i32 = 0xf1;
const SOURCE_REGISTER: u8 = 8;
const ALU_NEG: u8 = 0x80;
const ALU_MOV: u8 = 0xb0;
const ALU_END: u8 = 0xd0;
const JUMP_ALWAYS: u8 = 0x00;
const JUMP_CALL: u8 = 0x80;
const JUMP_EXIT: u8 = 0x90;
const LOAD_WIDE: u8 = 0x18;
const MAP_LOOKUP_ELEM: i32 = 1;
const KTIME_GET_NS: i32 = 5;
const JIFFIES64: i32 = 118;
const XDP_ADJUST_TAIL: i32 = 65;
const SK_RELEASE: i32 = 86;
const SKC_LOOKUP_TCP: i32 = 99;
const TCP_GEN_SYNCOOKIE: i32 = 110;
const RINGBUF_RESERVE: i32 = 131;
const RINGBUF_SUBMIT: i32 = 132;
const XDP_GET_BUFF_LEN: i32 = 188;
const XDP_LOAD_BYTES: i32 = 189;

impl Instruction {
    const fn code(self) -> u8 {
        self.0[0]
    }
    const fn class(self) -> u8 {
        self.0[0] & 7
    }
    const fn operation(self) -> u8 {
        self.0[0] & 0xf0
    }
    const fn target(self) -> u8 {
        self.0[1] & 15
    }
    const fn source(self) -> u8 {
        self.0[1] >> 4
    }
    const fn offset(self) -> i16 {
        i16::from_le_bytes([self.0[2], self.0[3]])
    }
    const fn immediate(self) -> i32 {
        i32::from_le_bytes([self.0[4], self.0[5], self.0[6], self.0[7]])
    }
    const fn uses_register(self) -> bool {
        self.0[0] & SOURCE_REGISTER != 0
    }

    const fn is_atomic(self) -> bool {
        self.class() == CLASS_STX && self.code() & 0xe0 == MODE_ATOMIC
    }

    const fn is_atomic_without_fetch(self) -> bool {
        self.is_atomic() && self.immediate() & FETCH == 0
    }

    fn reads(self, register: u8) -> bool {
        let (source, target) = (self.source() == register, self.target() == register);
        match self.class() {
            CLASS_LDX => source,
            CLASS_ST => target,
            CLASS_STX if self.is_atomic() && self.immediate() == CMPXCHG => {
                source || target || register == 0
            }
            CLASS_STX => source || target,
            CLASS_ALU | CLASS_ALU64 => match self.operation() {
                ALU_MOV => self.uses_register() && source,
                ALU_NEG | ALU_END => target,
                _ => target || (self.uses_register() && source),
            },
            CLASS_JMP | CLASS_JMP32 => match self.operation() {
                JUMP_ALWAYS => false,
                JUMP_CALL => (1..=self.arguments()).contains(&register),
                JUMP_EXIT => register == 0,
                _ => target || (self.uses_register() && source),
            },
            _ => false,
        }
    }

    /// Registers that a call passes. Of helpers that are not listed, and of functions, all five
    /// count.
    fn arguments(self) -> u8 {
        self.listed().unwrap_or(5)
    }

    /// Registers that a call of a listed helper passes.
    const fn listed(self) -> Option<u8> {
        let is_helper = self.source() == 0;
        match self.immediate() {
            KTIME_GET_NS | JIFFIES64 if is_helper => Some(0),
            XDP_GET_BUFF_LEN | SK_RELEASE if is_helper => Some(1),
            MAP_LOOKUP_ELEM | XDP_ADJUST_TAIL | RINGBUF_SUBMIT if is_helper => Some(2),
            RINGBUF_RESERVE if is_helper => Some(3),
            XDP_LOAD_BYTES if is_helper => Some(4),
            SKC_LOOKUP_TCP | TCP_GEN_SYNCOOKIE if is_helper => Some(5),
            _ => None,
        }
    }

    fn writes(self, register: u8) -> bool {
        match self.class() {
            CLASS_LD | CLASS_LDX | CLASS_ALU | CLASS_ALU64 => self.target() == register,
            CLASS_STX if self.is_atomic() && self.immediate() == CMPXCHG => register == 0,
            CLASS_STX => {
                self.is_atomic() && !self.is_atomic_without_fetch() && self.source() == register
            }
            CLASS_JMP | CLASS_JMP32 => self.operation() == JUMP_CALL && register <= 5,
            _ => false,
        }
    }

    /// Where execution goes on.
    fn successors(self, index: usize) -> Vec<usize> {
        let jump = |distance: i64| {
            let index = i64::try_from(index).ok()?;
            usize::try_from(index + 1 + distance).ok()
        };
        let next = if self.code() == LOAD_WIDE { 2 } else { 1 };
        let is_jump = self.class() == CLASS_JMP || self.class() == CLASS_JMP32;
        match (is_jump, self.operation()) {
            (true, JUMP_EXIT) => Vec::new(),
            (true, JUMP_CALL) | (false, _) => vec![index + next],
            (true, JUMP_ALWAYS) => {
                let distance = if self.class() == CLASS_JMP32 {
                    i64::from(self.immediate())
                } else {
                    i64::from(self.offset())
                };
                jump(distance).into_iter().collect()
            }
            (true, _) => std::iter::once(index + 1)
                .chain(jump(i64::from(self.offset())))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // r1 is the cell, r2 the operand throughout.
    const ADD: [u8; 8] = [0xdb, 0x21, 0, 0, 0, 0, 0, 0];
    const FETCH_ADD: [u8; 8] = [0xdb, 0x21, 0, 0, 1, 0, 0, 0];
    const EXIT: [u8; 8] = [0x95, 0, 0, 0, 0, 0, 0, 0];
    const ZERO: [u8; 8] = [0xb7, 0, 0, 0, 0, 0, 0, 0];
    const RETURN_R2: [u8; 8] = [0xbf, 0x20, 0, 0, 0, 0, 0, 0];
    const CLEAR_R2: [u8; 8] = [0xb7, 0x02, 0, 0, 0, 0, 0, 0];
    /// Skips one instruction if r1 is zero.
    const BRANCH: [u8; 8] = [0x15, 0x01, 1, 0, 0, 0, 0, 0];

    #[track_caller]
    fn check(code: &[[u8; 8]], accepted: bool) {
        let verdict = refuse_lost_fetch("test", code.as_flattened());
        assert_eq!(verdict.is_ok(), accepted, "{verdict:?}");
    }

    #[test]
    fn an_add_whose_operand_is_read_afterwards_is_refused() {
        check(&[ADD, RETURN_R2, EXIT], false);
        check(&[ADD, BRANCH, CLEAR_R2, RETURN_R2, EXIT], false);
    }

    #[test]
    fn an_add_that_fetches_or_whose_operand_is_forgotten_is_accepted() {
        check(&[FETCH_ADD, RETURN_R2, EXIT], true);
        check(&[ADD, ZERO, EXIT], true);
        check(&[ADD, CLEAR_R2, RETURN_R2, EXIT], true);
        check(&[ADD, BRANCH, ZERO, ZERO, EXIT], true);
    }

    #[test]
    fn a_call_reads_the_arguments_it_takes() {
        let lookup = [0x85, 0, 0, 0, 1, 0, 0, 0];
        let unknown = [0x85, 0, 0, 0, 77, 0, 0, 0];
        let function = [0x85, 0x10, 0, 0, 1, 0, 0, 0];
        let add_r3 = [0xdb, 0x31, 0, 0, 0, 0, 0, 0];
        check(&[add_r3, lookup, EXIT], true);
        check(&[ADD, lookup, EXIT], false);
        check(&[add_r3, unknown, EXIT], false);
        check(&[add_r3, function, EXIT], false);
    }

    #[test]
    fn calls_outside_the_list_are_refused() {
        let lookup = [0x85, 0, 0, 0, 1, 0, 0, 0];
        let update = [0x85, 0, 0, 0, 2, 0, 0, 0];
        let wide = [0x18, 0x01, 0, 0, 0, 0, 0, 0];
        let function = [0x85, 0x10, 0, 0, 0xff, 0xff, 0xff, 0xff];
        let accepts = |code: &[[u8; 8]], called: &[(usize, String)]| {
            refuse_other_calls("test", code.as_flattened(), called).is_ok()
        };
        assert!(accepts(&[lookup, EXIT], &[]));
        assert!(accepts(&[wide, update, EXIT], &[]));
        assert!(!accepts(&[update, EXIT], &[]));
        assert!(!accepts(&[function, EXIT], &[]));
        assert!(!accepts(&[function, EXIT], &[(0, "memcpy".to_owned())]));
        assert!(!accepts(&[function, EXIT], &[(1, "gateway_x".to_owned())]));
        assert!(accepts(&[function, EXIT], &[(0, "gateway_x".to_owned())]));
    }

    #[test]
    fn half_an_instruction_is_refused() {
        assert!(refuse_lost_fetch("test", &[0; 12]).is_err());
    }
}
