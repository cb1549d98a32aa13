// SPDX-License-Identifier: Apache-2.0

// One convolution by two algorithms: direct, and by Winograd's products, 16 for 36. In integers both give the same
// bits, and the times, which go to standard error, are all that differs; which is less depends on the machine. Inputs
// keep 13 magnitude bits and filters 12, as DFP16 tensors with head-room do.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "intaglio/conv/forward.hpp"
#include "intaglio/gemm/presets.hpp"
#include "intaglio/numeric/random.hpp"

using namespace intaglio;

std::vector<std::int16_t> mantissas(dim_t count, int most, std::uint64_t stream) {
    std::vector<std::int16_t> values(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) // the sum of two, for a middle that is likelier than the ends
        values[i] = static_cast<std::int16_t>(
            static_cast<int>(random_below(static_cast<std::uint32_t>(most), 3, stream, i)) +
            static_cast<int>(random_below(static_cast<std::uint32_t>(most), 3, stream + 1, i)) - most);
    return values;
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
    const auto run = [&](algorithm how, const char* name) {
        rhs_view<dfp16_training> filters;
        filters.values = filter_matrix(g, w);
        const auto packed =
            pack_filter<dfp16_training>(g, filters, rhs_storage::fast, {}, {}, {.how = how, .largest = 8191});
        std::vector<std::int64_t> y(static_cast<std::size_t>(g.out_pixels() * g.out_channels));
        double least = 1e30;
        for (int turn = 0; turn < 5; ++turn) {
            const auto start = std::chrono::steady_clock::now();
            conv_forward<dfp16_training>(g, x, 1.0, packed, matrix_view(y.data(), g.out_pixels(), g.out_channels));
            const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
            least = took.count() < least ? took.count() : least;
        }
        std::fprintf(stderr, "%-9s %7.2f ms, %.0f MiB of filters\n", name, 1e3 * least,
                     static_cast<double>(packed.bytes()) / (1 << 20));
        return y;
    };
    const auto direct = run(algorithm::direct, "direct"), winograd = run(algorithm::winograd, "winograd");
    std::printf("%td x %td x %td outputs, %s\n", g.out_height(), g.out_width(), g.out_channels,
                direct == winograd ? "the same bits" : "DIFFERENT");
    return direct == winograd ? 0 : 1;
}

// Prints:
//   28 x 28 x 128 outputs, the same bits
