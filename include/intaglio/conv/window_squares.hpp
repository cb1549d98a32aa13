// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sums of squares for the norms of proven chains (gemm/norms.hpp) of rows that are the same lines at many shifts, as
// line_source.hpp reads them: a piece of the reduction then begins at another place of a line for each tap. So not
// pieces are measured but windows: of every line the sum over each window that begins at a multiple of 8 elements and
// is 8 longer than a piece, which covers the piece wherever in those 8 it begins. The largest of all lines counts.
//
//   element               0       8       16      24
//   piece of 16, shifted     |---------------|
//   its window            |-----------------------|
//
// Every element is squared once, whatever the number of taps.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "intaglio/core/parallel.hpp"
#include "intaglio/gemm/measure.hpp"
#include "intaglio/simd/vector.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

template <class Atom>
class window_squares {
public:
    /// Of `count` lines, `length` elements each, a multiple of square_group, and as far apart.
    window_squares(const std::int16_t* data, dim_t count, dim_t length, executor_ref exec)
        : blocks_(length / square_piece), largest_(static_cast<std::size_t>(norm_levels * blocks_)) {
        exec.for_each(count > 0 ? ceil_div(blocks_, strip) : 0,
                      [&](dim_t s, int) { measure(data, count, length, s * strip); });
    }

    /// A bound of the sum of (v >> 4)^2 over elements [first, first + length) of any line, for length <= longest_piece:
    /// element first / square_piece of this.
    const std::int32_t* largest(dim_t length) const {
        dim_t level = 0;
        while (norm_step << level < length) ++level;
        return largest_.data() + level * blocks_;
    }

private:
    static constexpr dim_t strip = 64; ///< blocks of square_piece elements that are measured together, in L1
    static constexpr dim_t reach = longest_piece / square_piece;       ///< blocks behind a window's first
    static constexpr int lanes = std::max(4, simd::widest_vector / 4); ///< lines that are measured together
    using sums = simd::vector<std::int32_t, lanes>;
    using modular = simd::vector<std::uint32_t, lanes>; ///< modulo 2^32, which differences of less are not
    static_assert((longest_piece + square_piece) * 2048 * 2048 <= 2147483647, "the sum of a window fits int32");

    void measure(const std::int16_t* data, dim_t count, dim_t length, dim_t first) {
        const dim_t windows = std::min(strip, blocks_ - first), squared = std::min(strip + reach, blocks_ - first);
        alignas(64) sums squares[strip + reach] = {}, most[norm_levels][strip];
        alignas(64) modular before[strip + reach + 1]; // the sums of all blocks before
        for (dim_t line = 0; line < count; line += lanes) {
            for (dim_t l = 0; l < lanes; l += 4) { // the last line again where there are no four
                const auto at = [&](dim_t i) {
                    return data + std::min(line + l + i, count - 1) * length + first * square_piece;
                };
                for (dim_t b = 0; b < squared; b += square_group<Atom> / square_piece) {
                    simd::four_lanes of_lines[square_group<Atom> / square_piece];
                    square_rows<Atom>(at(0) + b * square_piece, at(1) + b * square_piece, at(2) + b * square_piece,
                                      at(3) + b * square_piece, of_lines);
                    for (dim_t p = 0; p < square_group<Atom> / square_piece; ++p)
                        std::memcpy(reinterpret_cast<std::int32_t*>(&squares[b + p]) + l, &of_lines[p],
                                    sizeof of_lines[p]);
                }
                if (line + l + 4 >= count) break;
            }
            before[0] = modular{};
            for (dim_t b = 0; b < strip + reach; ++b) before[b + 1] = before[b] + reinterpret_cast<modular>(squares[b]);
            for (int level = 0; level < norm_levels; ++level)
                for (dim_t b = 0; b < strip; ++b) {
                    const sums window =
                        reinterpret_cast<sums>(before[b + 1 + (norm_step << level) / square_piece] - before[b]);
                    most[level][b] = line == 0 || window > most[level][b] ? window : most[level][b];
                }
        }
        for (int level = 0; level < norm_levels; ++level)
            for (dim_t b = 0; b < windows; b += 4) {
                const simd::four_lanes largest =
                    simd::largest_of_each(most[level][b], most[level][b + 1], most[level][b + 2], most[level][b + 3]);
                std::memcpy(&largest_[static_cast<std::size_t>(level * blocks_ + first + b)], &largest,
                            static_cast<std::size_t>(std::min<dim_t>(4, windows - b)) * sizeof(std::int32_t));
            }
    }

    dim_t blocks_;
    std::vector<std::int32_t> largest_; ///< by level and block
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
