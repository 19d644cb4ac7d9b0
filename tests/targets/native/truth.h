// What the native test programs share: a parent that they publish, and the truth they write.
//
// The parent is published as OTEP 4947 says: a thread-local pointer `otel_thread_ctx_v1`, in the
// dynamic symbol table, to a packed record. No OpenTelemetry SDK is involved.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct __attribute__((packed)) ThreadRecord {
    uint8_t trace_id[16];
    uint8_t span_id[8];
    uint8_t valid;
    uint8_t flags;
    uint16_t attrs_size;
};

extern "C" {
__attribute__((visibility("default"), used)) __thread ThreadRecord *otel_thread_ctx_v1 = nullptr;
}

/// CLOCK_REALTIME in nanoseconds.
inline uint64_t now_ns() {
    timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return uint64_t(t.tv_sec) * 1000000000u + t.tv_nsec;
}

/// Works for about `ns` nanoseconds.
inline void spin(uint64_t ns) {
    uint64_t end = now_ns() + ns;
    while (now_ns() < end) {
    }
}

inline uint64_t random_id() {
    // A generator for each thread: ids differ, and need be no better than that.
    static __thread uint64_t state = 0;
    if (state == 0)
        state = now_ns() ^ (uint64_t(syscall(SYS_gettid)) << 32);
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/// A span that is active on this thread while the object lives.
class Span {
  public:
    ThreadRecord record;

    Span() : outer(otel_thread_ctx_v1) {
        uint64_t ids[3] = {random_id(), random_id(), random_id()};
        memcpy(record.trace_id, ids, 16);
        memcpy(record.span_id, ids + 2, 8);
        record.flags = 1;
        record.attrs_size = 0;
        record.valid = 1;
        otel_thread_ctx_v1 = &record;
    }
    ~Span() { otel_thread_ctx_v1 = outer; }

  private:
    ThreadRecord *outer;
};

/// Appends one line of truth: a call of `region` that began and ended then, under `record`.
inline void truth(const char *region, const char *route, const ThreadRecord &record, uint64_t start, uint64_t end,
                  const char *facts = "{}") {
    static int fd = -1;
    if (fd < 0) {
        const char *path = getenv("TRUTH_FILE");
        fd = open(path ? path : "/dev/null", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    }
    char trace[33], span[17], line[512];
    for (int i = 0; i < 16; i++)
        snprintf(trace + 2 * i, 3, "%02x", record.trace_id[i]);
    for (int i = 0; i < 8; i++)
        snprintf(span + 2 * i, 3, "%02x", record.span_id[i]);
    int length = snprintf(line, sizeof line,
                          "{\"region\": \"%s\", \"route\": \"%s\", \"trace_id\": \"%s\", \"span_id\": \"%s\", "
                          "\"sampled\": true, \"pid\": %d, \"tid\": %ld, \"facts\": %s, \"start_ns\": %lu, "
                          "\"end_ns\": %lu}\n",
                          region, route, trace, span, getpid(), syscall(SYS_gettid), facts, start, end);
    if (write(fd, line, length) != length)
        abort();
}

/// Says that it is ready, and for each line makes as many calls of `once` as that says, numbered on from 0; then "done".
template <typename Once> int serve(Once once) {
    printf("ready %d\n", getpid());
    fflush(stdout);
    char line[64];
    int done = 0;
    while (fgets(line, sizeof line, stdin)) {
        for (int left = atoi(line); left > 0; left--)
            once(done++);
        printf("done\n");
        fflush(stdout);
    }
    return 0;
}
