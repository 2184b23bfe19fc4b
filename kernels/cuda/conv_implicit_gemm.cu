// Convolution as a product of matrices of which none is in memory (implicit GEMM): im2col without the matrix.
//
// `convolution.cuh` says what the factors hold. A block of 16 x 16 threads makes a tile of the result, SIDE x SIDE, by
// walking along the depth, DEPTH of it at a time: all threads together copy that much of both factors to shared memory,
// then each multiplies for its T x T entries, whose sums stay in registers. So a number that was loaded from memory
// serves SIDE products, and one from shared memory T. The next piece is loaded into registers while the last one is
// multiplied. A thread's entries lie 16 apart in either direction: neighbouring threads then read neighbouring banks of
// shared memory, and write neighbouring entries of the result.
//
// backward_weight has a small result and a long depth. It is cut into parts along the depth, one block for each, and
// the parts are added up in order by a second kernel, so that the sum is the same each time.
//
// Plain twin: kernels/numpy/conv_im2col.py.
#include "convolution.cuh"

template <int T>
struct Tile {
    static constexpr int SIDE = 16 * T;
    static constexpr int DEPTH = 64 / T;
    static constexpr int LOADS = SIDE * DEPTH / 256;  // of each factor, by each thread

    template <class Problem>
    __device__ static void multiply(const Problem& problem, int first, int last, real (*left)[SIDE],
                                    real (*right)[SIDE]) {
        int x = threadIdx.x % 16, y = threadIdx.x / 16, rows = problem.rows(), columns = problem.columns();
        int top = blockIdx.y * SIDE, start = blockIdx.x * SIDE;
        auto column = problem.column(start + threadIdx.x % SIDE);
        real sums[T][T] = {}, next_left[LOADS], next_right[LOADS];

        auto load = [&](int depth) {
#pragma unroll
            for (int i = 0; i < LOADS; i++) {
                int entry = threadIdx.x + 256 * i, row = top + entry / DEPTH, l = depth + entry % DEPTH;
                next_left[i] = row < rows && l < last ? problem.left(row, l) : 0;
                l = depth + entry / SIDE;
                next_right[i] = l < last ? problem.right(column, l) : 0;
            }
        };

        load(first);
        for (int depth = first; depth < last; depth += DEPTH) {
            __syncthreads();  // the piece before is done with
#pragma unroll
            for (int i = 0; i < LOADS; i++) {
                int entry = threadIdx.x + 256 * i;
                left[entry % DEPTH][entry / DEPTH] = next_left[i];
                right[entry / SIDE][entry % SIDE] = next_right[i];
            }
            __syncthreads();
            if (depth + DEPTH < last) load(depth + DEPTH);
#pragma unroll
            for (int l = 0; l < DEPTH; l++) {
                real a[T], b[T];
#pragma unroll
                for (int i = 0; i < T; i++) {
                    a[i] = left[l][y + 16 * i];
                    b[i] = right[l][x + 16 * i];
                }
#pragma unroll
                for (int i = 0; i < T; i++)
#pragma unroll
                    for (int j = 0; j < T; j++) sums[i][j] += a[i] * b[j];
            }
        }
#pragma unroll
        for (int i = 0; i < T; i++)
#pragma unroll
            for (int j = 0; j < T; j++) {
                int row = top + y + 16 * i, at = start + x + 16 * j;
                if (row < rows && at < columns) problem.store(row, at, sums[i][j]);
            }
    }
};

#define TILE_MEMORY(T) __shared__ real left[Tile<T>::DEPTH][Tile<T>::SIDE], right[Tile<T>::DEPTH][Tile<T>::SIDE]

extern "C" __global__ void __launch_bounds__(256)
    gemm_forward_64(const real* x, const real* weight, const real* bias, real* y, int relu, const Geometry g) {
    TILE_MEMORY(4);
    auto problem = forward_problem(x, weight, bias, y, relu, g);
    Tile<4>::multiply(problem, 0, problem.depth(), left, right);
}

extern "C" __global__ void __launch_bounds__(256)
    gemm_forward_128(const real* x, const real* weight, const real* bias, real* y, int relu, const Geometry g) {
    TILE_MEMORY(8);
    auto problem = forward_problem(x, weight, bias, y, relu, g);
    Tile<8>::multiply(problem, 0, problem.depth(), left, right);
}

extern "C" __global__ void __launch_bounds__(256)
    gemm_backward_input_64(const real* grad, const real* weight, real* dx, const Geometry g) {
    TILE_MEMORY(4);
    auto problem = backward_input_problem(grad, weight, dx, g);
    Tile<4>::multiply(problem, 0, problem.depth(), left, right);
}

extern "C" __global__ void __launch_bounds__(256)
    gemm_backward_input_128(const real* grad, const real* weight, real* dx, const Geometry g) {
    TILE_MEMORY(8);
    auto problem = backward_input_problem(grad, weight, dx, g);
    Tile<8>::multiply(problem, 0, problem.depth(), left, right);
}

// `piece` entries of the depth for each part.
extern "C" __global__ void __launch_bounds__(256)
    gemm_backward_weight_64(const real* grad, const real* x, real* parts, int piece, const Geometry g) {
    TILE_MEMORY(4);
    auto problem = backward_weight_problem(grad, x, parts, g);
    int first = int(blockIdx.z) / g.groups * piece;
    Tile<4>::multiply(problem, first, min(first + piece, problem.depth()), left, right);
}

extern "C" __global__ void __launch_bounds__(256)
    gemm_backward_weight_128(const real* grad, const real* x, real* parts, int piece, const Geometry g) {
    TILE_MEMORY(8);
    auto problem = backward_weight_problem(grad, x, parts, g);
    int first = int(blockIdx.z) / g.groups * piece;
    Tile<8>::multiply(problem, first, min(first + piece, problem.depth()), left, right);
}

extern "C" __global__ void add_parts(const real* parts, real* dw, int count, long long size) {
    FOR_EACH_ENTRY(i, size) {
        real sum = 0;
        for (int part = 0; part < count; part++) sum += parts[part * size + i];
        dw[i] = sum;
    }
}
