// SPDX-License-Identifier: Apache-2.0
// expect: dfp: mantissas are signed; use fixed<Bits> or planar_bytes

#include "intaglio/quantize/dfp.hpp"

using namespace intaglio;

dfp_tensor<unsigned_fixed<8>> quantize(std::span<const float> values) {
    return quantize_dfp<unsigned_fixed<8>>(values, {static_cast<std::ptrdiff_t>(values.size())});
}
