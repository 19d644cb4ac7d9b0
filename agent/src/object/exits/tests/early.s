# Ways into the straight code before a `ret`. What is expected of each is in early.rs.
    .text

.include "functions.inc"

# What a destructor at the end comes to: a jump around a call to `delete`.
begin taken_and_short_call
    enter_frame
    call work@PLT
    test %rax, %rax
    je 1f
    call free@PLT
1:  mov %ebx, %eax
    leave_frame
end taken_and_short_call

# A stack protector's check.
begin not_taken
    enter_frame
    call work@PLT
    test %rax, %rax
    jne 1f
    leave_frame
1:  call __stack_chk_fail@PLT
end not_taken

begin by_frame_pointer
    push %rbp
    mov %rsp, %rbp
    push %rbx
    sub $0x48, %rsp
    call work@PLT
    jmp 1f
    nopw 0(%rax, %rax)
1:  lea -8(%rbp), %rsp
    pop %rbx
    pop %rbp
    ret
end by_frame_pointer

begin by_leave
    push %rbp
    mov %rsp, %rbp
    sub $0x40, %rsp
    call work@PLT
    jmp 1f
    nop
1:  leave
    ret
end by_leave

# Whether it jumps or goes on, it leaves.
begin both_ways
    enter_frame
    call work@PLT
    test %rax, %rax
    je 1f
    mov $1, %eax
1:  leave_frame
end both_ways

# One conditional jump between two epilogues.
begin two_epilogues
    enter_frame
    call work@PLT
    test %rax, %rax
    je 1f
    mov $1, %eax
    leave_frame
1:  xor %eax, %eax
    leave_frame
end two_epilogues

# A loop whose turns take a call: the guard sees to it.
begin loop_with_call
    enter_frame
1:  call work@PLT
    test %rax, %rax
    jne 1b
    leave_frame
end loop_with_call

# A loop of a few instructions: a probe in it would be hit a million times.
begin tight_loop
    enter_frame
    call work@PLT
1:  dec %rax
    jne 1b
    leave_frame
end tight_loop

# A call in it that takes no time does not make it slow.
begin tight_loop_with_free
    enter_frame
    call work@PLT
    mov %eax, %ebx
1:  xor %edi, %edi
    call free@PLT
    dec %ebx
    jne 1b
    leave_frame
end tight_loop_with_free

# Out of the middle of a tight loop, forward.
begin out_of_tight_loop
    enter_frame
    call work@PLT
1:  cmp $7, %rax
    je 2f
    dec %rax
    jmp 1b
2:  leave_frame
end out_of_tight_loop

begin long_call
    enter_frame
    call work@PLT
    leave_frame
end long_call

# It writes what may be read at the exit.
begin copying_call
    enter_frame
    call work@PLT
    call memcpy@PLT
    leave_frame
end copying_call

begin endless_call
    enter_frame
    call work@PLT
    test %rax, %rax
    je 1f
    call abort@PLT
1:  leave_frame
end endless_call

# A short call that the kernel does not emulate.
begin call_through_slot
    enter_frame
    call work@PLT
    call *free@GOTPCREL(%rip)
    leave_frame
end call_through_slot

begin writes_at_last
    enter_frame
    call work@PLT
    test %rax, %rax
    je 1f
    nop
1:  movl $6, (%rbx)
    leave_frame
end writes_at_last

begin straight_from_entry
    mov $1, %eax
    ret
end straight_from_entry

# The stack pointer comes from elsewhere.
begin realigned
    enter_frame
    call work@PLT
    jmp 1f
    nop
1:  mov %r10, %rsp
    ret
end realigned

begin huge_frame
    push %rbx
    sub $0x40000, %rsp
    call work@PLT
    jmp 1f
    nop
1:  add $0x40000, %rsp
    pop %rbx
    ret
end huge_frame

# Its jump table may lead anywhere.
begin switched
    enter_frame
    lea .Ltable(%rip), %rdx
    movslq (%rdx, %rdi, 4), %rax
    add %rdx, %rax
    jmp *%rax
.Lcase:
    call work@PLT
    jmp 1f
    nop
1:  leave_frame
end switched

# Nobody jumps there: what leads there is not known.
begin unreached
    enter_frame
    call work@PLT
    jmp 1f
    nop
1:  leave_frame
    xor %eax, %eax
    leave_frame
end unreached

# What looks like one instruction is another when jumped into.
begin into_an_instruction
    enter_frame
    call work@PLT
    jmp 1f + 1
1:  mov $0xc3, %eax
    jmp 2f
    nop
2:  leave_frame
end into_an_instruction

begin counted_by_rcx
    enter_frame
    call work@PLT
    jrcxz 1f
    nop
1:  leave_frame
end counted_by_rcx

.macro conditions count
    .rept \count
    call work@PLT
    test %rax, %rax
    je 1f
    .endr
.endm

begin eight_conditions
    enter_frame
    conditions 8
    jmp 1f
    nop
1:  leave_frame
end eight_conditions

# Every call passes the first two, and most leave by the last.
begin early_ways_out
    enter_frame
    conditions 2
    call work@PLT
    jmp 2f
    nop
1:  leave_frame
2:  leave_frame
end early_ways_out

begin nine_conditions
    enter_frame
    conditions 9
    jmp 1f
    nop
1:  leave_frame
end nine_conditions

# A conditional tail jump to a short function, and the `ret` behind it: it leaves whatever happens.
begin tail_or_return
    test %rdi, %rdi
    jne free@PLT
    ret
end tail_or_return

# A tail jump to a function of this object, which has such exits itself.
begin tail_callee
    test %rdi, %rdi
    jne callee_with_exits
    ret
end tail_callee

begin callee_with_exits
    push %rbx
    .cfi_def_cfa_offset 16
    call work@PLT
    test %rax, %rax
    je 1f
    mov %rax, %rdi
    call free@PLT
1:  pop %rbx
    .cfi_def_cfa_offset 8
    ret
end callee_with_exits

# An exception goes on where `pad` says. 0x1b: relative to its own place, in four bytes.
.macro catching name, pad
    .globl \name
    .type \name, @function
\name:
    .cfi_startproc
    .cfi_personality 0x1b, personality
    .cfi_lsda 0x1b, .Ltable_of_\name
    enter_frame
    call work@PLT
    test %rax, %rax
    je .Lother_of_\name
    jmp 1f
.Lother_of_\name:
    xor %eax, %eax
1:  leave_frame
.Lpad_of_\name:
    call _Unwind_Resume@PLT
    .cfi_endproc
    .size \name, . - \name
    .section .gcc_except_table, "a", @progbits
.Ltable_of_\name:
    .byte 0xff, 0xff, 1
    .uleb128 2f - 1f
1:  .uleb128 0
    .uleb128 8
    .uleb128 \pad - \name
    .uleb128 0
2:
    .text
.endm

catching with_pad, .Lpad_of_with_pad
catching pad_in_epilogue, .Lother_of_pad_in_epilogue
catching pad_elsewhere, .Lpad_of_with_pad

    .type personality, @function
personality:
    ret
    .size personality, . - personality

    .section .rodata
.Ltable:
    .long .Lcase - .Ltable

    .section .note.GNU-stack, "", @progbits
