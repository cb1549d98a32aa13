// SPDX-License-Identifier: Apache-2.0
#pragma once

// Decodes JPEG images. Needs TurboJPEG, libjpeg-turbo's own interface (Debian: libturbojpeg0-dev; link with
// -lturbojpeg).
//
// An image that is cut or damaged is refused even where the library could guess the rest. Four-colour images (CMYK, of
// which ImageNet has some) are taken as Adobe writes them, inverted.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <turbojpeg.h>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/data/image.hpp"
#include "intaglio/data/image_format.hpp"

namespace intaglio::inline INTAGLIO_ABI::data {

namespace detail {

/// One decompressor for each thread: to make one takes as long as to decode a small image.
class jpeg_decoder {
public:
    static jpeg_decoder& mine() {
        thread_local jpeg_decoder decoder;
        return decoder;
    }

    image_dimensions size(std::span<const char> bytes, const std::string& name) {
        int width = 0, height = 0, sampling = 0;
        check(::tjDecompressHeader3(handle_, data(bytes), bytes.size(), &width, &height, &sampling, &colours_), bytes,
              name);
        return {height, width};
    }
    void decode(std::span<const char> bytes, image_dimensions size, const std::string& name, image& into) {
        const image_dimensions claimed = this->size(bytes, name); // and its colours
        require<file_error>(claimed.height == size.height && claimed.width == size.width, name, ": is ", claimed.height,
                            " x ", claimed.width, " pixels, room is for ", size.height, " x ", size.width);
        const int height = static_cast<int>(size.height), width = static_cast<int>(size.width);
        const bool inks = colours_ == TJCS_CMYK || colours_ == TJCS_YCCK;
        if (!inks) {
            check(::tjDecompress2(handle_, data(bytes), bytes.size(), into.row(0), width, 0, height, TJPF_RGB,
                                  TJFLAG_STOPONWARNING | TJFLAG_ACCURATEDCT),
                  bytes, name);
            return;
        }
        inks_.resize(size.height, size.width, 4);
        check(::tjDecompress2(handle_, data(bytes), bytes.size(), inks_.row(0), width, 0, height, TJPF_CMYK,
                              TJFLAG_STOPONWARNING | TJFLAG_ACCURATEDCT),
              bytes, name);
        for (dim_t y = 0; y < size.height; ++y) {
            const std::uint8_t* from = inks_.row(y);
            std::uint8_t* out = into.row(y);
            for (dim_t x = 0; x < size.width; ++x, from += 4)
                for (int c = 0; c < 3; ++c) *out++ = static_cast<std::uint8_t>((from[c] * from[3] + 127) / 255);
        }
    }

private:
    jpeg_decoder() { start(); }
    jpeg_decoder(const jpeg_decoder&) = delete;
    jpeg_decoder& operator=(const jpeg_decoder&) = delete;
    ~jpeg_decoder() {
        if (handle_ != nullptr) ::tjDestroy(handle_);
    }

    static const unsigned char* data(std::span<const char> bytes) {
        return reinterpret_cast<const unsigned char*>(bytes.data());
    }
    void start() {
        handle_ = ::tjInitDecompress();
        require<error>(handle_ != nullptr, "TurboJPEG can't start: ", ::tjGetErrorStr2(nullptr));
    }
    void check(int code, std::span<const char> bytes, const std::string& name) {
        if (code == 0) return;
        const std::string reason = ::tjGetErrorStr2(handle_);
        ::tjDestroy(handle_); // TurboJPEG 2.1 goes on in the header that failed, whatever image comes next
        handle_ = nullptr;
        start();
        fail<file_error>(name, ": is no whole JPEG image in ", bytes.size(), " bytes: ", reason);
    }

    tjhandle handle_ = nullptr;
    int colours_ = 0; ///< of the last image
    image inks_;
};

} // namespace detail

inline constexpr image_format jpeg{
    "JPEG", "\xff\xd8\xff",
    [](std::span<const char> bytes, const std::string& name) { return detail::jpeg_decoder::mine().size(bytes, name); },
    [](std::span<const char> bytes, image_dimensions size, const std::string& name, image& into) {
        detail::jpeg_decoder::mine().decode(bytes, size, name, into);
    }};

} // namespace intaglio::inline INTAGLIO_ABI::data
