// Functions as compilers make them. What is expected of each is in tests.rs.
#include <stdio.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default"), noinline))
#define LOCAL __attribute__((visibility("hidden"), noinline, noclone))

volatile int sink;

EXPORT int two_returns(int a) {
    if (a > 3) {
        sink = a;
        puts("x");
        return sink * 2;
    }
    sink = 1;
    return sink;
}

LOCAL int callee(int a) {
    sink = a;
    puts("x");
    return sink + 1;
}

EXPORT int tail_local(int a) {
    sink = 2;
    return callee(a * 3);
}

EXPORT int exported_callee(int a) {
    sink = a;
    puts("y");
    return sink - 1;
}

EXPORT int tail_plt(int a) {
    sink = 2;
    return exported_callee(a * 3);
}

EXPORT int tail_import(const char *text) {
    sink = 2;
    return puts(text);
}

EXPORT void tail_free(void *block) {
    sink = 2;
    free(block);
}

EXPORT int tail_pointer(int (*function)(void)) {
    sink = 2;
    return function();
}

EXPORT int leaf_switch(int a, int b) {
    switch (a) {
    case 0: sink = b; return b * 3;
    case 1: sink = b + 1; return b / 7;
    case 2: sink = b ^ 5; return b % 11;
    case 3: sink = b << 2; return b - 9;
    case 4: sink = 17; return b & 77;
    case 5: sink = 3; return b | 5;
    default: return 1;
    }
}

EXPORT int framed_switch(int a, int b) {
    int before = callee(b);
    switch (a) {
    case 0: return callee(b * 3) + before;
    case 1: return exported_callee(b / 7) - before;
    case 2: return callee(b % 11) * before;
    case 3: return exported_callee(b - 9) ^ before;
    case 4: return callee(b & 77) | before;
    case 5: return exported_callee(b | 5) & before;
    default: return before;
    }
}

LOCAL int level5(int a) { sink = a; puts("5"); return sink; }
LOCAL int level4(int a) { sink = a; return level5(a + 1); }
LOCAL int level3(int a) { sink = a; return level4(a + 1); }
LOCAL int level2(int a) { sink = a; return level3(a + 1); }
LOCAL int level1(int a) { sink = a; return level2(a + 1); }
EXPORT int three_levels(int a) { sink = a; return level3(a + 1); }
EXPORT int five_levels(int a) { sink = a; return level1(a + 1); }

LOCAL int pong(int a);
EXPORT int ping(int a) { sink = a; return a ? pong(a - 1) : 0; }
LOCAL int pong(int a) { sink = a; return ping(a - 2); }

EXPORT int recursive(int a) { return a < 2 ? 1 : recursive(a - 1) * 3 + recursive(a - 2); }

EXPORT void never_returns(void) {
    sink = 1;
    abort();
}
