// SPDX-License-Identifier: Apache-2.0
// expect: winograd: transformed numbers of the format don't fit int16; use a narrower format or the direct form

#include "intaglio/conv/winograd_policy.hpp"

using namespace intaglio;

detail::winograd_format<fixed<14>, 9>::storage filter; // 9 * 8,191
