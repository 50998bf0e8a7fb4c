/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The random patterns of a tangent's number: 16 floats that are added and scaled at once, and where their signs come from. */
#ifndef SEGUE_CONFORMANCE_PATTERNS_H
#define SEGUE_CONFORMANCE_PATTERNS_H

#include <stdint.h>
#include <string.h>

#include "numbers.h"

/* Watched by sanitizers in each place that it is inlined into, it takes minutes to build. */
#ifdef __SANITIZE_ADDRESS__
#define INLINE inline
#else
#define INLINE inline __attribute__((always_inline))
#endif

namespace gauge
{

/* Vectors as wide as the processor's: wider ones would be taken apart through memory. */
#if defined(__AVX512F__)
enum { WIDTH = 16 };
#elif defined(__AVX2__)
enum { WIDTH = 8 };
#else
enum { WIDTH = 4 };
#endif
typedef float Chunk __attribute__((vector_size(4 * WIDTH)));

/* n floats: halves down to vectors, since arrays would not be kept in registers. */
template <int n> struct Lanes {
    Lanes<n / 2> low, high;
    INLINE Lanes() {}
    INLINE explicit Lanes(float x) : low(x), high(x) {}
    INLINE explicit Lanes(const float *from) : low(from), high(from + n / 2) {}
    INLINE void write(float *to) const { low.write(to), high.write(to + n / 2); }
};

template <> struct Lanes<WIDTH> {
    Chunk at;
    INLINE Lanes() {}
    INLINE explicit Lanes(float x) : at(Chunk{} + x) {}
    INLINE explicit Lanes(const float *from) { memcpy(&at, from, sizeof at); }
    INLINE void write(float *to) const { memcpy(to, &at, sizeof at); }
};

static INLINE Lanes<WIDTH> operator+(const Lanes<WIDTH> &a, const Lanes<WIDTH> &b)
{
    Lanes<WIDTH> r;
    r.at = a.at + b.at;
    return r;
}

static INLINE Lanes<WIDTH> operator*(float x, const Lanes<WIDTH> &a)
{
    Lanes<WIDTH> r;
    r.at = x * a.at;
    return r;
}

template <int n> INLINE Lanes<n> operator+(const Lanes<n> &a, const Lanes<n> &b)
{
    Lanes<n> r;
    r.low = a.low + b.low, r.high = a.high + b.high;
    return r;
}

template <int n> INLINE Lanes<n> operator*(float x, const Lanes<n> &a)
{
    Lanes<n> r;
    r.low = x * a.low, r.high = x * a.high;
    return r;
}

typedef Lanes<GAUGE_RANDOM> Random;

/* Signs: any 16 neighbours serve as those of 16 patterns. The second half is the first with the other sign, so that no
 * pattern has a drift; that is what the one-sided ones are for. */
enum { SIGNS = 1024 };
struct sign_table {
    float sign[SIGNS + GAUGE_RANDOM];
    constexpr sign_table() : sign()
    {
        uint64_t state = 3;
        for (int i = 0; i < SIGNS / 2; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            sign[i] = state >> 63 ? -1.0f : 1.0f;
        }
        for (int i = SIGNS / 2; i < SIGNS + GAUGE_RANDOM; i++) sign[i] = -sign[i - SIGNS / 2];
    }
};
constexpr sign_table signs;

/* A place in the table; a linear congruence with the constants of D. Knuth's MMIX. */
static INLINE const float *draw(uint64_t *stream)
{
    *stream = *stream * 6364136223846793005u + 1442695040888963407u;
    return signs.sign + (*stream >> 54);
}

/* Those that belong to x, each time the same. Mixed first: a congruence alone gives numbers 100 apart opposite signs. */
static INLINE const float *signs_of(uint64_t x)
{
    x *= 0x9e3779b97f4a7c15u;
    x ^= x >> 32;
    return draw(&x);
}

/* Those of an f32, of which the upper 16 are a bf16 number. */
static INLINE uint32_t bits_in_f32(double x)
{
    const float in_f32 = (float)x;
    uint32_t bits;
    memcpy(&bits, &in_f32, sizeof bits);
    return bits;
}

/* A number's rounding to bf16 has a fixed sign in each half of the distance between two bf16 numbers. */
static INLINE const float *signs_in_bf16(double x)
{
    return signs_of(bits_in_f32(x) >> 15);
}

} // namespace gauge

#endif
