// SPDX-License-Identifier: Apache-2.0
#pragma once

// Numbers for tests whose values can be had again: `count` of them, between `low` and `high`, in an order without a
// period that a kernel's blocks could share.

#include <concepts>
#include <cstddef>
#include <vector>

template <class T>
std::vector<T> pattern(std::integral auto count, int low, int high) {
    std::vector<T> v(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < v.size(); ++i)
        v[i] = static_cast<T>(low + static_cast<int>((i * 7919U + i / 13U) % static_cast<unsigned>(high - low + 1)));
    return v;
}
