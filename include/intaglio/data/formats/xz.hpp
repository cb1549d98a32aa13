// SPDX-License-Identifier: Apache-2.0
#pragma once

// Unpacks xz files. Needs liblzma (Debian: liblzma-dev; link with -llzma).

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <lzma.h>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/file.hpp"
#include "intaglio/data/packed_file.hpp"

namespace intaglio::inline INTAGLIO_ABI::data {

namespace detail {

inline file_bytes unpack_xz(std::span<const char> packed, dim_t most, const std::string& name) {
    struct decoder {
        lzma_stream stream{}; // all zero, as LZMA_STREAM_INIT has it
        ~decoder() { ::lzma_end(&stream); }
    } state;
    lzma_stream& s = state.stream;
    constexpr std::uint64_t most_memory = std::uint64_t{1} << 28; // of the dictionary; `xz -9` asks for 65 MiB
    require<file_error>(::lzma_stream_decoder(&s, most_memory, LZMA_CONCATENATED) == LZMA_OK, name,
                        ": can't be unpacked: liblzma has no memory");

    std::vector<char> bytes;
    s.next_in = reinterpret_cast<const std::uint8_t*>(packed.data());
    s.avail_in = packed.size();
    for (std::size_t written = 0;;) {
        // one byte more than allowed would show that the stream goes on
        if (written == bytes.size())
            bytes.resize(std::min(std::max(2 * written, std::size_t{1} << 16), static_cast<std::size_t>(most) + 1));
        s.next_out = reinterpret_cast<std::uint8_t*>(bytes.data() + written);
        s.avail_out = bytes.size() - written;
        const lzma_ret code = ::lzma_code(&s, LZMA_FINISH);
        written = bytes.size() - s.avail_out;
        const std::size_t offset = packed.size() - s.avail_in;
        require<file_error>(written <= static_cast<std::size_t>(most), name, ": unpacks to more than ", most, " bytes");
        if (code == LZMA_STREAM_END) return file_bytes(std::span<const char>(bytes.data(), written));
        require<file_error>(code != LZMA_BUF_ERROR, name, ": ends at offset ", offset,
                            ", inside the compressed stream");
        require<file_error>(code == LZMA_OK, name, ": is damaged before offset ", offset, ": ",
                            code == LZMA_FORMAT_ERROR     ? "not an xz stream"
                            : code == LZMA_MEMLIMIT_ERROR ? "it asks for more than 256 MiB of memory"
                            : code == LZMA_MEM_ERROR      ? "no memory"
                            : code == LZMA_OPTIONS_ERROR  ? "options that liblzma does not know"
                                                          : "the data are corrupt");
    }
}

} // namespace detail

inline constexpr codec xz{".xz", detail::unpack_xz};

} // namespace intaglio::inline INTAGLIO_ABI::data
