// Programs that make it hard to know what a thread does: no catalogue names any of their functions.
//
// usage: hardship MODE. Prints `ready PID`; for each line `COUNT` on stdin does MODE that often, one
// span each, and prints `done`. What `work_in_MODE` did is the truth.
#include "truth.h"

#include <csetjmp>
#include <csignal>
#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define WORK extern "C" __attribute__((noinline, noipa))

// Several distances of the timer's slowest ticks.
static const uint64_t WORK_NS = 60000000;

// Works in the very function that says so (an inlined one would be named), and hardly ever asks for the time.
#define work(ns)                                                                                                       \
    for (uint64_t end = now_ns() + (ns); now_ns() < end;)                                                              \
        for (volatile int n = 0; n < 200000; n++) {                                                                    \
        }

static const ThreadRecord *request;
static uint64_t asked;

// Writes what a function did: its name is what its span should have. And how long it took to get there, and for how long
// it had to wait for a millisecond and more at once.
static void worked(const char *function, uint64_t start, uint64_t waited = 0) {
    char facts[96];
    snprintf(facts, sizeof facts, "{\"reached_ns\": %lu, \"waited_ns\": %lu}", start - asked, waited);
    truth(function, function, *request, start, now_ns(), facts);
}

static void *is_born_and_dies(void *) {
    spin(100000);
    return nullptr;
}

// Threads by the thousand, in a few requests.
WORK void work_in_threads() {
    uint64_t start = now_ns(), waited = 0;
    for (int n = 0; n < 400; n++) {
        pthread_t thread;
        if (pthread_create(&thread, nullptr, is_born_and_dies, nullptr))
            abort();
        uint64_t joining = now_ns();
        pthread_join(thread, nullptr);
        uint64_t joined = now_ns() - joining;
        waited += joined >= 1000000 ? joined : 0;
    }
    work(WORK_NS)
    worked("work_in_threads", start, waited);
}

WORK void work_in_libraries() {
    uint64_t start = now_ns();
    work(WORK_NS)
    worked("work_in_libraries", start);
}

// What is mapped changes under the agent's eyes, at the same addresses.
static void libraries() {
    for (int n = 0; n < 20; n++) {
        void *library = dlopen(getenv("LATE_LIBRARY"), RTLD_NOW);
        if (!library)
            abort();
        reinterpret_cast<int (*)(int)>(dlsym(library, "hs_library"))(n);
        dlclose(library);
    }
    work_in_libraries();
}

WORK void work_in_forks() {
    uint64_t start = now_ns();
    for (int n = 0; n < 20; n++) {
        pid_t child = fork();
        if (child == 0) {
            spin(1000000);
            _exit(0);
        }
        waitpid(child, nullptr, 0);
    }
    work(WORK_NS)
    worked("work_in_forks", start);
}

WORK void work_in_generated() {
    uint64_t start = now_ns();
    work(WORK_NS)
    worked("work_in_generated", start);
}

// Code made at run time, without a frame pointer, a map for perf, or unwind information: sub rsp, 24; call; add; ret.
static void generated() {
    unsigned char code[] = {0x48, 0x83, 0xec, 0x18, 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xd0, 0x48, 0x83, 0xc4, 0x18, 0xc3};
    void (*target)() = work_in_generated;
    memcpy(code + 6, &target, 8);
    void *page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        abort();
    memcpy(page, code, sizeof code);
    reinterpret_cast<void (*)()>(page)();
    munmap(page, 4096);
}

// Assembly without unwind information, as hand-written kernels are.
asm(R"(
    .text
    .type without_tables, @function
without_tables:
    push %rbx
    sub $4096, %rsp
    call work_in_assembly
    add $4096, %rsp
    pop %rbx
    ret
    .size without_tables, . - without_tables
)");
extern "C" void without_tables();
WORK void work_in_assembly() {
    uint64_t start = now_ns();
    work(WORK_NS)
    worked("work_in_assembly", start);
}

WORK void work_in_deep() {
    uint64_t start = now_ns();
    work(WORK_NS)
    worked("work_in_deep", start);
}

// Down to the last pages of the stack.
WORK int deep(const char *end) {
    volatile char bytes[480];
    bytes[0] = 1;
    if (const_cast<const char *>(bytes) < end + 65536) {
        work_in_deep();
        return 1;
    }
    return deep(end) + bytes[0];
}

static const char *stack_end() {
    pthread_attr_t attributes;
    void *address;
    size_t size;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &address, &size);
    pthread_attr_destroy(&attributes);
    return static_cast<const char *>(address);
}

static sigjmp_buf out;

WORK void work_in_overflow() {
    uint64_t start = now_ns();
    work(WORK_NS)
    worked("work_in_overflow", start);
}

static void overflowed(int) {
    work_in_overflow();
    siglongjmp(out, 1);
}

WORK int endless(int n) {
    volatile char bytes[4096];
    bytes[0] = n;
    return endless(n + 1) + bytes[0];
}

// Out of stack, again and again: the handler works on a stack of its own, and leaves by a jump.
static void overflow() {
    static char alternate[256 * 1024];
    stack_t stack = {};
    stack.ss_sp = alternate;
    stack.ss_size = sizeof alternate;
    struct sigaction action = {};
    action.sa_handler = overflowed;
    action.sa_flags = SA_ONSTACK;
    if (sigaltstack(&stack, nullptr) || sigaction(SIGSEGV, &action, nullptr))
        abort();
    if (sigsetjmp(out, 1) == 0)
        endless(0);
}

struct Mode {
    const char *name;
    void (*run)();
};

static const Mode MODES[] = {
    {"threads", work_in_threads},  {"libraries", libraries},
    {"forks", work_in_forks},      {"generated", generated},
    {"assembly", without_tables},  {"deep", [] { deep(stack_end()); }},
    {"overflow", overflow},
};

int main(int argc, char **argv) {
    // A stack of a known size, whatever the shell allows.
    rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    limit.rlim_cur = 4 << 20;
    setrlimit(RLIMIT_STACK, &limit);
    for (const Mode &mode : MODES) {
        if (argc < 2 || strcmp(argv[1], mode.name))
            continue;
        return serve([&mode](int) {
            Span span;
            request = &span.record;
            asked = now_ns();
            mode.run();
        });
    }
    fprintf(stderr, "usage: hardship MODE\n");
    return 2;
}
