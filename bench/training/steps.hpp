// SPDX-License-Identifier: Apache-2.0
#pragma once

// Training steps of one network, ready to be timed: random images, weights drawn as He et al. do, SGD with momentum.
// One translation unit for each storage type (steps_*.cpp), so that they compile side by side.

#include <memory>

#include "intaglio/core/config.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/nn/network.hpp"
#include "intaglio/train/options.hpp"
#include "intaglio/train/profile.hpp"

namespace intaglio::inline INTAGLIO_ABI {

class timed_steps {
public:
    virtual ~timed_steps() = default;
    /// One whole step: images stored, forward, loss, backward, update.
    virtual void step() = 0;
    /// Steps after which all others are alike: exponents are known, algorithms chosen (train/pass_choice.hpp).
    virtual int first_steps() const = 0;
    virtual void use(executor_ref exec) = 0;
    virtual void measure(train::profile* to) = 0;
    /// Bytes of activations and gradients.
    virtual dim_t tensor_bytes() const = 0;
};

template <class T>
std::unique_ptr<timed_steps> make_timed_steps(const nn::network& net, dim_t batch, const train::plan_options& options);
extern template std::unique_ptr<timed_steps> make_timed_steps<float>(const nn::network&, dim_t,
                                                                     const train::plan_options&);
extern template std::unique_ptr<timed_steps> make_timed_steps<std::int16_t>(const nn::network&, dim_t,
                                                                            const train::plan_options&);

} // namespace intaglio::inline INTAGLIO_ABI
