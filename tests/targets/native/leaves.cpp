// Functions that are left by a jump or a short call before their `ret`, which hotspan probes instead of it.
//
// usage: leaves MODE. Prints `ready PID`; for each line `COUNT` on stdin does MODE that often and prints `done`.
// `each`: every function in a span of its own, with its time. `many`: all of them again and again under one span.
// `turns`: a function that turns a loop around such a jump for a while. The regions are named in leaves.toml.
#include "truth.h"

#include <memory>

#define REGION extern "C" __attribute__((noinline, visibility("default")))

static const uint64_t WORK_NS = 60000;
// More than the ends may be off.
static const uint64_t REPORT_NS = 3000000;

static bool is_timed;
static volatile int sink;

__attribute__((noinline)) static void work(int *n) {
    if (is_timed)
        spin(WORK_NS);
    sink = *n;
}

__attribute__((noinline)) static void fill(std::unique_ptr<int> &box, int n) {
    if (n % 2)
        box.reset(new int(n));
}

// What the function returns is known, and in a register, from here on.
static int decided(int result) {
    asm volatile("" : "+r"(result));
    return result;
}

// By a jump when there is nothing to delete, else by the call to `delete`.
REGION int hs_deletes(int n) {
    std::unique_ptr<int> box;
    fill(box, n);
    work(&n);
    return decided(n + 1);
}

static uint64_t reported_ns;

REGION void hs_report(int *n) {
    reported_ns = now_ns();
    if (is_timed)
        spin(REPORT_NS);
    sink = *n;
}

// Its region ends before the report.
REGION int hs_reports(int n) {
    work(&n);
    int result = decided(-n);
    if (n % 2)
        hs_report(&n);
    return result;
}

__attribute__((noinline)) static bool goes_on(int *n) {
    sink = *n;
    return --*n > 0;
}

// By a jump back that is not taken.
REGION int hs_loops(int n) {
    int turns = n % 3;
    work(&n);
    while (goes_on(&turns)) {
    }
    return n;
}

// The same on each of its levels.
REGION int hs_deepens(int n) {
    std::unique_ptr<int> box;
    fill(box, n);
    work(&n);
    int below = n > 0 ? hs_deepens(n - 1) : 0;
    return decided(below + 1);
}

// Its loop turns as fast as it can: a probe in it must not stay.
REGION int hs_turns(int n) {
    while (goes_on(&n)) {
    }
    return n;
}

struct Kind {
    const char *region;
    int (*work)(int);
};

static const Kind KINDS[] = {
    {"leaves.deletes", hs_deletes}, {"leaves.loops", hs_loops}, {"leaves.reports", hs_reports}};
static const int LEVELS = 3;

static void each(int n) {
    is_timed = true;
    for (const Kind &kind : KINDS) {
        Span span;
        uint64_t start = now_ns();
        reported_ns = 0;
        int result = kind.work(n);
        uint64_t end = now_ns();
        char facts[40];
        snprintf(facts, sizeof facts, "{\"result\": %d}", result);
        truth(kind.region, "each", span.record, start, reported_ns ? reported_ns : end, facts);
    }
    Span span;
    hs_deepens(LEVELS);
}

static void many(int n) {
    for (const Kind &kind : KINDS)
        sink = kind.work(n);
    sink = hs_deepens(LEVELS);
}

static void turns(int) {
    Span span;
    uint64_t start = now_ns();
    hs_turns(20000000);
    truth("leaves.turns", "turns", span.record, start, now_ns());
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "";
    void (*run)(int) = !strcmp(mode, "each") ? each : !strcmp(mode, "many") ? many : turns;
    return serve(run);
}
