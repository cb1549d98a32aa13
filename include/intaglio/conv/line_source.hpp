// SPDX-License-Identifier: Apache-2.0
#pragma once

// The lhs of a weight gradient, for kernels of more than one tap: one of its two images, shifted by taps. Rows are (tap
// row, tap column, channel), the reduction is positions of the window; a row is then the image of one channel, shifted
// by its tap. So the image is transposed once, channels first, with its padding in place and one line after the other,
// as long as a line of the reduction: every row is one contiguous run an image, and rows of one tap are evenly spaced.
//
//   width 4, padding 1, three taps       | 0 a b c d | 0 e f g h | 0 i j ..   the zero before a line also
//                                                                             stands behind the line before
//     tap 0 reads from here                ^
//     tap 1                                  ^
//     tap 2                                    ^
//
// Between two lines the window stands on `gap` positions that are none: the product's rhs has rows of zeros there.
// Columns of a strided window lie by their phase, each phase an image of its own:
//
//   width 6, padding 1, stride 2, three taps      x:      -1  0  1  2  3  4  5  6
//   columns by (x + 1) mod 2                      phase 0: -1  1  3  5     phase 1:  0  2  4  6
//   outputs 0, 1, 2 of tap 0 read phase 0 from 0, of tap 1 phase 1 from 0, of tap 2 phase 0 from 1
//
// An image of two planes (planar_bytes) becomes two such images, one behind the other.

#include <algorithm>
#include <atomic>
#include <type_traits>
#include <vector>

#include "intaglio/conv/sources.hpp"
#include "intaglio/conv/window_squares.hpp"
#include "intaglio/core/buffer.hpp"
#include "intaglio/numeric/exponent.hpp"
#include "intaglio/simd/transpose.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// How the positions of one axis are stored: position origin + phase + j * stride is element j of its phase.
struct line_axis {
    window_axis window;                     ///< taps ascend
    dim_t phases = 1, origin = 0, size = 0; ///< size: elements of a phase; also the length of a line of the reduction

    explicit line_axis(const window_axis& w) : window(w) {
        const dim_t reach = (w.taps - 1) * w.step;
        if (w.stride == 1) { // the zeros behind a line are those before the next
            const dim_t before = std::max<dim_t>(0, -w.first),
                        behind = std::max<dim_t>(0, w.first + w.outputs + reach - w.inputs);
            origin = -before;
            size = std::max(w.inputs + std::max(before, behind), w.outputs);
        } else {
            phases = std::min(w.stride, reach + 1);
            origin = w.first;
            size = w.outputs + reach / w.stride;
        }
    }
    dim_t phase(dim_t tap) const { return tap * window.step % window.stride; }
    /// The element of its phase that output 0 reads.
    dim_t start(dim_t tap) const { return window.first - origin + tap * window.step / window.stride; }
};

template <class T>
class line_source {
public:
    using element = T;
    static constexpr bool has_column_runs = false;
    static constexpr bool has_windows = true;

    /// `step` is the atom's k: the reduction of an image is a multiple of it. `planes`: those that the image is stored
    /// in.
    line_source(const image_view<T>& image, const window_axis& y, const window_axis& x, dim_t step, int planes,
                executor_ref exec)
        : image_(image), y_(y), x_(x), step_(step), segment_(round_up(y_.window.outputs * x_.size, step)),
          image_stride_(y_.phases * x_.phases * y_.size * x_.size) {
        const dim_t stored = image.batch * image_stride_; // and zeros as far as the last row reads
        channel_stride_ =
            padded_row<T>(stored + (std::max<dim_t>(0, -y_.origin) + 1) * x_.size + x_.start(x.taps - 1) + step);
        data_ = buffer<T>(planes * plane_stride(), uninitialized);
        // neighbours share cache lines
        const dim_t all = planes * lines(), together = std::max<dim_t>(1, all / (2 * exec.concurrency()));
        std::atomic<bool> finite{true};
        exec.for_each(ceil_div(all, together), [&](dim_t task, int) {
            for (dim_t l = task * together; l < std::min(all, (task + 1) * together); ++l)
                if (!transpose_line(l / lines(), l % lines())) finite = false;
        });
        finite_ = finite;
        for (dim_t c = 0; c < planes * image.count; ++c)
            std::fill(data_.data() + c * channel_stride_ + stored, data_.data() + (c + 1) * channel_stride_, T{0});
        for (dim_t b = 0; b < image.batch; ++b) segments_.push_back(b * image_stride_);
    }

