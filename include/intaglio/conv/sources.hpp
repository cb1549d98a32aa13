// SPDX-License-Identifier: Apache-2.0
#pragma once

// How an image is read as the left-hand side of a product (gemm/source.hpp says what a source is). A convolution has no loops of
// its own: forward and input gradient are products whose rows are pixels and whose reduction runs over taps and channels
// (`tap_source`); the weight gradient is a product whose rows are taps and channels and whose reduction runs over pixels: `pixel_source` for a
// single tap, line_source.hpp for more.
// Nothing is unrolled in memory; the driver copies the runs of one block at a time.

#include <algorithm>
#include <cmath>
#include <vector>

#include "intaglio/conv/geometry.hpp"
#include "intaglio/gemm/patch.hpp"
#include "intaglio/gemm/source.hpp"
#include "intaglio/simd/column_sums.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// One axis of a sliding window: output position y, tap r touch the input position first + y * stride + r * step.
struct window_axis {
    index outputs = 0; ///< positions of the window
    index inputs = 0;  ///< length of the image
    index taps = 1;
    index first = 0;  ///< input position of output 0, tap 0; negative in the padding
    index stride = 1; ///< from output to output
    index step = 1;   ///< from tap to tap; negative where taps run against the image (input gradient)

    index at(index output, index tap) const { return first + output * stride + tap * step; }
    bool inside(index position) const { return position >= 0 && position < inputs; }
};

/// An image (batch, height, width, channels), dense, of which `count` channels from `first_channel` on are read.
template <class T>
struct image_view {
    const T* data = nullptr;
    index batch = 0, height = 0, width = 0, channels = 0;
    index first_channel = 0, count = 0;

    const T* pixel(index b, index y, index x) const { return data + ((b * height + y) * width + x) * channels + first_channel; }

    /// Throws unless every element is in its format's range.
    template <class Format>
    void require_range(const char* name) const {
        detail::require_range<Format>(name, rhs_rows<T>{data + first_channel, channels, 1}, batch * height * width, count);
    }
};

/// Rows are window positions (batch, y, x); the reduction is (tap row, tap column, channel), ascending.
template <class T>
class tap_source {
public:
    using element = T;
    static constexpr bool has_column_runs = false;
    static constexpr bool has_windows = true;
    /// `segment` >= taps of a row * channels: each row of taps is followed by zeros up to this length, so that the next begins with a whole step of the atom.
    tap_source(const image_view<T>& image, const window_axis& y, const window_axis& x, index segment) : image_(image), y_(y), x_(x), segment_(segment) {}
    tap_source(const image_view<T>& image, const window_axis& y, const window_axis& x) : tap_source(image, y, x, x.taps * image.count) {}

    template <class Format>
    void require_range(const char* name) const {
        image_.template require_range<Format>(name);
    }

    index rows() const { return image_.batch * y_.outputs * x_.outputs; }
    index depth() const { return y_.taps * segment_; }
    static constexpr bool along_rows() { return true; }

    template <class F>
    void for_each_run(index i, index k0, index k1, F&& f) const {
        if (k0 == k1) return; // an input pixel that no tap meets
        const index column = i % x_.outputs, line = i / x_.outputs;
        const index row = line % y_.outputs, b = line / y_.outputs;
        const index channels = image_.count, tap_row = x_.taps * channels; // the reduction of one row of taps
        for (index r = k0 / segment_; r * segment_ < k1; ++r) {
            const index begin = std::max(k0 - r * segment_, index{0}), end = std::min(k1 - r * segment_, segment_);
            const index from = std::min(begin, tap_row), to = std::min(end, tap_row);
            const index y = y_.at(row, r);
            if (!y_.inside(y)) {
                f(nullptr, to - from, index{1});
            } else if (x_.step == 1 && channels == image_.channels) { // taps are neighbours in memory: one run, but for the padding
                const index x0 = x_.at(column, 0);
                const index left = std::clamp(-x0 * channels, from, to), right = std::clamp((x_.inputs - x0) * channels, left, to);
                if (left > from) f(nullptr, left - from, index{1});
                if (right > left) f(image_.pixel(b, y, 0) + x0 * channels + left, right - left, index{1});
                if (to > right) f(nullptr, to - right, index{1});
            } else {
                for (index s = from / channels; s * channels < to; ++s) {
                    const index c0 = std::max(from - s * channels, index{0}), c1 = std::min(to - s * channels, channels);
                    const index x = x_.at(column, s);
                    f(x_.inside(x) ? image_.pixel(b, y, x) + c0 : nullptr, c1 - c0, index{1});
                }
            }
            if (end - begin > to - from) f(nullptr, (end - begin) - (to - from), index{1});
        }
    }

