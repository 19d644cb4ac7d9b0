// A CUDA driver without a GPU: the functions that hotspan watches, with the ABI of the real one.
//
// Its device has addresses and no memory. The names and types are those of cuda.h.

#include <stddef.h>
#include <string.h>
#include <time.h>

typedef int CUresult;
typedef unsigned long long CUdeviceptr;
typedef void *CUfunction;
typedef void *CUstream;
typedef void *CUcontext;

enum { SUCCESS = 0, OUT_OF_MEMORY = 2 };

#define EXPORT __attribute__((visibility("default"), noinline))

static volatile unsigned long launched;
static volatile CUdeviceptr next_address = 0x700000000000;

static CUresult pause_ms(long ms) {
    struct timespec wait = {0, ms * 1000000};
    return nanosleep(&wait, NULL);
}

EXPORT CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                               unsigned block_y, unsigned block_z, unsigned shared_bytes, CUstream stream, void **arguments,
                               void **extra) {
    char frame[64];
    memset(frame, (int)shared_bytes, sizeof frame);
    __asm__ volatile("" : : "r"(frame), "r"(function), "r"(arguments), "r"(stream), "r"(extra) : "rbx", "memory");
    launched += grid_x && grid_y && grid_z && block_x && block_y && block_z;
    return SUCCESS;
}

EXPORT CUresult cuGraphLaunch(void *graph, CUstream stream) {
    __asm__ volatile("" : : "r"(graph), "r"(stream) : "rbx", "memory");
    return SUCCESS;
}

EXPORT CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
    if (bytes >> 40)
        return OUT_OF_MEMORY;
    *address = __atomic_fetch_add(&next_address, bytes + 4096, __ATOMIC_RELAXED);
    return SUCCESS;
}

EXPORT CUresult cuMemFree_v2(CUdeviceptr address) {
    __asm__ volatile("" : : "r"(address) : "rbx", "memory");
    return SUCCESS;
}

EXPORT CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes) {
    __asm__ volatile("" : : "r"(to), "r"(from), "r"(bytes) : "rbx", "memory");
    return pause_ms(2);
}

EXPORT CUresult cuStreamSynchronize(CUstream stream) {
    __asm__ volatile("" : : "r"(stream) : "rbx", "memory");
    return pause_ms(3);
}

// A context is its number; each thread has one that is current.
static unsigned long contexts;
static __thread CUcontext current;

EXPORT CUresult cuCtxCreate_v2(CUcontext *context, unsigned flags, int device) {
    __asm__ volatile("" : : "r"(flags), "r"(device) : "rbx", "memory");
    *context = current = (CUcontext)__atomic_add_fetch(&contexts, 1, __ATOMIC_RELAXED);
    return SUCCESS;
}

EXPORT CUresult cuCtxSetCurrent(CUcontext context) {
    current = context;
    return SUCCESS;
}

EXPORT CUresult cuCtxDestroy_v2(CUcontext context) {
    __asm__ volatile("" : : "r"(context) : "rbx", "memory");
    return SUCCESS;
}
