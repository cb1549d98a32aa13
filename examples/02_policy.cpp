// SPDX-License-Identifier: Apache-2.0

// A policy of one's own: inherit from a preset and change what differs. The bounds follow from the formats, and so do
// the refusals.

#include <cstdint>
#include <cstdio>

#include "intaglio/gemm/gemm.hpp"

/// 8-8 with weights of 4 bits, -7 .. 7. A longer chain than fits does not compile: `using chain =
/// intaglio::fixed_chain<2'000'000>;` is answered with "gemm policy: the chain can overflow the accumulator; shorten
/// it, narrow an element format or widen the accumulator".
struct nibbles : intaglio::int8_inference {
    using rhs = intaglio::operand<intaglio::fixed<4>, intaglio::per_row>;
};

int main() {
    using namespace intaglio;
    std::printf("products that fit int32: 8-8 %td, nibbles %td\n", max_safe_chain<int8_inference>(),
                max_safe_chain<nibbles>());

    const std::uint8_t lhs[] = {255, 1, 2, 3};
    std::int8_t rhs[] = {7, -7, 1, 0};
    const float scales[] = {1.0F};
    std::int32_t total = 0;
    const rhs_view<nibbles> weights{matrix_view<const std::int8_t>(rhs, 4, 1), 1.0, scales};
    gemm<nibbles>({matrix_view(lhs, 1, 4)}, weights, matrix_view(&total, 1, 1)); // an integral output is the exact sum
    std::printf("total %d\n", total);

    rhs[2] = 8;
    try {
        gemm<nibbles>({matrix_view(lhs, 1, 4)}, weights, matrix_view(&total, 1, 1));
    } catch (const value_error& e) {
        std::printf("%s\n", e.what());
    }
    return total == 255 * 7 - 7 + 2 ? 0 : 1;
}

// Prints:
//   products that fit int32: 8-8 66311, nibbles 1203072
//   total 1780
//   gemm: rhs holds 8 at (2, 0), outside its format's range -7 .. 7; quantize it again or use a wider format
