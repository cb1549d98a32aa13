// SPDX-License-Identifier: Apache-2.0
#pragma once

// Damaged copies of a good file, for tests that ask a reader to refuse or to read them, and nothing else. Copy i of a
// seed is always the same.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "intaglio/core/error.hpp"
#include "intaglio/numeric/random.hpp"

namespace intaglio {

/// The file with one to four changes: a byte or a bit, a run that is cut out, doubled or overwritten by another run, an
/// end that is missing, a number that is one of those that overflow. Half of them fall into the first `header` bytes.
inline std::vector<char> mutated(std::span<const char> good, std::size_t header, std::uint64_t seed, std::uint64_t i) {
    std::vector<char> bytes(good.begin(), good.end());
    std::uint64_t draws = 0;
    const auto below = [&](std::size_t bound) -> std::size_t {
        return bound == 0 ? 0 : random_below(static_cast<std::uint32_t>(bound), seed, i, draws++);
    };
    for (std::size_t change = 0, changes = 1 + below(4); change < changes && !bytes.empty(); ++change) {
        const std::size_t reach = below(2) == 0 ? std::min(header, bytes.size()) : bytes.size();
        const std::size_t at = below(reach);
        const std::size_t run = std::min(bytes.size() - at, 1 + below(24));
        const auto place = bytes.begin() + static_cast<std::ptrdiff_t>(at);
        const auto end = place + static_cast<std::ptrdiff_t>(run);
        switch (below(8)) {
        case 0:
            *place = static_cast<char>(below(256));
            break;
        case 1:
            *place = static_cast<char>(*place ^ (1 << below(8)));
            break;
        case 2:
            bytes.erase(place, end);
            break;
        case 3: {
            const std::vector<char> copy(place, end);
            bytes.insert(place, copy.begin(), copy.end());
            break;
        }
        case 4: {
            const auto from = bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size() - run + 1));
            const std::vector<char> copy(from, from + static_cast<std::ptrdiff_t>(run));
            std::copy(copy.begin(), copy.end(), place);
            break;
        }
        case 5:
            bytes.resize(at);
            break;
        case 6:
            *place = "0123456789-+.eE[]{},:\"\\ tfn"[below(27)];
            break;
        default:
            std::fill(place, end, below(2) == 0 ? '\xff' : '\x7f');
        }
    }
    return bytes;
}

/// Gives `read` so many damaged copies. It may do without a fault or throw an `error` of the library; whatever else it
/// throws passes through. How many were read without a fault.
template <class Read>
std::size_t read_mutations(std::span<const char> good, std::size_t header, std::uint64_t count, Read&& read) {
    std::size_t accepted = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::vector<char> bad = mutated(good, header, 1, i);
        try {
            read(std::span<const char>(bad));
            ++accepted;
        } catch (const error&) {
        }
    }
    return accepted;
}

} // namespace intaglio
