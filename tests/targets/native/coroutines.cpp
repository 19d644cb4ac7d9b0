// Two coroutines on one thread, each in the same function, left in the order in which they entered.
// A program of its own: that it imports swapcontext tells hotspan that stack pointers prove nothing.
//
// usage: coroutines. Prints `ready PID`; for each line `COUNT` on stdin runs that many pairs, then
// prints `done`.
#include "truth.h"

#include <ucontext.h>

static const uint64_t WORK_NS = 60000;

static ucontext_t main_context, left_context, right_context;

extern "C" __attribute__((noinline, visibility("default"))) int hs_coroutine(int side) {
    spin(WORK_NS);
    // Both sides are open, on stacks of their own, when the first is left.
    if (side == 0)
        swapcontext(&left_context, &right_context);
    else
        swapcontext(&right_context, &left_context);
    spin(WORK_NS);
    return side;
}

static Span *coroutine_spans[2];

static void coroutine_side(int side) {
    otel_thread_ctx_v1 = &coroutine_spans[side]->record;
    uint64_t start = now_ns();
    hs_coroutine(side);
    truth("torture.coroutine", "coroutines", coroutine_spans[side]->record, start, now_ns());
    if (side == 0)
        swapcontext(&left_context, &right_context);
}

static void coroutines() {
    static char stacks[2][64 * 1024];
    Span left, right;
    coroutine_spans[0] = &left;
    coroutine_spans[1] = &right;
    ucontext_t *contexts[2] = {&left_context, &right_context};
    for (int side = 0; side < 2; side++) {
        getcontext(contexts[side]);
        contexts[side]->uc_stack.ss_sp = stacks[side];
        contexts[side]->uc_stack.ss_size = sizeof stacks[side];
        contexts[side]->uc_link = &main_context;
        makecontext(contexts[side], reinterpret_cast<void (*)()>(coroutine_side), 1, side);
    }
    swapcontext(&main_context, &left_context);
}

int main() {
    return serve([](int) { coroutines(); });
}
