// SPDX-License-Identifier: Apache-2.0
#pragma once

// How an image is read as the left-hand side of a product (gemm/source.hpp says what a source is). A convolution has no
// loops of its own: forward and input gradient are products whose rows are pixels and whose reduction runs over taps
// and channels (`tap_source`); the weight gradient is a product whose rows are taps and channels and whose reduction
// runs over pixels: `pixel_source` for a single tap, line_source.hpp for more. Nothing is unrolled in memory; the
// driver copies the runs of one block at a time.

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "intaglio/conv/geometry.hpp"
#include "intaglio/core/division.hpp"
#include "intaglio/gemm/kernel_traits.hpp"
#include "intaglio/gemm/measure.hpp"
#include "intaglio/gemm/pack_lhs.hpp"
#include "intaglio/gemm/patch.hpp"
#include "intaglio/gemm/source.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// One axis of a sliding window: output position y, tap r touch the input position first + y * stride + r * step.
struct window_axis {
    dim_t outputs = 0; ///< positions of the window
    dim_t inputs = 0;  ///< length of the image
    dim_t taps = 1;
    dim_t first = 0;  ///< input position of output 0, tap 0; negative in the padding
    dim_t stride = 1; ///< from output to output
    dim_t step = 1;   ///< from tap to tap; negative where taps run against the image (input gradient)

    dim_t at(dim_t output, dim_t tap) const { return first + output * stride + tap * step; }
    bool inside(dim_t position) const { return position >= 0 && position < inputs; }
    /// Whether its only tap meets all of the image, each position once.
    bool meets_all() const { return taps == 1 && first == 0 && stride == 1 && outputs == inputs; }
    /// Taps [first, end) of an output that lie inside the image, and outputs of which a tap does.
    std::pair<dim_t, dim_t> taps_inside(dim_t output) const {
        return range_inside(taps, [&](dim_t tap) { return at(output, tap); });
    }
    std::pair<dim_t, dim_t> outputs_inside(dim_t tap) const {
        return range_inside(outputs, [&](dim_t output) { return at(output, tap); });
    }

private:
    template <class Position>
    std::pair<dim_t, dim_t> range_inside(dim_t count, Position position) const {
        dim_t begin = 0, end = count;
        while (begin < end && !inside(position(begin))) ++begin;
        while (end > begin && !inside(position(end - 1))) --end;
        return {begin, end};
    }
};

/// An image (batch, height, width, channels), dense, of which `count` channels from `first_channel` on are read. A
/// second plane follows the first.
template <class T>
struct image_view {
    const T* data = nullptr;
    dim_t batch = 0, height = 0, width = 0, channels = 0;
    dim_t first_channel = 0, count = 0;

    dim_t plane_stride() const { return batch * height * width * channels; }
    const T* pixel(dim_t b, dim_t y, dim_t x) const {
        return data + ((b * height + y) * width + x) * channels + first_channel;
    }

    /// Throws unless every element is in its format's range.
    template <class Format>
    void require_range(const char* name) const {
        detail::require_range<Format>(name, rhs_rows<T>{data + first_channel, channels, 1}, batch * height * width,
                                      count);
    }
};

/// Rows are window positions (batch, y, x); the reduction is (tap row, tap column, channel), ascending.
template <class T>
class tap_source {
public:
    using element = T;
    static constexpr bool has_column_runs = false;
    static constexpr bool has_windows = true;
    /// `segment` >= taps of a row * channels: each row of taps is followed by zeros up to this length, so that the next
    /// begins with a whole step of the atom.
    tap_source(const image_view<T>& image, const window_axis& y, const window_axis& x, dim_t segment)
        : image_(image), y_(y), x_(x), segment_(segment) {}
    tap_source(const image_view<T>& image, const window_axis& y, const window_axis& x)
        : tap_source(image, y, x, x.taps * image.count) {}

    template <class Format>
    void require_range(const char* name) const {
        image_.template require_range<Format>(name);
    }

