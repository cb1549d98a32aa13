// SPDX-License-Identifier: Apache-2.0
#pragma once

// Unpacks gzip files (RFC 1952). Needs zlib (Debian: zlib1g-dev; link with -lz).

#include <algorithm>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <zlib.h>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/file.hpp"
#include "intaglio/data/packed_file.hpp"

namespace intaglio::inline INTAGLIO_ABI::data {

namespace detail {

inline file_bytes unpack_gzip(std::span<const char> packed, dim_t most, const std::string& name) {
    struct inflation {
        z_stream stream{};
        ~inflation() { ::inflateEnd(&stream); }
    } state;
    z_stream& s = state.stream;
    constexpr int gzip_only = 15 + 16; // the window, and the header that is expected
    require<file_error>(::inflateInit2(&s, gzip_only) == Z_OK, name, ": can't be unpacked: zlib has no memory");

    std::vector<char> bytes;
    std::size_t used = 0, written = 0; // of `packed` and of `bytes`
    for (bool whole = false; !whole || used < packed.size();) {
        // one byte more than allowed would show that the stream goes on
        if (written == bytes.size())
            bytes.resize(std::min(std::max(2 * written, std::size_t{1} << 16), static_cast<std::size_t>(most) + 1));
        constexpr std::size_t step = std::numeric_limits<uInt>::max();
        const std::size_t in = std::min(step, packed.size() - used), out = std::min(step, bytes.size() - written);
        s.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + used));
        s.avail_in = static_cast<uInt>(in);
        s.next_out = reinterpret_cast<Bytef*>(bytes.data() + written);
        s.avail_out = static_cast<uInt>(out);
        const int code = ::inflate(&s, Z_NO_FLUSH);
        used += in - s.avail_in;
        written += out - s.avail_out;
        require<file_error>(written <= static_cast<std::size_t>(most), name, ": unpacks to more than ", most, " bytes");
        whole = code == Z_STREAM_END;
        if (whole && used < packed.size())
            ::inflateReset(&s); // a file may be several streams
        else if (code == Z_BUF_ERROR && used == packed.size())
            fail<file_error>(name, ": ends at offset ", used, ", inside the compressed stream");
        else
            require<file_error>(code == Z_OK || code == Z_BUF_ERROR || whole, name, ": is damaged before offset ", used,
                                ": ", s.msg ? s.msg : "not a gzip stream");
    }
    return file_bytes(std::span<const char>(bytes.data(), written));
}

} // namespace detail

inline constexpr codec gzip{".gz", detail::unpack_gzip};

} // namespace intaglio::inline INTAGLIO_ABI::data
