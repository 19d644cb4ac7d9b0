// A library with regions: loaded late, shared with a bystander, crossed at full speed.
#include <time.h>

static int counter;

__attribute__((noinline)) int hs_library(int n) {
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - start.tv_sec) * 1000000000L + now.tv_nsec - start.tv_nsec < 60000);
    return n + 1;
}

// Computes for so many microseconds.
__attribute__((noinline)) int hs_burn(long us) {
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - start.tv_sec) * 1000000000L + now.tv_nsec - start.tv_nsec < us * 1000);
    return counter;
}

// Begins with a push, as most functions of real libraries do.
__attribute__((noinline)) int hs_fast(int n) {
    __asm__ volatile("push %%rbx\n\tpop %%rbx" ::: "memory");
    return counter += n;
}
