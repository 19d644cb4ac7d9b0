// Functions that need memory, and say themselves what they used.

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default"), noinline))
#define PAGE 4096

typedef struct {
    long resident_bytes;
    long major_faults;
    long voluntary;
    long involuntary;
} Used;

static long resident_bytes(void) {
    long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%ld %ld", &size, &resident) != 2)
        resident = -1;
    if (file)
        fclose(file);
    return resident * PAGE;
}

static Used used(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return (Used){resident_bytes(), usage.ru_majflt, usage.ru_nvcsw, usage.ru_nivcsw};
}

static void since(Used *out, Used before) {
    const Used now = used();
    out->resident_bytes = now.resident_bytes - before.resident_bytes;
    out->major_faults = now.major_faults - before.major_faults;
    out->voluntary = now.voluntary - before.voluntary;
    out->involuntary = now.involuntary - before.involuntary;
}

// Spans of less than 50 ms say nothing.
static void rest(int times) {
    const struct timespec pause = {0, 10 * 1000 * 1000};
    for (int i = 0; i < times; i++)
        nanosleep(&pause, NULL);
}

static volatile char sink;

static void touch(volatile char *at, size_t bytes) {
    for (size_t i = 0; i < bytes; i += PAGE)
        sink += at[i];
}

// So many bytes more, or less if it is negative: what an earlier call touched goes.
EXPORT void memory_touch(long bytes, Used *out) {
    static volatile char *kept;
    static size_t size;
    const Used before = used();
    if (bytes < 0 && kept) {
        munmap((void *)kept, size);
        kept = NULL;
    } else if (bytes > 0) {
        size = (size_t)bytes;
        kept = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (size_t i = 0; i < size; i += PAGE)
            kept[i] = 1;
    }
    rest(7);
    since(out, before);
}

// Maps a file whose pages are nowhere but on the disk, and reads some of it, page by page.
EXPORT void memory_page_in(const char *path, Used *out) {
    const Used before = used();
    const int file = open(path, O_RDONLY);
    const size_t size = (size_t)lseek(file, 0, SEEK_END);
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    volatile char *at = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
    madvise((void *)at, size, MADV_RANDOM);
    for (size_t i = 0; i < size; i += 16 * PAGE)
        touch(at + i, PAGE);
    munmap((void *)at, size);
    close(file);
    rest(7);
    since(out, before);
}

// Reads a file several times over, which is larger than the memory that it may have.
EXPORT void memory_thrash(const char *path, int times, Used *out) {
    const Used before = used();
    const int file = open(path, O_RDONLY);
    const size_t size = (size_t)lseek(file, 0, SEEK_END);
    // Whoever reads a page first has it on its account.
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    volatile char *at = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
    for (int i = 0; i < times; i++)
        touch(at, size);
    munmap((void *)at, size);
    close(file);
    rest(5);
    since(out, before);
}
