// Maps a library with regions and is no target: what do armed probes cost it?
//
// usage: bystander. Prints `ready PID`; for each line on stdin prints two figures: nanoseconds a call
// of the region, and nanoseconds a round trip between two threads.
#include "truth.h"

#include <pthread.h>

extern "C" int hs_fast(int);

static int forth[2], back[2];
static const int ROUNDS = 20000;

static void *echo(void *) {
    char byte;
    for (int i = 0; i < ROUNDS; i++)
        if (read(forth[0], &byte, 1) != 1 || write(back[1], &byte, 1) != 1)
            abort();
    return nullptr;
}

static double round_trip() {
    pthread_t other;
    char byte = 0;
    pthread_create(&other, nullptr, echo, nullptr);
    uint64_t start = now_ns();
    for (int i = 0; i < ROUNDS; i++)
        if (write(forth[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
            abort();
    double each = double(now_ns() - start) / ROUNDS;
    pthread_join(other, nullptr);
    return each;
}

static double call() {
    const int calls = 20000000;
    uint64_t start = now_ns();
    for (int i = 0; i < calls; i++)
        hs_fast(i);
    return double(now_ns() - start) / calls;
}

int main() {
    if (pipe(forth) || pipe(back))
        return 1;
    printf("ready %d\n", getpid());
    fflush(stdout);
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        double each = call();
        printf("%.2f %.0f\n", each, round_trip());
        fflush(stdout);
    }
    return 0;
}
