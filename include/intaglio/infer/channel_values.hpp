// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a product has for each output channel, in the form in which it is stored, so that a file holds exactly what
// runs: steps of weights on a geometric grid, one byte each, and biases as 16-bit multiples of one number. The grid
// costs nothing, since codes are chosen for the step that there is; a bias is off by at most 2^-16 of the largest one.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

/// step(o) = largest * 2^(-fall(o) / 16): from the largest down to its 2^16th part.
struct channel_steps {
    float largest = 1;
    std::vector<std::uint8_t> falls;

    std::size_t size() const { return falls.size(); }
    float operator[](std::size_t o) const {
        constexpr double parts[16] = {1,
                                      0.9576032806985737,
                                      0.91700404320467122,
                                      0.87812608018664973,
                                      0.8408964152537145,
                                      0.80524516597462714,
                                      0.77110541270397037,
                                      0.73841307296974967,
                                      0.70710678118654757,
                                      0.67712777346844633,
                                      0.64841977732550482,
                                      0.620928906036742,
                                      0.59460355750136051,
                                      0.56939431737834578,
                                      0.54525386633262884,
                                      0.52213689121370688};
        return static_cast<float>(std::ldexp(static_cast<double>(largest) * parts[falls[o] % 16], -(falls[o] / 16)));
    }
    std::vector<float> values(int divisor = 1) const {
        std::vector<float> list;
        for (std::size_t o = 0; o < size(); ++o) list.push_back((*this)[o] / static_cast<float>(divisor));
        return list;
    }
    friend bool operator==(const channel_steps&, const channel_steps&) = default;
};

/// The grid's nearest steps that are not less than `wanted`, which are positive: nothing that fitted is clipped.
inline channel_steps steps_at_least(std::span<const double> wanted) {
    const float_environment scope;
    channel_steps steps;
    double most = 0x1p-100;
    for (const double w : wanted) most = std::max(most, w);
    steps.largest = static_cast<float>(most);
    if (static_cast<double>(steps.largest) < most) steps.largest = std::nextafter(steps.largest, 2 * steps.largest);
    for (const double w : wanted) {
        const double fall = 16 * std::log2(most / std::max(w, 0x1p-140));
        steps.falls.push_back(static_cast<std::uint8_t>(std::clamp(std::floor(fall), 0.0, 255.0)));
    }
    return steps;
}

/// value(o) = step * code(o).
struct channel_biases {
    float step = 0;
    std::vector<std::int16_t> codes;

    std::size_t size() const { return codes.size(); }
    std::vector<float> values() const {
        std::vector<float> list;
        for (const std::int16_t c : codes) list.push_back(static_cast<float>(c) * step);
        return list;
    }
    friend bool operator==(const channel_biases&, const channel_biases&) = default;
};

/// The nearest values; `wanted` are finite.
inline channel_biases nearest_biases(std::span<const double> wanted) {
    const float_environment scope;
    double most = 0;
    for (const double w : wanted) most = std::max(most, std::fabs(w));
    channel_biases biases{static_cast<float>(most / 32767), {}};
    for (const double w : wanted) {
        const double code = biases.step > 0 ? std::nearbyint(w / static_cast<double>(biases.step)) : 0;
        biases.codes.push_back(static_cast<std::int16_t>(std::clamp(code, -32767.0, 32767.0)));
    }
    return biases;
}

} // namespace intaglio::inline INTAGLIO_ABI::infer
