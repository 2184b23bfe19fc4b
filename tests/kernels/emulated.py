"""Small kernels, right and wrong ones, to hold the emulation of a GPU against.

``python -m tests.kernels.emulated KERNEL`` launches one of those in ``OUTSIDE``: for a process that sanitizers watch.
"""

import sys

import numpy as np

from tinycnn.kernels.cuda import emulate

RIGHT = """
struct Pair { int a; float b; };

extern "C" __global__ void indices(int* seen) {
    int threads = blockDim.x * blockDim.y * blockDim.z;
    int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    int* mine = seen + 12 * (block * threads + thread);
    mine[0] = blockIdx.z, mine[1] = blockIdx.y, mine[2] = blockIdx.x;
    mine[3] = threadIdx.z, mine[4] = threadIdx.y, mine[5] = threadIdx.x;
    mine[6] = gridDim.z, mine[7] = gridDim.y, mine[8] = gridDim.x;
    mine[9] = blockDim.z, mine[10] = blockDim.y, mine[11] = blockDim.x;
}

// Each block turns its numbers round, twice, in static and in dynamic memory.
extern "C" __global__ void turned(const float* x, float* y) {
    __shared__ float kept[64];
    extern __shared__ float room[];
    int t = threadIdx.x, last = blockDim.x - 1;
    const float* mine = x + blockIdx.x * blockDim.x;
    kept[t] = mine[t];
    room[t] = 2 * mine[t];
    __syncthreads();
    y[blockIdx.x * blockDim.x + t] = kept[last - t] + room[last - t];
}

// What a block finds, before it leaves something for the next to find.
extern "C" __global__ void found(float* y) {
    __shared__ float kept[2][3];
    extern __shared__ float room[];
    y[2 * blockIdx.x] = kept[1][2];
    y[2 * blockIdx.x + 1] = room[4];
    kept[1][2] = room[4] = 1;
}

extern "C" __global__ void shuffled(const int* x, int* y) {
    int t = threadIdx.x, value = x[t];
    y[4 * t] = __shfl_sync(0xffffffff, value, t + 5);
    y[4 * t + 1] = __shfl_xor_sync(0xffffffff, value, 3);
    y[4 * t + 2] = __shfl_up_sync(0xffffffff, value, 2);
    y[4 * t + 3] = __shfl_down_sync(0xffffffff, value, 2);
}

// The lower half of a warp sums, then the upper one, or the other way round: each by itself.
extern "C" __global__ void halves(const double* x, double* y) {
    double sum = x[threadIdx.x];
    if (threadIdx.x % 32 < 16)
        for (int other = 8; other; other /= 2) sum += __shfl_xor_sync(0x0000ffff, sum, other);
    else
        for (int other = 8; other; other /= 2) sum -= __shfl_xor_sync(0xffff0000, sum, other);
    y[threadIdx.x] = sum;
}

// A warp at a time goes on, whatever the others wait for.
extern "C" __global__ void neighbours(const int* x, int* y) {
    __shared__ int kept[96];
    int t = threadIdx.x, first = t / 32 * 32;
    if (t < 64) {
        kept[t] = x[t];
        __syncwarp();
        y[t] = kept[first + (t + 1) % 32];
    }
    __syncthreads();
    if (t >= 64) y[t] = kept[t - 64];
}

extern "C" __global__ void counted(const int* x, int size, int* evens, unsigned long long* sum, int* most) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    if (x[i] % 2 == 0) atomicAdd(evens, 1);
    atomicAdd(sum, (unsigned long long)x[i]);
    atomicMax(most, x[i]);
}

extern "C" __global__ void told(const float* missing, const Pair pair, long long n, unsigned u, double d, double* y) {
    y[0] = missing ? 1 : 0;
    y[1] = pair.a, y[2] = pair.b, y[3] = double(n), y[4] = u, y[5] = d;
}

extern "C" __global__ void added(const float* x, float* sum) { sum[threadIdx.x] += x[threadIdx.x]; }
"""

