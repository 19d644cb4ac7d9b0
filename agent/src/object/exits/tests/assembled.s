# What compilers make rarely, or never. What is expected of each is in tests.rs.
    .text

.include "functions.inc"

# A conditional tail jump to a short function of another object.
begin conditional_free
    test %rdi, %rdi
    jne free@PLT
    ret
end conditional_free

# A conditional tail jump to a function of this object: its own exits serve.
begin conditional_local
    test %rdi, %rdi
    jne landing
    ret
end conditional_local

begin landing
    mov $1, %eax
    ret
end landing

# The loop's head is the entry.
begin loop_at_entry
    dec %rdi
    jne loop_at_entry
    ret
end loop_at_entry

begin with_endbr
    endbr64
    push %rbx
    .cfi_def_cfa_offset 16
    pop %rbx
    .cfi_def_cfa_offset 8
    ret
end with_endbr

begin endbr_no_push
    endbr64
    mov $1, %eax
    ret
end endbr_no_push

# As compilers interleave them.
begin moves_before_push
    mov %rdi, %rax
    xor %r10d, %r10d
    push %rbx
    .cfi_def_cfa_offset 16
    pop %rbx
    .cfi_def_cfa_offset 8
    ret
end moves_before_push

begin argument_before_push
    mov %rsi, %rdi
    push %rbx
    .cfi_def_cfa_offset 16
    pop %rbx
    .cfi_def_cfa_offset 8
    ret
end argument_before_push

begin stack_before_push
    sub $8, %rsp
    .cfi_def_cfa_offset 16
    push %rbx
    .cfi_def_cfa_offset 24
    pop %rbx
    .cfi_def_cfa_offset 16
    add $8, %rsp
    .cfi_def_cfa_offset 8
    ret
end stack_before_push

# It may end there, by a signal.
begin load_before_push
    mov (%rdi), %rax
    push %rbx
    .cfi_def_cfa_offset 16
    pop %rbx
    .cfi_def_cfa_offset 8
    ret
end load_before_push

begin loop_at_push
    mov %rdi, %rax
1:  push %rbx
    .cfi_def_cfa_offset 16
    pop %rbx
    .cfi_def_cfa_offset 8
    dec %rdi
    jne 1b
    ret
end loop_at_push

begin long_push
    mov %rdi, %rax
    .byte 0x48, 0x53
    .cfi_def_cfa_offset 16
    pop %rbx
    .cfi_def_cfa_offset 8
    ret
end long_push

begin counted_by_register
    mov %rdi, %rcx
    jrcxz .Lneighbour
    ret
end counted_by_register

begin neighbour
.Lneighbour:
    mov $1, %eax
    ret
end neighbour

begin falls_through
    mov $1, %eax
end falls_through

begin locked_entry
    lock incl (%rdi)
    ret
end locked_entry

# A fragment without a name, reached with the frame in place, that returns by itself.
begin nameless_fragment
    push %rbx
    .cfi_def_cfa_offset 16
    test %rdi, %rdi
    jne .Lfragment
    pop %rbx
    .cfi_def_cfa_offset 8
    ret
end nameless_fragment

    .section .text.unlikely, "ax", @progbits
.Lfragment:
    .cfi_startproc
    .cfi_def_cfa_offset 16
    xor %eax, %eax
    pop %rbx
    .cfi_def_cfa_offset 8
    ret
    .cfi_endproc
    .text

# A function without unwind information: by its `ret`s it can be followed, by a jump out it can't.
    .globl bare_return
    .type bare_return, @function
bare_return:
    mov $1, %eax
    ret
    .size bare_return, . - bare_return

    .globl bare_jump
    .type bare_jump, @function
bare_jump:
    jmp landing
    .size bare_jump, . - bare_jump

    .globl boundless
    .type boundless, @function
boundless:
    mov $1, %eax
    ret

    .section .note.GNU-stack, "", @progbits
