// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>

#include "intaglio/core/buffer.hpp"
#include "support/catch.hpp"

using namespace intaglio;

TEMPLATE_TEST_CASE("a buffer is aligned, zero-filled and followed by zeros", "[unit][core]", std::int8_t, std::int16_t,
                   float, double) {
    for (const intaglio::dim_t size : {0, 1, 63, 64, 65, 1000}) {
        const buffer<TestType> b(size);
        CHECK(b.size() == size);
        CHECK(b.span().size() == static_cast<std::size_t>(size));
        CHECK(reinterpret_cast<std::uintptr_t>(b.data()) % 64 == 0);
        const auto* bytes = reinterpret_cast<const unsigned char*>(b.data());
        CHECK(std::all_of(bytes, bytes + b.bytes() + 128, [](unsigned char byte) { return byte == 0; }));
    }
}

TEST_CASE("slack is zero behind elements that are left unset", "[unit][core]") {
    const buffer<std::int16_t> b(33, uninitialized);
    const auto* end = reinterpret_cast<const unsigned char*>(b.end());
    CHECK(std::all_of(end, end + 128, [](unsigned char byte) { return byte == 0; }));
}

TEST_CASE("buffers copy deeply and move cheaply", "[unit][core]") {
    buffer<int> a(5);
    std::iota(a.begin(), a.end(), 1);
    buffer<int> copy(a);
    a[0] = 100;
    CHECK(copy[0] == 1);
    CHECK(copy[4] == 5);

    const int* where = copy.data();
    buffer<int> moved(std::move(copy));
    CHECK(moved.data() == where);

    buffer<int> assigned;
    CHECK(assigned.empty());
    assigned = moved;
    CHECK(assigned.size() == 5);
    CHECK(assigned.data() != where);
    assigned = buffer<int>(2);
    CHECK(assigned.size() == 2);
}

TEST_CASE("impossible buffer sizes are shape errors", "[unit][core]") {
    CHECK_THROWS_AS(buffer<int>(-1), shape_error);
    CHECK_THROWS_AS(buffer<double>(std::numeric_limits<intaglio::dim_t>::max()), shape_error);
    CHECK_THROWS_AS(buffer<double>(std::numeric_limits<intaglio::dim_t>::max() / 8), shape_error);
}
