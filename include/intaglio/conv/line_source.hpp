// SPDX-License-Identifier: Apache-2.0
#pragma once

// The input of a weight gradient, for kernels of more than one tap. Rows are (tap row, tap column, channel), the reduction is output pixels; a
// row is then the image of one channel, shifted by its tap. So the image is transposed once, channels first, with its padding in place and the columns of
// a strided window side by side: every output line of every row becomes one contiguous run, and rows of one tap are evenly spaced and read in place.
//
//   width 6, padding 1, stride 2, three taps      x:      -1  0  1  2  3  4  5  6
//   columns by (x + 1) mod 2                      phase 0: -1  1  3  5     phase 1:  0  2  4  6
//   outputs 0, 1, 2 of tap 0 read phase 0 from 0, of tap 1 phase 1 from 0, of tap 2 phase 0 from 1
//
// Output lines of odd length are padded to whole steps of the atom: the product's rhs has a row of zeros there.

#include <algorithm>
#include <cmath>
#include <vector>

#include "intaglio/conv/sources.hpp"
#include "intaglio/core/buffer.hpp"
#include "intaglio/simd/transpose.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

template <class T>
class line_source {
public:
    using element = T;
    static constexpr bool has_column_runs = false;
    static constexpr bool has_windows = true;

    /// `step` is the atom's k: lines are padded to a multiple of it.
    line_source(const image_view<T>& image, const window_axis& y, const window_axis& x, index step, executor_ref exec)
        : image_(image), y_(y), x_(x), line_(round_up(x.outputs, step)), phases_y_(phases(y)), phases_x_(phases(x)), lines_(span(y)), columns_(span(x)) {
        image_stride_ = phases_y_ * lines_ * phases_x_ * columns_;
        plane_ = padded_row<T>(image.batch * image_stride_ + step);
        data_ = buffer<T>(image.count * plane_, uninitialized);
        exec.for_each(image.batch * phases_y_ * lines_, [&](index line, int) { transpose_line(line); });
        for (index c = 0; c < image.count; ++c) std::fill(data_.data() + c * plane_ + image.batch * image_stride_, data_.data() + (c + 1) * plane_, T{0});
        for (index line = 0; line < image.batch * y.outputs; ++line) segments_.push_back(line / y.outputs * image_stride_ + line % y.outputs * phases_x_ * columns_);
    }

    index rows() const { return y_.taps * x_.taps * image_.count; }
    index depth() const { return image_.batch * y_.outputs * line_; }
    index line() const { return line_; }
    static constexpr bool along_rows() { return true; }

    template <class F>
    void for_each_run(index i, index k0, index k1, F&& f) const {
        const T* row = data_.data() + place(i);
        for (index k = k0; k < k1;) {
            const index inside = k % line_, length = std::min(line_ - inside, k1 - k);
            f(row + segments_[static_cast<std::size_t>(k / line_)] + inside, length, index{1});
            k += length;
        }
    }
    row_span<T> in_place(index, index) const { return {}; }

    /// The whole image is the patch, and `copy_patch` has nothing to copy: rows of one tap are evenly spaced.
    template <class Traits>
    static constexpr bool readable = std::is_same_v<T, typename Traits::lhs_digit> && Traits::lhs_planes == 1 && Traits::atom::m == 1;
    template <class Traits>
    void copy_patch(index, index, patch<typename Traits::lhs_digit>& out) const {
        out.clear();
        if constexpr (readable<Traits>) {
            out.begin(0, image_.count, plane_);
            for (index tap = 0; tap < rows() / image_.count; ++tap) {
                out.starts.push_back(place(tap * image_.count));
                const auto [first, end] = y_.outputs_inside(tap / x_.taps);
                out.live.push_back({y_.outputs, first, end});
            }
            out.segments = segments_;
            out.segment_length = line_;
            out.refer(data_.data());
        }
    }

    template <class Traits>
    const norm_table& block_norms(const patch<typename Traits::lhs_digit>&) const {
        return norms_;
    }
    /// Measures what block_norms returns, with the atom that multiplies: storage in pieces, the largest of any channel; a short piece of the reduction is
    /// bounded by the storage of its lines, a longer one by all storage from its first element to its last or by its halves, whichever is less; for the worst tap.
    template <class Atom>
    void measure(executor_ref exec) {
        const index columns = image_.batch * image_stride_, strip = 4 * longest_piece;
        norm_table storage(columns);
        exec.for_each(ceil_div(columns, strip), [&](index s, int) {
            const index length = std::min(strip, columns - s * strip);
            square_sums most(length);
            measure_rows<Atom>(data_.data() + s * strip, image_.count, plane_, length, most);
            const norm_table norms = norms_of(most, length);
            for (int level = 0; level < norm_levels; ++level)
                for (index p = 0; p < norms.pieces(level); ++p) storage.at(level, s * (strip / (norm_step << level)) + p) = norms.at(level, p);
        });
        norms_ = norm_table(depth());
        const std::vector<tap_range> ranges = tap_ranges();
        for (int level = 0; level < norm_levels; ++level)
            exec.for_each(norms_.pieces(level), [&](index p, int) {
                const index from = p * (norm_step << level), to = std::min(from + (norm_step << level), depth());
                float most = level > 0 ? bound_of_halves(norms_, level, p) : 0;
                if (level == 0) {
                    for (const tap_range& taps : ranges) most = std::max(most, bound_by_lines(storage, taps, from, to));
                } else if (x_.stride == 1) { // lines of one phase lie side by side
                    float span = 0;
                    for (const tap_range& taps : ranges) span = std::max(span, bound_by_span(storage, taps, from, to));
                    most = std::min(most, span);
                }
                norms_.at(level, p) = most;
            });
    }

