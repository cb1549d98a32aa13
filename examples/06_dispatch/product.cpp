// SPDX-License-Identifier: Apache-2.0

// Compiled once for each instruction set, from the same text: the compiler's flags decide which kernels the library
// takes. The namespace, which is called after the instruction set, keeps the copies apart.

#include "product.hpp"

#include "intaglio/gemm/gemm.hpp"

namespace products::INTAGLIO_ARCH {

namespace {

/// 8-bit products as they are: one scale, and it is one.
struct exact_bytes : intaglio::int8_inference {
    using rhs = intaglio::operand<intaglio::fixed<8>, intaglio::per_tensor>;
};

bool multiply(const std::uint8_t* lhs, const std::int8_t* rhs, std::int32_t* out, std::ptrdiff_t m, std::ptrdiff_t n,
              std::ptrdiff_t k) noexcept {
    using namespace intaglio;
    using policy = exact_bytes;
    try {
        gemm<policy>(lhs_view<policy>{{lhs, m, k}}, rhs_view<policy>{{rhs, k, n}},
                     matrix_view<policy::total>(out, m, n));
        return true;
    } catch (const error&) { // an exception's type differs per instruction set, so it ends here
        return false;
    }
}

} // namespace

extern const product_table table;
const product_table table{multiply};

} // namespace products::INTAGLIO_ARCH
