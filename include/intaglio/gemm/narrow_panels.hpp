// SPDX-License-Identifier: Apache-2.0
#pragma once

// Panels of a packed rhs whose digits take less than a byte each, in groups of 64 bytes (simd/expand.hpp), and are
// expanded just before use: by tiles of few rows in their registers, otherwise into memory that stays in L1.

#include <algorithm>
#include <cstdint>

#include "intaglio/core/buffer.hpp"
#include "intaglio/core/config.hpp"
#include "intaglio/simd/expand.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// Digits of a group: of `Bits` each, or five in a byte. (Bits = 0: they are not narrow.)
template <int Bits>
constexpr dim_t narrow_group_of(bool fives) {
    return fives ? simd::trit_group : simd::narrow_group<std::max(1, Bits)>;
}

/// Bits = 0 holds nothing.
template <int Bits>
class narrow_panels {
public:
    narrow_panels() = default;
    /// `digits` of a panel are a multiple of a group.
    narrow_panels(dim_t panels, dim_t digits, bool fives)
        : digits_(digits), fives_(fives), data_(panels * digits / narrow_group_of<Bits>(fives) * 64) {}

    dim_t bytes() const { return data_.size(); }
    /// Panel p, only where digits have Bits each.
    simd::narrow_codes<Bits> panel(dim_t p) const { return {groups(p, 0)}; }
    /// Expands `count` digits of panel p from `first` on, both multiples of a group, to `out`.
    void expand(dim_t p, dim_t first, dim_t count, std::int8_t* out) const {
        if (fives_)
            simd::expand_trits(groups(p, first), count / narrow_group_of<Bits>(true), out);
        else
            simd::expand<Bits>(groups(p, first), count / narrow_group_of<Bits>(false), out);
    }
    void store(dim_t p, const std::int8_t* panel) {
        const dim_t count = digits_ / narrow_group_of<Bits>(fives_);
        std::uint8_t* const out = data_.data() + p * count * 64;
        if (fives_)
            simd::narrow_trits(panel, count, out);
        else
            simd::narrow<Bits>(panel, count, out);
    }

private:
    /// The groups of panel p from digit `first` on, a multiple of a group.
    const std::uint8_t* groups(dim_t p, dim_t first) const {
        return data_.data() + (p * digits_ + first) / narrow_group_of<Bits>(fives_) * 64;
    }

    dim_t digits_ = 0;
    bool fives_ = false;
    buffer<std::uint8_t> data_;
};
template <>
class narrow_panels<0> {
public:
    dim_t bytes() const { return 0; }
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
