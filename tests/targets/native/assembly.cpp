// Work in hand-written assembly that has no unwind information and realigns its stack, with a buffer on it, as the kernels of
// OpenBLAS do.
//
// usage: assembly. Prints `ready PID`; for each line `COUNT` on stdin works that often, one span each, and prints `done`. Its
// functions are written down by its own clock.
#include "truth.h"

#define NAMED extern "C" __attribute__((noinline, visibility("default")))

static const uint64_t WORK_NS = 60000000;

/// Counts its turns.
extern "C" uint64_t kernel_without_tables(uint64_t turns);

asm(R"(
    .text
    .type kernel_without_tables, @function
kernel_without_tables:
    sub $0x60, %rsp
    mov %rbx, (%rsp)
    mov %rbp, 8(%rsp)
    mov %rsp, %rbx
    sub $0x7080, %rsp
    and $-4096, %rsp
    mov %rdi, 0x28(%rsp)
    mov %rdi, 0x1028(%rsp)
    mov %rdi, 0x2028(%rsp)
    mov %rdi, 0x3028(%rsp)
    mov %rdi, 0x4028(%rsp)
    mov %rdi, 0x5028(%rsp)
    mov %rdi, 0x6028(%rsp)
    xor %ebp, %ebp
1:  add $1, %rbp
    dec %rdi
    jne 1b
    mov %rbp, %rax
    mov %rbx, %rsp
    mov (%rsp), %rbx
    mov 8(%rsp), %rbp
    add $0x60, %rsp
    ret
    .size kernel_without_tables, .-kernel_without_tables
)");

static uint64_t turn_for(uint64_t ns) {
    uint64_t turns = 0, end = now_ns() + ns;
    while (now_ns() < end)
        turns += kernel_without_tables(100000);
    return turns;
}

NAMED uint64_t multiply_all(int seed) { return turn_for(WORK_NS) + seed; }

NAMED uint64_t decompose_all(int seed) { return turn_for(WORK_NS) - seed; }

NAMED uint64_t train(int seed, const ThreadRecord &record) {
    uint64_t begun = now_ns();
    uint64_t turns = multiply_all(seed);
    uint64_t between = now_ns();
    turns += decompose_all(seed);
    uint64_t ended = now_ns();
    truth("multiply_all", "assembly", record, begun, between);
    truth("decompose_all", "assembly", record, between, ended);
    return turns;
}

int main() {
    return serve([](int seed) {
        Span span;
        if (train(seed, span.record) == 0)
            abort();
    });
}
