// SPDX-License-Identifier: Apache-2.0
#pragma once

// Ctrl-C and SIGTERM as a question that the training asks between two steps. The second signal ends the program at
// once, as it does for programs that don't listen.

namespace training {

void listen_to_signals();

/// The signal that came, 0 if none did.
int signal_that_came();

} // namespace training
