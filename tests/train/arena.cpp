// SPDX-License-Identifier: Apache-2.0
#include "intaglio/train/arena.hpp"

#include <vector>

#include "intaglio/numeric/random.hpp"
#include "support/catch.hpp"

namespace intaglio::train {

TEST_CASE("tensors that are needed at once have places of their own", "[unit]") {
    struct tensor {
        dim_t bytes, first, last;
    };
    std::vector<tensor> tensors;
    arena memory;
    for (std::uint64_t i = 0; i < 200; ++i) {
        const dim_t first = random_below(100, 1, 1, i);
        tensors.push_back({static_cast<dim_t>(random_below(5000, 1, 2, i)), first,
                           first + static_cast<dim_t>(random_below(30, 1, 3, i))});
        REQUIRE(memory.add(tensors.back().bytes) == i);
        memory.touch(i, tensors.back().last);
        memory.touch(i, tensors.back().first);
    }
    memory.settle();
    for (std::size_t a = 0; a < tensors.size(); ++a) {
        REQUIRE(reinterpret_cast<std::uintptr_t>(memory.data(a)) % 64 == 0);
        for (std::size_t b = 0; b < a; ++b)
            if (tensors[a].first <= tensors[b].last && tensors[b].first <= tensors[a].last) {
                const bool apart = memory.data(a) + tensors[a].bytes <= memory.data(b) ||
                                   memory.data(b) + tensors[b].bytes <= memory.data(a);
                REQUIRE(apart);
            }
    }
    REQUIRE(memory.bytes() < memory.bytes_unshared() / 3);
}

TEST_CASE("tensors that follow each other share a place", "[unit]") {
    arena memory;
    for (std::size_t i = 0; i < 10; ++i) {
        memory.add(1000);
        memory.touch(i, static_cast<dim_t>(i));
    }
    memory.settle();
    for (std::size_t i = 1; i < 10; ++i) REQUIRE(memory.data(i) == memory.data(0));
}

} // namespace intaglio::train
