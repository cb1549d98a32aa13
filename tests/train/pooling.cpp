// SPDX-License-Identifier: Apache-2.0
#include "intaglio/train/pooling.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "support/catch.hpp"

namespace intaglio::train {

TEST_CASE("a maximum is NaN if there is one in the window, and sends the last one the gradient", "[unit]") {
    constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
    constexpr dim_t channels = 9; // vector code and its rest
    for (dim_t first = 0; first < 4; ++first)
        for (dim_t second = first; second < 4; ++second) {
            CAPTURE(first, second);
            std::vector<float> in(4 * channels), out(channels), d_out(channels), d_in(in.size());
            for (std::size_t i = 0; i < in.size(); ++i) in[i] = i % 2 == 0 ? infinity : -infinity;
            for (dim_t c = 1; c < channels; c += 2)
                for (const dim_t at : {first, second}) in[static_cast<std::size_t>(at * channels + c)] = nan;
            for (std::size_t c = 0; c < d_out.size(); ++c) d_out[c] = static_cast<float>(c + 1);
            const auto size = [](const std::vector<float>& v) { return static_cast<dim_t>(v.size()); };
            stored<float> x{in.data(), size(in)}, y{out.data(), size(out)}, d_y{d_out.data(), size(d_out)},
                d_x{d_in.data(), size(d_in)};
            const pool_windows w{map_shape({1, 2, 2, channels}), map_shape({1, 1, 1, channels}),
                                 pool_axis::of(2, 2, 2, 0, false), pool_axis::of(2, 2, 2, 0, false)};
            std::vector<std::uint8_t> largest(out.size());
            maximum(x, w, y, largest.data(), {});
            maximum_gradient<float>(d_y, largest.data(), w, {.d = &d_x}, {}, "pool", {});
            for (dim_t c = 0; c < channels; ++c) {
                const auto at = static_cast<std::size_t>(c);
                REQUIRE(std::isnan(out[at]) == (c % 2 == 1));
                float sum = 0;
                for (std::size_t pixel = 0; pixel < 4; ++pixel) sum += d_in[pixel * channels + at];
                REQUIRE(sum == d_out[at]); // to one pixel, whole
                if (c % 2 == 1) REQUIRE(d_in[static_cast<std::size_t>(second * channels) + at] == d_out[at]);
            }
        }
}

/// The averages of `side` x `side` images of one channel whose values are all `value`.
template <class T>
float average_of(dim_t images, dim_t side, T value, executor_ref exec) {
    std::vector<T> in(static_cast<std::size_t>(images * side * side), value), out(static_cast<std::size_t>(images));
    const stored<T> x{in.data(), images * side * side};
    stored<T> y{out.data(), images};
    const pool_windows w{map_shape({images, side, side, 1}), map_shape({images, 1, 1, 1}), pool_axis::adaptive(side, 1),
                         pool_axis::adaptive(side, 1)};
    average(x, w, y, {}, "pool", exec);
    for (const T v : out) REQUIRE(v == out[0]);
    return static_cast<float>(out[0]) * y.unit();
}

TEST_CASE("averages of many pixels are exact", "[unit]") {
    thread_pool pool(3);
    REQUIRE(average_of(1, 4200, 1.0F, {}) == 1.0F); // more than 2^24: a float sum stops there
    REQUIRE(average_of(1, 512, 0.1F, {}) == 0.1F);
    REQUIRE(average_of(2, 512, 0.1F, pool) == 0.1F);
    REQUIRE(average_of<std::int16_t>(1, 512, 32767, {}) == 32767.0F); // more than 2^31
    REQUIRE(average_of<std::int16_t>(3, 7, -5, pool) == -5.0F);
}

} // namespace intaglio::train
