// SPDX-License-Identifier: Apache-2.0
#pragma once

// One writer for a folder at a time: a lock on the folder itself (flock), so that nothing is left behind, whatever ends
// the process. It holds against programs that ask for it, on this machine; file systems that have no locks grant it.

#include <cerrno>
#include <string>

#include <fcntl.h>
#include <sys/file.h>

#include "intaglio/core/error.hpp"
#include "intaglio/core/file.hpp"

namespace intaglio::inline INTAGLIO_ABI::io {

class folder_lock {
public:
    /// file_error where `folder` can't be opened, or somebody else has its lock.
    explicit folder_lock(const std::string& folder)
        : folder_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
        require<file_error>(folder_.is_open(), folder, ": can't be opened: ", intaglio::detail::system_reason(errno));
        int result = 0;
        do result = ::flock(folder_.number(), LOCK_EX | LOCK_NB);
        while (result != 0 && errno == EINTR);
        require<file_error>(result == 0 || errno != EWOULDBLOCK, folder,
                            ": another process is writing there; wait for its end, or choose another folder");
    }

private:
    intaglio::detail::file_descriptor folder_; ///< closing it gives the lock back
};

} // namespace intaglio::inline INTAGLIO_ABI::io
