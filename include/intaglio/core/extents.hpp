// SPDX-License-Identifier: Apache-2.0
#pragma once

// Sizes of a tensor, outermost first, and the one function that multiplies sizes. A product of sizes that come from a
// caller or a file may be negative or overflow; both throw here, so that nothing downstream has to think of it.

#include <array>
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// The product of `sizes`, 1 if there are none. Throws shape_error, which lists the sizes, if one is negative or the
/// product passes the largest `index`. A zero makes the product zero, whatever the others are.
inline index checked_product(std::span<const index> sizes) {
    const auto listed = [&] {
        std::string text;
        for (const index size : sizes) text += (text.empty() ? "" : " x ") + join(size);
        return text;
    };
    bool zero = false;
    for (const index size : sizes) {
        if (size < 0) fail<shape_error>("negative size in ", listed());
        zero = zero || size == 0;
    }
    if (zero) return 0;
    index product = 1;
    for (const index size : sizes) {
        if (product > std::numeric_limits<index>::max() / size)
            fail<shape_error>("the product of sizes overflows: ", listed());
        product *= size;
    }
    return product;
}

inline index checked_product(std::initializer_list<index> sizes) {
    return checked_product(std::span<const index>(sizes.begin(), sizes.size()));
}

/// Up to five sizes. Their product is known to fit an `index`.
class extents {
public:
    static constexpr index max_rank = 5;

    /// No dimensions: one element.
    extents() = default;

    /// Throws shape_error if there are more than five, one is negative, or the product overflows.
    extents(std::initializer_list<index> sizes) : extents(std::span<const index>(sizes.begin(), sizes.size())) {}
    explicit extents(std::span<const index> sizes) {
        require(sizes.size() <= static_cast<std::size_t>(max_rank), "extents: ", sizes.size(), " dimensions, at most ",
                max_rank, " are supported");
        size_ = checked_product(sizes);
        for (const index size : sizes) sizes_[static_cast<std::size_t>(rank_++)] = size;
    }

    index rank() const noexcept { return rank_; }
    /// Number of elements, the product of all sizes.
    index size() const noexcept { return size_; }
    /// Size of a dimension, 0 <= dimension < rank().
    index operator[](index dimension) const noexcept { return sizes_[static_cast<std::size_t>(dimension)]; }

    const index* begin() const noexcept { return sizes_.data(); }
    const index* end() const noexcept { return sizes_.data() + rank_; }

    friend bool operator==(const extents&, const extents&) = default;

    /// "8 x 56 x 56 x 64"; "scalar" without dimensions.
    std::string to_string() const {
        if (rank_ == 0) return "scalar";
        std::string text;
        for (const index size : *this) text += (text.empty() ? "" : " x ") + join(size);
        return text;
    }

private:
    std::array<index, max_rank> sizes_{};
    index rank_ = 0;
    index size_ = 1;
};

} // namespace intaglio::inline INTAGLIO_ABI
