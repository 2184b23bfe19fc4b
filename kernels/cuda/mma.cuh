// The tensor core instruction in use, for GPUs from sm_80 on; under emulation the warp's lanes compute what it would.
#pragma once

// The nearest number with 10 bits of mantissa, away from zero where two are as near.
__device__ inline unsigned to_tf32(float value) {
#ifdef TINYCNN_EMULATION
    return emulation::to_tf32(value);
#else
    unsigned rounded;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(value));
    return rounded;
#endif
}

// sums += a · b, 16 x 8 times 8 x 8, by a whole warp.
__device__ inline void mma_m16n8k8_tf32(float (&sums)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
#ifdef TINYCNN_EMULATION
    emulation::mma_m16n8k8_tf32(sums, a, b);
#else
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
        "%3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}
