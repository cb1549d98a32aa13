// SPDX-License-Identifier: Apache-2.0
#pragma once

// Files read whole, and files written so that nobody ever sees half of one: into a temporary file beside the target,
// flushed to the disk, then renamed over it. A failure leaves the old file as it was, removes the temporary one, and is
// a file_error.

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <unistd.h>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"

namespace intaglio::inline INTAGLIO_ABI::io {

/// All bytes of a file.
inline std::vector<char> read_file(const std::string& path) {
    std::error_code fault;
    const auto size = std::filesystem::file_size(path, fault);
    require<file_error>(!fault, path, ": ", fault.message());
    std::ifstream file(path, std::ios::binary);
    require<file_error>(file.is_open(), path, ": can't be opened");
    std::vector<char> bytes(static_cast<std::size_t>(size));
    file.read(bytes.data(), static_cast<std::streamsize>(size));
    require<file_error>(static_cast<std::uintmax_t>(file.gcount()) == size, path, ": read ", file.gcount(), " of ",
                        size, " bytes");
    return bytes;
}

/// Replaces the file `path` by the parts, one after the other.
inline void write_file_atomically(const std::string& path, std::initializer_list<std::span<const char>> parts) {
    const std::string temporary = join(path, ".writing-", static_cast<std::int64_t>(::getpid()));
    const auto give_up = [&](const char* what) {
        const int code = errno;
        std::remove(temporary.c_str());
        fail<file_error>(path, ": ", what, ": ", std::strerror(code));
    };
    struct close_file {
        void operator()(std::FILE* f) const { std::fclose(f); }
    };
    std::unique_ptr<std::FILE, close_file> file(std::fopen(temporary.c_str(), "wb"));
    if (!file) give_up("can't be created");
    for (const auto part : parts)
        if (std::fwrite(part.data(), 1, part.size(), file.get()) != part.size()) give_up("can't be written");
    if (std::fflush(file.get()) != 0 || ::fsync(::fileno(file.get())) != 0) give_up("can't be written");
    if (std::fclose(file.release()) != 0) give_up("can't be written");
    if (std::rename(temporary.c_str(), path.c_str()) != 0) give_up("can't be replaced");
}

} // namespace intaglio::inline INTAGLIO_ABI::io
