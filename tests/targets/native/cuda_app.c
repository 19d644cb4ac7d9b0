// An application with the CUDA runtime linked into it, and a function of its own around the runtime's.

#include "cudart.c"

#include <stdlib.h>

// A pass of a model: takes memory, computes, gives some of it back. Returns the bytes that it keeps.
EXPORT long app_pass(long kept, long scratch, int launches) {
    void *first, *second;
    if (cudaMalloc(&first, (size_t)kept) || cudaMalloc(&second, (size_t)scratch))
        abort();
    // Too much: it fails, and nothing is taken.
    void *none;
    if (cudaMalloc(&none, (size_t)1 << 41) != 2)
        abort();
    launch_many((unsigned long)launches, 0);
    cudaStreamSynchronize(NULL);
    if (cudaFree(second) || cudaFree(NULL))
        abort();
    return kept;
}
