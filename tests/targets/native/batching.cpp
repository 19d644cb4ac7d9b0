// An engine that makes one step for several requests at once, as llama.cpp's server does: a thread of its
// own calls `llama_decode`, which only takes its time. Each request holds one of the sequences. There are two of
// them in the process, each with a context and a thread; their sequences have the same numbers.
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
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
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

enum { ENGINES = 2 };

// What stands for a `llama_context`. Never taken down: its thread waits on it still when the process ends.
struct Engine {
    std::mutex mutex;
    std::condition_variable changed;
    Request *held[SEQUENCES] = {};
    // Steps that served several requests.
    uint64_t shared = 0;
};

Engine &engine(int number) {
    static Engine *engines = new Engine[ENGINES];
    return engines[number];
}

void add(std::vector<int32_t> &sequences, std::vector<int8_t> &logits, int sequence, int tokens, bool wanted) {
    for (int i = 0; i < tokens; i++) {
        sequences.push_back(sequence);
        logits.push_back(wanted && i == tokens - 1);
    }
}

// One step for all who are there: a chunk of a prompt, or a token.
void step(Engine &engine, std::unique_lock<std::mutex> &lock) {
    std::vector<int32_t> sequences;
    std::vector<int8_t> logits;
    int tokens[SEQUENCES] = {}, served = 0;
    for (int sequence = 0; sequence < SEQUENCES; sequence++) {
        const Request *request = engine.held[sequence];
        if (!request || request->done)
            continue;
        const int left = request->prompt - request->position;
        tokens[sequence] = left > CHUNK ? CHUNK : left > 0 ? left : 1;
        served++;
        add(sequences, logits, sequence, tokens[sequence], left <= CHUNK);
    }
    engine.shared += served > 1;
    std::vector<int32_t *> pointers;
    for (auto &sequence : sequences)
        pointers.push_back(&sequence);
    std::vector<int32_t> ones(sequences.size(), 1);
    llama_batch batch = {int32_t(sequences.size()), ones.data(), nullptr, ones.data(), ones.data(), pointers.data(), logits.data()};
    lock.unlock();
    const uint64_t begun = now_ns();
    llama_decode(&engine, batch);
    const uint64_t ended = now_ns();
    lock.lock();
    for (int sequence = 0; sequence < SEQUENCES; sequence++) {
        Request *request = engine.held[sequence];
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
    engine.changed.notify_all();
}

bool has_work(const Engine &engine) {
    for (const Request *request : engine.held)
        if (request && !request->done)
            return true;
    return false;
}

} // namespace

extern "C" {

// Starts the engines' own threads.
void batching_start() {
    for (int number = 0; number < ENGINES; number++)
        std::thread([&engine = engine(number)] {
            std::unique_lock lock(engine.mutex);
            for (;;) {
                engine.changed.wait(lock, [&] { return has_work(engine); });
                step(engine, lock);
            }
        }).detach();
}

// The context of an engine.
void *batching_context(int number) { return &engine(number); }

// How many of its steps served several requests.
uint64_t batching_shared(Engine *engine) {
    std::unique_lock lock(engine->mutex);
    return engine->shared;
}

// A request that holds a sequence until its results are there.
__attribute__((noinline)) void batching_generate(Engine *engine, int sequence, int prompt, int wanted, Phase *phases) {
    Request request{prompt, wanted};
    std::unique_lock lock(engine->mutex);
    engine->held[sequence] = &request;
    engine->changed.notify_all();
    engine->changed.wait(lock, [&] { return request.done; });
    engine->held[sequence] = nullptr;
    phases[0] = request.phases[0];
    phases[1] = request.phases[1];
}
}
