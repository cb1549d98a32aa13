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
/// product passes the largest `dim_t`. A zero makes the product zero, whatever the others are.
inline dim_t checked_product(std::span<const dim_t> sizes) {
    const auto listed = [&] {
        std::string text;
        for (const dim_t size : sizes) text += (text.empty() ? "" : " x ") + join(size);
        return text;
    };
    bool zero = false;
    for (const dim_t size : sizes) {
        if (size < 0) fail<shape_error>("negative size in ", listed());
        zero = zero || size == 0;
    }
    if (zero) return 0;
    dim_t product = 1;
    for (const dim_t size : sizes) {
        if (product > std::numeric_limits<dim_t>::max() / size)
            fail<shape_error>("the product of sizes overflows: ", listed());
        product *= size;
    }
    return product;
}

inline dim_t checked_product(std::initializer_list<dim_t> sizes) {
    return checked_product(std::span<const dim_t>(sizes.begin(), sizes.size()));
}

/// Up to five sizes. Their product is known to fit an `dim_t`.
class extents {
public:
    static constexpr dim_t max_rank = 5;

    /// No dimensions: one element.
    extents() = default;

    /// Throws shape_error if there are more than five, one is negative, or the product overflows.
    extents(std::initializer_list<dim_t> sizes) : extents(std::span<const dim_t>(sizes.begin(), sizes.size())) {}
    explicit extents(std::span<const dim_t> sizes) {
        require(sizes.size() <= static_cast<std::size_t>(max_rank), "extents: ", sizes.size(), " dimensions, at most ",
                max_rank, " are supported");
        size_ = checked_product(sizes);
        for (const dim_t size : sizes) sizes_[static_cast<std::size_t>(rank_++)] = size;
    }

    dim_t rank() const noexcept { return rank_; }
    /// Number of elements, the product of all sizes.
    dim_t size() const noexcept { return size_; }
    /// Size of a dimension, 0 <= dimension < rank().
    dim_t operator[](dim_t dimension) const noexcept { return sizes_[static_cast<std::size_t>(dimension)]; }

    const dim_t* begin() const noexcept { return sizes_.data(); }
    const dim_t* end() const noexcept { return sizes_.data() + rank_; }

    friend bool operator==(const extents&, const extents&) = default;

    /// "8 x 56 x 56 x 64"; "scalar" without dimensions.
    std::string to_string() const {
        if (rank_ == 0) return "scalar";
        std::string text;
        for (const dim_t size : *this) text += (text.empty() ? "" : " x ") + join(size);
        return text;
    }

private:
    std::array<dim_t, max_rank> sizes_{};
    dim_t rank_ = 0;
    dim_t size_ = 1;
};

} // namespace intaglio::inline INTAGLIO_ABI
