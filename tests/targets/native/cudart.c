// A CUDA runtime without a GPU: the functions that hotspan watches, with the ABI of the real one.
//
// A launch returns at once, as the real one does; a synchronization waits for some milliseconds; a copy
// copies. The names and types are those of cuda_runtime_api.h.

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

typedef int cudaError_t;
typedef void *cudaStream_t;
typedef struct {
    unsigned x, y, z;
} dim3;

static volatile unsigned long launched;

#define EXPORT __attribute__((visibility("default"), noinline))

// The driver below, once it is named: then calls go there, as the real runtime's do.
static struct {
    int (*launch)(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **);
    int (*graph_launch)(void *, void *);
    int (*allocate)(unsigned long long *, size_t);
    int (*release)(unsigned long long);
    int (*synchronize)(void *);
} driver;

// A call that is no jump, as the real runtime has more to do afterwards.
#define RETURN(call)                                                                                                   \
    do {                                                                                                               \
        const cudaError_t error = call;                                                                                \
        __asm__ volatile("" : : : "memory");                                                                           \
        return error;                                                                                                  \
    } while (0)

EXPORT int use_driver(const char *path) {
    void *library = dlopen(path, RTLD_NOW);
    if (!library)
        return 1;
    *(void **)&driver.launch = dlsym(library, "cuLaunchKernel");
    *(void **)&driver.graph_launch = dlsym(library, "cuGraphLaunch");
    *(void **)&driver.allocate = dlsym(library, "cuMemAlloc_v2");
    *(void **)&driver.release = dlsym(library, "cuMemFree_v2");
    *(void **)&driver.synchronize = dlsym(library, "cuStreamSynchronize");
    return 0;
}

// The frame makes it begin with a `push`, as the real one does.
EXPORT cudaError_t cudaLaunchKernel(const void *function, dim3 grid, dim3 block, void **arguments,
                                    size_t shared_bytes, cudaStream_t stream) {
    char frame[64];
    memset(frame, (int)shared_bytes, sizeof frame);
    __asm__ volatile("" : : "r"(frame), "r"(function), "r"(arguments), "r"(stream) : "rbx", "memory");
    launched += grid.x && block.x;
    if (driver.launch)
        RETURN(driver.launch((void *)function, grid.x, grid.y, grid.z, block.x, block.y, block.z,
                             (unsigned)shared_bytes, stream, arguments, NULL));
    return 0;
}

EXPORT cudaError_t cudaGraphLaunch(void *graph, cudaStream_t stream) {
    __asm__ volatile("" : : "r"(graph) : "rbx", "memory");
    if (driver.graph_launch)
        RETURN(driver.graph_launch(graph, stream));
    return 0;
}

// What the compiler makes for the host of kernels: their addresses name them.
#define KERNEL(name)                                                                                                   \
    EXPORT void name(void) { __asm__ volatile("" : : "i"(__LINE__)); }
#define KERNELS(tens)                                                                                                  \
    KERNEL(kernel_##tens##0) KERNEL(kernel_##tens##1) KERNEL(kernel_##tens##2) KERNEL(kernel_##tens##3)                \
    KERNEL(kernel_##tens##4) KERNEL(kernel_##tens##5) KERNEL(kernel_##tens##6) KERNEL(kernel_##tens##7)                \
    KERNEL(kernel_##tens##8) KERNEL(kernel_##tens##9)
KERNELS(0)
KERNELS(1)
KERNELS(2)
KERNELS(3)
#define NAMES(tens)                                                                                                    \
    kernel_##tens##0, kernel_##tens##1, kernel_##tens##2, kernel_##tens##3, kernel_##tens##4, kernel_##tens##5,        \
        kernel_##tens##6, kernel_##tens##7, kernel_##tens##8, kernel_##tens##9
static void (*const kernels[40])(void) = {NAMES(0), NAMES(1), NAMES(2), NAMES(3)};

static const dim3 one = {1, 1, 1};

// Launches the first `kinds` kernels, in turn: the first `most` times in each of `rounds`, the others once.
EXPORT void launch_kinds(int kinds, int most, int rounds) {
    for (int round = 0; round < rounds; round++)
        for (int kind = 0; kind < kinds; kind++)
            for (int i = 0; i < (kind ? 1 : most); i++)
                cudaLaunchKernel((const void *)kernels[kind], one, one, NULL, 0, NULL);
}

static long passed_ns(const struct timespec *since) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - since->tv_sec) * 1000000000L + now.tv_nsec - since->tv_nsec;
}

// So many launches in a loop of the library's own: faster than any interpreter calls. Returns the nanoseconds
// in the calls.
EXPORT unsigned long launch_many(unsigned long count, unsigned long pause_ns) {
    unsigned long inside_ns = 0;
    for (unsigned long i = 0; i < count; i++) {
        struct timespec begun;
        clock_gettime(CLOCK_MONOTONIC, &begun);
        cudaLaunchKernel((const void *)kernels[0], one, one, NULL, 0, NULL);
        inside_ns += (unsigned long)passed_ns(&begun);
        while (passed_ns(&begun) < (long)pause_ns)
            ;
    }
    return inside_ns;
}

EXPORT cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    struct timespec wait = {0, 3000000};
    if (driver.synchronize)
        RETURN(driver.synchronize(stream));
    return nanosleep(&wait, NULL);
}

EXPORT cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, int kind) {
    if (kind < 0 || kind > 4)
        return 21;
    memcpy(to, from, bytes);
    return 0;
}

// The device has addresses and no memory.
EXPORT cudaError_t cudaMalloc(void **address, size_t bytes) {
    static unsigned long long next = 0x600000000000;
    if (driver.allocate)
        RETURN(driver.allocate((unsigned long long *)address, bytes));
    if (bytes >> 40)
        return 2;
    *address = (void *)__atomic_fetch_add(&next, bytes + 4096, __ATOMIC_RELAXED);
    return 0;
}

EXPORT cudaError_t cudaFree(void *address) {
    __asm__ volatile("" : : "r"(address) : "rbx", "memory");
    if (driver.release)
        RETURN(driver.release((unsigned long long)address));
    return 0;
}
