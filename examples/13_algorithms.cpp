// SPDX-License-Identifier: Apache-2.0

// A convolution and its weight gradient by two algorithms: direct, and by Winograd's products, 16 for 36. In integers
// both give the same bits, and the times, which go to standard error, are all that differs; which is less depends on
// the machine. Inputs and gradients keep 13 magnitude bits and filters 12, as DFP16 tensors with head-room do.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "intaglio/conv/forward.hpp"
#include "intaglio/conv/weight_gradient.hpp"
#include "intaglio/gemm/presets.hpp"
#include "intaglio/numeric/random.hpp"

using namespace intaglio;

std::vector<std::int16_t> mantissas(dim_t count, int most, std::uint64_t stream) {
    std::vector<std::int16_t> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) { // mostly far below the largest, as in networks
        const double v = random_normal(3, stream, i) / 5;
        values[i] = static_cast<std::int16_t>(std::clamp(v, -1.0, 1.0) * most);
    }
    return values;
}

/// The least of five times in milliseconds.
template <class Run>
double time_of(const Run& run) {
    double least = 1e30;
    for (int turn = 0; turn < 5; ++turn) {
        const auto start = std::chrono::steady_clock::now();
        run();
        const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
        least = took.count() < least ? took.count() : least;
    }
    return least;
}

int main() {
    const conv_geometry g{.batch = 4,
                          .height = 28,
                          .width = 28,
                          .in_channels = 128,
                          .out_channels = 128,
                          .kernel_h = 3,
                          .kernel_w = 3,
                          .pad_h = 1,
                          .pad_w = 1};
    const auto x = mantissas(g.in_pixels() * g.in_channels, 8191, 0);
    const auto w = mantissas(g.out_channels * g.filter_size(), 3640, 2);
    const auto d_y = mantissas(g.out_pixels() * g.out_channels, 8191, 4);
    rhs_view<dfp16_training> filters;
    filters.values = filter_matrix(g, w);
    std::vector<std::int64_t> y[2], d_w[2];
    for (const algorithm how : {algorithm::direct, algorithm::winograd}) {
        const bool direct = how == algorithm::direct;
        const conv_form form{.how = how, .largest = 8191};
        auto& out = y[direct ? 0 : 1];
        out.resize(static_cast<std::size_t>(g.out_pixels() * g.out_channels));
        const auto packed = pack_filter<dfp16_training>(g, filters, rhs_storage::fast, {}, {}, form);
        const double forward = time_of([&] {
            conv_forward<dfp16_training>(g, x, 1.0, packed, matrix_view(out.data(), g.out_pixels(), g.out_channels));
        });
        auto& gradient = d_w[direct ? 0 : 1];
        gradient.resize(w.size());
        const double backward = time_of([&] {
            conv_weight_gradient<dfp16_training>(
                g, x, 1.0, d_y, 1.0, matrix_view(gradient.data(), g.out_channels, g.filter_size()), {}, nullptr, form);
        });
        std::fprintf(stderr, "%-9s forward %7.2f ms, %.0f MiB of filters; weight gradient %7.2f ms\n",
                     direct ? "direct" : "winograd", forward, static_cast<double>(packed.bytes()) / (1 << 20),
                     backward);
    }
    const bool same = y[0] == y[1] && d_w[0] == d_w[1];
    std::printf("%td x %td x %td outputs, %td x %td weights, %s\n", g.out_height(), g.out_width(), g.out_channels,
                g.out_channels, g.filter_size(), same ? "the same bits" : "DIFFERENT");
    return same ? 0 : 1;
}

// Prints:
//   28 x 28 x 128 outputs, 128 x 1152 weights, the same bits
