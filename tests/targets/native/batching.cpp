// An engine that makes one step for several requests at once, as llama.cpp's server does: a thread of its
// own calls `llama_decode`, which only takes its time. Each request holds one of the sequences.
//
// The batch is llama.h's: passed by value, on the stack.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

extern "C" {

struct llama_batch {
    int32_t n_tokens;
    int32_t *token;
    float *embd;
    int32_t *pos;
    int32_t *n_seq_id;
    int32_t **seq_id;
    int8_t *logits;
};

static std::atomic<long> steps;

__attribute__((noinline, visibility("default"))) int32_t llama_decode(void *context, llama_batch batch) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
    while (std::chrono::steady_clock::now() < end)
        ;
    steps += batch.n_tokens + (context == nullptr);
    return 0;
}
}

namespace {

enum { CHUNK = 16, SEQUENCES = 4 };

uint64_t now_ns() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

// What a request learns about itself: calls, tokens and times of both its phases.
struct Phase {
    uint64_t begun, ended, steps, tokens;
};

struct Request {
    int prompt, wanted;
    int position = 0, results = 0;
    Phase phases[2] = {};
    bool done = false;
};

// Never taken down: the engine's thread waits on them still when the process ends.
std::mutex &mutex = *new std::mutex;
std::condition_variable &changed = *new std::condition_variable;
Request *held[SEQUENCES];

void add(std::vector<int32_t> &sequences, std::vector<int8_t> &logits, int sequence, int tokens, bool wanted) {
    for (int i = 0; i < tokens; i++) {
        sequences.push_back(sequence);
        logits.push_back(wanted && i == tokens - 1);
    }
}

// One step for all who are there: a chunk of a prompt, or a token.
void step(std::unique_lock<std::mutex> &lock) {
    std::vector<int32_t> sequences;
    std::vector<int8_t> logits;
    int tokens[SEQUENCES] = {};
    for (int sequence = 0; sequence < SEQUENCES; sequence++) {
        const Request *request = held[sequence];
        if (!request || request->done)
            continue;
        const int left = request->prompt - request->position;
        tokens[sequence] = left > CHUNK ? CHUNK : left > 0 ? left : 1;
        add(sequences, logits, sequence, tokens[sequence], left <= CHUNK);
    }
    std::vector<int32_t *> pointers;
    for (auto &sequence : sequences)
        pointers.push_back(&sequence);
    std::vector<int32_t> ones(sequences.size(), 1);
    llama_batch batch = {int32_t(sequences.size()), ones.data(), nullptr, ones.data(), ones.data(), pointers.data(), logits.data()};
    lock.unlock();
    const uint64_t begun = now_ns();
    llama_decode(&held, batch);
    const uint64_t ended = now_ns();
    lock.lock();
    for (int sequence = 0; sequence < SEQUENCES; sequence++) {
        Request *request = held[sequence];
        if (!tokens[sequence])
            continue;
        Phase &phase = request->phases[request->position >= request->prompt];
        if (!phase.steps++)
            phase.begun = begun;
        phase.ended = ended;
        phase.tokens += tokens[sequence];
        request->position += tokens[sequence];
        request->results += request->position >= request->prompt;
        request->done = request->results == request->wanted;
    }
    changed.notify_all();
}

bool has_work() {
    for (const Request *request : held)
        if (request && !request->done)
            return true;
    return false;
}

} // namespace

extern "C" {

// Starts the engine's own thread.
void batching_start() {
    std::thread([] {
        std::unique_lock lock(mutex);
        for (;;) {
            changed.wait(lock, has_work);
            step(lock);
        }
    }).detach();
}

// A request that holds a sequence until its results are there.
__attribute__((noinline)) void batching_generate(int sequence, int prompt, int wanted, Phase *phases) {
    Request request{prompt, wanted};
    std::unique_lock lock(mutex);
    held[sequence] = &request;
    changed.notify_all();
    changed.wait(lock, [&] { return request.done; });
    held[sequence] = nullptr;
    phases[0] = request.phases[0];
    phases[1] = request.phases[1];
}
}
