// A CUDA runtime without a GPU: the functions that hotspan watches, with the ABI of the real one.
//
// A launch returns at once, as the real one does; a synchronization waits for some milliseconds; a copy
// copies. The names and types are those of cuda_runtime_api.h.

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

// The frame makes it begin with a `push`, as the real one does.
EXPORT cudaError_t cudaLaunchKernel(const void *function, dim3 grid, dim3 block, void **arguments,
                                    size_t shared_bytes, cudaStream_t stream) {
    char frame[64];
    memset(frame, (int)shared_bytes, sizeof frame);
    __asm__ volatile("" : : "r"(frame), "r"(function), "r"(arguments), "r"(stream) : "rbx", "memory");
    launched += grid.x && block.x;
    return 0;
}

// So many launches in a loop of the library's own: faster than any interpreter calls.
EXPORT void launch_many(unsigned long count, unsigned long pause_ns) {
    static int kernel;
    const dim3 one = {1, 1, 1};
    for (unsigned long i = 0; i < count; i++) {
        struct timespec now, until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += (long)pause_ns;
        cudaLaunchKernel(&kernel, one, one, NULL, 0, NULL);
        do
            clock_gettime(CLOCK_MONOTONIC, &now);
        while ((now.tv_sec - until.tv_sec) * 1000000000L + now.tv_nsec - until.tv_nsec < 0);
    }
}

EXPORT cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    struct timespec wait = {0, 3000000};
    (void)stream;
    return nanosleep(&wait, NULL);
}

EXPORT cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, int kind) {
    if (kind < 0 || kind > 4)
        return 21;
    memcpy(to, from, bytes);
    return 0;
}