    dim_t rows() const { return image_.batch * y_.outputs * x_.outputs; }
    dim_t depth() const { return y_.taps * segment_; }
    dim_t plane_stride() const { return image_.plane_stride(); }
    static constexpr bool along_rows() { return true; }

    template <class F>
    void for_each_run(dim_t i, dim_t k0, dim_t k1, F&& f) const {
        if (k0 == k1) return; // an input pixel that no tap meets
        const auto [line, column] = divide(i, x_.outputs);
        const auto [b, row] = divide(line, y_.outputs);
        const dim_t channels = image_.count, tap_row = x_.taps * channels; // the reduction of one row of taps
        for (dim_t r = k0 / segment_; r * segment_ < k1; ++r) {
            const dim_t begin = std::max(k0 - r * segment_, dim_t{0}), end = std::min(k1 - r * segment_, segment_);
            const dim_t from = std::min(begin, tap_row), to = std::min(end, tap_row);
            const dim_t y = y_.at(row, r);
            if (!y_.inside(y)) {
                f(nullptr, to - from, dim_t{1});
                // taps are neighbours in memory: one run, but for the padding
            } else if (x_.step == 1 && channels == image_.channels) {
                const dim_t x0 = x_.at(column, 0);
                const dim_t left = std::clamp(-x0 * channels, from, to),
                            right = std::clamp((x_.inputs - x0) * channels, left, to);
                if (left > from) f(nullptr, left - from, dim_t{1});
                if (right > left) f(image_.pixel(b, y, 0) + x0 * channels + left, right - left, dim_t{1});
                if (to > right) f(nullptr, to - right, dim_t{1});
            } else {
                for (dim_t s = from / channels; s * channels < to; ++s) {
                    const dim_t c0 = std::max(from - s * channels, dim_t{0}),
                                c1 = std::min(to - s * channels, channels);
                    const dim_t x = x_.at(column, s);
                    f(x_.inside(x) ? image_.pixel(b, y, x) + c0 : nullptr, c1 - c0, dim_t{1});
                }
            }
            if (end - begin > to - from) f(nullptr, (end - begin) - (to - from), dim_t{1});
        }
    }

    /// With a single tap, windows are evenly spaced within an output row, and over the whole batch where they visit
    /// every pixel.
    row_span<T> in_place(dim_t i, dim_t count) const {
        if (y_.taps != 1 || x_.taps != 1) return {};
        if (y_.meets_all() && x_.meets_all()) return {image_.pixel(0, 0, 0) + i * image_.channels, image_.channels};
        const auto [line, column] = divide(i, x_.outputs);
        const auto [b, row] = divide(line, y_.outputs);
        const dim_t y = y_.at(row, 0), x = x_.at(column, 0), last = x + (count - 1) * x_.stride;
        if (column + count > x_.outputs || !y_.inside(y) || !x_.inside(x) || !x_.inside(last)) return {};
        return {image_.pixel(b, y, x), x_.stride * image_.channels};
    }

    /// Rows that are evenly spaced in a patch: those of an output line; 0 where there is no patch, since a single tap
    /// needs none, and a segment must be whole steps of the atom.
    template <class Traits>
    dim_t rows_in_line() const {
        const bool patched = y_.taps * x_.taps > 1 && segment_in_patch() % Traits::k == 0 && Traits::atom::m == 1 &&
                             Traits::block % Traits::k == 0;
        return patched ? x_.outputs : 0;
    }

