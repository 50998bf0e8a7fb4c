/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The dialect on a CPU: an item is a fibre of fibre_group.c. Compiled as C++17, because only a template can
 * take the parameters' types from a kernel; kernel text stays C. x86-64, gcc. */
typedef unsigned short u16;
typedef unsigned int u32;
typedef int i32;
typedef long long i64;
typedef unsigned long long u64;

struct fibre_now { /* the same as in fibre.h */
    i32 local, group[3];
    void *machine;
    void (*barrier)(void *machine, const char *where);
    void (*access)(void *machine, const void *at, i64 bytes, i32 kind, const void *pc);
    void (*fault)(void *machine, const char *what, const char *file, i32 line);
};
enum { FIBRE_STACK = 64 << 10 };
struct fibre_kernel { /* the same as in fibre.h */
    i32 now_bytes, stack_bytes, group, count, bytes[32];
    u32 pointers;
    void (*call)(void **args);
};

#define FIBRE_EDGE __attribute__((weak, visibility("hidden")))
extern "C" {
__attribute__((visibility("protected"))) struct fibre_now fibre_now;
/* The linker's names for the ends of a section and of the object; weak: a kernel may have no LOCAL. A section
 * must not be called like a symbol, or it does not assemble. */
extern char __start_fibre_local[] FIBRE_EDGE, __stop_fibre_local[] FIBRE_EDGE;
extern char __ehdr_start[] FIBRE_EDGE, _end[] FIBRE_EDGE;
__attribute__((visibility("protected"))) char *fibre_edges[4] = { __start_fibre_local, __stop_fibre_local,
                                                                  __ehdr_start, _end };
}

#define KERNEL(name) extern "C" __attribute__((visibility("hidden"))) void name
#define FUNC static inline __attribute__((always_inline))
#define GLOBAL
#define LOCAL static __attribute__((section("fibre_local"), aligned(16)))
#define LOCAL_ARG
#define UNROLL
#define ROLLED

#define FIBRE_TEXT_(x) #x
#define FIBRE_TEXT(x) FIBRE_TEXT_(x)
#define BARRIER() fibre_now.barrier(fibre_now.machine, __FILE__ ":" FIBRE_TEXT(__LINE__))
/* All items arrive, but nothing is ordered: for words that are barriers only here. */
#define MEETING() fibre_now.barrier(fibre_now.machine, "~" __FILE__ ":" FIBRE_TEXT(__LINE__))
#define LOCAL_ID fibre_number(&fibre_now.local)
#define GROUP_ID(axis) fibre_number(&fibre_now.group[axis])
/* By an instruction that the checks do not see: these are read far more often than memory. */
FUNC int fibre_number(const i32 *p)
{
    int n;
    __asm__("movl %1, %0" : "=r"(n) : "m"(*p));
    return n;
}

#define ATOMIC_ADD(p, x) __atomic_fetch_add(p, x, __ATOMIC_RELAXED)
FUNC i32 fibre_atomic_min(i32 *p, i32 x)
{
    i32 old = __atomic_load_n(p, __ATOMIC_RELAXED);
    while (x < old && !__atomic_compare_exchange_n(p, &old, x, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return old;
}
#define ATOMIC_MIN(p, x) fibre_atomic_min(p, x)

#define EXP2(x) __builtin_exp2f(x)
#define FMA(a, b, c) __builtin_fmaf(a, b, c)
#define MAX(a, b) __builtin_fmaxf(a, b)

#define f32_bits(x) __builtin_bit_cast(u32, (float)(x))
#define bits_f32(u) __builtin_bit_cast(float, (u32)(u))
FUNC float f16_to_f32(u16 h)
{
    return (float)__builtin_bit_cast(_Float16, h);
}
FUNC u16 f32_to_f16(float x)
{
    return __builtin_bit_cast(u16, (_Float16)x);
}

/* fibre_build() appends FIBRE_EXPORT(name) for each KERNEL: a caller that unpacks an array of addresses. */
template <class... A> struct fibre_call {
    template <int... I> struct list {
    };
    template <int n, int... I> struct upto : upto<n - 1, n - 1, I...> {
    };
    template <int... I> struct upto<0, I...> {
        typedef list<I...> type;
    };
    template <int... I>
    __attribute__((no_sanitize("thread", "undefined"))) static void go(void (*f)(A...), void **p, list<I...>)
    {
        f(*(A *)p[I]...);
    }
    static void run(void (*f)(A...), void **p) { go(f, p, typename upto<sizeof...(A)>::type()); }
};
template <class... A> void fibre_run(void (*f)(A...), void **p)
{
    fibre_call<A...>::run(f, p);
}
template <class A> constexpr bool fibre_pointer = false;
template <class A> constexpr bool fibre_pointer<A *> = true;
template <class... A> constexpr fibre_kernel fibre_describe(void (*)(A...), void (*call)(void **))
{
    u32 pointers = 0, bit = 1;
    ((pointers |= fibre_pointer<A> ? bit : 0, bit *= 2), ...);
    return { sizeof(struct fibre_now), FIBRE_STACK, GROUP, sizeof...(A), { sizeof(A)... }, pointers, call };
}
#define FIBRE_EXPORT(name)                                                                    \
    static void fibre_call_##name(void **p)                                                   \
    {                                                                                         \
        fibre_run(name, p);                                                                   \
    }                                                                                         \
    extern "C" __attribute__((visibility("default"))) const fibre_kernel fibre_kernel_##name; \
    const fibre_kernel fibre_kernel_##name = fibre_describe(name, fibre_call_##name);
