// SPDX-License-Identifier: Apache-2.0
//
// expect: gemm policy: elements are multiplied in 32 bits, sign included; use a narrower format

#include "intaglio/gemm/policy.hpp"
#include "intaglio/gemm/presets.hpp"

using namespace intaglio;

// A format of one's own, a bit wider than the library's widest.
struct unsigned_word {
    using storage = std::uint32_t;
    static constexpr int bits = 32;
    static constexpr int planes = 1;
    static constexpr std::int64_t max_magnitude = 4294967295;
    static constexpr std::int64_t min_value = 0;
};
struct wide : int32_mantissas {
    using lhs = operand<unsigned_word, per_tensor>;
    using chain = fixed_chain<8>;
};
static_assert(check_policy<wide>::value);
