// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/pool_window.hpp"

#include "support/catch.hpp"

namespace intaglio::nn {

TEST_CASE("windows of a pool, as PyTorch counts them", "[unit]") {
    static_assert(pool_size(112, 3, 2, 1, false) == 56);
    static_assert(pool_size(112, 3, 2, 0, true) == 56);  // GoogLeNet: 55.5 rounded up
    static_assert(pool_size(112, 3, 2, 0, false) == 55); // AlexNet's rule
    static_assert(pool_size(5, 2, 2, 0, true) == 3);
    static_assert(pool_size(4, 1, 3, 0, true) == 2); // a third window would start beyond the image
    static_assert(pool_size(2, 3, 1, 0, true) == 0); // none fits
    static_assert(pool_size(1, 1, 1, 0, false) == 1);
    REQUIRE(window_at(0, 7, 3, 2, 1) == pool_window{0, 2, 3});
    REQUIRE(window_at(3, 7, 3, 2, 1) == pool_window{5, 7, 3});
    REQUIRE(window_at(3, 8, 3, 2, 0) == pool_window{6, 8, 2}); // ceil_mode: nothing counts beyond the padding
    for (dim_t size = 1; size < 20; ++size)
        for (dim_t kernel = 1; kernel < 6; ++kernel)
            for (dim_t stride = 1; stride < 5; ++stride)
                for (dim_t padding = 0; padding <= kernel / 2; ++padding)
                    for (const bool ceil_mode : {false, true})
                        for (dim_t i = 0; i < pool_size(size, kernel, stride, padding, ceil_mode); ++i) {
                            const pool_window w = window_at(i, size, kernel, stride, padding);
                            CAPTURE(size, kernel, stride, padding, ceil_mode, i);
                            REQUIRE((w.begin >= 0 && w.begin < w.end && w.end <= size));
                            REQUIRE((w.padded >= w.end - w.begin && w.padded <= kernel));
                        }
}

TEST_CASE("adaptive windows cover the axis", "[unit]") {
    REQUIRE(adaptive_window_at(0, 13, 6) == pool_window{0, 3, 3});
    REQUIRE(adaptive_window_at(5, 13, 6) == pool_window{10, 13, 3});
    REQUIRE(adaptive_window_at(0, 7, 1) == pool_window{0, 7, 7});
    REQUIRE(adaptive_window_at(2, 1, 3) == pool_window{0, 1, 1}); // more windows than pixels
    for (dim_t size = 1; size < 16; ++size)
        for (dim_t count = 1; count < 16; ++count) {
            dim_t covered = 0;
            for (dim_t i = 0; i < count; ++i) {
                const pool_window w = adaptive_window_at(i, size, count);
                REQUIRE((w.begin <= covered && w.end > w.begin));
                covered = w.end;
            }
            REQUIRE(covered == size);
        }
}

} // namespace intaglio::nn
