// What convolutions share: which output reads which input, and the three passes as products of matrices.
//
// Written as a product, rows x depth times depth x columns, each group by itself, a convolution is
//
//                        rows   columns      depth        left factor       right factor
//     forward            k      (n, p, q)    (c, r, s)    w[k, c, r, s]     x where output (p, q) reads it under (r, s)
//     backward_input     c      (n, h, w)    (k, r, s)    w[k, c, r, s]     dy of the output that reads (h, w) so
//     backward_weight    k      (c, r, s)    (n, p, q)    dy[n, k, p, q]    x where output (p, q) reads it under (r, s)
//
// The right factor of the first is im2col's matrix, and no such matrix need be in memory: a struct for each pass says
// what its factors hold at an index, and where an entry of the result goes. A column is looked up once, by `column`.
#pragma once
#include "common.cuh"

// Along one axis: the output under whose kernel cell `offset` an input at `place` lies, or -1 where there is none.
__device__ inline int window_over(int place, int offset, int lead, int stride, int dilation, int outputs) {
    int start = place + lead - offset * dilation;  // of that window, counted from the padding's edge
    if (start < 0 || (stride > 1 && start % stride)) return -1;
    return start / stride < outputs ? start / stride : -1;
}

struct Forward {
    const real *x, *weight, *bias;
    real* y;
    int relu;
    Geometry g;
    int group;

    struct Column {
        const real* images;  // of the group, at channel 0; null beyond the last column
        int h, w;            // where the window starts
    };

    __device__ int rows() const { return g.K / g.groups; }
    __device__ int columns() const { return g.N * g.P * g.Q; }
    __device__ int depth() const { return g.C / g.groups * g.R * g.S; }

    __device__ Column column(int j) const {
        int q = j % g.Q, p = j / g.Q % g.P, n = j / (g.P * g.Q);
        if (j >= columns()) return {nullptr, 0, 0};
        return {x + ((long long)n * g.C + group * (g.C / g.groups)) * g.H * g.W, p * g.stride_h - g.top,
                q * g.stride_w - g.left};
    }

    __device__ real left(int i, int l) const { return weight[((long long)group * rows() + i) * depth() + l]; }

    __device__ real right(const Column& column, int l) const {
        int h = column.h + l / g.S % g.R * g.dilation_h, w = column.w + l % g.S * g.dilation_w, c = l / (g.R * g.S);
        bool inside = column.images && h >= 0 && h < g.H && w >= 0 && w < g.W;
        return inside ? column.images[((long long)c * g.H + h) * g.W + w] : 0;
    }

    __device__ void store(int i, int j, real value) const {
        int cell = j % (g.P * g.Q), n = j / (g.P * g.Q), k = group * rows() + i;
        if (bias) value += bias[k];
        y[((long long)n * g.K + k) * g.P * g.Q + cell] = relu && value <= 0 ? 0 : value;
    }
};

struct BackwardInput {
    const real *grad, *weight;
    real* dx;
    Geometry g;
    int group;

    struct Column {
        const real* outputs;
        int h, w;
    };

    __device__ int rows() const { return g.C / g.groups; }
    __device__ int columns() const { return g.N * g.H * g.W; }
    __device__ int depth() const { return g.K / g.groups * g.R * g.S; }

    __device__ Column column(int j) const {
        int w = j % g.W, h = j / g.W % g.H, n = j / (g.H * g.W);
        if (j >= columns()) return {nullptr, 0, 0};
        return {grad + ((long long)n * g.K + group * (g.K / g.groups)) * g.P * g.Q, h, w};
    }

    __device__ real left(int i, int l) const {
        int cell = l % (g.R * g.S), k = group * (g.K / g.groups) + l / (g.R * g.S);
        return weight[((long long)k * rows() + i) * g.R * g.S + cell];
    }

    __device__ real right(const Column& column, int l) const {
        int p = window_over(column.h, l / g.S % g.R, g.top, g.stride_h, g.dilation_h, g.P);
        int q = window_over(column.w, l % g.S, g.left, g.stride_w, g.dilation_w, g.Q), k = l / (g.R * g.S);
        return column.outputs && p >= 0 && q >= 0 ? column.outputs[((long long)k * g.P + p) * g.Q + q] : 0;
    }

    __device__ void store(int i, int j, real value) const {
        int cell = j % (g.H * g.W), n = j / (g.H * g.W), c = group * rows() + i;
        dx[((long long)n * g.C + c) * g.H * g.W + cell] = value;
    }
};

struct BackwardWeight {
    const real *grad, *x;
    real* dw;  // of this part of the depth
    Geometry g;
    int group;

    struct Column {
        const real* images;  // at this column's channel
        int h, w;            // where the kernel cell lies in a window
    };

    __device__ int rows() const { return g.K / g.groups; }
    __device__ int columns() const { return g.C / g.groups * g.R * g.S; }
    __device__ int depth() const { return g.N * g.P * g.Q; }

    __device__ Column column(int j) const {
        int s = j % g.S, r = j / g.S % g.R, c = group * (g.C / g.groups) + j / (g.R * g.S);
        if (j >= columns()) return {nullptr, 0, 0};
        return {x + (long long)c * g.H * g.W, r * g.dilation_h - g.top, s * g.dilation_w - g.left};
    }

    __device__ real left(int i, int l) const {
        int cell = l % (g.P * g.Q), n = l / (g.P * g.Q);
        return grad[((long long)n * g.K + group * rows() + i) * g.P * g.Q + cell];
    }

    __device__ real right(const Column& column, int l) const {
        int q = l % g.Q, p = l / g.Q % g.P, n = l / (g.P * g.Q);
        int h = p * g.stride_h + column.h, w = q * g.stride_w + column.w;
        bool inside = column.images && h >= 0 && h < g.H && w >= 0 && w < g.W;
        return inside ? column.images[((long long)n * g.C * g.H + h) * g.W + w] : 0;
    }

    __device__ void store(int i, int j, real value) const {
        dw[((long long)group * rows() + i) * columns() + j] = value;
    }
};

// Groups lie along z, and so do the parts that the depth of backward_weight is cut into: part · groups + group.
__device__ inline Forward forward_problem(const real* x, const real* weight, const real* bias, real* y, int relu,
                                          const Geometry& g) {
    return {x, weight, bias, y, relu, g, int(blockIdx.z)};
}

__device__ inline BackwardInput backward_input_problem(const real* grad, const real* weight, real* dx,
                                                       const Geometry& g) {
    return {grad, weight, dx, g, int(blockIdx.z)};
}

__device__ inline BackwardWeight backward_weight_problem(const real* grad, const real* x, real* parts,
                                                         const Geometry& g) {
    long long size = (long long)g.K * (g.C / g.groups) * g.R * g.S;
    return {grad, x, parts + blockIdx.z / g.groups * size, g, int(blockIdx.z % g.groups)};
}
