// SPDX-License-Identifier: Apache-2.0
#pragma once

// Numbers from PyTorch (golden/README.md), in the layouts of this library.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "intaglio/tensor/tensor.hpp"

/// Number i of a seed: splitmix64((seed << 32) + i), of which the top 24 bits, divided by 2^23, minus 1: in [-1, 1).
inline float golden_uniform(std::uint64_t seed, std::uint64_t i) {
    std::uint64_t z = (seed << 32) + i + 0x9E37'79B9'7F4A'7C15U;
    z = (z ^ (z >> 30)) * 0xBF58'476D'1CE4'E5B9U;
    z = (z ^ (z >> 27)) * 0x94D0'49BB'1331'11EBU;
    return static_cast<float>((z ^ (z >> 31)) >> 40) / 8388608.0F - 1.0F;
}

namespace intaglio::golden {

inline tensor<float> formula(std::uint64_t seed, const extents& shape) {
    tensor<float> t(shape);
    for (dim_t i = 0; i < t.size(); ++i) t[i] = golden_uniform(seed, static_cast<std::uint64_t>(i));
    return t;
}

/// An activation, batch x channels (x height x width), with its channels last; of one pixel where it has no size.
inline tensor<float> channels_last(const tensor<float>& t) {
    const extents& s = t.shape();
    const dim_t h = s.rank() == 4 ? s[2] : 1, w = s.rank() == 4 ? s[3] : 1;
    tensor<float> out(extents{s[0], h, w, s[1]});
    for (dim_t b = 0; b < s[0]; ++b)
        for (dim_t c = 0; c < s[1]; ++c)
            for (dim_t p = 0; p < h * w; ++p) out[(b * h * w + p) * s[1] + c] = t[(b * s[1] + c) * h * w + p];
    return out;
}

/// The largest difference as a share of the largest finite number expected; infinite where shapes differ, or a NaN or
/// an infinity is not where it should be.
inline double difference(const tensor<float>& got, const tensor<float>& expected) {
    constexpr double wrong = std::numeric_limits<double>::infinity();
    if (got.shape() != expected.shape()) return wrong;
    double largest = 0, worst = 0;
    for (dim_t i = 0; i < got.size(); ++i) {
        const auto a = static_cast<double>(got[i]), b = static_cast<double>(expected[i]);
        if (!std::isfinite(b)) {
            if (!(a == b || (std::isnan(a) && std::isnan(b)))) return wrong;
            continue;
        }
        if (!std::isfinite(a)) return wrong;
        largest = std::max(largest, std::fabs(b));
        worst = std::max(worst, std::fabs(a - b));
    }
    return worst == 0 ? 0 : worst / largest;
}

} // namespace intaglio::golden
