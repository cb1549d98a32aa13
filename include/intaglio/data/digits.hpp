// SPDX-License-Identifier: Apache-2.0
#pragma once

// The UCI handwritten digits: 1,797 images of 8 x 8 pixels with values 0 .. 16 (E. Alpaydin, C. Kaynak 1998, CC BY
// 4.0). The file is text, one image a line: 64 pixel values row by row and the label, 65 numbers separated by commas,
// without a header.
//
// Files come from anywhere: a line that is too short or too long, or a number out of range, is a file_error that names
// file and line.

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/data/image_set.hpp"
#include "intaglio/data/packed_file.hpp"
#include "intaglio/tensor/tensor.hpp"

namespace intaglio::inline INTAGLIO_ABI::data {

struct digits {
    static constexpr dim_t side = 8; ///< pixels
    static constexpr dim_t classes = 10;
    static constexpr int max_value = 16; ///< of a pixel

    std::vector<std::uint8_t> pixels; ///< image after image, 64 each, 0 .. 16
    std::vector<std::uint8_t> labels; ///< 0 .. 9

    dim_t size() const { return static_cast<dim_t>(labels.size()); }

    void push_back(const digits& from, dim_t image) {
        const auto first = from.pixels.begin() + image * side * side;
        pixels.insert(pixels.end(), first, first + side * side);
        labels.push_back(from.labels[static_cast<std::size_t>(image)]);
    }
};

struct digits_split {
    digits train, test;
};

namespace detail {
inline digits parse_digits(std::string_view text, const std::string& name) {
    digits all;
    for (dim_t line = 1; !text.empty(); ++line) {
        const std::string_view row = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), row.size() + 1));
        const char* at = row.data();
        const char* end = row.data() + row.size();
        if (end != at && end[-1] == '\r') --end;
        for (dim_t i = 0; i <= digits::side * digits::side; ++i) {
            const bool label = i == digits::side * digits::side;
            int value = -1;
            const auto [next, fault] = std::from_chars(at, end, value);
            require<file_error>(fault == std::errc{} && value >= 0 && value <= (label ? 9 : digits::max_value), name,
                                ": line ", line, ", number ", i + 1, " of 65: expected 0 to ",
                                label ? 9 : digits::max_value);
            require<file_error>(label ? next == end : next != end && *next == ',', name, ": line ", line,
                                ": expected 65 numbers with commas between them, number ", i + 1,
                                " is followed by something else");
            at = label ? next : next + 1;
            (label ? all.labels : all.pixels).push_back(static_cast<std::uint8_t>(value));
        }
    }
    return all;
}
} // namespace detail

/// Reads the file. file_error if it can't be read or is malformed.
inline digits read_digits(const std::string& path, std::span<const codec> codecs = {}) {
    return detail::parse_digits(read_packed_file(path, codecs).text(), path);
}

/// The same images as every other set has them; their bytes are 0 .. 16, so normalize by a scale of 1 / 16.
inline image_set to_image_set(const digits& from) {
    image_set set{digits::side, digits::side, 1, from.pixels, {from.labels.begin(), from.labels.end()}, {}};
    for (dim_t c = 0; c < digits::classes; ++c) set.classes.push_back(join(c));
    return set;
}

/// Every fifth image tests (359), the others train (1,438). The file has no order by class, so both sides have all of
/// them. It does have one by writer: the people who wrote the test images wrote training images too.
inline digits_split split_digits(const digits& all) {
    digits_split split;
    for (dim_t i = 0; i < all.size(); ++i) (i % 5 == 4 ? split.test : split.train).push_back(all, i);
    return split;
}

/// All images, n x 8 x 8 x 1, values 0 .. 1.
inline tensor<float> digit_images(const digits& from) {
    tensor<float> all({from.size(), digits::side, digits::side, 1}, uninitialized);
    for (dim_t i = 0; i < all.size(); ++i)
        all[i] = static_cast<float>(from.pixels[static_cast<std::size_t>(i)]) / static_cast<float>(digits::max_value);
    return all;
}

} // namespace intaglio::inline INTAGLIO_ABI::data
