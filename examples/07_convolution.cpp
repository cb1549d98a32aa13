// SPDX-License-Identifier: Apache-2.0

// A convolution and its two gradients in 16-bit integers, nothing unrolled in memory. The three passes are one bilinear
// form seen from three sides,
//   sum(d_out * conv(x, w)) = sum(d_x * x) = sum(d_w * w),
// and with exact totals the three numbers are the same integer.

#include <cstdint>
#include <cstdio>
#include <vector>

#include "intaglio/conv/forward.hpp"
#include "intaglio/conv/input_gradient.hpp"
#include "intaglio/conv/weight_gradient.hpp"
#include "intaglio/numeric/random.hpp"

using policy = intaglio::dfp16_training;

std::vector<std::int16_t> mantissas(std::ptrdiff_t count, std::uint64_t stream) {
    std::vector<std::int16_t> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<std::int16_t>(static_cast<int>(intaglio::random_below(2001, 3, stream, i)) - 1000);
    return values;
}

std::int64_t inner_product(const std::vector<std::int64_t>& totals, const std::vector<std::int16_t>& values) {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < totals.size(); ++i) sum += totals[i] * values[i];
    return sum;
}

int main() {
    using namespace intaglio;
    const conv_geometry g{.batch = 2,
                          .height = 9,
                          .width = 7,
                          .in_channels = 8,
                          .out_channels = 6,
                          .kernel_h = 3,
                          .kernel_w = 3,
                          .stride_h = 2,
                          .stride_w = 1,
                          .pad_h = 1,
                          .pad_w = 1,
                          .groups = 2};
    const auto x = mantissas(g.in_pixels() * g.in_channels, 0), w = mantissas(g.out_channels * g.filter_size(), 1);
    const auto d_out = mantissas(g.out_pixels() * g.out_channels, 2);
    std::vector<std::int64_t> out(d_out.size()), d_x(x.size()), d_w(w.size());

    const auto filters = pack_filter<policy>(g, {filter_matrix(g, w)});
    conv_forward<policy>(g, x, 1.0, filters, matrix_view(out.data(), g.out_pixels(), g.out_channels));
    conv_input_gradient<policy>(g, d_out, 1.0, w, 1.0, matrix_view(d_x.data(), g.in_pixels(), g.in_channels));
    conv_weight_gradient<policy>(g, x, 1.0, d_out, 1.0, matrix_view(d_w.data(), g.out_channels, g.filter_size()));

    const auto forward = inner_product(out, d_out), by_input = inner_product(d_x, x),
               by_weights = inner_product(d_w, w);
    std::printf("%td x %td outputs of %td channels\n", g.out_height(), g.out_width(), g.out_channels);
    std::printf("%lld\n%lld\n%lld\n", static_cast<long long>(forward), static_cast<long long>(by_input),
                static_cast<long long>(by_weights));
    return forward == by_input && forward == by_weights ? 0 : 1;
}

// Prints:
//   5 x 7 outputs of 6 channels
//   11401148217
//   11401148217
//   11401148217
