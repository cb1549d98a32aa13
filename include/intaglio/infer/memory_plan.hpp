// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the activations of an image lie in one block of memory: each is needed from one step to another, and two that
// are never needed at once may lie in the same place. Places are found once, the largest activation first, each as low
// as those that overlap it in time allow. For n images everything lies n times as far: one plan serves every batch.

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

#include "intaglio/core/buffer.hpp"
#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

class memory_plan {
public:
    /// An activation of so many bytes an image, needed from step `first` to `last`.
    std::size_t add(dim_t bytes, dim_t first, dim_t last) {
        constexpr dim_t line = 64, slack = static_cast<dim_t>(buffer<std::byte>::slack);
        blocks_.push_back({(bytes + slack + line - 1) / line * line, first, last});
        return blocks_.size() - 1;
    }
    void extend(std::size_t b, dim_t last) { blocks_[b].last = std::max(blocks_[b].last, last); }

    void settle() {
        std::vector<std::size_t> order(blocks_.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::stable_sort(order.begin(), order.end(),
                         [&](std::size_t a, std::size_t b) { return blocks_[a].bytes > blocks_[b].bytes; });
        std::vector<const block*> placed; // by place
        for (const std::size_t i : order) {
            block& b = blocks_[i];
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

    dim_t place(std::size_t b) const { return blocks_[b].place; }
    dim_t bytes() const { return bytes_; } ///< for one image

private:
    struct block {
        dim_t bytes = 0, first = 0, last = 0, place = 0;
    };
    std::vector<block> blocks_;
    dim_t bytes_ = 0;
};

} // namespace intaglio::inline INTAGLIO_ABI::infer
