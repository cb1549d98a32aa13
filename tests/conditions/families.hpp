// SPDX-License-Identifier: Apache-2.0
#pragma once

// The public families of the library, each as a small computation whose results are bytes: what docs/conditions.md
// promises is tried on all of them.

#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "intaglio/core/parallel.hpp"

namespace intaglio::conditions {

class bytes {
public:
    template <class T>
    void add(std::span<const T> values) {
        static_assert(std::is_arithmetic_v<T>);
        const auto at = all_.size();
        all_.resize(at + values.size_bytes());
        if (!values.empty()) std::memcpy(all_.data() + at, values.data(), values.size_bytes());
    }
    template <class T>
    void add(const std::vector<T>& values) {
        add(std::span<const T>(values));
    }
    template <class T>
        requires std::is_arithmetic_v<T>
    void add(T value) { add(std::span<const T>(&value, 1)); }

    friend bool operator==(const bytes&, const bytes&) = default;

private:
    std::vector<unsigned char> all_;
};

struct family {
    const char* name;
    void (*run)(executor_ref exec, bytes& out);
};

std::span<const family> families();
/// Their inputs are made anew in each run, by integer arithmetic alone.
std::vector<float> floats(dim_t count, std::uint64_t seed, int top = 0, std::uint32_t range = 12);
/// Steps of training plans, in both storage types (plans.cpp).
void train_plans(executor_ref exec, bytes& out);

inline bytes result_of(const family& f, executor_ref exec) {
    bytes out;
    f.run(exec, out);
    return out;
}

} // namespace intaglio::conditions
