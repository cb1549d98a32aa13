// SPDX-License-Identifier: Apache-2.0
#pragma once

// A block of lhs as panels for the micro-kernel, whatever the source: read in place where its rows lie evenly spaced,
// from a patch where they are windows of an image, packed otherwise.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "intaglio/core/buffer.hpp"
#include "intaglio/gemm/measure.hpp"
#include "intaglio/gemm/pack_lhs.hpp"
#include "intaglio/gemm/panel_chains.hpp"
#include "intaglio/gemm/patch.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// Memory of one worker, made once a call.
template <class Traits>
struct worker_scratch {
    // out of line: every product of a policy makes and frees the same
    [[gnu::noinline]] worker_scratch() {}
    [[gnu::noinline]] ~worker_scratch() {}
    worker_scratch(const worker_scratch&) = delete;
    worker_scratch& operator=(const worker_scratch&) = delete;

    buffer<typename Traits::lhs_digit> lhs;
    patch<typename Traits::lhs_digit> image; ///< of the block's windows, where the source has such
    buffer<typename Traits::total> totals;
    std::vector<dim_t> tiles; ///< the first row of each tile of the block, and the end, counted from the block's first
    std::vector<lhs_panel<typename Traits::lhs_digit>> panels; ///< of each tile
    buffer<typename Traits::rhs_digit> rhs; ///< a block of one panel, or several, expanded from fewer bits
    std::vector<const typename Traits::rhs_digit*> expanded; ///< where the block of each panel is
    std::vector<std::int32_t> corrections; ///< of narrow codes (simd/expand.hpp), by row and scale block
    norm_table norms;                      ///< of the block, for proven chains
    dim_t norms_first = 0;                 ///< element of the reduction at which they begin
    panel_chains<Traits> chains;           ///< of the block
};

/// How many atoms of rows a tile takes that is not whole: as few as cover it, of the tiles that are compiled.
template <class Traits>
constexpr std::array<int, 5> tile_downs = [] {
    constexpr int down = Traits::tile::down, half = std::max(1, down / 2);
    return std::array{down, down > 12 ? 8 : half, half, (down + 3) / 4, 1};
}();

template <class Traits>
int atoms_for(dim_t rows) {
    int best = Traits::tile::down;
    for (const int down : tile_downs<Traits>)
        if (static_cast<dim_t>(down) * Traits::atom::m >= rows) best = down;
    return best;
}

/// Rows of the next tile where `left` are left of a line of `line`, which lie evenly spaced: as many as fill a tile,
/// or, where lines would be cut badly so, tiles of eight or four. 0 where tiles should pass from line to line instead,
/// and rows that they find there be copied.
template <class Traits>
constexpr dim_t rows_within_line(dim_t line, dim_t left) {
    constexpr auto downs = tile_downs<Traits>;
    if constexpr (Traits::atom::m == 1 && downs[1] == 8 && downs[3] == 4) {
        if (line % 4 != 0 || line == 0) return 0;
        const bool whole = line % Traits::rows % 4 == 0;
        if (!whole && line > 3 * Traits::rows) return 0;
        return whole && left >= Traits::rows ? Traits::rows : left >= 8 ? 8 : std::min<dim_t>(left, 4);
    }
    return 0;
}
/// Rows of a source that tiles don't pass, and that threads rather take whole: 0 where there are none.
template <class Traits, class Source>
dim_t line_of_tiles(const Source& source) {
    if constexpr (Source::has_windows) {
        const dim_t line = source.template rows_in_line<Traits>();
        if (rows_within_line<Traits>(line, line) > 0) return line;
    }
    return 0;
}
/// Cuts rows [i0, i1) into tiles.
template <class Traits, class Source>
void cut_tiles(const Source& source, dim_t i0, dim_t i1, std::vector<dim_t>& tiles) {
    const dim_t line = line_of_tiles<Traits>(source);
    tiles.clear();
    tiles.reserve(static_cast<std::size_t>(ceil_div(i1 - i0, line > 0 ? 4 : dim_t{Traits::rows}) + 1));
    for (dim_t i = i0; i < i1;) {
        tiles.push_back(i - i0);
        const dim_t rows = line > 0 ? rows_within_line<Traits>(line, line - i % line) : Traits::rows;
        i += std::min(rows, i1 - i);
    }
    tiles.push_back(i1 - i0);
}