    /// With a single tap, windows are evenly spaced within an output row, and over the whole batch where they visit every pixel.
    row_span<T> in_place(index i, index count) const {
        if (y_.taps != 1 || x_.taps != 1) return {};
        if (y_.first == 0 && x_.first == 0 && y_.stride == 1 && x_.stride == 1 && y_.outputs == y_.inputs && x_.outputs == x_.inputs)
            return {image_.pixel(0, 0, 0) + i * image_.channels, image_.channels};
        const index column = i % x_.outputs, line = i / x_.outputs;
        const index y = y_.at(line % y_.outputs, 0), x = x_.at(column, 0), last = x + (count - 1) * x_.stride;
        if (column + count > x_.outputs || !y_.inside(y) || !x_.inside(x) || !x_.inside(last)) return {};
        return {image_.pixel(line / y_.outputs, y, x), x_.stride * image_.channels};
    }

    /// Copies the image lines that rows [i0, i1) look at, padding included, so that windows within an output row are evenly spaced; leaves `out`
    /// empty where the kernel could not read them so: a single tap needs no copy, and a segment must be whole steps of the atom.
    template <class Traits>
    void copy_patch(index i0, index i1, patch<typename Traits::lhs_digit>& out) const {
        const index channels = image_.count;
        const bool rows_of_taps = x_.step == 1; // taps of a row are neighbours, one segment; otherwise each tap is one
        const index segment = rows_of_taps ? segment_ : channels;
        out.clear();
        if (y_.taps * x_.taps <= 1 || segment % Traits::k != 0 || Traits::atom::m != 1 || Traits::block % Traits::k != 0) return;
        const index first_x = x_.first + std::min(index{0}, (x_.taps - 1) * x_.step); // the patch's first pixel
        const index span = (x_.outputs - 1) * x_.stride + std::abs((x_.taps - 1) * x_.step) + 1;
        const index low_y = std::min(index{0}, (y_.taps - 1) * y_.step), reach_y = std::abs((y_.taps - 1) * y_.step);
        const index line0 = i0 / x_.outputs, line1 = (i1 - 1) / x_.outputs;
        out.begin(line0, x_.outputs, x_.stride * channels);
        for (index r = 0; r < y_.taps; ++r) // from a window's first line and pixel in the patch to its segments
            for (index s = 0; s < (rows_of_taps ? 1 : x_.taps); ++s)
                out.segments.push_back(((r * y_.step - low_y) * span + x_.first - first_x + s * x_.step) * channels);
        out.segment_length = segment;
        // lines of an image are kept together, images one after the other: f(first output line, how many, where its patch begins, how many lines it has)
        const auto for_each_image = [&](auto f) {
            index lines = 0;
            for (index line = line0; line <= line1;) {
                const index count = std::min(line1 + 1, (line / y_.outputs + 1) * y_.outputs) - line, height = (count - 1) * y_.stride + reach_y + 1;
                f(line, count, lines, height);
                lines += height;
                line += count;
            }
            return lines;
        };
        const index lines = for_each_image([&](index, index count, index at, index) {
            for (index l = 0; l < count; ++l) out.starts.push_back((at + l * y_.stride) * span * channels);
        });
        out.reserve(lines * span * channels, Traits::lhs_planes);
        for_each_image([&](index line, index, index at, index height) {
            const index y0 = y_.at(line % y_.outputs, 0) + low_y;
            for (index l = 0; l < height; ++l) copy_line<Traits>(line / y_.outputs, y0 + l, first_x, span, out, (at + l) * span * channels);
        });
    }