    template <class Format>
    void require_range(const char* name) const {
        image_.template require_range<Format>(name);
    }

private:
    static index phases(const window_axis& a) { return std::min(a.stride, (a.taps - 1) * a.step + 1); }
    static index span(const window_axis& a) { return a.outputs + (a.taps - 1) * a.step / a.stride; }

    /// Where row i begins: its channel's plane, moved to its tap.
    index place(index i) const {
        const index c = i % image_.count, tap = i / image_.count, down = tap / x_.taps * y_.step, right = tap % x_.taps * x_.step;
        return c * plane_ + ((down % y_.stride) * lines_ + down / y_.stride) * phases_x_ * columns_ + right % x_.stride * columns_ + right / x_.stride;
    }

    /// Taps that are read together when storage is bounded: those of one row and phase lie a few elements apart.
    struct tap_range {
        index first, last; ///< as place() says, for channel 0
    };
    std::vector<tap_range> tap_ranges() const {
        std::vector<tap_range> ranges;
        for (index row = 0; row < y_.taps; ++row)
            for (index phase = 0; phase < phases_x_; ++phase) {
                tap_range range{-1, -1};
                for (index column = 0; column < x_.taps; ++column) {
                    if (column * x_.step % x_.stride != phase) continue;
                    range.last = place((row * x_.taps + column) * image_.count);
                    if (range.first < 0) range.first = range.last;
                }
                if (range.first >= 0) ranges.push_back(range);
            }
        return ranges;
    }

    /// A bound of elements [from, to) of the reduction for the taps of a range: line by line, or by all storage from the first element to the last.
    float bound_by_lines(const norm_table& storage, const tap_range& taps, index from, index to) const {
        const index columns = image_.batch * image_stride_;
        float squares = 0;
        for (index k = from; k < to;) {
            const index end = std::min((k / line_ + 1) * line_, to), segment = segments_[static_cast<std::size_t>(k / line_)] + k % line_;
            squares += bound_of_range(storage, taps.first + segment, std::min(taps.last + segment + end - k, columns));
            k = end;
        }
        return round_norm_up(squares);
    }
    float bound_by_span(const norm_table& storage, const tap_range& taps, index from, index to) const {
        const auto at = [&](index k) { return segments_[static_cast<std::size_t>(k / line_)] + k % line_; };
        return bound_of_range(storage, taps.first + at(from), std::min(taps.last + at(to - 1) + 1, image_.batch * image_stride_));
    }

    /// One line of one image and phase, for all channels.
    void transpose_line(index line) {
        const index b = line / (phases_y_ * lines_), within = line % (phases_y_ * lines_), phase_y = within / lines_;
        const index y = y_.first + phase_y + within % lines_ * y_.stride;
        for (index phase = 0; phase < phases_x_; ++phase) {
            T* out = data_.data() + b * image_stride_ + (within * phases_x_ + phase) * columns_;
            const index x0 = x_.first + phase; // of column 0; columns [from, to) lie inside the image
            index from = x0 < 0 ? ceil_div(-x0, x_.stride) : 0, to = x_.inputs > x0 ? ceil_div(x_.inputs - x0, x_.stride) : 0;
            if (!y_.inside(y)) from = to = columns_;
            from = std::min(from, columns_);
            to = std::clamp(to, from, columns_);
            if (to > from) simd::transpose(image_.pixel(b, y, x0 + from * x_.stride), x_.stride * image_.channels, to - from, image_.count, out + from, plane_);
            for (index c = 0; c < image_.count; ++c) {
                std::fill_n(out + c * plane_, from, T{0});
                std::fill(out + c * plane_ + to, out + c * plane_ + columns_, T{0});
            }
        }
    }

    image_view<T> image_;
    window_axis y_, x_;
    index line_, phases_y_, phases_x_, lines_, columns_, image_stride_ = 0, plane_ = 0;
    buffer<T> data_;
    std::vector<index> segments_;
    norm_table norms_;
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
