# Results on their way to the `ret`. What is expected of each is in results.rs.
    .text

.include "functions.inc"
# Only one way leads to the return: when nothing was wrong.
.macro checked
    call work@PLT
    test %rdx, %rdx
    jne 1f
.endm
.macro otherwise
1:  call __stack_chk_fail@PLT
.endm

begin in_another_register
    enter_frame
    checked
    mov %ebx, %eax
    leave_frame
    otherwise
end in_another_register

begin in_a_far_register
    enter_frame
    checked
    add $0x40, %rsp
    mov %r12, %rsi
    pop %rbx
    mov %rsi, %rax
    ret
    otherwise
end in_a_far_register

begin as_it_is
    enter_frame
    checked
    leave_frame
    otherwise
end as_it_is

begin a_number
    enter_frame
    checked
    xor %eax, %eax
    leave_frame
    otherwise
end a_number

begin minus_one
    enter_frame
    checked
    or $-1, %rax
    leave_frame
    otherwise
end minus_one

begin past_a_short_call
    enter_frame
    call work@PLT
    mov %rax, %rbx
    test %rdx, %rdx
    je 1f
    call free@PLT
1:  mov %rbx, %rax
    leave_frame
end past_a_short_call

begin on_the_stack
    enter_frame
    checked
    mov 8(%rsp), %eax
    leave_frame
    otherwise
end on_the_stack

begin computed
    enter_frame
    checked
    lea 1(%rbx), %eax
    leave_frame
    otherwise
end computed

begin part_of_a_register
    enter_frame
    checked
    mov %bl, %al
    leave_frame
    otherwise
end part_of_a_register

begin a_large_number
    enter_frame
    checked
    mov $8, %eax
    leave_frame
    otherwise
end a_large_number

begin popped
    enter_frame
    checked
    add $0x40, %rsp
    pop %rbx
    mov %ebx, %eax
    ret
    otherwise
end popped

# What it returns is not known before.
begin of_a_short_call
    enter_frame
    call work@PLT
    call free@PLT
    leave_frame
end of_a_short_call

begin two_results
    enter_frame
    call work@PLT
    test %rax, %rax
    je 1f
    mov $1, %eax
    leave_frame
1:  xor %eax, %eax
    leave_frame
end two_results

begin own_instructions
    enter_frame
    call work@PLT
    test %rax, %rax
    je 2f
    jmp 1f
2:  call work@PLT
    mov %eax, %ebx
1:  mov %ebx, %eax
    leave_frame
end own_instructions

begin own_write
    enter_frame
    call work@PLT
    test %rax, %rax
    je 2f
    jmp 1f
2:  movl $6, (%rsi)
    xor %ebx, %ebx
1:  mov %ebx, %eax
    leave_frame
end own_write

begin nothing_of_its_own
    enter_frame
    call work@PLT
    mov %eax, %ebx
    test %eax, %eax
    je 1f
    call work@PLT
1:  mov %ebx, %eax
    leave_frame
end nothing_of_its_own

# The kernel may refuse a prefix in it.
begin padding_of_its_own
    enter_frame
    call work@PLT
    mov %eax, %ebx
    test %eax, %eax
    je 1f
    call work@PLT
    cs nopw 0(%rax, %rax)
1:  mov %ebx, %eax
    leave_frame
end padding_of_its_own

begin report
    enter_frame
    call work@PLT
    leave_frame
end report

begin reports
    enter_frame
    call work@PLT
    mov %eax, %ebx
    test %eax, %eax
    je 1f
    call report
1:  mov %ebx, %eax
    leave_frame
end reports

    .section .note.GNU-stack, "", @progbits
