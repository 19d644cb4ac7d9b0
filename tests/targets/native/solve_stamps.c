// CP-SAT's solve between two readings of the clock.
//
// Loaded into the global scope before OR-Tools, it takes the place of `SolveWrapper::Solve`, the last function before
// `SolveCpModel`, for the Python extension that calls it. Nothing else lies between the readings: no wait for the
// interpreter's lock, no message that is read or written.
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define SOLVE _ZN19operations_research3sat12SolveWrapper5SolveERKNS0_12CpModelProtoE
#define NAME_OF(symbol) #symbol
#define NAME(symbol) NAME_OF(symbol)

// CpSolverResponse SolveWrapper::Solve(const CpModelProto&): the response is returned through a hidden pointer.
typedef void *Solve(void *response, void *wrapper, const void *model);

static Solve *solve;
static __thread struct {
    uint64_t before_ns, after_ns;
} stamps;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

// Where the function itself is: OR-Tools' library, by its path. 0 if it is not loaded or has no such function.
int solve_stamps_open(const char *library) {
    void *handle = dlopen(library, RTLD_NOLOAD | RTLD_NOW);
    solve = handle ? (Solve *)dlsym(handle, NAME(SOLVE)) : NULL;
    return solve != NULL;
}

// The two readings of this thread's last solve: CLOCK_REALTIME, in nanoseconds. Of none yet, 0.
void solve_stamps_last(uint64_t *before_ns, uint64_t *after_ns) {
    *before_ns = stamps.before_ns;
    *after_ns = stamps.after_ns;
}

void *SOLVE(void *response, void *wrapper, const void *model) {
    if (!solve)
        abort();
    uint64_t before_ns = now_ns();
    void *returned = solve(response, wrapper, model);
    stamps.after_ns = now_ns();
    stamps.before_ns = before_ns;
    return returned;
}
