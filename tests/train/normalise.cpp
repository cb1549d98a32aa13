// SPDX-License-Identifier: Apache-2.0
#include "intaglio/train/normalise.hpp"

#include <cmath>
#include <optional>
#include <vector>

#include "intaglio/numeric/random.hpp"
#include "support/catch.hpp"

namespace intaglio::train {
namespace {

/// |sum of d_y| and |sum of d_y x| of the channel that is farthest from the 0 they are, in units of d_y, for a gradient
/// that is 0 at all pixels but one in 997, as behind a maximum.
double farthest(dim_t channels, std::optional<dithered> dither) {
    const dim_t pixels = 20000, size = pixels * channels;
    std::vector<std::int16_t> d(static_cast<std::size_t>(size)), y(d.size()), d_y(d.size());
    for (std::size_t i = 0; i < d.size(); ++i) {
        y[i] = static_cast<std::int16_t>(4096 * (random_uniform(1, 2, i) + random_uniform(1, 3, i)));
        if (i / static_cast<std::size_t>(channels) % 997 == 0)
            d[i] = static_cast<std::int16_t>(8191 * std::pow(random_uniform(1, 4, i), 16.0F));
    }
    const stored<std::int16_t> in{y.data(), size, -12}, from{d.data(), size, -20};
    stored<std::int16_t> to{d_y.data(), size};
    norm_state<std::int16_t> state(channels);
    buffer<std::int64_t> partial;
    batch_statistics(in, state.walk, state.statistics, partial, {});
    const std::vector<float> gamma(static_cast<std::size_t>(channels), 1.0F);
    std::vector<float> d_gamma(gamma.size()), d_beta(gamma.size());
    normalise_sums(from, in, state, 1e-5, d_gamma.data(), d_beta.data(), {});
    normalise_gradient(from, in, state, gamma.data(), d_gamma.data(), d_beta.data(), 1e-5, false,
                       gradient_target<std::int16_t>{.d = &to, .dither = dither}, {.bits = 16, .head_room = 2}, "d_y",
                       {});
    double most = 0;
    for (dim_t c = 0; c < channels; ++c) {
        double sum = 0, product = 0;
        const auto channel = static_cast<std::size_t>(c);
        for (dim_t p = 0; p < pixels; ++p) {
            const auto i = static_cast<std::size_t>(p * channels + c);
            const double x = (y[i] * 0x1p-12 - state.statistics.mean[channel]) /
                             std::sqrt(state.statistics.variance[channel] + 1e-5);
            sum += d_y[i];
            product += d_y[i] * x;
        }
        most = std::max({most, std::abs(sum), std::abs(product)});
    }
    return most;
}

} // namespace

TEST_CASE("a stored gradient keeps the sums that a batch norm makes zero", "[unit]") {
    // The deviation of `pixels` roundings is half a unit each at most; what is rounded to nearest errs to one side.
    const dim_t channels = GENERATE(1, 3, 16, 144);
    REQUIRE(farthest(channels, dithered{1}) < 6 * 0.5 * std::sqrt(20000.0));
    REQUIRE(farthest(channels, dithered{0x1234'5678U}) < 6 * 0.5 * std::sqrt(20000.0));
    REQUIRE(farthest(channels, std::nullopt) > 6 * 0.5 * std::sqrt(20000.0));
}

} // namespace intaglio::train
