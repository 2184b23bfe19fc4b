// Unfolding and folding for convolution as a matrix product, which cuBLAS does.
//
//     column[(c, r, s), (n, p, q)] = x[n, c, p·stride + r·dilation − pad, q·stride + s·dilation − pad]
//
// A thread takes an output (p, q) of an image and channel, and copies its window: neighbouring threads write
// neighbouring entries of each row. Folding back is the other way round: a thread takes an input cell and adds up, from
// every kernel cell, the entry that was copied from it, so that no two threads add to one cell.
//
// Plain twin: kernels/numpy/conv_im2col.py.
#include "convolution.cuh"

// (N, C, H, W) -> (C, R, S, N, P, Q), of the N images that x points at.
extern "C" __global__ void im2col(const real* x, real* column, int N, const Geometry g) {
    long long row = (long long)N * g.P * g.Q;
    FOR_EACH_CELL(plane, (long long)g.C * N, cell, g.P * g.Q) {
        int c = int(plane / N), n = int(plane % N);
        int h = cell / g.Q * g.stride_h - g.top, w = cell % g.Q * g.stride_w - g.left;
        const real* image = x + ((long long)n * g.C + c) * g.H * g.W;
        real* entry = column + (long long)c * g.R * g.S * row + (long long)n * g.P * g.Q + cell;
        for (int r = 0; r < g.R; r++)
            for (int s = 0; s < g.S; s++, entry += row) {
                int i = h + r * g.dilation_h, j = w + s * g.dilation_w;
                *entry = i >= 0 && i < g.H && j >= 0 && j < g.W ? image[i * g.W + j] : 0;
            }
    }
}

// (C, R, S, N, P, Q) -> (N, C, H, W), added where windows overlap.
extern "C" __global__ void col2im(const real* column, real* x, int N, const Geometry g) {
    long long row = (long long)N * g.P * g.Q;
    FOR_EACH_CELL(plane, (long long)N * g.C, cell, g.H * g.W) {
        int n = int(plane / g.C), c = int(plane % g.C);
        const real* first = column + (long long)c * g.R * g.S * row + (long long)n * g.P * g.Q;
        real sum = 0;
        for (int r = 0; r < g.R; r++) {
            int p = window_over(cell / g.W, r, g.top, g.stride_h, g.dilation_h, g.P);
            if (p < 0) continue;
            for (int s = 0; s < g.S; s++) {
                int q = window_over(cell % g.W, s, g.left, g.stride_w, g.dilation_w, g.Q);
                if (q >= 0) sum += first[(r * g.S + s) * row + p * g.Q + q];
            }
        }
        x[plane * g.H * g.W + cell] = sum;
    }
}

// The product (K, N, P, Q) as images (N, K, P, Q), with the bias added, and max(y, 0) taken if asked, on the way.
extern "C" __global__ void product_to_images(const real* product, const real* bias, real* y, int N, int relu,
                                             const Geometry g) {
    FOR_EACH_CELL(plane, (long long)N * g.K, cell, g.P * g.Q) {
        int n = int(plane / g.K), k = int(plane % g.K);
        real value = product[((long long)k * N + n) * g.P * g.Q + cell];
        if (bias) value += bias[k];
        y[plane * g.P * g.Q + cell] = relu && value <= 0 ? 0 : value;
    }
}
