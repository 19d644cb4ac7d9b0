// A solve that hands its work to threads of its own, which sort and merge.
//
// usage: workers THREADS. Prints `ready PID`; for each line `COUNT` on stdin solves that often, one span each, and
// prints `done`. Each thread writes when it sorted and merged, by its own clock.
#include "truth.h"

#include <thread>
#include <vector>

#define NAMED extern "C" __attribute__((noinline, visibility("default")))

static const uint64_t SORT_NS = 90000000;
static const uint64_t MERGE_NS = 60000000;

/// Works for so many nanoseconds of this thread's CPU time: others on the machine only stretch it.
static void work(uint64_t ns) {
    timespec t;
    uint64_t end = 0;
    do {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        uint64_t now = uint64_t(t.tv_sec) * 1000000000u + t.tv_nsec;
        end = end ? end : now + ns;
        if (now >= end)
            return;
    } while (true);
}

NAMED uint64_t sort_part(int part) {
    work(SORT_NS);
    return part + now_ns();
}

NAMED uint64_t merge_part(int part) {
    work(MERGE_NS);
    return part + now_ns();
}

NAMED uint64_t solve_part(int part, const ThreadRecord &record) {
    uint64_t begun = now_ns();
    uint64_t sum = sort_part(part);
    uint64_t between = now_ns();
    sum += merge_part(part);
    uint64_t ended = now_ns();
    truth("sort_part", "workers", record, begun, between);
    truth("merge_part", "workers", record, between, ended);
    return sum;
}

NAMED int hs_solve(int threads, const ThreadRecord &record) {
    std::vector<std::thread> workers;
    for (int part = 0; part < threads; part++)
        workers.emplace_back([part, &record] { solve_part(part, record); });
    for (auto &worker : workers)
        worker.join();
    return threads;
}

int main(int argc, char **argv) {
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    return serve([threads](int) {
        Span span;
        uint64_t begun = now_ns();
        int solved = hs_solve(threads, span.record);
        truth("native.solve", "workers", span.record, begun, now_ns());
        if (solved != threads)
            abort();
    });
}
