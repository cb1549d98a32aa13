// SPDX-License-Identifier: Apache-2.0
#pragma once

// A patch: the lines of an image that the windows of one block look at, copied once with their padding, in the kernel's digits. Windows
// overlap, so a patch is smaller than their rows laid out one by one (nine times for a 3 x 3 kernel), and so is the copying. The kernel reads windows from it in place:
// those of one output line are evenly spaced, and within a window each row of taps is one contiguous segment.
//
//   lines of the patch, span = 6 pixels      | 0 | a | b | c | d | 0 |        window of output 0, 3 x 3 taps:  0 a b   segment 0
//   (padding 1, four pixels wide)            | 0 | e | f | g | h | 0 |                                         0 e f   segment 1
//                                            | 0 | i | j | k | l | 0 |                                         0 i j   segment 2
//
// Tiles of rows that cross from one output line to the next are packed row by row instead (pack.hpp).

#include <vector>

#include "intaglio/core/buffer.hpp"
#include "intaglio/gemm/pack.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

template <class Digit>
class patch {
public:
    std::vector<index> starts;   ///< of each output line of the block: where its first window's first line begins
    std::vector<index> segments; ///< from there, where each segment begins
    index segment_length = 0;

    void clear() {
        starts.clear();
        segments.clear();
    }
    /// Output lines from line0 on, of `outputs` windows each, which lie `window_stride` elements apart.
    void begin(index outputs, index line0, index window_stride) {
        outputs_ = outputs;
        line0_ = line0;
        window_stride_ = window_stride;
    }
    void reserve(index size, int planes) {
        plane_stride_ = size;
        if (data_.size() < size * planes) data_ = buffer<Digit>(size * planes, uninitialized);
    }
    Digit* plane(int p) { return data_.data() + p * plane_stride_; }

    /// Whether rows [i, i + count) are windows of one output line of the patch.
    bool in_line(index i, index count) const { return !starts.empty() && i % outputs_ + count <= outputs_; }

    /// The panel whose first row is window i.
    template <class Traits>
    lhs_panel<Digit> panel(index i) const {
        const index start = starts[static_cast<std::size_t>(i / outputs_ - line0_)] + i % outputs_ * window_stride_;
        return {data_.data() + start, window_stride_, Traits::k, 1, plane_stride_, 0, segments.data(), segment_length};
    }

private:
    buffer<Digit> data_;
    index outputs_ = 1, line0_ = 0, window_stride_ = 0, plane_stride_ = 0;
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
