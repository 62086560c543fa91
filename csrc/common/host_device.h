// For functions that the host and CUDA kernels share: plain C++17, nothing of the library's that
// exists on the host alone.
#pragma once

#ifdef __CUDACC__
#define ALLY_FAST_HOST_DEVICE __host__ __device__
#else
#define ALLY_FAST_HOST_DEVICE
#endif
