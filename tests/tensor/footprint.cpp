// SPDX-License-Identifier: Apache-2.0

// Overlap of two views of one buffer, against the elements themselves: whatever shares one is found, and rows that lie
// side by side are told apart.

#include "intaglio/tensor/footprint.hpp"

#include <cstdint>
#include <random>
#include <set>
#include <vector>

#include "support/catch.hpp"

using namespace intaglio;

namespace {

template <class T>
std::set<const char*> bytes_of(const matrix_view<T>& v) {
    std::set<const char*> bytes;
    for (intaglio::dim_t i = 0; i < v.rows(); ++i)
        for (intaglio::dim_t j = 0; j < v.cols(); ++j)
            for (std::size_t b = 0; b < sizeof(T); ++b) bytes.insert(reinterpret_cast<const char*>(&v(i, j)) + b);
    return bytes;
}

template <class A, class B>
bool shares(const matrix_view<A>& a, const matrix_view<B>& b) {
    const auto of_b = bytes_of(b);
    for (const char* byte : bytes_of(a))
        if (of_b.count(byte) != 0) return true;
    return false;
}

template <class A, class B>
bool overlaps(const matrix_view<A>& a, const matrix_view<B>& b) {
    const intaglio::detail::footprint fa(a), fb(b);
    CHECK(overlap(fa, fb) == overlap(fb, fa));
    return overlap(fa, fb);
}

} // namespace

TEST_CASE("memory that is shared is found", "[unit]") {
    std::mt19937 engine(7);
    const auto between = [&](int low, int high) {
        return low + static_cast<int>(engine() % static_cast<unsigned>(high - low + 1));
    };
    std::vector<float> memory(4096);
    int apart = 0;
    for (int i = 0; i < 5000; ++i) {
        const auto draw = [&]<class T>(T* middle) {
            const intaglio::dim_t rows = between(0, 5), cols = between(0, 5), row_stride = between(-12, 12),
                                  col_stride = between(0, 2) == 0 ? between(-12, 12) : 1;
            return matrix_view<T>(middle + between(-40, 40), rows, cols, row_stride, col_stride);
        };
        const auto a = draw(memory.data() + 2048);
        const auto b = draw(reinterpret_cast<std::int16_t*>(memory.data() + 2048));
        if (shares(a, b))
            REQUIRE(overlaps(a, b));
        else
            apart += overlaps(a, b) ? 0 : 1;
    }
    CHECK(apart > 1000);
}

TEST_CASE("parts of a buffer that lie side by side are apart", "[unit]") {
    std::vector<float> memory(200);
    float* const p = memory.data();
    const auto part = [&](intaglio::dim_t first, intaglio::dim_t count) {
        return matrix_view<float>(p + first, 10, count, 20);
    };
    for (intaglio::dim_t first = 0; first < 20; ++first)
        for (intaglio::dim_t count = 1; first + count <= 20; ++count)
            for (intaglio::dim_t other = 0; other < 20; ++other) {
                INFO(first << " + " << count << ", " << other);
                CHECK(overlaps(part(first, count), part(other, 1)) == (other >= first && other < first + count));
                CHECK(overlaps(part(first, count).transposed(), part(other, 1)) ==
                      (other >= first && other < first + count));
            }
    const matrix_view<float> even(p, 5, 20, 40), odd(p + 20, 5, 20, 40);
    CHECK_FALSE(overlaps(even, odd));
    CHECK(overlaps(even, part(19, 1)));
    CHECK(overlaps(even, even));
    CHECK_FALSE(overlaps(matrix_view<float>(p, 10, 10), matrix_view<float>(p + 100, 10, 10)));
    CHECK(overlaps(matrix_view<float>(p, 10, 10), matrix_view<float>(p + 99, 10, 10)));
    CHECK_FALSE(overlaps(matrix_view<float>(), matrix_view<float>(p, 10, 10)));
    CHECK_FALSE(overlaps(matrix_view<float>(p + 5, 0, 10), matrix_view<float>(p, 10, 10)));
}
