// Ways to leave a function, and to enter it again, that a pair of probes must survive.
//
// usage: torture MODE. Prints `ready PID`; for each line `COUNT` on stdin does MODE that often, one
// span each, and prints `done`. The regions are the functions `hs_*`, named in torture.toml.
#include "truth.h"

#include <csetjmp>
#include <csignal>
#include <dlfcn.h>
#include <pthread.h>
#include <string>
#include <sys/wait.h>

#define REGION extern "C" __attribute__((noinline, visibility("default")))

// Work that a region does: long enough to tell bounds apart, short enough to repeat.
static const uint64_t WORK_NS = 60000;

REGION int hs_plain(int n) {
    spin(WORK_NS);
    return n + 1;
}

REGION int hs_throws(int n) {
    if (n >= 0)
        throw std::string("out of hs_throws");
    spin(WORK_NS);
    return n;
}

REGION int hs_throws_late(int n) {
    spin(WORK_NS);
    if (n >= 0)
        throw std::string("out of hs_throws_late");
    return n;
}

REGION int hs_recursive(int n) {
    spin(WORK_NS);
    int below = n > 0 ? hs_recursive(n - 1) : 0;
    spin(WORK_NS / 4);
    return below + 1;
}

REGION int hs_inner(int n) {
    spin(10000);
    return n + 1;
}

// Calls another region more often than that may be entered, for half a second.
REGION int hs_outer(int n) {
    for (int i = 0; i < 50000; i++)
        n = hs_inner(n);
    return n;
}

static jmp_buf jump;

REGION int hs_longjmp(int n) {
    spin(WORK_NS);
    if (n >= 0)
        longjmp(jump, 1);
    return n;
}

REGION int hs_pthread_exit(int n) {
    spin(WORK_NS);
    if (n >= 0)
        pthread_exit(nullptr);
    return n;
}

__attribute__((noinline)) static int tail_callee(int n) {
    spin(WORK_NS);
    return n * 3;
}

REGION int hs_tail(int n) { return tail_callee(n + 1); }

__attribute__((cold, noinline)) static int rare(int n) {
    spin(WORK_NS / 2);
    return n;
}

REGION int hs_cold(int n) {
    spin(WORK_NS / 2);
    // What leads to a cold function is cold too: the compiler moves it to hs_cold.cold.
    if (n % 2 != 0)
        return rare(n) + rare(n + 1);
    return n;
}

REGION int hs_handler(int n) {
    spin(WORK_NS);
    return n;
}

REGION int hs_interrupted(int n) {
    spin(WORK_NS);
    raise(SIGUSR1);
    spin(WORK_NS);
    return n;
}

// The one piece of work of a short program.
REGION int hs_once(int n) {
    spin(20000000);
    return n + 1;
}

static void timed(const char *region, const char *route, int (*work)(int), int n) {
    Span span;
    uint64_t start = now_ns();
    work(n);
    truth(region, route, span.record, start, now_ns());
}

static void plain(int n) { timed("torture.plain", "plain", hs_plain, n); }
static void tail(int n) { timed("torture.tail", "tail", hs_tail, n); }
static void cold(int n) { timed("torture.cold", "cold", hs_cold, n); }
static void inside(int n) {
    if (n % 2 == 0)
        timed("torture.outer", "inside", hs_outer, n);
    else
        timed("torture.inner", "inside", hs_inner, n);
}
static void recursive(int) { timed("torture.recursive", "recursive", hs_recursive, 3); }

// A million of these: no truth line each, only that every one was caught.
static void throws(int n) {
    static __thread Span *span = new Span();
    (void)span;
    try {
        hs_throws(n);
    } catch (const std::string &) {
        return;
    }
    abort();
}

static void throws_late(int n) {
    Span span;
    uint64_t start = now_ns(), end = 0;
    try {
        hs_throws_late(n);
    } catch (const std::string &) {
        end = now_ns();
    }
    truth("torture.throws_late", "throws_late", span.record, start, end);
    plain(n);
}