/// Digits behind an interleaved block that may be read with it (measure_block).
template <class Traits>
constexpr dim_t beyond = Traits::atom::n* Traits::k;

/// Rows [i0, i1) of a block of lhs, elements [k0, k1), interleaved, as panels.
template <class Traits, class Source>
void gather_columns(const Source& source, dim_t i0, dim_t i1, dim_t k0, dim_t k1, worker_scratch<Traits>& scratch) {
    const dim_t rows = round_up(i1 - i0, Traits::rows);
    const dim_t plane = round_up(rows * round_up(k1 - k0, Traits::k), 64);
    if (scratch.lhs.size() < plane * Traits::lhs_planes + beyond<Traits>)
        scratch.lhs = buffer<typename Traits::lhs_digit>(plane * Traits::lhs_planes + beyond<Traits>, uninitialized);
    pack_interleaved<Traits>(source, i0, i1, k0, k1, scratch.lhs.data(), rows, plane);
    for (dim_t i = i0; i < i1; i += Traits::rows)
        scratch.panels.push_back(
            {scratch.lhs.data() + (i - i0) * Traits::k, Traits::k, Traits::k * rows, rows, plane, k0});
}

/// The same by rows: in place where they lie so, else copied.
template <class Traits, class Source>
void gather_rows(const Source& source, dim_t i0, dim_t i1, dim_t k0, dim_t k1, worker_scratch<Traits>& scratch) {
    using digit = typename Traits::lhs_digit;
    constexpr bool readable = Traits::stores_lhs_digits && Traits::block % Traits::k == 0;
    // a last block that begins within a step is read to the end of a step of its own
    const dim_t length = round_up(k1 - k0, Traits::k),
                stride = padded_row<digit>(length + (Traits::block % Traits::k == 0 ? 0 : Traits::k)),
                plane = (i1 - i0 + Traits::rows) * stride;
    for (std::size_t tile = 0; tile + 1 < scratch.tiles.size(); ++tile) {
        const dim_t i = i0 + scratch.tiles[tile], count = i0 + scratch.tiles[tile + 1] - i,
                    tile_rows = atoms_for<Traits>(count) * Traits::atom::m;
        if constexpr (Source::has_windows) {
            if (scratch.image.in_group(i, count) && count == tile_rows) {
                scratch.panels.push_back(scratch.image.template panel<Traits>(i));
                continue;
            }
        }
        if constexpr (readable) {
            if ((k1 - k0) % Traits::k == 0 && count == tile_rows) {
                const row_span<digit> span = source.in_place(i, count);
                // rows a multiple of 2 KiB apart fall into the same sets of L1 and push each other out
                if (span.data && (span.stride * static_cast<dim_t>(sizeof(digit)) % 2048 != 0 || count == 1)) {
                    scratch.panels.push_back({span.data, span.stride, Traits::k, 1, source.plane_stride()});
                    continue;
                }
            }
        }
        if (scratch.lhs.size() < plane * Traits::lhs_planes)
            scratch.lhs = buffer<digit>(plane * Traits::lhs_planes, uninitialized);
        digit* panel = scratch.lhs.data() + (i - i0) * stride;
        const bool from_patch = Source::has_windows && !scratch.image.starts.empty();
        if (from_patch) scratch.image.copy_rows(i, count, k0, k1, panel, stride, Traits::lhs_planes, plane);
        for (dim_t r = from_patch ? count : 0; r < tile_rows; ++r) {
            if (r < count)
                pack_row<Traits>(source, i + r, k0, k1, panel + r * stride, plane);
            else
                for (int p = 0; p < Traits::lhs_planes; ++p)
                    std::fill_n(panel + p * plane + r * stride, length, digit{0});
        }
        scratch.panels.push_back({panel, stride, Traits::k, 1, plane, k0});
    }
}