    /// Norms of a piece of the reduction: the channels that it takes from each of its taps, bounded by the largest of any pixel.
    std::vector<piece_norms> norms(executor_ref exec) const {
        // pixels of few channels are too short to be worth a norm each: a whole line of them bounds a piece of any
        constexpr index few = 16;
        const index channels = image_.count, pixels = image_.batch * image_.height * image_.width;
        std::vector<piece_norms> channel_norms;
        if (channels >= few || image_.width < few || channels < image_.channels) {
            channel_norms = measure_columns(image_.pixel(0, 0, 0), pixels, image_.channels, channels, exec);
        } else {
            channel_norms.resize(1);
            for (const piece_norms& n : measure_columns(image_.pixel(0, 0, 0), image_.batch * image_.height, image_.width * channels, image_.width * channels, exec))
                raise(channel_norms.front(), n);
            channel_norms.front().l2 = std::min(channel_norms.front().l2, round_norm_up(channel_norms.front().largest * std::sqrt(static_cast<float>(channels))));
        }
        std::vector<piece_norms> result(static_cast<std::size_t>(ceil_div(depth(), norm_step)));
        for (index p = 0; p < static_cast<index>(result.size()); ++p) {
            const index end = std::min((p + 1) * norm_step, depth());
            float squares = 0;
            piece_norms& n = result[static_cast<std::size_t>(p)];
            for (index k = p * norm_step; k < end;) {
                const index inside = k % segment_, row = x_.taps * channels; // of a row of taps
                if (inside >= row) {
                    k += segment_ - inside;
                    continue;
                }
                const index c = inside % channels, length = std::min({end - k, channels - c, norm_step - c % norm_step});
                const piece_norms& chunk = channel_norms[static_cast<std::size_t>(c / norm_step)];
                n.largest = std::max(n.largest, chunk.largest);
                squares += std::min(chunk.l2 * chunk.l2, static_cast<float>(length) * chunk.largest * chunk.largest);
                k += length;
            }
            n.l2 = round_norm_up(std::sqrt(round_norm_up(squares)));
        }
        return result;
    }

private:
    /// Pixels [x0, x0 + span) of one image line to the patch, zeros outside the image.
    template <class Traits>
    void copy_line(index b, index y, index x0, index span, patch<typename Traits::lhs_digit>& out, index at) const {
        using digit = typename Traits::lhs_digit;
        const index channels = image_.count;
        const index from = y_.inside(y) ? std::clamp(-x0, index{0}, span) : span;
        const index to = y_.inside(y) ? std::clamp(x_.inputs - x0, from, span) : span;
        for (int plane = 0; plane < Traits::lhs_planes; ++plane) {
            digit* line = out.plane(plane) + at;
            std::fill_n(line, from * channels, digit{0});
            std::fill_n(line + to * channels, (span - to) * channels, digit{0});
            const bool dense = channels == image_.channels;
            for (index x = from; x < to; x += dense ? to - from : 1) {
                const T* __restrict p = image_.pixel(b, y, x0 + x);
                digit* __restrict q = line + x * channels;
                const index count = dense ? (to - from) * channels : channels;
                for (index e = 0; e < count; ++e) q[e] = digit_of<digit, Traits::lhs_planes>(p[e], plane);
            }
        }
    }

    image_view<T> image_;
    window_axis y_, x_;
    index segment_;
};

/// Rows are (tap row, tap column, channel); the reduction is window positions (batch, y, x), ascending. Runs follow columns: all
/// channels of one pixel lie together.
template <class T>
class pixel_source {
public:
    using element = T;
    static constexpr bool has_row_runs = false;
    static constexpr bool has_windows = false;
    pixel_source(const image_view<T>& image, const window_axis& y, const window_axis& x) : image_(image), y_(y), x_(x) {}

    template <class Format>
    void require_range(const char* name) const {
        image_.template require_range<Format>(name);
    }

    index rows() const { return y_.taps * x_.taps * image_.count; }
    index depth() const { return image_.batch * y_.outputs * x_.outputs; }
    static constexpr bool along_rows() { return false; }

    template <class F>
    void for_each_column_run(index k, index i0, index i1, F&& f) const {
        const index column = k % x_.outputs, line = k / x_.outputs;
        const index row = line % y_.outputs, b = line / y_.outputs;
        const index channels = image_.count;
        for (index i = i0; i < i1;) {
            const index tap = i / channels, c = i % channels, length = std::min(channels - c, i1 - i);
            const index y = y_.at(row, tap / x_.taps), x = x_.at(column, tap % x_.taps);
            f(y_.inside(y) && x_.inside(x) ? image_.pixel(b, y, x) + c : nullptr, length, index{1});
            i += length;
        }
    }

