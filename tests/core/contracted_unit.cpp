// SPDX-License-Identifier: Apache-2.0
#include "intaglio/core/contraction.hpp"

bool unit_contracts();
bool unit_contracts() { return intaglio::contracts(); }
