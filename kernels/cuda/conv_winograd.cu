// Winograd's convolution: the transforms around its products, which cuBLAS does.
//
//     forward           Y  = Aᵀ [Σ_c (G g Gᵀ) ⊙ (Bᵀ d B)] A
//     backward_input    d  = B [Σ_k (G g Gᵀ) ⊙ (A dY Aᵀ)] Bᵀ, added where tiles overlap
//     backward_weight   dg = Gᵀ [Σ_tiles (A dY Aᵀ) ⊙ (Bᵀ d B)] G
//
// Each transform is matrix · tile · matrixᵀ, done by one thread in registers: tiles are 6 x 6 at most, and their sizes
// known to the compiler. Neighbouring threads take neighbouring tiles (or kernels), and all write the same of the a · a
// points at a time, so that what they write lies side by side. The matrices are arguments, which all threads of a warp
// read at the same place. Tiles of an input gradient overlap: they are transformed first, and then each input cell adds
// up what lies over it, so that no two threads add to one cell.
//
// Plain twin: kernels/numpy/conv_winograd.py, with the source of the formulas.
#include "common.cuh"

struct Transform {
    real AT[24], G[30], BT[36];  // m x a, a x r, a x a, row by row
};

// Tiles of m x m outputs, T x U of them in an image, and what of the image and the kernel takes part.
struct Tiles {
    int tiling, groups, K, C, H, W, P, Q, R, S;  // K and C of all groups
    int T, U, top, left;                         // padding before the first tile's input
    int rows, columns;                           // cells of the input that are read
    int first_p, end_p, first_q, end_q;          // outputs that read a cell
    int first_r, end_r, first_s, end_s;          // kernel cells that meet one
};

// out = matrix · in · matrixᵀ; `transposed` where the matrix is given by its transpose.
template <int OUT, int IN, bool transposed>
__device__ void both_sides(const real* matrix, const real (&in)[IN][IN], real (&out)[OUT][OUT]) {
    real half[OUT][IN];
#pragma unroll
    for (int i = 0; i < OUT; i++)
#pragma unroll
        for (int j = 0; j < IN; j++) {
            real sum = 0;
#pragma unroll
            for (int l = 0; l < IN; l++) sum += (transposed ? matrix[l * OUT + i] : matrix[i * IN + l]) * in[l][j];
            half[i][j] = sum;
        }
#pragma unroll
    for (int i = 0; i < OUT; i++)
#pragma unroll
        for (int j = 0; j < OUT; j++) {
            real sum = 0;
#pragma unroll
            for (int l = 0; l < IN; l++) sum += half[i][l] * (transposed ? matrix[l * OUT + j] : matrix[j * IN + l]);
            out[i][j] = sum;
        }
}

// Where the points of a factor lie: (a · a, groups, runs, channels of a group, tiles of a run). Tiles are numbered
// through all images, and cut into runs where they are summed over; else all are one run.
struct Points {
    real* first;
    long long step;  // from a point to the next

    __device__ Points(real* factors, int channel, long long tile, int channels, int groups, int run, int runs) {
        long long group = channel / (channels / groups), within = channel % (channels / groups);
        step = (long long)channels * runs * run;
        first = factors + ((group * runs + tile / run) * (channels / groups) + within) * run + tile % run;
    }

    template <int A>
    __device__ void write(const real (&values)[A][A]) const {
#pragma unroll
        for (int i = 0; i < A; i++)
#pragma unroll
            for (int j = 0; j < A; j++) first[(i * A + j) * step] = values[i][j];
    }

    template <int A>
    __device__ void read(real (&values)[A][A]) const {
#pragma unroll
        for (int i = 0; i < A; i++)
#pragma unroll
            for (int j = 0; j < A; j++) values[i][j] = first[(i * A + j) * step];
    }
};

// G g Gᵀ of one kernel of one channel.
template <int M, int R>
__device__ void weight_factor(const real* weight, real* factors, long long step, const Transform& t) {
    constexpr int A = M + R - 1;
    real cells[R][R], values[A][A];
    for (int i = 0; i < R; i++)
        for (int j = 0; j < R; j++) cells[i][j] = weight[i * R + j];
    both_sides<A, R, false>(t.G, cells, values);
    for (int i = 0; i < A; i++)
        for (int j = 0; j < A; j++) factors[(i * A + j) * step] = values[i][j];
}