    /// Copies the image lines that rows [i0, i1) look at, padding included, so that windows within an output row are
    /// evenly spaced; leaves `out` empty where there is no patch.
    template <class Traits>
    void copy_patch(dim_t i0, dim_t i1, patch<typename Traits::lhs_digit>& out) const {
        const dim_t channels = image_.count, segment = segment_in_patch();
        const bool rows_of_taps = x_.step == 1;
        out.clear();
        if (rows_in_line<Traits>() == 0) return;
        const dim_t first_x = x_.first + std::min(dim_t{0}, (x_.taps - 1) * x_.step); // the patch's first pixel
        const dim_t span = patch_span();
        const dim_t low_y = std::min(dim_t{0}, (y_.taps - 1) * y_.step), reach_y = std::abs((y_.taps - 1) * y_.step);
        const dim_t line0 = i0 / x_.outputs, line1 = (i1 - 1) / x_.outputs;
        out.begin(line0, x_.outputs, x_.stride * channels);
        for (dim_t r = 0; r < y_.taps; ++r) // from a window's first line and pixel in the patch to its segments
            for (dim_t s = 0; s < (rows_of_taps ? 1 : x_.taps); ++s)
                out.segments.push_back(((r * y_.step - low_y) * span + x_.first - first_x + s * x_.step) * channels);
        out.segment_length = segment;
        // lines of an image are kept together, images one after the other: f(first output line, how many, where its
        // patch begins, how many lines it has)
        const auto for_each_image = [&](auto f) {
            dim_t lines = 0;
            for (dim_t line = line0; line <= line1;) {
                const dim_t count = std::min(line1 + 1, (line / y_.outputs + 1) * y_.outputs) - line,
                            height = (count - 1) * y_.stride + reach_y + 1;
                f(line, count, lines, height);
                lines += height;
                line += count;
            }
            return lines;
        };
        const dim_t row_length = segment * (rows_of_taps ? 1 : x_.taps); // of the reduction, in a row of taps
        const dim_t lines = for_each_image([&](dim_t line, dim_t count, dim_t at, dim_t) {
            for (dim_t l = 0; l < count; ++l) {
                out.starts.push_back((at + l * y_.stride) * span * channels);
                const auto [first, end] = y_.taps_inside((line + l) % y_.outputs);
                out.live.push_back({y_.taps * row_length, first * row_length, end * row_length});
            }
        });
        out.reserve(lines * span * channels, Traits::lhs_planes);
        for_each_image([&](dim_t line, dim_t, dim_t at, dim_t height) {
            const dim_t y0 = y_.at(line % y_.outputs, 0) + low_y;
            for (dim_t l = 0; l < height; ++l)
                copy_line<Traits>(line / y_.outputs, y0 + l, first_x, span, out, (at + l) * span * channels);
        });
    }

    /// The channels that a piece of the reduction takes from each of its taps, bounded by the largest of any pixel of
    /// the patch; where channels are few, the pixels of a whole row of taps, bounded by the largest of any window.
    template <class Traits>
    norm_table block_norms(const patch<typename Traits::lhs_digit>& image) const {
        constexpr dim_t few = 16;
        const dim_t channels = image_.count, span = patch_span(), pixels = channels > 0 ? image.size() / channels : 0;
        if (pixels == 0) return norm_table(depth());
        // of elements that are measured together
        const dim_t unit = channels >= few || x_.step != 1 ? channels : segment_;
        square_sums most(unit);
        if (unit == channels)
            measure_rows<typename Traits::atom>(image.plane(0), pixels, channels, channels, most, true);
        else
            for (dim_t line = 0; line < pixels / span; ++line)
                // a patch has slack
                measure_rows<typename Traits::atom>(image.plane(0) + line * span * channels, x_.outputs,
                                                    x_.stride * channels, unit, most, true);
        const norm_table of_unit = norms_of(most, unit);
        norm_table norms(depth());
        const dim_t row = unit == segment_ ? segment_ : x_.taps * channels; // of a row of taps, without what pads it
        for (dim_t p = 0; p < norms.pieces(0); ++p) {
            const dim_t end = std::min((p + 1) * norm_step, depth());
            float squares = 0;
            for (dim_t k = p * norm_step; k < end;) {
                const dim_t inside = divide(k, segment_).remainder, c = divide(inside, unit).remainder,
                            length = std::min({end - k, unit - c, norm_step - c % norm_step});
                if (inside < row) squares += of_unit.at(0, c / norm_step);
                k += inside < row ? length : segment_ - inside;
            }
            norms.at(0, p) = round_norm_up(squares);
        }
        for (int level = 1; level < norm_levels; ++level) {
            const dim_t length = norm_step << level;
            const bool whole = unit % length == 0 && segment_ % unit == 0; // units are whole pieces
            for (dim_t p = 0, of = 0; p < norms.pieces(level); ++p, of = (of + 1) * length == unit ? 0 : of + 1)
                norms.at(level, p) = whole ? of_unit.at(level, of) : bound_of_halves(norms, level, p);
        }
        return norms;
    }

private:
    /// Taps of a row are one segment where they are neighbours; otherwise each is one.
    dim_t segment_in_patch() const { return x_.step == 1 ? segment_ : image_.count; }

