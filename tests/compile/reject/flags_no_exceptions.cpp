// SPDX-License-Identifier: Apache-2.0
// flags: -fno-exceptions
// expect: Intaglio: faults are reported by exceptions; compile without -fno-exceptions

#include "intaglio/core/config.hpp"
