// An inference engine that computes one request at a time: the others queue. It knows itself how long.
//
// A request's forward passes are made on its own thread, on one that it creates, or on the engine's own,
// which was there before.

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

using Clock = std::chrono::steady_clock;

namespace {

double milliseconds(Clock::duration time) {
    return std::chrono::duration<double, std::milli>(time).count();
}

std::mutex slot;

// What the engine's own thread is to do; it lives as long as the process.
struct Pool {
    std::mutex mutex;
    std::condition_variable changed;
    std::function<void()> task;
    bool done = false;

    Pool() {
        std::thread([this] {
            std::unique_lock lock(mutex);
            for (;;) {
                changed.wait(lock, [this] { return task && !done; });
                task();
                done = true;
                changed.notify_all();
            }
        }).detach();
    }

    void run(std::function<void()> work) {
        std::unique_lock lock(mutex);
        task = std::move(work);
        done = false;
        changed.notify_all();
        changed.wait(lock, [this] { return done; });
        task = nullptr;
    }
};

Pool *pool;

} // namespace

extern "C" {

// As if a GPU computed: the thread only waits.
__attribute__((noinline)) void engine_forward(double ms) {
    std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(ms));
}

// Starts the engine's own thread.
void engine_start() { pool = new Pool; }

// A request of two forward passes. Where: 0 on this thread, 1 on a new one, 2 on the engine's.
__attribute__((noinline)) void engine_request(int where, double forward_ms, double *queued_ms,
                                              double *computed_ms) {
    const auto arrived = Clock::now();
    const std::lock_guard turn(slot);
    const auto passes = [&] {
        const auto begun = Clock::now();
        engine_forward(forward_ms / 2);
        engine_forward(forward_ms / 2);
        *queued_ms = milliseconds(begun - arrived);
        *computed_ms = milliseconds(Clock::now() - begun);
    };
    if (where == 0)
        passes();
    else if (where == 1)
        std::thread(passes).join();
    else
        pool->run(passes);
}
}
