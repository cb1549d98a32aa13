// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which algorithm a pass of a convolution takes in training. Results have the same bits either way (conv/winograd.hpp),
// and which is faster depends on shapes, caches and what else the machine does: so the first steps try both, twice
// each, and the faster stays.

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>

#include "intaglio/conv/winograd_choice.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

class pass_choice {
    static constexpr int trials = 4, of_each = trials / 2, turns = 2;

public:
    /// Steps until all passes of a plan have made their choice.
    static constexpr int steps = trials + of_each * (turns - 1);

    pass_choice() = default;
    /// `form` is what the plan was asked for; only algorithm::automatic leaves a choice. Filters for Winograd's
    /// products take 16/9 of the memory as long as they are tried, so passes take turns by their place in the plan.
    pass_choice(const conv_geometry& g, const conv_form& form, int place = 0)
        : form_(form), trials_(-of_each * (place % turns)) {
        constexpr dim_t fewest = 16; // channels that fill a register
        form_.or_direct = true;
        open_ = form.how == algorithm::automatic && intaglio::detail::is_winograd_shape(g) &&
                form.largest <= intaglio::detail::winograd_largest &&
                std::min(g.group_in_channels(), g.group_out_channels()) >= fewest;
        if (form.how == algorithm::automatic) form_.how = algorithm::direct;
    }

    /// The form for the next packing of weights, or for the next weight gradient, from the times of those before.
    conv_form next() {
        if (!open_) return form_;
        if (passes_ > 0) {
            double& least = least_[form_.how == algorithm::direct ? 0 : 1];
            if (trials_ >= 0) least = std::min(least, packing_ + pass_);
            ++trials_;
        }
        packing_ = 0;
        passes_ = 0;
        open_ = trials_ < trials;
        const bool direct = open_ ? trials_ < of_each : least_[0] <= least_[1];
        form_.how = direct ? algorithm::direct : algorithm::winograd;
        return form_;
    }

    /// Times packing, or a pass, until the returned watch goes.
    class watch {
    public:
        watch(pass_choice& of, bool packing) : of_(of), packing_(packing) {}
        watch(const watch&) = delete;
        watch& operator=(const watch&) = delete;
        ~watch() {
            const double seconds = std::chrono::duration<double>(clock::now() - start_).count();
            if (packing_)
                of_.packing_ = seconds;
            else
                of_.pass_ = of_.passes_++ == 0 ? seconds : std::min(of_.pass_, seconds);
        }

    private:
        using clock = std::chrono::steady_clock;
        pass_choice& of_;
        bool packing_;
        clock::time_point start_ = clock::now();
    };
    watch time_packing() { return {*this, true}; }
    watch time_pass() { return {*this, false}; }

private:
    conv_form form_;
    bool open_ = false;
    int trials_ = 0, passes_ = 0;
    double packing_ = 0, pass_ = 0; ///< seconds since next()
    std::array<double, 2> least_{std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
};

} // namespace intaglio::inline INTAGLIO_ABI::train
