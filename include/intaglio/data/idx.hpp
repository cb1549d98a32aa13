// SPDX-License-Identifier: Apache-2.0
#pragma once

// The idx files of MNIST and of the sets that took over its format, Fashion-MNIST (Zalando, MIT; Debian:
// dataset-fashion-mnist) first: numbers big-endian,
//
//   images   2051, count, height, width, 4 bytes each, then the pixels, a byte each, row by row
//   labels   2049, count, then the labels, a byte each

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/extents.hpp"
#include "intaglio/core/file.hpp"
#include "intaglio/data/image_set.hpp"
#include "intaglio/data/packed_file.hpp"

namespace intaglio::inline INTAGLIO_ABI::data {

namespace detail {

/// The sizes of an idx file of bytes, of so many dimensions, whose elements must fill the rest of the file.
template <std::size_t Rank>
std::array<dim_t, Rank> parse_idx_header(std::span<const char> bytes, const std::string& name) {
    const auto number = [&](std::size_t at) {
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[4 * at + i]);
        return static_cast<dim_t>(value);
    };
    constexpr std::size_t header = 4 * (1 + Rank);
    require<file_error>(bytes.size() >= header, name, ": ends at offset ", bytes.size(), ", inside the header of ",
                        header, " bytes");
    constexpr dim_t magic = 0x800 + static_cast<dim_t>(Rank); // bytes, so many dimensions
    require<file_error>(number(0) == magic, name, ": starts with ", number(0), " at offset 0, expected ", magic,
                        " of an idx file of bytes with ", Rank, " dimensions");
    std::array<dim_t, Rank> sizes;
    for (std::size_t i = 0; i < Rank; ++i) sizes[i] = number(1 + i);
    const auto rest = static_cast<dim_t>(bytes.size() - header);
    dim_t expected = 0;
    try {
        expected = checked_product(sizes);
    } catch (const shape_error& fault) {
        fail<file_error>(name, ": sizes at offset 4: ", fault.what());
    }
    require<file_error>(rest == expected, name, ": has ", rest, " bytes from offset ", header, ", its sizes ask for ",
                        expected);
    return sizes;
}

inline image_set parse_idx(std::span<const char> images, const std::string& images_name, std::span<const char> labels,
                           const std::string& labels_name, std::vector<std::string> classes) {
    const auto [count, height, width] = parse_idx_header<3>(images, images_name);
    const dim_t label_count = parse_idx_header<1>(labels, labels_name)[0];
    require<file_error>(count == label_count, labels_name, ": has ", label_count, " labels for the ", count,
                        " images of ", images_name);
    require<file_error>(count > 0 && height > 0 && width > 0, images_name, ": has ", count, " images of ", height,
                        " x ", width, " pixels");
    const auto pixels = images.subspan(16), values = labels.subspan(8);
    for (std::size_t i = 0; i < values.size(); ++i)
        require<file_error>(static_cast<std::uint8_t>(values[i]) < classes.size(), labels_name, ": offset ", 8 + i,
                            " has the label ", int{static_cast<std::uint8_t>(values[i])}, ", expected 0 to ",
                            classes.size() - 1);
    image_set set{height, width, 1, {pixels.begin(), pixels.end()}, {}, std::move(classes)};
    for (const char label : values) set.labels.push_back(static_cast<std::uint8_t>(label));
    return set;
}

} // namespace detail

/// Reads a file of images and the file of their labels, which number the classes.
inline image_set read_idx(const std::string& images, const std::string& labels, std::vector<std::string> classes,
                          std::span<const codec> codecs = {}) {
    return detail::parse_idx(read_packed_file(images, codecs).span(), images, read_packed_file(labels, codecs).span(),
                             labels, std::move(classes));
}

/// Reads Fashion-MNIST: 60,000 images of 28 x 28 train, 10,000 test. The folder has the four files under their own
/// names, train-images-idx3-ubyte and so on.
inline image_split read_fashion_mnist(const std::string& folder, std::span<const codec> codecs = {}) {
    const auto read = [&](const char* part) {
        const auto path = std::filesystem::path(folder) / part;
        return read_idx(
            path.string() + "-images-idx3-ubyte", path.string() + "-labels-idx1-ubyte",
            {"T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"},
            codecs);
    };
    return {read("train"), read("t10k")};
}

} // namespace intaglio::inline INTAGLIO_ABI::data
