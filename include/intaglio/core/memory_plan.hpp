// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where blocks lie in one piece of memory. Each says from which moment to which it is needed; two that are never needed
// at once may lie in the same place. Places are found once, the largest block first, each as low as those that overlap
// it in time allow. A training step (train/arena.hpp) and a request for inference (infer/integer_network.hpp) take
// their tensors from such a plan, so neither allocates.

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>
#include <vector>

#include "intaglio/core/buffer.hpp"
#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI {

class memory_plan {
public:
    /// A block of so many bytes, and the slack of a buffer behind them; needed when it is touched.
    std::size_t add(dim_t bytes) {
        blocks_.push_back({.bytes = (bytes + 63) / 64 * 64 + static_cast<dim_t>(buffer<std::byte>::slack)});
        return blocks_.size() - 1;
    }
    /// The block is needed at `moment`, 0 or later.
    void touch(std::size_t which, dim_t moment) {
        block& b = blocks_[which];
        b.first = b.last < 0 ? moment : std::min(b.first, moment);
        b.last = std::max(b.last, moment);
    }

    /// Finds the places. Unless they are `shared`, every block has one of its own.
    void settle(bool shared = true) {
        if (!shared)
            for (block& b : blocks_)
                if (b.last >= 0) b.first = 0, b.last = std::numeric_limits<dim_t>::max();
        std::vector<std::size_t> order(blocks_.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::stable_sort(order.begin(), order.end(),
                         [&](std::size_t a, std::size_t b) { return blocks_[a].bytes > blocks_[b].bytes; });
        std::vector<const block*> placed; // by place
        for (const std::size_t i : order) {
            block& b = blocks_[i];
            if (b.last < 0) continue;
            b.place = 0;
            for (const block* other : placed)
                if (other->first <= b.last && b.first <= other->last) {
                    if (b.place + b.bytes <= other->place) break;
                    b.place = std::max(b.place, other->place + other->bytes);
                }
            bytes_ = std::max(bytes_, b.place + b.bytes);
            placed.insert(std::upper_bound(placed.begin(), placed.end(), &b,
                                           [](const block* x, const block* y) { return x->place < y->place; }),
                          &b);
        }
    }

    dim_t place(std::size_t which) const { return blocks_[which].place; }
    dim_t bytes() const { return bytes_; }
    /// What the blocks would take if none shared its place with another.
    dim_t bytes_unshared() const {
        return std::accumulate(blocks_.begin(), blocks_.end(), dim_t{0},
                               [](dim_t sum, const block& b) { return sum + b.bytes; });
    }

private:
    struct block {
        dim_t bytes = 0;
        dim_t first = 0, last = -1;
        dim_t place = 0;
    };
    std::vector<block> blocks_;
    dim_t bytes_ = 0;
};

} // namespace intaglio::inline INTAGLIO_ABI
