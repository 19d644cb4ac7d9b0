// Crosses a region as fast as it can on two threads.
//
// usage: rate. Prints `ready PID`; for each line `MILLISECONDS` on stdin prints `CROSSINGS`.
#include "truth.h"

#include <pthread.h>

extern "C" int hs_fast(int);

static volatile uint64_t deadline;

static void *cross(void *) {
    Span span;
    uint64_t crossings = 0;
    while (now_ns() < deadline) {
        for (int i = 0; i < 100; i++)
            hs_fast(i);
        crossings += 100;
    }
    return reinterpret_cast<void *>(crossings);
}

int main() {
    printf("ready %d\n", getpid());
    fflush(stdout);
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        deadline = now_ns() + strtoull(line, nullptr, 10) * 1000000;
        pthread_t other;
        pthread_create(&other, nullptr, cross, nullptr);
        uint64_t total = reinterpret_cast<uint64_t>(cross(nullptr));
        void *theirs;
        pthread_join(other, &theirs);
        printf("%lu\n", total + reinterpret_cast<uint64_t>(theirs));
        fflush(stdout);
    }
    return 0;
}
