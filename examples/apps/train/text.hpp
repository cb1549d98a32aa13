// SPDX-License-Identifier: Apache-2.0
#pragma once

// Text from numbers, as printf has it.

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>

namespace training {

template <class... Values>
std::string print(const char* format, Values... values) {
    std::array<char, 512> text;
    const int length = std::snprintf(text.data(), text.size(), format, values...);
    return {text.data(), static_cast<std::size_t>(std::clamp(length, 0, static_cast<int>(text.size()) - 1))};
}

} // namespace training