// Bᵀ d B of the tile whose first cell is row `top`, column `left` of an image.
template <int M, int R>
__device__ void input_factor(const real* image, int top, int left, const Points& points, const Transform& t,
                             const Tiles& g) {
    constexpr int A = M + R - 1;
    real cells[A][A], values[A][A];
#pragma unroll
    for (int i = 0; i < A; i++)
#pragma unroll
        for (int j = 0; j < A; j++) {
            int h = top * M - g.top + i, w = left * M - g.left + j;
            cells[i][j] = h >= 0 && h < g.rows && w >= 0 && w < g.columns ? image[h * g.W + w] : 0;
        }
    both_sides<A, A, false>(t.BT, cells, values);
    points.write(values);
}

// A dY Aᵀ of a tile of outputs.
template <int M, int R>
__device__ void gradient_factor(const real* outputs, int top, int left, const Points& points, const Transform& t,
                                const Tiles& g) {
    constexpr int A = M + R - 1;
    real cells[M][M], values[A][A];
#pragma unroll
    for (int i = 0; i < M; i++)
#pragma unroll
        for (int j = 0; j < M; j++) {
            int p = g.first_p + top * M + i, q = g.first_q + left * M + j;
            cells[i][j] = p < g.end_p && q < g.end_q ? outputs[p * g.Q + q] : 0;
        }
    both_sides<A, M, true>(t.AT, cells, values);
    points.write(values);
}

// Aᵀ M A of a tile of products, with the bias added, and max(y, 0) taken if asked.
template <int M, int R>
__device__ void output_tile(real* outputs, int top, int left, const Points& points, real bias, int relu,
                            const Transform& t, const Tiles& g) {
    constexpr int A = M + R - 1;
    real values[A][A], cells[M][M];
    points.read(values);
    both_sides<M, A, false>(t.AT, values, cells);
#pragma unroll
    for (int i = 0; i < M; i++)
#pragma unroll
        for (int j = 0; j < M; j++) {
            int p = g.first_p + top * M + i, q = g.first_q + left * M + j;
            real value = cells[i][j] + bias;
            if (p < g.end_p && q < g.end_q) outputs[p * g.Q + q] = relu && value <= 0 ? 0 : value;
        }
}

// B M Bᵀ of a tile of products, in their place.
template <int M, int R>
__device__ void input_tile(const Points& points, const Transform& t) {
    constexpr int A = M + R - 1;
    real values[A][A], cells[A][A];
    points.read(values);
    both_sides<A, A, true>(t.BT, values, cells);
    points.write(cells);
}

// Gᵀ M G of the sums of one kernel of one channel; 0 where a kernel cell meets no input.
template <int M, int R>
__device__ void weight_tile(const real* sums, long long step, real* dw, const Transform& t, const Tiles& g) {
    constexpr int A = M + R - 1;
    real values[A][A], cells[R][R];
    for (int i = 0; i < A; i++)
        for (int j = 0; j < A; j++) values[i][j] = sums[(i * A + j) * step];
    both_sides<R, A, true>(t.G, values, cells);
    for (int i = 0; i < R; i++)
        for (int j = 0; j < R; j++) {
            bool meets = i >= g.first_r && i < g.end_r && j >= g.first_s && j < g.end_s;
            dw[i * R + j] = meets ? cells[i][j] : 0;
        }
}

// What a thread does for each of the three tilings: F(2x2, 3x3), F(4x4, 3x3), F(2x2, 5x5).
#define FOR_TILING(function, ...)    \
    if (g.tiling == 0)               \
        function<2, 3>(__VA_ARGS__); \
    else if (g.tiling == 1)          \
        function<4, 3>(__VA_ARGS__); \
    else                             \
        function<2, 5>(__VA_ARGS__)

// (K, C/G, R, S) -> (a · a, G, K/G, C/G), or (a · a, G, C/G, K/G) for backward_input.
extern "C" __global__ void winograd_weight(const real* weight, real* factors, int swapped, const Transform t,
                                           const Tiles g) {
    int K = g.K / g.groups, C = g.C / g.groups;
    long long size = (long long)g.K * C;
    FOR_EACH_ENTRY(i, size) {
        long long c = i % C, k = i / C % K, group = i / C / K;
        real* to = factors + (swapped ? (group * C + c) * K + k : i);
        FOR_TILING(weight_factor, weight + i * g.R * g.S, to, size, t);
    }
}

