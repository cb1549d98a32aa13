// SPDX-License-Identifier: Apache-2.0
#pragma once

// Compressed images. As with compressed files (packed_file.hpp) the library itself needs no image library; a reader is
// given what decodes,
//
//   const data::image_format formats[] = {data::jpeg, data::png}; // of data/formats/: TurboJPEG, libpng
//
// and takes for each image the format that its first bytes tell, whatever the file's name says: ImageNet itself has a
// PNG image under a JPEG name.

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/data/image.hpp"

namespace intaglio::inline INTAGLIO_ABI::data {

struct image_dimensions {
    dim_t height, width;
};

/// Both functions throw file_error with `name` in it for an image that is cut or damaged.
struct image_format {
    std::string_view name;
    std::string_view first;                                                         ///< bytes of every such image
    image_dimensions (*size)(std::span<const char> bytes, const std::string& name); ///< as its header claims
    void (*decode)(std::span<const char> bytes, image_dimensions size, const std::string& name, image& into);
};

/// An image that claims more pixels is refused before memory is taken for it.
inline constexpr dim_t most_pixels = 100'000'000;

/// The format of an image. file_error if it is none of the given ones.
inline const image_format& find_image_format(std::span<const char> bytes, std::span<const image_format> formats,
                                             const std::string& name) {
    const std::string_view text(bytes.data(), bytes.size());
    const auto found =
        std::find_if(formats.begin(), formats.end(), [&](const image_format& f) { return text.starts_with(f.first); });
    if (found != formats.end()) return *found;
    std::string known;
    for (const image_format& f : formats) known += (known.empty() ? "" : ", ") + std::string(f.name);
    fail<file_error>(name, ": has ", bytes.size(), " bytes and does not start as an image of a known format; ",
                     known.empty() ? "this program was built without any" : "known are " + known);
}

/// The size that an image claims, checked.
inline image_dimensions claimed_size(std::span<const char> bytes, const image_format& format, const std::string& name) {
    const image_dimensions size = format.size(bytes, name);
    require<file_error>(size.height >= 1 && size.width >= 1 && size.width <= most_pixels / size.height, name, ": its ",
                        bytes.size(), " bytes claim ", size.height, " x ", size.width, " pixels, at most ", most_pixels,
                        " are read");
    return size;
}

/// Decodes an image to red, green and blue; grey ones get three equal channels, and transparency is dropped.
inline void decode_image(std::span<const char> bytes, std::span<const image_format> formats, const std::string& name,
                         image& into) {
    const image_format& format = find_image_format(bytes, formats, name);
    const image_dimensions size = claimed_size(bytes, format, name);
    into.resize(size.height, size.width, 3);
    format.decode(bytes, size, name, into);
}

} // namespace intaglio::inline INTAGLIO_ABI::data