    /// Whether all elements are finite; true of integers.
    bool finite() const { return finite_; }
    dim_t rows() const { return y_.window.taps * x_.window.taps * image_.count; }
    dim_t depth() const { return image_.batch * segment_; }
    dim_t plane_stride() const { return image_.count * channel_stride_; }
    static constexpr bool along_rows() { return true; }

    /// The rows of rhs that belong to the reduction, of pixels that lie `stride` elements apart: -1 where the window is
    /// between two lines.
    std::vector<dim_t> rhs_offsets(dim_t stride) const {
        std::vector<dim_t> offsets;
        offsets.reserve(static_cast<std::size_t>(depth()));
        for (dim_t line = 0; line < image_.batch * y_.window.outputs; ++line) {
            for (dim_t column = 0; column < x_.size; ++column)
                offsets.push_back(column < x_.window.outputs ? (line * x_.window.outputs + column) * stride : -1);
            if ((line + 1) % y_.window.outputs == 0)
                offsets.resize(static_cast<std::size_t>((line + 1) / y_.window.outputs * segment_), -1);
        }
        return offsets;
    }

    template <class F>
    void for_each_run(dim_t i, dim_t k0, dim_t k1, F&& f) const {
        for_each_piece(k0, k1, [&](dim_t from, dim_t length) { f(data_.data() + place(i) + from, length, dim_t{1}); });
    }
    row_span<T> in_place(dim_t, dim_t) const { return {}; }

    /// Rows of one tap are evenly spaced.
    template <class Traits>
    dim_t rows_in_line() const {
        return Traits::stores_lhs_digits ? image_.count : 0;
    }

    /// The whole image is the patch, and `copy_patch` has nothing to copy.
    template <class Traits>
    void copy_patch(dim_t, dim_t, patch<typename Traits::lhs_digit>& out) const {
        out.clear();
        if constexpr (Traits::stores_lhs_digits) {
            out.begin(0, image_.count, channel_stride_);
            for (dim_t tap = 0; tap < rows() / image_.count; ++tap) {
                out.starts.push_back(place(tap * image_.count));
                const auto [first, end] = y_.window.outputs_inside(tap / x_.window.taps);
                out.live.push_back({segment_, first * x_.size / step_ * step_, round_up(end * x_.size, step_)});
            }
            out.segments = segments_;
            out.segment_length = segment_;
            out.refer(data_.data(), plane_stride());
        }
    }

    template <class Traits>
    const norm_table& block_norms(const patch<typename Traits::lhs_digit>&) const {
        return norms_;
    }
    /// Measures what block_norms returns: a bound for all rows.
    template <class Atom>
    void measure(executor_ref exec) {
        const window_squares<Atom> windows(data_.data(), image_.count, channel_stride_, exec);
        std::vector<dim_t> taps;
        for (dim_t tap = 0; tap < y_.window.taps * x_.window.taps; ++tap) taps.push_back(place(tap * image_.count));
        std::sort(taps.begin(), taps.end());
        struct neighbours { // taps whose rows begin side by side, and look at the same windows for the most part
            dim_t first, last;
        };
        std::vector<neighbours> shifts;
        for (const dim_t tap : taps)
            if (!shifts.empty() && tap <= shifts.back().last + 1)
                shifts.back().last = tap;
            else
                shifts.push_back({tap, tap});
        norms_ = norm_table(depth());
        exec.for_each(ceil_div(depth(), longest_piece), [&](dim_t strip, int) {
            std::vector<std::int64_t> sums(shifts.size());
            for (int level = 0; level < norm_levels; ++level) {
                const dim_t length = norm_step << level, first = strip * (longest_piece / length);
                for (dim_t piece = first; piece < std::min(norms_.pieces(level), first + longest_piece / length);
                     ++piece) {
                    std::fill(sums.begin(), sums.end(), 0);
                    for_each_piece(piece * length, std::min(depth(), (piece + 1) * length), [&](dim_t at, dim_t count) {
                        const std::int32_t* const largest = windows.largest(count);
                        for (std::size_t s = 0; s < sums.size(); ++s) {
                            const dim_t begin = (shifts[s].first + at) / square_piece,
                                        end = (shifts[s].last + at) / square_piece;
                            std::int32_t most = largest[begin];
                            for (dim_t w = begin + 1; w <= end; ++w) most = std::max(most, largest[w]);
                            sums[s] += most;
                        }
                    });
                    norms_.at(level, piece) =
                        norm_bound(static_cast<float>(*std::max_element(sums.begin(), sums.end())), length);
                }
            }
        });
    }

