// SPDX-License-Identifier: Apache-2.0
#pragma once

// Planes with a scale for each block of a row: greedy trits, locked digits, 4-bit codes (weight_coding.hpp). The
// quantizers' own texts (quantize/residual.hpp) choose scales and codes, here with the channel's step as the unit of
// scales, so that sums of planes are codes of that step:
//
//   code(o, k) = sum over planes of scale(o, k / block) * plane(o, k),   -127 .. 127

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/infer/coded_network.hpp"
#include "intaglio/infer/weight_coding.hpp"
#include "intaglio/quantize/residual.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer::detail {

/// Planes of a matrix of weights without biases. `steps` are 8-8's: no weight is larger than 127 of them.
class block_coder {
public:
    block_coder(std::span<const float> weights, dim_t rows, dim_t cols, std::span<const float> steps,
                const weight_coding& coding, executor_ref exec)
        : weights_(weights), rows_(rows), cols_(cols),
          block_(std::clamp<dim_t>(coding.block, 1, std::max<dim_t>(1, cols))), steps_(steps), coding_(coding),
          exec_(exec) {}

    std::vector<weight_plane> planes() {
        switch (coding_.family) {
        case coding_family::greedy:
            return greedy();
        case coding_family::locked:
            return locked();
        default:
            return integers(7, false);
        }
    }

private:
    weight_plane empty_plane(int divisor, bool own_scales) const {
        weight_plane plane{tensor<std::int8_t>({rows_, cols_}), divisor, {}, block_, {}};
        if (own_scales) plane.scales.resize(static_cast<std::size_t>(rows_ * blocks_of(cols_, block_)));
        return plane;
    }
    /// f(first element, index of the block, scratch with its weights in steps).
    template <class F>
    void for_each_block(const F& f) {
        const dim_t blocks = blocks_of(cols_, block_);
        intaglio::detail::for_each_block(
            rows_, cols_, block_, exec_,
            [&](dim_t row, dim_t b, dim_t first, dim_t count, intaglio::detail::block_scratch& scratch) {
                scratch.load(weights_.data() + row * cols_ + first, count);
                for (double& w : scratch.rest) w /= static_cast<double>(steps_[static_cast<std::size_t>(row)]);
                f(row * cols_ + first, static_cast<std::size_t>(row * blocks + b), scratch);
            });
    }

    std::vector<weight_plane> greedy() {
        std::vector<weight_plane> planes;
        for (int p = 0; p < coding_.planes; ++p) planes.push_back(empty_plane(1, true));
        for_each_block([&](dim_t first, std::size_t block, intaglio::detail::block_scratch& scratch) {
            std::vector<int> sums(scratch.rest.size(), 0);
            for (weight_plane& plane : planes) {
                const std::span trits(plane.codes.data() + first, scratch.rest.size());
                const int q = plane.scales[block] = intaglio::detail::take_plane(scratch, 1, 127, trits);
                for (std::size_t i = 0; i < sums.size(); ++i) {
                    if (std::abs(sums[i] + q * trits[i]) > 127) // a weight near the largest, by what rounding left
                        scratch.rest[i] += q * trits[i], trits[i] = 0;
                    sums[i] += q * trits[i];
                }
            }
        });
        return planes;
    }

    /// One plane of codes -limit .. limit.
    std::vector<weight_plane> integers(int limit, bool sum_zero) {
        std::vector<weight_plane> planes{empty_plane(1, true)};
        for_each_block([&](dim_t first, std::size_t block, intaglio::detail::block_scratch& scratch) {
            const std::span codes(planes[0].codes.data() + first, scratch.rest.size());
            const double scale = limit == 1 ? scratch.solver.solve(scratch.rest, scratch.trits).scale
                                            : intaglio::detail::best_scale(scratch.rest, limit);
            const dim_t q = intaglio::detail::integer_scale(scratch.rest, scale, 1, 127 / limit, limit);
            planes[0].scales[block] = static_cast<std::uint8_t>(q);
            if (q == 0) return;
            for (std::size_t i = 0; i < codes.size(); ++i) {
                scratch.in_steps[i] = scratch.rest[i] / static_cast<double>(q);
                codes[i] = static_cast<std::int8_t>(intaglio::detail::nearest_code(scratch.in_steps[i], limit));
            }
            if (sum_zero) round_to_sum_zero(scratch.in_steps, codes, limit, scratch.order);
        });
        return planes;
    }

    std::vector<weight_plane> locked() {
        const int digits = coding_.planes;
        const auto limit = static_cast<int>((intaglio::detail::power_of_three(digits) - 1) / 2);
        weight_plane whole = std::move(integers(limit, true).front());
        const auto count = static_cast<std::size_t>(whole.codes.size());
        std::vector<std::int8_t> trits(count * static_cast<std::size_t>(digits));
        split_locked(whole.codes.span(), digits, trits);
        std::vector<weight_plane> planes;
        for (int p = 0; p < digits; ++p) {
            planes.push_back(empty_plane(p == 0 ? 1 : 3, false));
            const std::span digit = std::span(trits).subspan(static_cast<std::size_t>(p) * count, count);
            std::copy(digit.begin(), digit.end(), planes.back().codes.begin());
        }
        planes.front().scales = std::move(whole.scales);
        return planes;
    }

    std::span<const float> weights_;
    dim_t rows_, cols_, block_;
    std::span<const float> steps_;
    const weight_coding& coding_;
    executor_ref exec_;
};

} // namespace intaglio::inline INTAGLIO_ABI::infer::detail
