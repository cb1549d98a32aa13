// SPDX-License-Identifier: Apache-2.0
#pragma once

// First weights. Uniform in +-sqrt(6 / n), n the values in one filter: variance 2 / n, which keeps the variance of ReLU
// networks from layer to layer (He et al., ICCV 2015). Uniform rather than normal because it needs no library function:
// the same seed gives the same bits on every machine. Parameter i of the network draws from stream i of the
// counter-based generator.

#include <cmath>
#include <cstdint>

#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/nn/sequential.hpp"
#include "intaglio/numeric/random.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

/// Draws every weight of rank 4 (convolution and linear layers); all others keep their first values (0, batch norm
/// scales 1).
inline void initialize(sequential& network, std::uint64_t seed) {
    const float_environment scope;
    std::uint64_t stream = 0;
    for (parameter* p : network.parameters()) {
        ++stream;
        const extents& shape = p->value.shape();
        if (shape.rank() != 4) continue;
        const dim_t filter = shape[1] * shape[2] * shape[3];
        const float range = std::sqrt(6.0f / static_cast<float>(filter));
        for (dim_t i = 0; i < p->value.size(); ++i)
            p->value[i] = range * (2 * random_uniform(seed, stream, static_cast<std::uint64_t>(i)) - 1);
    }
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
