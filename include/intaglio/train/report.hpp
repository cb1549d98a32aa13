// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a step does to its numbers, on request: for each tensor that it stores the exponent, how many elements were
// clipped or became zero, and for products the longest chain and whether one overflowed. By the laws and proofs of
// gemm/chains.hpp none does; with an audit (gemm/audit.hpp) each is shadowed in 64 bits. It costs a second computation
// of every pass, with an audit many times the step; results stay what they are.
//
//   step_report report(true);
//   training.watch(&report);
//   training.gradients_of(images, labels);
//   std::puts(report.table().c_str());

#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <string>

#include "intaglio/core/config.hpp"
#include "intaglio/gemm/audit.hpp"
#include "intaglio/numeric/exponent.hpp"
#include "intaglio/quantize/dfp.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

enum class tensor_role { images, activation, gradient, weights, weight_gradient };

/// One tensor of a step, as it was last written.
struct tensor_report {
    std::string node; ///< whose output, the gradient by which, or whose parameters it is
    tensor_role role{};
    bool audited = false;
    int exponent = 0; ///< 0 where floats are stored
    dim_t elements = 0;
    quantize_counts losses{};
    dim_t longest_chain = 0; ///< of the product that wrote it, in elements of the reduction; 0: no integer product did
    std::int64_t chains = 0; ///< that were shadowed in 64 bits
    std::int64_t overflows = 0; ///< of these

    double clipped() const { return share(losses.clipped); }
    double flushed_to_zero() const { return share(losses.flushed_to_zero); }

    void add_product(const audit& check) {
        longest_chain = check.longest();
        chains = audited ? check.chains() : 0;
        overflows = check.overflows();
    }

private:
    double share(std::int64_t count) const {
        return elements == 0 ? 0.0 : static_cast<double>(count) / static_cast<double>(elements);
    }
};

class step_report {
public:
    explicit step_report(bool audited = false) : audited_(audited) {}
    step_report(const step_report&) = delete; // a plan writes to its rows
    step_report& operator=(const step_report&) = delete;

    /// In the order in which a step writes them.
    const std::deque<tensor_report>& rows() const { return rows_; }
    tensor_report& add(std::string node, tensor_role role) {
        return rows_.emplace_back(tensor_report{std::move(node), role, audited_});
    }

    std::int64_t overflows() const {
        std::int64_t sum = 0;
        for (const tensor_report& r : rows_) sum += r.overflows;
        return sum;
    }

    std::string table() const {
        constexpr const char* names[] = {"images", "activation", "gradient", "weights", "weight gradient"};
        std::string text =
            "tensor                           role              elements exponent  clipped %  flushed %  "
            "chain      sums overflows\n";
        for (const tensor_report& r : rows_) {
            char line[192];
            std::snprintf(line, sizeof line, "%-32.32s %-15s %10lld %8d %10.4f %10.4f %6lld %9lld %9lld\n",
                          r.node.c_str(), names[static_cast<std::size_t>(r.role)], static_cast<long long>(r.elements),
                          r.exponent, 100 * r.clipped(), 100 * r.flushed_to_zero(),
                          static_cast<long long>(r.longest_chain), static_cast<long long>(r.chains),
                          static_cast<long long>(r.overflows));
            text += line;
        }
        return text;
    }

private:
    bool audited_;
    std::deque<tensor_report> rows_; ///< whose addresses stay
};

/// Counts what is lost where values are stored with an exponent, from any number of threads.
class loss_counter {
public:
    /// Units up to `lost` become zero: half a one, since the tie goes to the even number; next to none with dither.
    loss_counter(int exponent, int bits, double lost = 0.5)
        : scale_(power_of_two(-exponent)), beyond_(static_cast<double>((std::int64_t{1} << (bits - 1)) - 1) + 0.5),
          lost_(lost) {}

    void count(const float* v, dim_t n) {
        std::int64_t clipped = 0, flushed = 0;
        for (dim_t i = 0; i < n; ++i) {
            const double x = std::abs(static_cast<double>(v[i])) * scale_;
            clipped += x >= beyond_ ? 1 : 0;
            flushed += x <= lost_ && magnitude_bits(v[i]) != 0 ? 1 : 0;
        }
        clipped_ += clipped;
        flushed_ += flushed;
    }
    quantize_counts counts() const { return {clipped_.load(), flushed_.load()}; }

private:
    double scale_, beyond_, lost_;
    std::atomic<std::int64_t> clipped_{0}, flushed_{0};
};

} // namespace intaglio::inline INTAGLIO_ABI::train
