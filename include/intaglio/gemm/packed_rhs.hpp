// SPDX-License-Identifier: Apache-2.0
#pragma once

// The right-hand side as the kernel reads it: panels (rhs_layout.hpp) with the scales of their columns and the bounds
// of what they hold. It is packed once (pack_rhs.hpp), never changes, and any number of products and threads may use it
// at a time.

#include <memory>
#include <span>
#include <vector>

#include "intaglio/core/buffer.hpp"
#include "intaglio/gemm/chains.hpp"
#include "intaglio/gemm/compact_panels.hpp"
#include "intaglio/gemm/kernel_traits.hpp"
#include "intaglio/gemm/narrow_panels.hpp"
#include "intaglio/gemm/rhs_bounds.hpp"
#include "intaglio/gemm/rhs_layout.hpp"

namespace intaglio::inline INTAGLIO_ABI {

namespace detail {
template <class P, class Arch>
class rhs_packer;
}

template <GemmPolicy P, class Arch = simd::native_arch>
class packed_rhs {
public:
    using traits = detail::kernel_traits<P, Arch>;
    using digit = typename traits::rhs_digit;

    dim_t k() const { return layout_.k; }
    dim_t n() const { return layout_.n; }
    dim_t panels() const { return layout_.panels(); }
    /// Proven policies: the largest magnitude of any element.
    std::int32_t largest() const { return bounds_.largest(); }
    /// Whether all elements are finite; true of integers.
    bool finite() const { return bounds_.finite(); }
    /// Float totals: the largest magnitude of a block's scale, 1 where there are none.
    float largest_scale() const { return largest_scale_; }
    /// Proven policies: no element of a left-hand side that this is multiplied with is larger in magnitude. Where sums
    /// of all such fit, chains are not cut, and nobody need measure that side.
    void know_lhs(std::int32_t largest) {
        if constexpr (traits::proven) {
            whole_chains_ = largest > 0;
            for (dim_t p = 0; whole_chains_ && p < panels(); ++p)
                whole_chains_ = largest * l1_bound(p) <= detail::longest_sum;
        }
    }
    /// Memory held: digits, scales and norms; what it shares with a coarser one (refine) is that one's.
    dim_t bytes() const {
        return data_.size() * static_cast<dim_t>(sizeof(digit)) + narrow_.bytes() + (compact_ ? compact_->bytes() : 0) +
               scales_.size() * static_cast<dim_t>(sizeof(block_scale)) + bounds_.bytes() +
               static_cast<dim_t>(factors_.size() * sizeof(double));
    }

    /// Stores the digits as what has to be added to `divisor` times those of `coarse`, whose memory is then shared, if
    /// both are compact and of the same size, and that takes less memory. Returns whether. Products are the same.
    bool refine(const packed_rhs& coarse, int divisor) {
        if constexpr (traits::can_be_compact) {
            if (!compact_) return false;
            auto finer = std::make_shared<compact_type>(*compact_);
            if (!finer->refine(coarse.compact_, divisor)) return false;
            compact_ = std::move(finer);
            return true;
        }
        return false;
    }

    // Read by the driver.
    using block_scale = typename traits::block_scale;
    const std::vector<detail::rhs_run>& runs() const { return layout_.runs; }
    /// The digits of panel p, only where they are not narrow.
    const digit* panel(dim_t p) const { return data_.data() + p * layout_.panel_digits; }
    /// Digits are stored in less than a byte each, in groups of 64 bytes (simd/expand.hpp).
    bool narrow() const { return layout_.narrow; }
    /// Digits are stored as compact_panels.hpp says.
    bool compact() const { return layout_.compact; }
    /// Five digits in a byte; otherwise narrow ones have traits::narrow_bits each, and every run begins with a group.
    bool five_in_a_byte() const { return layout_.fives; }
    /// Digits of a group, or a multiple of which compact ones are expanded at a time.
    dim_t narrow_group() const { return layout_.compact ? 64 : layout_.narrow_group(); }
    /// Panel p, only where its digits have traits::narrow_bits each.
    simd::narrow_codes<traits::narrow_bits> narrow_panel(dim_t p) const { return narrow_.panel(p); }
    /// Expands `count` digits of panel p from `first` on to `out`, both multiples of a group where they are narrow.
    void expand(dim_t p, dim_t first, dim_t count, digit* out) const {
        if constexpr (traits::narrow_bits > 0) narrow_.expand(p, first, count, out);
        if constexpr (traits::can_be_compact)
            if (compact_) compact_->expand(p, first, first + count, out);
    }
    /// The block scales of panel p, one for each column and scale index.
    const block_scale* scales(dim_t p) const { return scales_.data() + p * layout_.scale_rows * traits::cols; }
    /// By scale index, whether that run is all zeros in panel p; products skip such runs. Empty where there is none.
    std::span<const char> zero_runs(dim_t p) const {
        if (!any_zero_run_[static_cast<std::size_t>(p)]) return {};
        return std::span(zero_runs_)
            .subspan(static_cast<std::size_t>(p * layout_.scale_rows), static_cast<std::size_t>(layout_.scale_rows));
    }
    /// Every block of the reduction is one chain (know_lhs).
    bool whole_chains() const { return whole_chains_; }
    /// The norms of panel p.
    const detail::norm_table& norms(dim_t p) const { return bounds_.norms(p); }
    /// Int16 sums without scales: where the chains of panel p end, elements of the reduction.
    std::span<const dim_t> chain_ends(dim_t p) const { return bounds_.chain_ends(p); }
    /// No column of panel p has a larger sum of magnitudes.
    double l1_bound(dim_t p) const { return detail::l1_bound(norms(p), k()); }
    /// The block scales are folded into the digits; there is one run and no scales.
    bool folded() const { return layout_.folded; }
    /// Exact int32 totals: no sum of this panel's columns, times scales, with elements of lhs up to 1, is larger.
    std::int64_t unit_bound(dim_t p) const { return bounds_.unit(p); }
    /// scale * row scale of column j, without lhs's part; padded to whole panels.
    const double* factors() const { return factors_.data(); }

private:
    friend class detail::rhs_packer<P, Arch>;

    detail::rhs_layout<traits> layout_;
    buffer<digit> data_;
    detail::narrow_panels<traits::narrow_bits> narrow_; ///< instead of data_, where they are
    using compact_type = detail::compact_panels<std::conditional_t<traits::can_be_compact, digit, std::int8_t>>;
    std::shared_ptr<const compact_type> compact_; ///< likewise
    buffer<block_scale> scales_;
    float largest_scale_ = 1;
    std::vector<double> factors_;
    std::vector<char> zero_runs_;    ///< by panel and scale index
    std::vector<char> any_zero_run_; ///< by panel
    detail::rhs_bounds<traits> bounds_;
    bool whole_chains_ = false;
};

} // namespace intaglio::inline INTAGLIO_ABI
