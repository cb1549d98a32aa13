// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/chunks.hpp"

#include <vector>

#include "intaglio/numeric/random.hpp"
#include "support/catch.hpp"

namespace intaglio::nn {

TEST_CASE("sums of columns do not depend on the threads", "[unit]") {
    const auto term = [](dim_t r, dim_t c) {
        return static_cast<double>(random_normal(1, 2, static_cast<std::uint64_t>(r * 1000 + c)));
    };
    thread_pool pool(3);
    for (const dim_t groups : {0, 1, 3})
        for (const dim_t rows : {0, 1, 127, 128, 129, 300})
            for (const dim_t cols : {0, 1, 5}) {
                CAPTURE(groups, rows, cols);
                std::vector<double> serial(static_cast<std::size_t>(groups * cols), 7.0), threaded(serial);
                grouped_column_sums(groups, rows, cols, serial.data(), {}, term);
                grouped_column_sums(groups, rows, cols, threaded.data(), pool, term);
                REQUIRE(serial == threaded);
                for (dim_t g = 0; g < groups; ++g)
                    for (dim_t c = 0; c < cols; ++c) {
                        double sum = 0;
                        for (dim_t r = 0; r < rows; ++r) sum += term(g * rows + r, c);
                        REQUIRE(serial[static_cast<std::size_t>(g * cols + c)] == Approx(sum).margin(1e-12));
                    }
            }
}

TEST_CASE("each element is in one chunk", "[unit]") {
    for (const dim_t n : {0, 1, 4, 5, 9}) {
        std::vector<int> seen(static_cast<std::size_t>(n));
        for_each_chunk(
            n, {},
            [&](dim_t begin, dim_t end) {
                for (dim_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
            },
            4);
        REQUIRE(seen == std::vector<int>(static_cast<std::size_t>(n), 1));
    }
}

} // namespace intaglio::nn