/// Cuts the rows of a block into tiles and gathers the panel of each.
template <class Traits, class Source>
void gather_block(const Source& source, dim_t i0, dim_t i1, dim_t k0, dim_t k1, worker_scratch<Traits>& scratch) {
    cut_tiles<Traits>(source, i0, i1, scratch.tiles);
    scratch.panels.clear();
    scratch.panels.reserve(scratch.tiles.size());
    // interleaved rows serve chains that start at whole steps; blocks of scales of other lengths are gathered element
    // by element
    constexpr bool interleaves = Traits::block % Traits::k == 0 && has_column_runs<Source>;
    static_assert(interleaves || has_row_runs<Source>, "this policy's blocks can't be read along columns");
    if constexpr (interleaves)
        if (!source.along_rows()) return gather_columns<Traits>(source, i0, i1, k0, k1, scratch);
    if constexpr (has_row_runs<Source>) gather_rows<Traits>(source, i0, i1, k0, k1, scratch);
}

/// What puts right a tile's sums of products with narrow codes: -bias times the sum of lhs over each scale block of
/// [k0, k1), as an int32 or as two int16 where the accumulator has two sums an output. `blocks` is how many the whole
/// reduction has.
template <class Traits>
void correct_narrow(const lhs_panel<typename Traits::lhs_digit>& lhs, dim_t rows, dim_t k0, dim_t k1, dim_t blocks,
                    std::vector<std::int32_t>& out) {
    constexpr std::size_t parts = Traits::partial_sums;
    constexpr int bias = simd::narrow_largest<Traits::narrow_bits>;
    using part = std::conditional_t<parts == 2, std::uint16_t, std::uint32_t>; // modulo their range
    out.resize(static_cast<std::size_t>(rows * blocks));
    for (dim_t i = 0; i < rows; ++i)
        for (dim_t k = k0; k < k1; k += Traits::block) {
            part sums[parts] = {};
            const auto* step = lhs.data + i * lhs.row_stride + (k - lhs.first) * lhs.k_scale;
            for (dim_t left = std::min(Traits::block, k1 - k); left > 0; left -= Traits::k, step += lhs.step_stride)
                for (std::size_t e = 0; e < Traits::k; ++e) {
                    part& sum = sums[e * parts / Traits::k];
                    sum = static_cast<part>(sum - static_cast<part>(bias * step[e]));
                }
            static_assert(sizeof sums == sizeof(std::int32_t));
            std::memcpy(&out[static_cast<std::size_t>(i * blocks + k / Traits::block)], sums, sizeof sums);
        }
}

/// The norms of a gathered block of `rows` rows and `length` elements of the reduction, panel by panel as they lie.
template <class Traits>
norm_table measure_block(const worker_scratch<Traits>& scratch, dim_t rows, dim_t length) {
    using atom = typename Traits::atom;
    square_sums most(length);
    const lhs_panel<typename Traits::lhs_digit>& first = scratch.panels.front();
    // interleaved: all panels are one block of pairs
    if (first.row_stride == Traits::k && first.step_stride != Traits::k) {
        for (dim_t i = 0; i < rows; i += atom::n)
            measure_pairs<atom>(first.data + i * Traits::k, length, first.step_stride, most);
    } else {
        for (const lhs_panel<typename Traits::lhs_digit>& panel : scratch.panels) {
            measure_rows<atom>(panel.data, std::min<dim_t>(Traits::rows, rows), panel.row_stride, length, most);
            rows -= Traits::rows;
        }
    }
    return norms_of(most, length);
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
