// SPDX-License-Identifier: Apache-2.0
// expect: buffer<T>: elements are plain numbers or structs of them; use std::vector for other types

#include <string>

#include "intaglio/core/buffer.hpp"

intaglio::buffer<std::string> names;
