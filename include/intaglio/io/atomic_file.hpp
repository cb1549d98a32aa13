// SPDX-License-Identifier: Apache-2.0
#pragma once

// Files written so that nobody ever sees half of one, whoever else writes to the same path, from this process or
// another: into a temporary file of its own beside the target, flushed to the disk, renamed over the target, and the
// folder flushed too. The last one to rename wins, and readers see one whole file or the other.
//
// A failure leaves the old file as it was, removes the temporary one, and is a file_error that names the file and the
// system's reason. Only a process that is killed while it writes leaves a temporary file: `.NAME.writing-PID-N`.
//
// As for a file that is written in place: a symbolic link stays, and the file that it names is replaced; the mode of
// the old file is kept, and its owner as far as the system allows. (Hard links, and attributes beyond the mode, are
// not: the file is a new one.)

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <initializer_list>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/file.hpp"

namespace intaglio::inline INTAGLIO_ABI::io {

namespace detail {

using intaglio::detail::file_descriptor;
using intaglio::detail::system_reason;

/// Where `path` leads when its last part is a symbolic link, or a link to a link.
inline std::filesystem::path follow_links(const std::string& path) {
    constexpr int most = 40; // as the kernel has it
    std::filesystem::path target = path;
    for (int links = 0;; ++links) {
        std::error_code fault;
        if (!std::filesystem::is_symlink(std::filesystem::symlink_status(target, fault))) return target;
        require<file_error>(links < most, path, ": can't be written: ", system_reason(ELOOP));
        const auto next = std::filesystem::read_symlink(target, fault);
        require<file_error>(!fault, path, ": can't be written: ", fault.message());
        target = target.parent_path() / next; // an absolute link replaces the folder
    }
}

/// A file of a name that nobody else has, removed with the object unless it was renamed.
class temporary_file {
public:
    /// In the folder of `target`. `path` stands for it in messages.
    temporary_file(const std::filesystem::path& target, mode_t mode, const std::string& path) {
        static std::atomic<std::uint64_t> number{0};
        constexpr std::size_t most = 180; // bytes of the target's name: with the rest it stays below 255
        const std::string name = target.filename().string().substr(0, most);
        do {
            name_ = target.parent_path() / join(".", name, ".writing-", static_cast<std::int64_t>(::getpid()), "-",
                                                number.fetch_add(1, std::memory_order_relaxed));
            file_ = file_descriptor(::open(name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
        } while (!file_.is_open() && (errno == EEXIST || errno == EINTR)); // left by a dead process of the same number
        require<file_error>(file_.is_open(), path, ": can't be written: no temporary file in '",
                            folder_of(target).string(), "': ", system_reason(errno));
    }
    temporary_file(const temporary_file&) = delete;
    temporary_file& operator=(const temporary_file&) = delete;
    ~temporary_file() {
        if (!renamed_) ::unlink(name_.c_str());
    }

    static std::filesystem::path folder_of(const std::filesystem::path& target) {
        return target.has_parent_path() ? target.parent_path() : std::filesystem::path(".");
    }

    int number() const noexcept { return file_.number(); }

    /// 0 or the error.
    int write(std::span<const char> bytes) noexcept {
        while (!bytes.empty()) {
            const auto done = ::write(file_.number(), bytes.data(), bytes.size());
            if (done < 0 && errno == EINTR) continue;
            if (done <= 0) return done < 0 ? errno : EIO;
            bytes = bytes.subspan(static_cast<std::size_t>(done));
        }
        return 0;
    }
    int sync_and_close() noexcept { return ::fsync(file_.number()) == 0 ? file_.close() : errno; }
    int rename_to(const std::filesystem::path& target) noexcept {
        renamed_ = std::rename(name_.c_str(), target.c_str()) == 0;
        return renamed_ ? 0 : errno;
    }

private:
    std::filesystem::path name_;
    file_descriptor file_;
    bool renamed_ = false;
};

} // namespace detail

/// Replaces the file `path` by the parts, one after the other.
inline void write_file_atomically(const std::string& path, std::span<const std::span<const char>> parts) {
    const auto check = [&](int code, const char* what) {
        require<file_error>(code == 0, path, ": ", what, ": ", detail::system_reason(code));
    };
    const std::filesystem::path target = detail::follow_links(path);
    struct stat old;
    const bool replaces = ::stat(target.c_str(), &old) == 0;
    if (!replaces && errno != ENOENT) check(errno, "can't be written");
    require<file_error>(!replaces || !S_ISDIR(old.st_mode), path, ": can't be written: it is a directory");
    require<file_error>(!replaces || S_ISREG(old.st_mode), path, ": can't be written: it is not a regular file");
    // a rename would not ask
    check(!replaces || ::access(target.c_str(), W_OK) == 0 ? 0 : errno, "can't be written");

    // never open to more people than the old file, not even for a moment; a new file has what the umask leaves
    detail::temporary_file file(target, replaces ? old.st_mode & 0600 : 0666, path);
    for (const auto part : parts) check(file.write(part), "can't be written");
    if (replaces) {
        // only root may give a file away; who can't keeps the file, as an editor that saves by rename does
        const bool kept = ::fchown(file.number(), old.st_uid, old.st_gid) == 0;
        const mode_t mode = old.st_mode & (kept ? 07777 : 0777);
        check(::fchmod(file.number(), mode) == 0 ? 0 : errno, "its mode can't be kept");
    }
    check(file.sync_and_close(), "can't be written");
    check(file.rename_to(target), "can't be replaced");

    // from here on the new file is there; without this a crash of the machine could bring the old one back
    const detail::file_descriptor folder(
        ::open(detail::temporary_file::folder_of(target).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const int code = folder.is_open() && ::fsync(folder.number()) == 0 ? 0 : errno;
    // a folder that one may write to but not list can't be opened, and some file systems have no sync of folders
    if (code != EACCES && code != EINVAL && code != ENOTSUP)
        check(code, "was written, but its folder can't be flushed to the disk");
}

inline void write_file_atomically(const std::string& path, std::initializer_list<std::span<const char>> parts) {
    write_file_atomically(path, std::span<const std::span<const char>>(parts.begin(), parts.size()));
}

} // namespace intaglio::inline INTAGLIO_ABI::io
