// SPDX-License-Identifier: Apache-2.0
#pragma once

// Runs a function in a forked child.

#include <sys/wait.h>
#include <unistd.h>

namespace intaglio {

struct child_end {
    int status = -1; ///< what the function returned, 0 .. 255; -1 if a signal ended the child
    int signal = 0;  ///< which; SIGALRM where it did not end in time
};

/// The end of a child that runs `f` and stops with its result, 254 for an exception; after `seconds` it is killed.
template <class F>
child_end in_child(unsigned seconds, F&& f) {
    const pid_t child = fork();
    if (child == 0) {
        alarm(seconds);
        int status = 254;
        try {
            status = f();
        } catch (...) {
        }
        _exit(status);
    }
    int how = 0;
    waitpid(child, &how, 0);
    return WIFEXITED(how) ? child_end{WEXITSTATUS(how), 0} : child_end{-1, WTERMSIG(how)};
}

} // namespace intaglio