// No region is entered after it.
static void jumps_last(int n) {
    Span span;
    uint64_t start = now_ns();
    if (setjmp(jump) == 0)
        hs_longjmp(n);
    truth("torture.longjmp", "longjmp", span.record, start, now_ns());
}

static void longjmps(int n) {
    jumps_last(n);
    plain(n);
}

static void *exiting(void *argument) {
    Span span;
    uint64_t start = now_ns();
    // pthread_exit does not come back: the line is written by a handler as the thread ends.
    struct Last {
        ThreadRecord record;
        uint64_t start;
        ~Last() { truth("torture.pthread_exit", "pthread_exit", record, start, now_ns()); }
    } last{span.record, start};
    hs_pthread_exit(int(intptr_t(argument)));
    return nullptr;
}

static void pthread_exits(int n) {
    pthread_t thread;
    pthread_create(&thread, nullptr, exiting, reinterpret_cast<void *>(intptr_t(n)));
    pthread_join(thread, nullptr);
}

static void on_signal(int) {
    uint64_t start = now_ns();
    hs_handler(1);
    truth("torture.handler", "signals", *otel_thread_ctx_v1, start, now_ns());
}

static void signals(int n) {
    static char alternate[64 * 1024];
    stack_t stack = {};
    stack.ss_sp = alternate;
    stack.ss_size = sizeof alternate;
    sigaltstack(&stack, nullptr);
    struct sigaction action = {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &action, nullptr);
    timed("torture.interrupted", "signals", hs_interrupted, n);
}

// Works again and again for some seconds: a process that is new is armed while it runs.
static void for_a_while() {
    for (int n = 0; n < 300; n++) {
        plain(n);
        usleep(10000);
    }
}

// The child of a fork works, then becomes another program that works.
static void forks(int) {
    pid_t child = fork();
    if (child == 0) {
        for_a_while();
        execl("/proc/self/exe", "torture", "again", nullptr);
        _exit(1);
    }
    waitpid(child, nullptr, 0);
}

// The library is mapped after the attach, at the first call.
static void late(int n) {
    static int (*work)(int) = nullptr;
    if (!work) {
        void *library = dlopen(getenv("LATE_LIBRARY"), RTLD_NOW);
        if (!library) {
            fprintf(stderr, "%s\n", dlerror());
            exit(1);
        }
        work = reinterpret_cast<int (*)(int)>(dlsym(library, "hs_library"));
    }
    timed("torture.library", "late", work, n);
}

// Stays open until the next line of input.
REGION int hs_waits(int n) {
    char line[64];
    if (!fgets(line, sizeof line, stdin))
        return -1;
    return n;
}

static void waits(int n) {
    printf("open\n");
    fflush(stdout);
    timed("torture.waits", "waits", hs_waits, n);
}

struct Mode {
    const char *name;
    void (*run)(int);
};

static const Mode MODES[] = {{"plain", plain},           {"throws", throws},   {"throws_late", throws_late},
                             {"recursive", recursive},   {"longjmp", longjmps}, {"longjmp_last", jumps_last}, {"pthread_exit", pthread_exits},
                             {"tail", tail},             {"cold", cold},
                             {"signals", signals},       {"fork", forks},      {"late", late},
                             {"waits", waits},           {"inside", inside}};

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "once")) {
        spin(200000000); // As long as a quick program takes to start.
        timed("torture.once", "once", hs_once, 0);
        return 0;
    }
    if (argc > 1 && !strcmp(argv[1], "again")) {
        for_a_while();
        return 0;
    }
    for (const Mode &mode : MODES) {
        if (argc < 2 || strcmp(argv[1], mode.name))
            continue;
        return serve(mode.run);
    }
    fprintf(stderr, "usage: torture MODE\n");
    return 2;
}
