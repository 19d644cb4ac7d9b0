//! Functions as bytes, and stacks on which their callers are looked for.

use super::*;

/// The stack pointer at the entry.
const ENTRY_SP: u64 = 0x7fff_0000_1000;
const CALLER: u64 = 0x40_1234;
const CALLERS_BP: u64 = 0x7fff_0000_2000;
/// Bytes of stack below the entry's stack pointer.
const BELOW: u64 = 0x100;

/// As kernels of linear algebra begin and end: `rbx` holds the stack pointer while `rsp` is aligned.
const REALIGNS: &[u8] = &[
    0x48, 0x83, 0xec, 0x60, // 00 sub rsp, 0x60
    0x48, 0x89, 0x1c, 0x24, // 04 mov [rsp], rbx
    0x48, 0x89, 0x6c, 0x24, 0x08, // 08 mov [rsp + 8], rbp
    0xc5, 0xf8, 0x77, // 0d vzeroupper
    0x48, 0x89, 0xe3, // 10 mov rbx, rsp
    0x48, 0x81, 0xec, 0x80, 0x70, 0x00, 0x00, // 13 sub rsp, 0x7080
    0x48, 0x81, 0xe4, 0x00, 0xf0, 0xff, 0xff, // 1a and rsp, -0x1000
    0x48, 0x85, 0xff, // 21 test rdi, rdi
    0x74, 0x08, // 24 je 2e
    0x48, 0x89, 0xfd, // 26 mov rbp, rdi
    0x48, 0xff, 0xcf, // 29 dec rdi
    0x75, 0xf8, // 2c jne 26
    0x48, 0x89, 0xdc, // 2e mov rsp, rbx
    0x48, 0x8b, 0x1c, 0x24, // 31 mov rbx, [rsp]
    0x48, 0x8b, 0x6c, 0x24, 0x08, // 35 mov rbp, [rsp + 8]
    0x48, 0x83, 0xc4, 0x60, // 3a add rsp, 0x60
    0xc3, // 3e ret
];
const PUSHES: &[u8] = &[
    0x55, // 00 push rbp
    0x53, // 01 push rbx
    0x31, 0xed, // 02 xor ebp, ebp
    0x48, 0x85, 0xff, // 04 test rdi, rdi
    0x74, 0x0d, // 07 je 16
    0x48, 0x83, 0xec, 0x20, // 09 sub rsp, 0x20
    0xe8, 0x04, 0x00, 0x00, 0x00, // 0d call 16
    0x48, 0x83, 0xc4, 0x20, // 12 add rsp, 0x20
    0x5b, // 16 pop rbx
    0x5d, // 17 pop rbp
    0xc3, // 18 ret
];
/// What comes after the branch has a word more on the stack, or not.
const DIFFERS: &[u8] = &[
    0x48, 0x85, 0xff, // 00 test rdi, rdi
    0x74, 0x01, // 03 je 06
    0x50, // 05 push rax
    0x90, // 06 nop
    0xc3, // 07 ret
];

fn flow(code: &[u8]) -> Flow {
    let decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let instructions: Vec<Instruction> = decoder.into_iter().collect();
    Flow::follow(&instructions).unwrap_or_default()
}

/// A stack on which the caller's frame pointer lies so many bytes below the return address.
fn caller(
    code: &[u8],
    address: u64,
    bp_below: u64,
    registers: Registers,
) -> Result<Registers, Lost> {
    let mut bytes = vec![0xaa; (BELOW + 8) as usize];
    let mut put = |below: u64, word: u64| {
        let at = (BELOW - below) as usize;
        bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
    };
    put(bp_below, CALLERS_BP);
    put(0, CALLER);
    let stack = StackCopy {
        start: ENTRY_SP - BELOW,
        bytes: &bytes,
        holes: 0,
        is_cut: false,
    };
    flow(code).caller(address, registers, &stack)
}

fn registers(sp: u64, bp: u64, bx: Option<u64>) -> Registers {
    Registers { ip: 0, sp, bp, bx }
}

