// SPDX-License-Identifier: Apache-2.0
#pragma once

// A patch: the lines of an image that the windows of one block look at, copied once with their padding, in the kernel's
// digits. Windows overlap, so a patch is smaller than their rows laid out one by one (nine times for a 3 x 3 kernel),
// and so is the copying. The kernel reads windows from it in place: those of one output line are evenly spaced, and
// within a window each row of taps is one contiguous segment.
//
//   lines of the patch, span = 6 pixels   | 0 | a | b | c | d | 0 |   window of output 0, 3 x 3 taps:  0 a b  segment 0
//   (padding 1, four pixels wide)         | 0 | e | f | g | h | 0 |                                    0 e f  segment 1
//                                         | 0 | i | j | k | l | 0 |                                    0 i j  segment 2
//
// Rows come in groups that are evenly spaced (the windows of one output line); of a tile that crosses from one group to
// the next, each row is copied instead, segment by segment. A patch may also refer to memory of its source that is
// already laid out so.

#include <algorithm>
#include <vector>

#include "intaglio/core/buffer.hpp"
#include "intaglio/core/division.hpp"
#include "intaglio/gemm/lhs_panel.hpp"
#include "intaglio/simd/vector.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

template <class Digit>
class patch {
public:
    std::vector<dim_t> starts;   ///< of each group of the block: where its first row begins
    std::vector<dim_t> segments; ///< from there, where each segment begins
    dim_t segment_length = 0;
    std::vector<live_elements> live; ///< of each group

    void clear() {
        starts.clear();
        segments.clear();
        live.clear();
    }
    /// Groups from `first` on, of `rows` rows each, which lie `row_stride` elements apart.
    void begin(dim_t first, dim_t rows, dim_t row_stride) {
        first_ = first;
        rows_ = rows;
        row_stride_ = row_stride;
    }
    /// Memory of its own, one plane of `size` digits after the other.
    void reserve(dim_t size, int planes) {
        plane_stride_ = size;
        if (own_.size() < size * planes) own_ = buffer<Digit>(size * planes, uninitialized);
        data_ = own_.data();
    }
    Digit* plane(int p) { return own_.data() + p * plane_stride_; }
    const Digit* plane(int p) const { return own_.data() + p * plane_stride_; }
    dim_t size() const { return plane_stride_; } ///< of a plane
    /// Memory of the source.
    void refer(const Digit* data, dim_t plane_stride) {
        data_ = data;
        plane_stride_ = plane_stride;
    }

    /// Whether rows [i, i + count) are of one group of the patch.
    bool in_group(dim_t i, dim_t count) const { return !starts.empty() && divide(i, rows_).remainder + count <= rows_; }

    /// The panel whose first row is row i.
    template <class Traits>
    lhs_panel<Digit> panel(dim_t i) const {
        const division row = divide(i, rows_);
        const auto group = static_cast<std::size_t>(row.quotient - first_);
        return {data_ + starts[group] + row.remainder * row_stride_,
                row_stride_,
                Traits::k,
                1,
                plane_stride_,
                0,
                segments.data(),
                segment_length,
                live[group]};
    }

    /// Copies rows [i, i + count), elements [k0, k1), to `out`: rows `stride` apart, one plane after the other,
    /// `plane_stride` apart.
    void copy_rows(dim_t i, dim_t count, dim_t k0, dim_t k1, Digit* out, dim_t stride, int planes,
                   dim_t plane_stride) const {
        if (k0 == k1) return; // segments may be empty
        const division begin = divide(k0, segment_length), row_of = divide(i, rows_);
        const auto first = static_cast<std::size_t>(begin.quotient);
        const dim_t skipped = begin.remainder;
        auto group = static_cast<std::size_t>(row_of.quotient - first_);
        for (dim_t in_group = row_of.remainder; count > 0; --count, out += stride) {
            const Digit* row = data_ + starts[group] + in_group * row_stride_;
            for (int p = 0; p < planes; ++p, row += plane_stride_) {
                Digit* to = out + p * plane_stride;
                dim_t inside = skipped, left = k1 - k0;
                for (std::size_t s = first; left > 0; ++s, inside = 0) {
                    const dim_t length = std::min(segment_length - inside, left);
                    to = simd::copy_short(row + segments[s] + inside, length, to);
                    left -= length;
                }
            }
            if (++in_group == rows_) in_group = 0, ++group;
        }
    }

private:
    buffer<Digit> own_;
    const Digit* data_ = nullptr;
    dim_t first_ = 0, rows_ = 1, row_stride_ = 0, plane_stride_ = 0;
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
