// Dropout: Philox 4x64-10 counted out in parallel, four entries a block of the cipher.
//
// Block b of the stream is the cipher of the number b + 1 (NumPy counts before it encrypts) under the call's key, and
// gives the words 4b … 4b + 3. No block needs another; no word is kept, only whether it is below p.
//
// Source: Salmon, Moraes, Dror, Shaw (2011), Parallel Random Numbers: As Easy as 1, 2, 3, section 3.3.
//
// Plain twin: kernels/numpy/dropout.py.
#include "common.cuh"

typedef unsigned long long word;

// Ten rounds of (c0, c1, c2, c3) -> (hi₁ ^ c1 ^ k0, lo₁, hi₀ ^ c3 ^ k1, lo₀), the keys growing from round to round.
__device__ inline void philox(word c[4], word key0, word key1) {
    const word multiplier0 = 0xD2E7470EE14C6C93ull, multiplier1 = 0xCA5A826395121157ull;
    const word growth0 = 0x9E3779B97F4A7C15ull, growth1 = 0xBB67AE8584CAA73Bull;
    for (int round = 0; round < 10; round++) {
        word high0 = __umul64hi(multiplier0, c[0]), low0 = multiplier0 * c[0];
        word high1 = __umul64hi(multiplier1, c[2]), low1 = multiplier1 * c[2];
        c[0] = high1 ^ c[1] ^ key0;
        c[1] = low1;
        c[2] = high0 ^ c[3] ^ key1;
        c[3] = low0;
        key0 += growth0;
        key1 += growth1;
    }
}

// mask = whether word i, out of 2⁶⁴, is at least the threshold p · 2⁶⁴.
extern "C" __global__ void dropout_mask(bool* mask, unsigned long long key0, unsigned long long key1,
                                        unsigned long long threshold, long long size) {
    FOR_EACH_ENTRY(block, (size + 3) / 4) {
        word words[4] = {word(block) + 1, 0, 0, 0};
        philox(words, key0, key1);
        for (int i = 0; i < 4; i++)
            if (4 * block + i < size) mask[4 * block + i] = words[i] >= threshold;
    }
}

// y = scale · x where kept, else 0.
extern "C" __global__ void dropout_forward(const real* x, const bool* mask, real* y, real scale, long long size) {
    FOR_EACH_ENTRY(i, size) y[i] = mask[i] ? scale * x[i] : 0;  // no product with the mask: 0 · NaN is NaN
}
