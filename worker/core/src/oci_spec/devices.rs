//! Which device files a container may use: making any, opening only those that concern nobody else.
//!
//! The same table becomes rules for the device controller of version 1 cgroups, and a BPF program for
//! version 2, which has no such controller.

use super::built;
use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, LinuxDeviceType};

/// A kind of use that is allowed.
struct Allowed {
    kind: LinuxDeviceType,
    major: Option<u8>,
    minor: Option<u8>,
    access: &'static str,
}

const fn character(major: u8, minor: Option<u8>) -> Allowed {
    Allowed { kind: LinuxDeviceType::C, major: Some(major), minor, access: "rwm" }
}

const fn make(kind: LinuxDeviceType) -> Allowed {
    Allowed { kind, major: None, minor: None, access: "m" }
}

const ALLOWED: [Allowed; 11] = [
    make(LinuxDeviceType::C),
    make(LinuxDeviceType::B),
    // null, zero, full, random, urandom.
    character(1, Some(3)),
    character(1, Some(5)),
    character(1, Some(7)),
    character(1, Some(8)),
    character(1, Some(9)),
    // tty, console, ptmx.
    character(5, Some(0)),
    character(5, Some(1)),
    character(5, Some(2)),
    // Every pseudo terminal: they are the container's own instance.
    character(136, None),
];

/// Lists the rules for the device controller in the order they are applied: nothing, then exceptions.
pub(super) fn rules() -> Vec<LinuxDeviceCgroup> {
    let any = LinuxDeviceCgroupBuilder::default().allow(false).typ(LinuxDeviceType::A).access("rwm");
    let exceptions = ALLOWED.iter().map(|Allowed { kind, major, minor, access }| {
        let mut rule = LinuxDeviceCgroupBuilder::default().allow(true).typ(*kind).access(*access);
        if let Some(major) = major {
            rule = rule.major(*major);
        }
        if let Some(minor) = minor {
            rule = rule.minor(*minor);
        }
        built(rule.build())
    });
    std::iter::once(built(any.build())).chain(exceptions).collect()
}

// Operation codes and registers (RFC 9669). R1 comes with the address of the question.
const LOAD_32: u8 = 0x61;
const MOVE_32: u8 = 0xbc;
const AND_32: u8 = 0x54;
const SHIFT_RIGHT_32: u8 = 0x74;
const JUMP_IF_NOT: u8 = 0x55;
const JUMP_IF_NOT_REGISTER: u8 = 0x5d;
const SET: u8 = 0xb7;
const EXIT: u8 = 0x95;
const ANSWER: u8 = 0;
const QUESTION: u8 = 1;
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
/// Free for other use once the question has been read.
const SCRATCH: u8 = QUESTION;

/// Makes the BPF program that answers the kernel's question whether a device may be used: 1 is yes.
pub fn filter() -> Vec<u64> {
    // The question is three 32-bit numbers: access << 16 | kind, major, minor.
    let mut program = vec![
        instruction(LOAD_32, KIND, QUESTION, 0, 0),
        instruction(LOAD_32, MAJOR, QUESTION, 4, 0),
        instruction(LOAD_32, MINOR, QUESTION, 8, 0),
        instruction(MOVE_32, ACCESS, KIND, 0, 0),
        instruction(AND_32, KIND, 0, 0, 0xffff),
        instruction(SHIFT_RIGHT_32, ACCESS, 0, 0, 16),
    ];
    ALLOWED.iter().for_each(|allowed| program.extend(unless_then_yes(allowed)));
    program.extend([instruction(SET, ANSWER, 0, 0, 0), instruction(EXIT, 0, 0, 0, 0)]);
    program
}