WRONG = """
extern "C" __global__ void no_barrier(const int* x, int* y) {
    __shared__ int kept[64];
    kept[threadIdx.x] = x[threadIdx.x];
    y[threadIdx.x] = kept[63 - threadIdx.x];
}

extern "C" __global__ void no_second_barrier(const int* x, int* y) {
    __shared__ int kept[64];
    int sum = 0;
    for (int turn = 0; turn < 2; turn++) {
        kept[threadIdx.x] = x[threadIdx.x] + turn;
        __syncthreads();
        sum += kept[63 - threadIdx.x];
    }
    y[threadIdx.x] = sum;
}

extern "C" __global__ void no_warp_barrier(const int* x, int* y) {
    __shared__ int kept[64];
    kept[threadIdx.x] = x[threadIdx.x];
    y[threadIdx.x] = kept[threadIdx.x ^ 1];
}

extern "C" __global__ void one_entry(const int* x, int* y) { y[0] = x[threadIdx.x]; }

extern "C" __global__ void not_atomic(const int* x, int* y) {  // in turn, yet rounded otherwise in another order
    *(float*)y += threadIdx.x ? 1.0f : 1e8f;
}

extern "C" __global__ void next_free(const int* x, int* y) {
    __shared__ int free;
    if (threadIdx.x == 0) free = 0;
    __syncthreads();
    y[atomicAdd(&free, 1)] = x[threadIdx.x];
}

extern "C" __global__ void block_before(const int* x, int* y) {
    y[blockIdx.x] = x[blockIdx.x] + (blockIdx.x ? y[blockIdx.x - 1] : 0);
}

extern "C" __global__ void some_return(const int* x, int* y) {
    if (threadIdx.x >= 40) return;
    __syncthreads();
    y[threadIdx.x] = x[threadIdx.x];
}

extern "C" __global__ void some_shuffle(const int* x, int* y) {
    int value = x[threadIdx.x];
    if (threadIdx.x < 16) value = __shfl_xor_sync(0xffffffff, value, 1);
    y[threadIdx.x] = value;
}

extern "C" __global__ void each_waits(const int* x, int* y) {
    int value = x[threadIdx.x];
    if (threadIdx.x % 32 < 10)
        __syncthreads();
    else
        value = __shfl_xor_sync(0xffffffff, value, 1);
    y[threadIdx.x] = value;
}

extern "C" __global__ void not_in_its_mask(const int* x, int* y) {
    y[threadIdx.x] = __shfl_xor_sync(0x0000ffff, x[threadIdx.x], 1);
}
"""

OUTSIDE = {  # what the one thread of a kernel does, with n = 0, eight numbers in x and in y, four in shared arrays
    "inside": "y[n] = x[n] + room[n];",
    "read": "y[0] = x[n + 8];",
    "read_before": "y[0] = x[n - 1];",
    "write": "y[n + 8] = 1;",
    "write_far": "y[n + (1 << 20)] = 1;",
    "static_shared": "kept[n + 4] = 1, y[0] = kept[n];",
    "static_shared_before": "y[0] = kept[n - 1];",
    "dynamic_shared": "room[n + 4] = 1, y[0] = room[n];",
    "local": "float own[3]; own[n + 3] = 1, y[0] = own[n + 2];",
    "overflow": "int large = 2147483647 - n; y[0] = large + 1;",
    "shift": "y[0] = 1 << (n + 32);",
    "division": "y[0] = 1 / n;",
}


def outside(kernel: str) -> None:
    """Launch a kernel that does what ``OUTSIDE`` says, in line 7 of a file of its name."""
    text = "".join(
        f'''
#line 1 "{name}.cu"
extern "C" __global__ void {name}(const float* x, float* y, int n) {{
    __shared__ float kept[4];
    extern __shared__ float room[];
    if (threadIdx.x) return;
    kept[n] = room[n] = 0;

    {statement}
}}'''
        for name, statement in OUTSIDE.items()
    )
    x, y = np.arange(8, dtype=np.float32), np.zeros(8, np.float32)
    emulate.RawModule(text).get_function(kernel)((1,), (32,), (x, y, np.int32(0)), shared_mem=16)
    print("ran", y[0])


if __name__ == "__main__":
    outside(sys.argv[1])