// (N, C, H, W) -> (a · a, G, runs, C/G, run).
extern "C" __global__ void winograd_input(const real* x, real* factors, int N, int run, int runs, const Transform t,
                                          const Tiles g) {
    FOR_EACH_CELL(plane, (long long)g.C * N, tile, g.T * g.U) {
        int c = int(plane / N), n = int(plane % N);
        Points points(factors, c, (long long)n * g.T * g.U + tile, g.C, g.groups, run, runs);
        FOR_TILING(input_factor, x + ((long long)n * g.C + c) * g.H * g.W, tile / g.U, tile % g.U, points, t, g);
    }
}

// (N, K, P, Q) -> (a · a, G, runs, K/G, run).
extern "C" __global__ void winograd_gradient(const real* grad, real* factors, int N, int run, int runs,
                                             const Transform t, const Tiles g) {
    FOR_EACH_CELL(plane, (long long)g.K * N, tile, g.T * g.U) {
        int k = int(plane / N), n = int(plane % N);
        Points points(factors, k, (long long)n * g.T * g.U + tile, g.K, g.groups, run, runs);
        FOR_TILING(gradient_factor, grad + ((long long)n * g.K + k) * g.P * g.Q, tile / g.U, tile % g.U, points, t, g);
    }
}

// (a · a, G, K/G, N · T · U) -> (N, K, P, Q), the outputs that read a cell.
extern "C" __global__ void winograd_output(real* products, const real* bias, real* y, int N, int relu,
                                           const Transform t, const Tiles g) {
    FOR_EACH_CELL(plane, (long long)g.K * N, tile, g.T * g.U) {
        int k = int(plane / N), n = int(plane % N);
        Points points(products, k, (long long)n * g.T * g.U + tile, g.K, g.groups, N * g.T * g.U, 1);
        real* outputs = y + ((long long)n * g.K + k) * g.P * g.Q;
        FOR_TILING(output_tile, outputs, tile / g.U, tile % g.U, points, bias ? bias[k] : 0, relu, t, g);
    }
}

// (a · a, G, C/G, N · T · U), from products to the cells that they go to.
extern "C" __global__ void winograd_input_tiles(real* products, int N, const Transform t, const Tiles g) {
    FOR_EACH_CELL(plane, (long long)g.C * N, tile, g.T * g.U) {
        int c = int(plane / N), n = int(plane % N);
        Points points(products, c, (long long)n * g.T * g.U + tile, g.C, g.groups, N * g.T * g.U, 1);
        FOR_TILING(input_tile, points, t);
    }
}

// (a · a, C, N · T · U) -> (N, C, H, W): each cell adds up the tiles over it, a apart from m to m.
extern "C" __global__ void winograd_add_tiles(const real* tiles, real* dx, int N, int m, int a, const Tiles g) {
    FOR_EACH_CELL(plane, (long long)N * g.C, cell, g.H * g.W) {
        int n = int(plane / g.C), c = int(plane % g.C), h = cell / g.W, w = cell % g.W;
        long long all = (long long)N * g.T * g.U;
        real sum = 0;
        if (h < g.rows && w < g.columns) {
            h += g.top, w += g.left;
            const real* first = tiles + c * all + (long long)n * g.T * g.U;
            for (int i = h % m; i < a && i <= h; i += m)
                for (int j = w % m; j < a && j <= w; j += m) {
                    int t = (h - i) / m, u = (w - j) / m;
                    if (t < g.T && u < g.U) sum += first[(i * a + j) * g.C * all + t * g.U + u];
                }
        }
        dx[plane * g.H * g.W + cell] = sum;
    }
}

// (a · a, G, K/G, C/G) -> (K, C/G, R, S).
extern "C" __global__ void winograd_weight_gradient(const real* sums, real* dw, const Transform t, const Tiles g) {
    long long size = (long long)g.K * (g.C / g.groups);
    FOR_EACH_ENTRY(i, size) { FOR_TILING(weight_tile, sums + i, size, dw + i * g.R * g.S, t, g); }
}
