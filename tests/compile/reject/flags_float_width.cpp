// SPDX-License-Identifier: Apache-2.0
// flags of gcc: -mfpmath=387
// expect: Intaglio: results rest on IEEE arithmetic; compile with float and double computed as such

#include "intaglio/core/config.hpp"
