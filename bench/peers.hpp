// SPDX-License-Identifier: Apache-2.0
#pragma once

// The libraries that ours is measured against: OpenBLAS for FP32 products, oneDNN for FP32 and u8 x s8 convolutions.
// Each may be missing from a build; then there is nothing to run and the figures stand beside the peaks alone.
//
// A peer is held to the instruction set of the measurement: OpenBLAS by the variable OPENBLAS_CORETYPE, which it reads
// when it is loaded (environment_for says what to set before a program starts), oneDNN by hold_to_arch. Its threads are
// fixed before the start, too.

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace peers {

/// One piece of work, ready to run as often as one likes: operands in the peer's own fastest layout, which is not
/// timed.
struct work {
    std::string peer; ///< "OpenBLAS", "oneDNN f32", "oneDNN u8s8" (with a note where that saturates)
    std::function<void()> run;
    explicit operator bool() const { return static_cast<bool>(run); }
};

struct conv_size {
    std::ptrdiff_t batch, size, in_channels, out_channels, kernel, stride, pad, out_size;
};
enum class conv_pass { forward, input_gradient, weight_gradient };

/// Variables that a process needs from its start on to measure peers on `arch` with `threads` threads. An empty value
/// means unset.
std::vector<std::pair<std::string, std::string>> environment_for(const std::string& arch, int threads);

/// Call once, before any work is made.
void hold_to_arch(const std::string& arch);

/// What runs here, for the head of a report: "OpenBLAS 0.3.21 (SkylakeX)", "oneDNN 2.6.3 (AVX2)"; "none" where the
/// build has none.
std::string description();

/// c(m, n) = a(m, k) b(k, n) in FP32, row-major, or nothing. The pointers must stay valid.
work gemm(std::ptrdiff_t m, std::ptrdiff_t n, std::ptrdiff_t k, const float* a, const float* b, float* c);
/// A convolution pass in FP32, or nothing: by oneDNN's direct algorithm, which it also chooses itself for the layers of
/// layers.hpp, or by Winograd's, where it has that.
work convolution(const conv_size& size, conv_pass pass, bool winograd = false);
/// A forward convolution of u8 by s8 with FP32 output, or nothing.
work convolution_u8s8(const conv_size& size);

} // namespace peers
