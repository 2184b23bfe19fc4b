// `conv_implicit_gemm` on tensor cores: factors rounded to TF32, 10 bits of mantissa, products and sums in float32.
//
// A block of four warps makes a tile of 64 x 64, each warp a quarter of it, 32 x 32, as 2 x 4 products of 16 x 8 by
// mma.sync. Such a product takes 8 of the depth. The warp's lanes hold its factors and its result in pieces, in an
// arrangement that the instruction prescribes (PTX ISA, mma.m16n8k8 for .tf32): with lane = 4 · u + v, `a` holds rows u
// and u + 8 at depths v and v + 4, `b` depths v and v + 4 of column u, the result columns 2v and 2v + 1 of rows u and
// u + 8. Rows of shared memory are 8 numbers longer than the tile, so that the 32 reads of such a piece fall on 32
// banks.
//
// Plain twin: kernels/numpy/conv_im2col.py.
#include "convolution.cuh"
#include "mma.cuh"

constexpr int SIDE = 64, DEPTH = 16, GAP = 8, THREADS = 128;
constexpr int LOADS = SIDE * DEPTH / THREADS;

template <class Problem>
__device__ void multiply_tf32(const Problem& problem, int first, int last) {
    __shared__ unsigned left[DEPTH][SIDE + GAP], right[DEPTH][SIDE + GAP];
    int rows = problem.rows(), columns = problem.columns();
    int top = blockIdx.y * SIDE, start = blockIdx.x * SIDE;
    int lane = threadIdx.x % 32, u = lane / 4, v = lane % 4;
    int down = threadIdx.x / 64 * 32, across = threadIdx.x / 32 % 2 * 32;  // the warp's quarter
    auto column = problem.column(start + threadIdx.x % SIDE);
    float sums[2][4][4] = {};
    unsigned next_left[LOADS], next_right[LOADS];

    auto load = [&](int depth) {
#pragma unroll
        for (int i = 0; i < LOADS; i++) {
            int entry = threadIdx.x + THREADS * i, row = top + entry / DEPTH, l = depth + entry % DEPTH;
            next_left[i] = to_tf32(row < rows && l < last ? problem.left(row, l) : 0);
            l = depth + entry / SIDE;
            next_right[i] = to_tf32(l < last ? problem.right(column, l) : 0);
        }
    };

    load(first);
    for (int depth = first; depth < last; depth += DEPTH) {
        __syncthreads();  // the piece before is done with
#pragma unroll
        for (int i = 0; i < LOADS; i++) {
            int entry = threadIdx.x + THREADS * i;
            left[entry % DEPTH][entry / DEPTH] = next_left[i];
            right[entry / SIDE][entry % SIDE] = next_right[i];
        }
        __syncthreads();
        if (depth + DEPTH < last) load(depth + DEPTH);
#pragma unroll
        for (int l = 0; l < DEPTH; l += 8) {
            unsigned a[2][4], b[4][2];
#pragma unroll
            for (int i = 0; i < 2; i++) {
                int row = down + 16 * i + u;
                a[i][0] = left[l + v][row], a[i][1] = left[l + v][row + 8];
                a[i][2] = left[l + v + 4][row], a[i][3] = left[l + v + 4][row + 8];
            }
#pragma unroll
            for (int j = 0; j < 4; j++) {
                b[j][0] = right[l + v][across + 8 * j + u];
                b[j][1] = right[l + v + 4][across + 8 * j + u];
            }
#pragma unroll
            for (int i = 0; i < 2; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) mma_m16n8k8_tf32(sums[i][j], a[i], b[j]);
        }
    }
#pragma unroll
    for (int i = 0; i < 2; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                int row = top + down + 16 * i + u + e / 2 * 8, at = start + across + 8 * j + 2 * v + e % 2;
                if (row < rows && at < columns) problem.store(row, at, sums[i][j][e]);
            }
}

extern "C" __global__ void __launch_bounds__(THREADS)
    gemm_forward_tf32(const real* x, const real* weight, const real* bias, real* y, int relu, const Geometry g) {
    auto problem = forward_problem(x, weight, bias, y, relu, g);
    multiply_tf32(problem, 0, problem.depth());
}

extern "C" __global__ void __launch_bounds__(THREADS)
    gemm_backward_input_tf32(const real* grad, const real* weight, real* dx, const Geometry g) {
    auto problem = backward_input_problem(grad, weight, dx, g);
    multiply_tf32(problem, 0, problem.depth());
}

// `piece` entries of the depth for each part; `add_parts` of conv_implicit_gemm.cu adds them up.
extern "C" __global__ void __launch_bounds__(THREADS)
    gemm_backward_weight_tf32(const real* grad, const real* x, real* parts, int piece, const Geometry g) {
    auto problem = backward_weight_problem(grad, x, parts, g);
    int first = int(blockIdx.z) / g.groups * piece;
    multiply_tf32(problem, first, min(first + piece, problem.depth()));
}