    /// Pixels of a line of the patch.
    dim_t patch_span() const { return (x_.outputs - 1) * x_.stride + std::abs((x_.taps - 1) * x_.step) + 1; }

    /// Pixels [x0, x0 + span) of one image line to the patch, zeros outside the image.
    template <class Traits>
    void copy_line(dim_t b, dim_t y, dim_t x0, dim_t span, patch<typename Traits::lhs_digit>& out, dim_t at) const {
        using digit = typename Traits::lhs_digit;
        const dim_t channels = image_.count;
        const dim_t from = y_.inside(y) ? std::clamp(-x0, dim_t{0}, span) : span;
        const dim_t to = y_.inside(y) ? std::clamp(x_.inputs - x0, from, span) : span;
        for (int plane = 0; plane < Traits::lhs_planes; ++plane) {
            digit* line = out.plane(plane) + at;
            std::fill_n(line, from * channels, digit{0});
            std::fill_n(line + to * channels, (span - to) * channels, digit{0});
            const bool dense = channels == image_.channels;
            for (dim_t x = from; x < to; x += dense ? to - from : 1) {
                const T* __restrict p = image_.pixel(b, y, x0 + x) + plane_offset<Traits>(*this, plane);
                digit* __restrict q = line + x * channels;
                const dim_t count = dense ? (to - from) * channels : channels;
                for (dim_t e = 0; e < count; ++e) q[e] = digit_of<digit, Traits::lhs_planes>(p[e], plane);
            }
        }
    }

    image_view<T> image_;
    window_axis y_, x_;
    dim_t segment_;
};

/// Rows are (tap row, tap column, channel); the reduction is window positions (batch, y, x), ascending. Runs follow
/// columns: all channels of one pixel lie together.
template <class T>
class pixel_source {
public:
    using element = T;
    static constexpr bool has_row_runs = false;
    static constexpr bool has_windows = false;
    pixel_source(const image_view<T>& image, const window_axis& y, const window_axis& x)
        : image_(image), y_(y), x_(x), all_(y.meets_all() && x.meets_all()) {}

    template <class Format>
    void require_range(const char* name) const {
        image_.template require_range<Format>(name);
    }

    dim_t rows() const { return y_.taps * x_.taps * image_.count; }
    dim_t depth() const { return image_.batch * y_.outputs * x_.outputs; }
    dim_t plane_stride() const { return image_.plane_stride(); }
    static constexpr bool along_rows() { return false; }

    template <class F>
    void for_each_column_run(dim_t k, dim_t i0, dim_t i1, F&& f) const {
        if (all_) { // without the divisions
            if (i0 < i1) f(image_.pixel(0, 0, k) + i0, i1 - i0, dim_t{1});
            return;
        }
        const auto [line, column] = divide(k, x_.outputs);
        const auto [b, row] = divide(line, y_.outputs);
        const dim_t channels = image_.count;
        for (dim_t i = i0; i < i1;) {
            const auto [tap, c] = divide(i, channels);
            const auto [tap_row, tap_column] = divide(tap, x_.taps);
            const dim_t y = y_.at(row, tap_row), x = x_.at(column, tap_column), length = std::min(channels - c, i1 - i);
            f(y_.inside(y) && x_.inside(x) ? image_.pixel(b, y, x) + c : nullptr, length, dim_t{1});
            i += length;
        }
    }

private:
    image_view<T> image_;
    window_axis y_, x_;
    bool all_; ///< column k is pixel k
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
