// What CUDA gives a kernel, for sources that g++ compiles: `emulation.h` runs them.
#pragma once
#include <cmath>

#include "emulation.h"

#define TINYCNN_EMULATION
#define __global__
#define __device__
#define __constant__ static const
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("emulated_shared")))

using std::exp;
using std::fabs;
using std::log;
using std::log1p;
using std::pow;
using std::sqrt;
using std::tanh;

template <class T>
constexpr T min(T a, T b) {
    return b < a ? b : a;
}

template <class T>
constexpr T max(T a, T b) {
    return a < b ? b : a;
}

constexpr unsigned ALL_LANES = 0xffffffff;

inline void __syncthreads() { emulation::block->wait(emulation::State::at_barrier, 0); }
inline void __syncwarp(unsigned mask = ALL_LANES) { emulation::block->wait(emulation::State::in_warp, mask); }

template <class T>
T __shfl_sync(unsigned mask, T value, int lane) {
    return emulation::block->exchange(mask, value, unsigned(lane));
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes) {
    return emulation::block->exchange(mask, value, unsigned(emulation::block->number() % warpSize) ^ unsigned(lanes));
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned lanes) {
    unsigned lane = unsigned(emulation::block->number() % warpSize);
    return emulation::block->exchange(mask, value, lane + lanes < warpSize ? lane + lanes : lane);
}

template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned lanes) {
    unsigned lane = unsigned(emulation::block->number() % warpSize);
    return emulation::block->exchange(mask, value, lanes <= lane ? lane - lanes : lane);
}

// A whole number at a time and no order that could matter: the sum is the same. Floating-point atomics are left out.
template <class T>
T atomicAdd(T* at, T value) {
    static_assert(std::is_integral_v<T>,
                  "the order of floating-point atomics, and so the sum, would change from run to run");
    T before = *at;
    *at = T(before + value);
    return before;
}

template <class T>
T atomicMax(T* at, T value) {
    static_assert(std::is_integral_v<T>);
    T before = *at;
    *at = max(before, value);
    return before;
}

inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}

template <class T>
T __ldg(const T* at) {
    return *at;
}

inline unsigned __float_as_uint(float value) {
    unsigned bits;
    std::memcpy(&bits, &value, sizeof(bits));
    return bits;
}

inline float __uint_as_float(unsigned bits) {
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
}

namespace emulation {

inline unsigned to_tf32(float value) {
    unsigned bits = __float_as_uint(value);
    return std::isfinite(value) ? (bits + (1u << 12)) & ~((1u << 13) - 1) : bits;
}

// As the PTX ISA lays out mma.m16n8k8 for .tf32: who holds what is told in conv_implicit_gemm_tf32.cu.
inline void mma_m16n8k8_tf32(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    struct Held {
        unsigned a[4], b[2];
    } held{{a[0], a[1], a[2], a[3]}, {b[0], b[1]}}, lanes[warpSize];
    block->show(held, lanes);
    int lane = int(block->number() % warpSize);
    for (int e = 0; e < 4; e++) {
        int row = lane / 4 + e / 2 * 8, column = lane % 4 * 2 + e % 2;
        double sum = 0;
        for (int l = 0; l < 8; l++) {
            unsigned left = lanes[row % 8 * 4 + l % 4].a[row / 8 + l / 4 * 2],
                     right = lanes[column * 4 + l % 4].b[l / 4];
            sum += double(__uint_as_float(left)) * __uint_as_float(right);
        }
        sums[e] += float(sum);
    }
}

}  // namespace emulation