    template <class Format>
    void require_range(const char* name) const {
        image_.template require_range<Format>(name);
    }

private:
    /// Calls f(place, length) for elements [k0, k1) of the reduction, image by image.
    template <class F>
    void for_each_piece(dim_t k0, dim_t k1, F&& f) const {
        for (dim_t k = k0; k < k1;) {
            const auto [image, inside] = divide(k, segment_);
            const dim_t length = std::min(segment_ - inside, k1 - k);
            f(image * image_stride_ + inside, length);
            k += length;
        }
    }

    /// Where row i begins: its channel, moved to its tap.
    dim_t place(dim_t i) const {
        const auto [tap, c] = divide(i, image_.count);
        const auto [row, column] = divide(tap, x_.window.taps);
        const dim_t phase = y_.phase(row) * x_.phases + x_.phase(column);
        return c * channel_stride_ + (phase * y_.size + y_.start(row)) * x_.size + x_.start(column);
    }

    /// A line of storage: columns [from, to) are pixels of the image, the one of column `from` is `first` and they lie
    /// `stride` elements apart. Others are zeros.
    struct stored_line {
        const T* first = nullptr;
        dim_t stride = 0, from = 0, to = 0;
    };
    dim_t lines() const { return image_.batch * y_.phases * x_.phases * y_.size; }
    /// Line l of storage: of one image, phase and row.
    stored_line line(dim_t l) const {
        const auto [image_and_phase, row] = divide(l, y_.size);
        const auto [b, phase] = divide(image_and_phase, y_.phases * x_.phases);
        // x of column 0
        const dim_t stride = x_.window.stride, y = y_.origin + phase / x_.phases + row * y_.window.stride,
                    x = x_.origin + phase % x_.phases;
        if (!y_.window.inside(y)) return {};
        const dim_t from = std::min(x_.size, x < 0 ? ceil_div(-x, stride) : 0),
                    to = std::clamp(x_.window.inputs > x ? ceil_div(x_.window.inputs - x, stride) : 0, from, x_.size);
        return {to > from ? image_.pixel(b, y, x + from * stride) : nullptr, stride * image_.channels, from, to};
    }
    /// False where an element is not finite.
    bool transpose_line(dim_t plane, dim_t l) {
        const auto [first, stride, from, to] = line(l);
        T* out = data_.data() + plane * plane_stride() + l * x_.size;
        if (to > from)
            simd::transpose(first + plane * image_.plane_stride(), stride, to - from, image_.count, out + from,
                            channel_stride_);
        for (dim_t c = 0; c < image_.count; ++c) {
            std::fill_n(out + c * channel_stride_, from, T{0});
            std::fill(out + c * channel_stride_ + to, out + c * channel_stride_ + x_.size, T{0});
        }
        bool finite = true;
        if constexpr (std::is_same_v<T, float>) {
            const bool dense = stride == image_.count;
            for (dim_t at = from; at < to; at += dense ? to - from : 1)
                finite &= all_finite(first + (at - from) * stride, dense ? (to - from) * stride : image_.count);
        }
        return finite;
    }

    image_view<T> image_;
    line_axis y_, x_;
    dim_t step_;
    dim_t segment_; ///< the reduction of an image, in whole steps
    dim_t image_stride_, channel_stride_ = 0;
    bool finite_ = true;
    buffer<T> data_;
    std::vector<dim_t> segments_;
    norm_table norms_;
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
