// SPDX-License-Identifier: Apache-2.0

#include "interrupt.hpp"

#include <csignal>
#include <initializer_list>

namespace training {
namespace {
volatile std::sig_atomic_t came = 0;
void remember(int signal) { came = signal; }
} // namespace

void listen_to_signals() {
    struct sigaction action {};
    action.sa_handler = remember;
    action.sa_flags = static_cast<int>(SA_RESETHAND | static_cast<unsigned>(SA_RESTART));
    sigemptyset(&action.sa_mask);
    for (const int signal : {SIGINT, SIGTERM}) sigaction(signal, &action, nullptr);
}

int signal_that_came() { return came; }

} // namespace training