    /// A piece of the reduction visits parts of a few output rows; each is bounded by the whole image row that a tap meets, the largest over taps and channels.
    std::vector<piece_norms> norms(executor_ref exec) const {
        if (y_.taps == 1 && x_.taps == 1) return norms_of_pixels(exec);
        const index lines = image_.batch * image_.height;
        std::vector<piece_norms> line(static_cast<std::size_t>(lines));
        exec.for_each(lines, [&](index l, int) { line[static_cast<std::size_t>(l)] = measure_line(image_.pixel(0, l, 0)); });
        std::vector<piece_norms> result(static_cast<std::size_t>(ceil_div(depth(), norm_step)));
        for (index p = 0; p < static_cast<index>(result.size()); ++p) {
            const index end = std::min((p + 1) * norm_step, depth());
            piece_norms& n = result[static_cast<std::size_t>(p)];
            float squares = 0;
            for (index k = p * norm_step; k < end; k = (k / x_.outputs + 1) * x_.outputs) { // output row by output row
                const index row = k / x_.outputs % y_.outputs, b = k / x_.outputs / y_.outputs;
                piece_norms most;
                for (index r = 0; r < y_.taps; ++r)
                    if (y_.inside(y_.at(row, r))) raise(most, line[static_cast<std::size_t>(b * image_.height + y_.at(row, r))]);
                const auto length = static_cast<float>(std::min(end, (k / x_.outputs + 1) * x_.outputs) - k);
                n.largest = std::max(n.largest, most.largest);
                squares += std::min(most.l2 * most.l2, length * most.largest * most.largest);
            }
            n.l2 = round_norm_up(std::sqrt(round_norm_up(squares)));
        }
        return result;
    }

private:
    /// A single tap: each channel's squares over the pixels of a piece are summed side by side, in 16 bits so that the pass costs little:
    /// with e = floor(|v| / 128), e^2 <= 32 (floor(e^2 / 32) + 1) and |v|_2 <= 128 (|e|_2 + sqrt(count)).
    std::vector<piece_norms> norms_of_pixels(executor_ref exec) const {
        static_assert(norm_step * ((256 * 256 - 1) / 32 + 1) <= 65536, "the sums fit 16 bits");
        std::vector<piece_norms> result(static_cast<std::size_t>(ceil_div(depth(), norm_step)));
        exec.for_each(static_cast<index>(result.size()), [&](index p, int) {
            const T* pixels[norm_step];
            index count = 0; // of pixels inside the image
            for (index e = p * norm_step; e < std::min((p + 1) * norm_step, depth()); ++e)
                for_each_column_run(e, 0, 1, [&](const T* pixel, index, index) {
                    if (pixel) pixels[count++] = pixel;
                });
            std::int32_t most = 0, largest = 0;
            const auto raise_by = [&](const simd::column_sums& sums) {
                most = std::max(most, sums.squares);
                largest = std::max(largest, sums.magnitude);
            };
            index c = 0;
            for (; c + simd::column_strip <= image_.count; c += simd::column_strip) raise_by(simd::sum_columns(pixels, count, c));
            if (c < image_.count) { // the last channels, beside zeros
                std::int16_t rest[norm_step][simd::column_strip] = {};
                const T* rows[norm_step];
                for (index e = 0; e < count; ++e) {
                    std::copy_n(pixels[e] + c, image_.count - c, rest[e]);
                    rows[e] = rest[e];
                }
                raise_by(simd::sum_columns(rows, count, 0));
            }
            piece_norms& n = result[static_cast<std::size_t>(p)];
            const float root = std::sqrt(static_cast<float>(count));
            n.largest = static_cast<float>(largest);
            n.l2 = std::min(128.0F * (round_norm_up(std::sqrt(32.0F * static_cast<float>(most + count))) + root), round_norm_up(n.largest * root));
        });
        return result;
    }

    /// The largest norms of any channel along one image line.
    piece_norms measure_line(const T* data) const {
        constexpr index strip = 64; // channels at a time
        piece_norms most;
        for (index c0 = 0; c0 < image_.count; c0 += strip) {
            const index count = std::min(strip, image_.count - c0);
            float squares[strip] = {}, largest[strip] = {};
            for (index x = 0; x < image_.width; ++x) {
                const T* v = data + x * image_.channels + c0;
                for (index c = 0; c < count; ++c) {
                    const float value = std::fabs(static_cast<float>(v[c]));
                    squares[c] += value * value;
                    largest[c] = std::max(largest[c], value);
                }
            }
            for (index c = 0; c < count; ++c) {
                most.largest = std::max(most.largest, largest[c]);
                // a float sum of `width` squares is short by at most width roundings
                const float up = 1.0F + static_cast<float>(image_.width) * 0x1p-23F;
                most.l2 = std::max(most.l2, round_norm_up(std::sqrt(squares[c] * up)));
            }
        }
        return most;
    }

    image_view<T> image_;
    window_axis y_, x_;
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
