// SPDX-License-Identifier: Apache-2.0
#pragma once

// Decodes PNG images. Needs libpng 1.6 (Debian: libpng-dev; link with -lpng).

#include <cstdint>
#include <span>
#include <string>

#include <png.h>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/data/image.hpp"
#include "intaglio/data/image_format.hpp"

namespace intaglio::inline INTAGLIO_ABI::data {

namespace detail {

/// libpng's simplified interface, begun: the header is read.
class png_reader {
public:
    png_reader(std::span<const char> bytes, const std::string& name) : name_(name) {
        image_.version = PNG_IMAGE_VERSION;
        check(::png_image_begin_read_from_memory(&image_, bytes.data(), bytes.size()));
    }
    png_reader(const png_reader&) = delete;
    png_reader& operator=(const png_reader&) = delete;
    ~png_reader() { ::png_image_free(&image_); }

    image_dimensions size() const { return {static_cast<dim_t>(image_.height), static_cast<dim_t>(image_.width)}; }

    void decode(image& into) {
        const bool opaque = (image_.format & PNG_FORMAT_FLAG_ALPHA) == 0;
        if (opaque) {
            image_.format = PNG_FORMAT_RGB;
            check(::png_image_finish_read(&image_, nullptr, into.row(0), 0, nullptr));
            return;
        }
        // to drop the alpha channel here keeps the colours; libpng would blend them with a background
        image_.format = PNG_FORMAT_RGBA;
        image four;
        four.resize(size().height, size().width, 4);
        check(::png_image_finish_read(&image_, nullptr, four.row(0), 0, nullptr));
        for (dim_t y = 0; y < size().height; ++y) {
            const std::uint8_t* from = four.row(y);
            std::uint8_t* out = into.row(y);
            for (dim_t x = 0; x < size().width; ++x, ++from)
                for (int c = 0; c < 3; ++c) *out++ = *from++;
        }
    }

private:
    /// Warnings, such as an odd colour profile, leave a whole image.
    void check(int done) const {
        require<file_error>(done != 0 && !PNG_IMAGE_FAILED(image_), name_, ": is no whole PNG image: ", image_.message);
    }

    png_image image_{};
    const std::string& name_;
};

} // namespace detail

inline constexpr image_format png{
    "PNG", "\x89PNG\r\n\x1a\n",
    [](std::span<const char> bytes, const std::string& name) { return detail::png_reader(bytes, name).size(); },
    [](std::span<const char> bytes, image_dimensions, const std::string& name, image& into) {
        detail::png_reader(bytes, name).decode(into);
    }};

} // namespace intaglio::inline INTAGLIO_ABI::data
