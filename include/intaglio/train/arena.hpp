// SPDX-License-Identifier: Apache-2.0
#pragma once

// One block of memory for all tensors of a step, each at its place in a plan (core/memory_plan.hpp): a step allocates
// nothing.

#include <cstddef>

#include "intaglio/core/buffer.hpp"
#include "intaglio/core/config.hpp"
#include "intaglio/core/memory_plan.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

class arena {
public:
    /// A tensor of so many bytes; needed when it is touched.
    std::size_t add(dim_t bytes) { return plan_.add(bytes); }
    /// The tensor is needed at `moment`.
    void touch(std::size_t tensor, dim_t moment) { plan_.touch(tensor, moment); }

    /// Finds the places and takes the memory. Unless it is `shared`, every tensor has a place of its own.
    void settle(bool shared = true) {
        plan_.settle(shared);
        memory_ = buffer<std::byte>(plan_.bytes());
    }

    std::byte* data(std::size_t tensor) { return memory_.data() + plan_.place(tensor); }
    dim_t bytes() const { return memory_.size(); }
    /// What the tensors would take if none shared its place with another.
    dim_t bytes_unshared() const { return plan_.bytes_unshared(); }

private:
    memory_plan plan_;
    buffer<std::byte> memory_;
};

} // namespace intaglio::inline INTAGLIO_ABI::train
