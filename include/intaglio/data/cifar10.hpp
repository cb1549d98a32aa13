// SPDX-License-Identifier: Apache-2.0
#pragma once

// CIFAR-10 (A. Krizhevsky, V. Nair, G. Hinton 2009) in its binary version: 60,000 images of 32 x 32 pixels. A record is
// one byte of label and 3,072 of pixels, all red ones row by row, all green ones, all blue ones; a file is records and
// nothing else. 50,000 images in five files train, 10,000 in one test.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/file.hpp"
#include "intaglio/data/image_set.hpp"
#include "intaglio/data/packed_file.hpp"

namespace intaglio::inline INTAGLIO_ABI::data {

namespace detail {
inline constexpr dim_t cifar_side = 32, cifar_channels = 3, cifar_classes = 10;
inline constexpr dim_t cifar_record = 1 + cifar_side * cifar_side * cifar_channels; // bytes

inline image_set parse_cifar10(std::span<const char> bytes, const std::string& name) {
    const auto size = static_cast<dim_t>(bytes.size());
    require<file_error>(size > 0 && size % cifar_record == 0, name, ": has ", size,
                        " bytes, which is no whole number of records of ", cifar_record, ": it is cut at offset ", size,
                        " or not CIFAR-10");
    image_set set{cifar_side,
                  cifar_side,
                  cifar_channels,
                  {},
                  {},
                  {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}};
    const dim_t count = size / cifar_record, plane = cifar_side * cifar_side;
    set.pixels.resize(static_cast<std::size_t>(count * set.image_size()));
    set.labels.resize(static_cast<std::size_t>(count));
    for (dim_t i = 0; i < count; ++i) {
        const char* const record = bytes.data() + i * cifar_record;
        const auto label = static_cast<std::uint8_t>(record[0]);
        require<file_error>(label < cifar_classes, name, ": record ", i, " at offset ", i * cifar_record,
                            " has the label ", int{label}, ", expected 0 to ", cifar_classes - 1);
        set.labels[static_cast<std::size_t>(i)] = label;
        std::uint8_t* const out = set.pixels.data() + i * set.image_size();
        for (dim_t c = 0; c < cifar_channels; ++c)
            for (dim_t p = 0; p < plane; ++p)
                out[p * cifar_channels + c] = static_cast<std::uint8_t>(record[1 + c * plane + p]);
    }
    return set;
}
} // namespace detail

/// Reads one file of records. file_error for whatever is not.
inline image_set read_cifar10_file(const std::string& path, std::span<const codec> codecs = {}) {
    return detail::parse_cifar10(read_packed_file(path, codecs).span(), path);
}

/// Reads the folder: data_batch_1.bin to data_batch_5.bin, and test_batch.bin or, where that is missing,
/// test_first5000.bin.
inline image_split read_cifar10(const std::string& folder, std::span<const codec> codecs = {}) {
    const auto path = [&](const std::string& name) { return (std::filesystem::path(folder) / name).string(); };
    image_split split;
    for (int i = 1; i <= 5; ++i) split.train.append(read_cifar10_file(path(join("data_batch_", i, ".bin")), codecs));
    const bool half = find_packed_file(path("test_batch.bin"), codecs).empty() &&
                      !find_packed_file(path("test_first5000.bin"), codecs).empty();
    split.test = read_cifar10_file(path(half ? "test_first5000.bin" : "test_batch.bin"), codecs);
    return split;
}

} // namespace intaglio::inline INTAGLIO_ABI::data
