// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one gradient checker, of any scalar that depends on tensors; reference/gradient_check.hpp asks it about networks.
// With random weights r on the outputs, L(x, w) = sum of r * out is a scalar function, whose gradient is computed from
// d_out = r. It is compared with the central difference
//
//   (L(v + step) - L(v - step)) / (2 step)      for inputs and parameters v.
//
// Inputs are a shuffled set of evenly spaced values, none closer to another or to zero than the spacing: where the step
// is smaller than half of that, the kinks of ReLU and max pooling are never crossed and piecewise linear operations
// must agree to rounding.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/numeric/random.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

struct gradient_check_options {
    std::uint64_t seed = 1;
    float step = 1e-3f;
    bool training = true; ///< or the gradients of evaluation mode
    dim_t samples = 200;  ///< entries compared in the input and in each parameter; all, where there are fewer
};

struct gradient_report {
    double worst = 0;  ///< largest |computed - measured| as a share of the largest gradient of the same tensor, or NaN
    std::string where; ///< the tensor and position of it
    dim_t compared = 0;
};

namespace detail {
/// Distinct values in (-1, 1), 2 / n apart and at least 1 / n away from zero, in random order.
inline void spread_values(std::span<float> values, std::uint64_t seed, std::uint64_t stream) {
    const auto n = values.size();
    for (std::size_t i = 0; i < n; ++i)
        values[i] = (2 * static_cast<float>(i) + 1) / static_cast<float>(n) - 1 +
                    (n % 2 == 1 ? 0.5f / static_cast<float>(n) : 0.0f);
    for (std::size_t i = n; i > 1; --i)
        std::swap(values[i - 1], values[random_below(static_cast<std::uint32_t>(i), seed, stream, i)]);
}
} // namespace detail

/// A tensor that the scalar depends on.
struct checked_tensor {
    std::string name;
    std::span<float> values;
    std::vector<float> gradient; ///< as computed
};

/// Compares computed gradients with differences of `scalar()`, a double that depends on the values of the tensors.
template <class Scalar>
gradient_report compare_gradients(Scalar&& scalar, const std::vector<checked_tensor>& tensors,
                                  const gradient_check_options& options) {
    gradient_report report;
    for (const checked_tensor& t : tensors) {
        float largest = 0;
        for (const float g : t.gradient) largest = std::max(largest, std::fabs(g));
        const dim_t n = static_cast<dim_t>(t.values.size()), count = std::min(n, options.samples);
        for (dim_t s = 0; s < count; ++s) {
            const auto at = static_cast<std::size_t>(s * n / count);
            const float kept = t.values[at];
            t.values[at] = kept + options.step;
            const double up = static_cast<double>(t.values[at]), scalar_up = scalar();
            t.values[at] = kept - options.step;
            const double down = static_cast<double>(t.values[at]), scalar_down = scalar();
            t.values[at] = kept;
            const double difference =
                std::fabs((scalar_up - scalar_down) / (up - down) - static_cast<double>(t.gradient[at]));
            const double share = difference / std::max(static_cast<double>(largest), 1e-6);
            ++report.compared;
            const bool broken = report.worst != report.worst; // NaN is the worst, and stays it
            if (!broken && !(share < report.worst)) {
                report.worst = share;
                report.where = join(t.name, " [", at, "]");
            }
        }
    }
    return report;
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
