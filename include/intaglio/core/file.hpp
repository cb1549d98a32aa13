// SPDX-License-Identifier: Apache-2.0
#pragma once

// The bytes of a file, read into memory or mapped.
//
// `read_file` copies: whatever happens to the file later, the bytes stay. `map_file` copies nothing and costs nothing
// until a page is touched, but a file that another program cuts short in place then ends this one with SIGBUS; a file
// that is replaced by rename (io/atomic_file.hpp) is safe to map. Either way the first byte lies at a multiple of 64.
//
// Only regular files are read: a pipe would make the reader wait, a device has no end. Every failure is a file_error
// that names the file and the system's reason.

#include <cerrno>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "intaglio/core/buffer.hpp"
#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"

namespace intaglio::inline INTAGLIO_ABI {

namespace detail {

/// "No such file or directory" and the like, for errno or a copy of it. Unlike strerror, safe in any thread.
inline std::string system_reason(int code) { return std::generic_category().message(code); }

/// An open file, closed with the object.
class file_descriptor {
public:
    file_descriptor() = default;
    explicit file_descriptor(int number) noexcept : number_(number) {}
    file_descriptor(file_descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
    file_descriptor& operator=(file_descriptor&& other) noexcept {
        std::swap(number_, other.number_);
        return *this;
    }
    ~file_descriptor() { close(); }

    bool is_open() const noexcept { return number_ >= 0; }
    int number() const noexcept { return number_; }

    /// 0, or why what was written may be lost. After it nothing is open, whatever it says.
    int close() noexcept {
        if (!is_open()) return 0;
        return ::close(std::exchange(number_, -1)) == 0 || errno == EINTR ? 0 : errno;
    }

private:
    int number_ = -1;
};

/// Opens a regular file for reading and gives its size.
inline std::pair<file_descriptor, std::size_t> open_regular_file(const std::string& path) {
    // without O_NONBLOCK a pipe that nobody writes to would never open
    file_descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    require<file_error>(file.is_open(), path, ": can't be opened: ", system_reason(errno));
    struct stat status;
    require<file_error>(::fstat(file.number(), &status) == 0, path, ": can't be read: ", system_reason(errno));
    require<file_error>(!S_ISDIR(status.st_mode), path, ": can't be read: it is a directory");
    require<file_error>(S_ISREG(status.st_mode), path, ": can't be read: it is not a regular file");
    return {std::move(file), static_cast<std::size_t>(status.st_size)};
}

} // namespace detail

/// What read_file and map_file give.
class file_bytes {
public:
    file_bytes() = default;
    /// A copy of bytes that are in memory already.
    explicit file_bytes(std::span<const char> bytes) : owned_(bytes), view_(owned_.span()) {}
    explicit file_bytes(buffer<char> bytes) noexcept : owned_(std::move(bytes)), view_(owned_.span()) {}
    file_bytes(file_bytes&& other) noexcept
        : owned_(std::move(other.owned_)), view_(std::exchange(other.view_, {})),
          mapped_(std::exchange(other.mapped_, false)) {}
    file_bytes& operator=(file_bytes&& other) noexcept {
        std::swap(owned_, other.owned_);
        std::swap(view_, other.view_);
        std::swap(mapped_, other.mapped_);
        return *this;
    }
    /// Bytes of somebody else where they lie: they must outlive this object and those that it is moved to.
    static file_bytes view(std::span<const char> bytes) noexcept {
        file_bytes made;
        made.view_ = bytes;
        return made;
    }
    ~file_bytes() {
        if (mapped_) ::munmap(const_cast<char*>(view_.data()), view_.size());
    }

    std::span<const char> span() const noexcept { return view_; }
    std::string_view text() const noexcept { return {view_.data(), view_.size()}; }
    const char* data() const noexcept { return view_.data(); }
    dim_t size() const noexcept { return static_cast<dim_t>(view_.size()); }

private:
    friend file_bytes map_file(const std::string& path);

    buffer<char> owned_;
    std::span<const char> view_; ///< of owned_, or mapped
    bool mapped_ = false;
};

/// All bytes of a file, copied.
inline file_bytes read_file(const std::string& path) {
    const auto [file, size] = detail::open_regular_file(path);
    buffer<char> bytes(static_cast<dim_t>(size), uninitialized);
    for (std::size_t done = 0; done < size;) {
        const auto got = ::read(file.number(), bytes.data() + done, size - done);
        if (got < 0 && errno == EINTR) continue;
        require<file_error>(got >= 0, path, ": can't be read at offset ", done, ": ", detail::system_reason(errno));
        require<file_error>(got > 0, path, ": ends at offset ", done, ", its size was ", size, " bytes");
        done += static_cast<std::size_t>(got);
    }
    return file_bytes(std::move(bytes));
}

/// All bytes of a file, mapped into memory read-only.
inline file_bytes map_file(const std::string& path) {
    const auto [file, size] = detail::open_regular_file(path);
    file_bytes bytes;
    if (size == 0) return bytes; // there is nothing to map
    void* const start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.number(), 0);
    require<file_error>(start != MAP_FAILED, path, ": can't be mapped: ", detail::system_reason(errno));
    bytes.view_ = {static_cast<const char*>(start), size};
    bytes.mapped_ = true;
    return bytes;
}

} // namespace intaglio::inline INTAGLIO_ABI