/// Says yes if everything matches, else goes on behind.
fn unless_then_yes(allowed: &Allowed) -> Vec<u64> {
    let mut conditions = vec![(KIND, kind_number(allowed.kind))];
    conditions.extend(allowed.major.map(|major| (MAJOR, i32::from(major))));
    conditions.extend(allowed.minor.map(|minor| (MINOR, i32::from(minor))));
    let checks_access = allowed.access != "rwm";
    let length = conditions.len() + if checks_access { 3 } else { 0 } + 2;
    let to_end = |from: usize| (length - from - 1) as i16;

    let mut block = Vec::with_capacity(length);
    for (register, value) in conditions {
        block.push(instruction(JUMP_IF_NOT, register, 0, to_end(block.len()), value));
    }
    if checks_access {
        // Whatever is wanted must be among what is allowed.
        block.push(instruction(MOVE_32, SCRATCH, ACCESS, 0, 0));
        block.push(instruction(AND_32, SCRATCH, 0, 0, access_bits(allowed.access)));
        block.push(instruction(JUMP_IF_NOT_REGISTER, SCRATCH, ACCESS, to_end(block.len()), 0));
    }
    block.extend([instruction(SET, ANSWER, 0, 0, 1), instruction(EXIT, 0, 0, 0, 0)]);
    block
}

fn instruction(code: u8, target: u8, source: u8, offset: i16, value: i32) -> u64 {
    let [offset_low, offset_high] = offset.to_le_bytes();
    let [v0, v1, v2, v3] = value.to_le_bytes();
    u64::from_le_bytes([code, source << 4 | target, offset_low, offset_high, v0, v1, v2, v3])
}

/// As in the kernel's `BPF_DEVCG_DEV_BLOCK` and `_CHAR`.
fn kind_number(kind: LinuxDeviceType) -> i32 {
    if kind == LinuxDeviceType::B { 1 } else { 2 }
}

/// As in the kernel's `BPF_DEVCG_ACC_MKNOD`, `_READ` and `_WRITE`.
fn access_bits(access: &str) -> i32 {
    [('m', 1), ('r', 2), ('w', 4)]
        .iter()
        .filter(|(letter, _)| access.contains(*letter))
        .map(|(_, bit)| bit)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the kernel would.
    fn may(kind: LinuxDeviceType, access: &str, major: u32, minor: u32) -> bool {
        let question = [(access_bits(access) << 16 | kind_number(kind)) as u32, major, minor];
        let program = filter();
        let mut registers = [0u64; 11];
        let mut place = 0;
        loop {
            let [code, both, o0, o1, v0, v1, v2, v3] = program[place].to_le_bytes();
            let (target, source) = (usize::from(both & 15), usize::from(both >> 4));
            let offset = i16::from_le_bytes([o0, o1]);
            let value = i32::from_le_bytes([v0, v1, v2, v3]);
            place += 1;
            let jump = match code {
                LOAD_32 => {
                    registers[target] = u64::from(question[offset as usize / 4]);
                    false
                }
                MOVE_32 => {
                    registers[target] = registers[source] & 0xffff_ffff;
                    false
                }
                AND_32 => {
                    registers[target] &= value as u32 as u64;
                    false
                }
                SHIFT_RIGHT_32 => {
                    registers[target] >>= value;
                    false
                }
                SET => {
                    registers[target] = value as u64;
                    false
                }
                JUMP_IF_NOT => registers[target] != value as u64,
                JUMP_IF_NOT_REGISTER => registers[target] != registers[source],
                EXIT => return registers[usize::from(ANSWER)] == 1,
                other => panic!("operation {other:#x}"),
            };
            if jump {
                place += usize::try_from(offset).unwrap();
            }
        }
    }

    #[test]
    fn a_disk_can_be_made_but_not_opened() {
        assert!(may(LinuxDeviceType::B, "m", 8, 0));
        for access in ["r", "w", "rw", "rm"] {
            assert!(!may(LinuxDeviceType::B, access, 8, 0), "{access}");
        }
    }

    #[test]
    fn what_every_program_expects_can_be_used() {
        for (major, minor) in [(1, 3), (1, 5), (1, 8), (1, 9), (5, 0), (5, 2), (136, 0), (136, 77)] {
            assert!(may(LinuxDeviceType::C, "rw", major, minor), "{major}:{minor}");
        }
        // mem, kmsg, the numbers of null as a block device.
        assert!(!may(LinuxDeviceType::C, "r", 1, 1));
        assert!(!may(LinuxDeviceType::C, "r", 1, 11));
        assert!(!may(LinuxDeviceType::B, "r", 1, 3));
    }
}
