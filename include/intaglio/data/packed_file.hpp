// SPDX-License-Identifier: Apache-2.0
#pragma once

// Files of data sets, which come as they are or compressed. The library itself needs no compression library: who wants
// compressed files gives the readers what unpacks them,
//
//   const data::codec codecs[] = {data::gzip, data::xz};            // data/formats/gzip.hpp (zlib), xz.hpp (liblzma)
//   const auto cifar = data::read_cifar10(folder, codecs);
//
// and a reader that is asked for `name` takes `name`, `name.gz` or `name.xz`, the first that is there.

#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/file.hpp"

namespace intaglio::inline INTAGLIO_ABI::data {

/// One way to compress. `unpack` gives at most `most` bytes and throws file_error, with `name` and the offset in it,
/// for a stream that is cut, damaged, longer than that or followed by something else.
struct codec {
    std::string_view suffix; ///< of files, with the dot
    file_bytes (*unpack)(std::span<const char> packed, dim_t most, const std::string& name);
};

/// More than any data set that fits in memory with its network.
inline constexpr dim_t most_unpacked = dim_t{8} << 30; ///< bytes

/// The path itself if there is such a file, or else the path with the suffix of a codec. Empty if there is neither.
inline std::string find_packed_file(const std::string& path, std::span<const codec> codecs) {
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored)) return path;
    for (const codec& c : codecs)
        if (std::string packed = path + std::string(c.suffix); std::filesystem::exists(packed, ignored)) return packed;
    return {};
}

/// All bytes of `path`, or of the file with a codec's suffix, unpacked.
inline file_bytes read_packed_file(const std::string& path, std::span<const codec> codecs, dim_t most = most_unpacked) {
    const std::string found = find_packed_file(path, codecs);
    if (found.empty()) {
        std::error_code ignored;
        for (const char* const suffix : {".gz", ".xz"})
            require<file_error>(!std::filesystem::exists(path + suffix, ignored), path + suffix,
                                ": is compressed, and this program was built without what unpacks ", suffix);
        return read_file(path); // which says why it can't
    }
    for (const codec& c : codecs)
        if (found.ends_with(c.suffix)) return c.unpack(map_file(found).span(), most, found);
    file_bytes bytes = read_file(found);
    require<file_error>(bytes.size() <= most, found, ": has ", bytes.size(), " bytes, expected at most ", most);
    return bytes;
}

/// Where a data set lies: `given`, what a user said, unless it is empty; otherwise the folder `name` of the folder that
/// the environment variable INTAGLIO_DATA names. file_error, which says so, if that is not set.
inline std::string data_folder(const std::string& given, const std::string& name) {
    if (!given.empty()) return given;
    const char* const root = std::getenv("INTAGLIO_DATA");
    require<file_error>(root != nullptr && *root != '\0', name,
                        ": where is it? Give the folder, or set INTAGLIO_DATA to the folder that '", name, "' is in");
    return (std::filesystem::path(root) / name).string();
}

} // namespace intaglio::inline INTAGLIO_ABI::data
