// SPDX-License-Identifier: Apache-2.0
#pragma once

// How fast the kernels under the quickstart are on this CPU.

namespace quickstart {

/// One line for each instruction set that was built and that this CPU has.
void print_layer_speeds();

} // namespace quickstart
