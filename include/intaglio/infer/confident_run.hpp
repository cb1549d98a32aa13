// SPDX-License-Identifier: Apache-2.0
#pragma once

// A coarse level first, a finer one only where the coarse is not sure: an image whose two largest shares (softmax of
// the logits) are less than a margin apart is run again. What that costs on average is the share of images that were.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/infer/integer_network.hpp"
#include "intaglio/simd/native.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

/// The share of the largest logit less that of the second; 1 where there is one class alone.
inline double share_margin(std::span<const float> logits) {
    const float_environment scope;
    if (logits.size() < 2) return 1;
    double first = static_cast<double>(logits[0]), second = -std::numeric_limits<double>::infinity(), sum = 0;
    for (const float v : logits.subspan(1)) {
        const auto x = static_cast<double>(v);
        second = std::max(second, std::min(first, x)), first = std::max(first, x);
    }
    for (const float v : logits) sum += std::exp(static_cast<double>(v) - first);
    return (1 - std::exp(second - first)) / sum;
}

/// One for each thread of requests: it holds their memory.
template <class Arch>
class basic_confident_run {
public:
    using network_type = basic_integer_network<Arch>;

    /// `net` must outlive it. value_error for levels that the network lacks, a `fine` one that is not above `coarse`,
    /// or a margin outside 0 .. 1.
    basic_confident_run(const network_type& net, int coarse, int fine, double margin)
        : net_(net), coarse_(coarse), fine_(fine), margin_(margin) {
        require<value_error>(coarse >= 1 && coarse < fine && fine <= net.level_count(), "confident_run: levels ",
                             coarse, " and ", fine, " of a network with ", net.level_count());
        require<value_error>(margin >= 0 && margin <= 1, "confident_run: a margin of ", margin, ", expected 0 to 1");
    }

    /// Logits (batch, classes) as network_type::run gives them. Returns how many images took the finer level.
    dim_t run(std::span<const float> images, dim_t batch, std::span<float> logits, executor_ref exec = {}) {
        net_.run(images, batch, coarse_, memory_, logits, exec);
        const auto classes = static_cast<std::size_t>(net_.classes()),
                   size = static_cast<std::size_t>(net_.image_shape(1).size());
        again_.clear(), unsure_.clear();
        for (std::size_t i = 0; i < static_cast<std::size_t>(batch); ++i) {
            if (share_margin(logits.subspan(i * classes, classes)) >= margin_) continue;
            unsure_.push_back(i);
            const auto image = images.subspan(i * size, size);
            again_.insert(again_.end(), image.begin(), image.end());
        }
        if (unsure_.empty()) return 0;
        finer_.resize(unsure_.size() * classes);
        net_.run(again_, std::ssize(unsure_), fine_, memory_, finer_, exec);
        for (std::size_t u = 0; u < unsure_.size(); ++u)
            std::copy_n(finer_.data() + u * classes, classes, logits.data() + unsure_[u] * classes);
        return std::ssize(unsure_);
    }

private:
    const network_type& net_;
    int coarse_, fine_;
    double margin_;
    typename network_type::workspace memory_;
    std::vector<std::size_t> unsure_;
    std::vector<float> again_, finer_;
};
using confident_run = basic_confident_run<simd::native_arch>;

} // namespace intaglio::inline INTAGLIO_ABI::infer