const FOUND: Result<Registers, Lost> = Ok(Registers {
    ip: CALLER,
    sp: ENTRY_SP + 8,
    bp: CALLERS_BP,
    bx: None,
});

#[test]
fn the_frame_is_found_by_whichever_register_holds_it() {
    let in_loop = registers(ENTRY_SP - 0x9000, 17, Some(ENTRY_SP - 0x60));
    for address in [0x21, 0x26, 0x29, 0x2e] {
        assert_eq!(
            caller(REALIGNS, address, 0x58, in_loop),
            FOUND,
            "{address:#x}"
        );
    }
    let begun = registers(ENTRY_SP, CALLERS_BP, Some(3));
    assert_eq!(caller(REALIGNS, 0, 0x58, begun), FOUND);
    // In its epilogue `rsp` holds it, and the caller's `rbp` is back.
    let ending = registers(ENTRY_SP - 0x60, CALLERS_BP, Some(3));
    assert_eq!(caller(REALIGNS, 0x3a, 0x10, ending), FOUND);
    let over = registers(ENTRY_SP, CALLERS_BP, Some(3));
    assert_eq!(caller(REALIGNS, 0x3e, 0x10, over), FOUND);
}

#[test]
fn without_that_register_nothing_is_said() {
    let in_loop = registers(ENTRY_SP - 0x9000, 17, None);
    assert_eq!(caller(REALIGNS, 0x26, 0x58, in_loop), Err(Lost::Unknown));
}

#[test]
fn pushes_and_calls_are_followed() {
    let cases = [
        (0x02, 0x10),
        (0x04, 0x10),
        (0x0d, 0x30),
        (0x11, 0x30),
        (0x12, 0x30),
        (0x16, 0x10),
    ];
    for (address, below) in cases {
        let registers = registers(ENTRY_SP - below, 17, None);
        assert_eq!(caller(PUSHES, address, 8, registers), FOUND, "{address:#x}");
    }
    let popped = registers(ENTRY_SP, CALLERS_BP, None);
    assert_eq!(caller(PUSHES, 0x18, 0x40, popped), FOUND);
}

#[test]
fn where_ways_differ_nothing_is_said() {
    let registers = registers(ENTRY_SP - 8, CALLERS_BP, None);
    assert_eq!(
        caller(
            DIFFERS,
            0x05,
            0x40,
            self::registers(ENTRY_SP, CALLERS_BP, None)
        ),
        FOUND
    );
    assert_eq!(caller(DIFFERS, 0x06, 0x40, registers), Err(Lost::Unknown));
}

#[test]
fn of_a_function_that_jumps_by_a_table_nothing_is_said() {
    const TABLE: &[u8] = &[
        0x50, // 00 push rax
        0xff, 0xe0, // 01 jmp rax
    ];
    let registers = registers(ENTRY_SP, CALLERS_BP, None);
    assert_eq!(caller(TABLE, 0, 0x40, registers), Err(Lost::Unknown));
    // A tail call has nothing on the stack any more.
    assert_eq!(caller(&TABLE[1..], 0, 0x40, registers), FOUND);
}

#[test]
fn a_word_that_was_not_copied_is_named() {
    let beyond = registers(ENTRY_SP + 0x100, CALLERS_BP, None);
    let missing = Err(Lost::Word(ENTRY_SP + 0x100));
    assert_eq!(caller(REALIGNS, 0, 0x58, beyond), missing);
}

#[test]
fn any_bytes_are_followed_to_an_end() {
    let mut state = 1_u64;
    for _ in 0..2_000 {
        let code: Vec<u8> = (0..200)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        let stack = StackCopy {
            start: 0,
            bytes: &code,
            holes: 0,
            is_cut: false,
        };
        let flow = flow(&code);
        for address in 0..200 {
            let caller = flow.caller(address, registers(8, 16, Some(24)), &stack);
            assert!(caller.is_err() || !flow.0.is_empty());
        }
    }
}
