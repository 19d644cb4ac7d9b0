// Known chains of calls, each of which ends in a wait that says that it has been reached.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEPT __attribute__((noinline, noipa))

// Says so, and spins without a call: the frame that is sampled is this one.
extern "C" KEPT void reached() {
    printf("%ld\n", (long)syscall(SYS_gettid));
    fflush(stdout);
    for (volatile unsigned long i = 0;; i++) {
    }
}

// Waits in the kernel instead.
extern "C" KEPT void waits() {
    printf("%ld\n", (long)syscall(SYS_gettid));
    fflush(stdout);
    for (;;) pause();
}

namespace shop {
template <class T> struct Cart {
    KEPT T total(T x) {
        volatile T big[64] = {x};
        reached();
        return big[3] + x;
    }
};
}

extern "C" KEPT int inner(int x) { return shop::Cart<int>().total(x + 1) + 1; }
extern "C" KEPT int outer(int x) { return inner(x * 2) + 1; }

// A stack that is aligned anew: its frame is found by an expression.
extern "C" KEPT int aligned(int x) {
    struct alignas(64) Wide { char bytes[256]; } volatile wide;
    memset((void *)wide.bytes, x, sizeof wide.bytes);
    volatile char *dynamic = (char *)__builtin_alloca(x * 100 + 16);
    dynamic[0] = wide.bytes[3];
    return outer(x) + dynamic[0] + wide.bytes[7];
}

extern "C" void handler(int) { outer(3); }
extern "C" KEPT int interrupted(int on_its_own) {
    struct sigaction action = {};
    action.sa_handler = handler;
    if (on_its_own) {
        static char stack[65536];
        stack_t alternate = {};
        alternate.ss_sp = stack;
        alternate.ss_size = sizeof stack;
        sigaltstack(&alternate, nullptr);
        action.sa_flags = SA_ONSTACK;
    }
    sigaction(SIGUSR1, &action, nullptr);
    raise(SIGUSR1);
    return 1;
}

// Assembly without unwind information, called directly: it pushes, calls, and spins itself.
asm(R"(
    .text
    .globl bare_leaf
    .type bare_leaf, @function
bare_leaf:
    mov %rdi, %rax
1:  jmp 1b
    .size bare_leaf, . - bare_leaf
    .globl bare_calls
    .type bare_calls, @function
bare_calls:
    push %rbx
    push %r12
    push %r13
    call outer
    pop %r13
    pop %r12
    pop %rbx
    ret
    .size bare_calls, . - bare_calls
)");
extern "C" int bare_calls(int);
extern "C" int bare_leaf(int);
extern "C" KEPT int calls_bare(int x) { return bare_calls(x) + 1; }
extern "C" KEPT int at_bare(int x) {
    printf("%ld\n", (long)syscall(SYS_gettid));
    fflush(stdout);
    return bare_leaf(x) + 1;
}

// Assembly whose frame pointer is not where others have it, as libffi's calls: half of its frame above, two pages below.
asm(R"(
    .globl own_frame
    .type own_frame, @function
own_frame:
    .cfi_startproc
    push %rbp
    .cfi_def_cfa_offset 16
    .cfi_offset %rbp, -16
    sub $16, %rsp
    mov %rsp, %rbp
    .cfi_def_cfa %rbp, 32
    sub $8192, %rsp
    call outer
    add $8208, %rsp
    .cfi_def_cfa %rsp, 16
    pop %rbp
    .cfi_def_cfa_offset 8
    ret
    .cfi_endproc
    .size own_frame, . - own_frame
)");
extern "C" int own_frame(int);
extern "C" KEPT int calls_own_frame(int x) { return own_frame(x) + 1; }

// Code made at run time, that calls back: with a frame pointer, as JITs do.
extern "C" KEPT int generated(int x) {
    unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xd0, 0x5d, 0xc3};
    int (*target)(int) = outer;
    memcpy(code + 6, &target, 8);
    void *page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page, code, sizeof code);
    char path[64];
    snprintf(path, sizeof path, "/tmp/perf-%d.map", getpid());
    FILE *map = fopen(path, "w");
    fprintf(map, "%lx %lx jit::made\n", (unsigned long)page, (unsigned long)sizeof code);
    fclose(map);
    return ((int (*)(int))page)(x) + 1;
}

extern "C" KEPT int deep(int n) {
    volatile char bytes[512];
    bytes[0] = n;
    return n ? deep(n - 1) + bytes[0] : outer(1);
}

extern "C" KEPT int endless(int n) {
    volatile char byte = n;
    return n ? endless(n - 1) + byte : outer(1);
}

extern "C" KEPT int in_the_kernel(int x) {
    waits();
    return x;
}

// The clock by the kernel's own object, over and over: samples fall into it.
extern "C" KEPT int in_the_vdso(int) {
    printf("%ld\n", (long)syscall(SYS_gettid));
    fflush(stdout);
    struct timespec time;
    for (;;) clock_gettime(CLOCK_MONOTONIC, &time);
}

static const char *wanted;
extern "C" KEPT int choose(int x) {
    if (!strcmp(wanted, "plain")) return outer(x);
    if (!strcmp(wanted, "aligned")) return aligned(x);
    if (!strcmp(wanted, "signal")) return interrupted(0);
    if (!strcmp(wanted, "alternate")) return interrupted(1);
    if (!strcmp(wanted, "bare_leaf")) return at_bare(x);
    if (!strcmp(wanted, "bare_calls")) return calls_bare(x);
    if (!strcmp(wanted, "own_frame")) return calls_own_frame(x);
    if (!strcmp(wanted, "generated")) return generated(x);
    if (!strcmp(wanted, "deep")) return deep(100);
    if (!strcmp(wanted, "endless")) return endless(5000);
    if (!strcmp(wanted, "kernel")) return in_the_kernel(x);
    if (!strcmp(wanted, "vdso")) return in_the_vdso(x);
    return 1;
}

extern "C" KEPT void *thread_main(void *) { return (void *)(long)choose(1); }

int main(int argc, char **argv) {
    wanted = argv[1];
    if (argc > 2) {
        pthread_t thread;
        pthread_create(&thread, nullptr, thread_main, nullptr);
        pthread_join(thread, nullptr);
        return 0;
    }
    return choose(1);
}
