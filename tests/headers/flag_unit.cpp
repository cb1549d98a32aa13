// SPDX-License-Identifier: Apache-2.0

// One of several units that check_flags.py compiles with different flags and links into one program. ENTRY is the name
// of the unit's one function, which returns the same number whatever the flags.

#include "intaglio/gemm/gemm.hpp"

#define NAME_OF_(name) #name
#define NAME_OF(name) NAME_OF_(name)

extern "C" int ENTRY(const char** name);

int ENTRY(const char** name) {
    using namespace intaglio;
    *name = NAME_OF(INTAGLIO_ABI);
    const std::uint8_t lhs[] = {10, 20, 30, 40};
    const std::int8_t rhs[] = {1, 2, 3, -1};
    const float scales[] = {1.0F};
    float out[1] = {};
    gemm<int8_inference>({matrix_view(lhs, 1, 4), 1.0},
                         pack_rhs<int8_inference>({matrix_view(rhs, 1, 4).transposed(), 1.0, scales}),
                         matrix_view(out, 1, 1));
    return static_cast<int>(out[0]); // 10 + 40 + 90 - 40
}
