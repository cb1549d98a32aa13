// SPDX-License-Identifier: Apache-2.0
#include "intaglio/optim/train_step.hpp"

#include <memory>
#include <vector>

#include "intaglio/models/digits_cnn.hpp"
#include "intaglio/nn/initialize.hpp"
#include "intaglio/numeric/random.hpp"
#include "support/catch.hpp"

namespace intaglio::optim {
namespace {

/// Images whose class is told by their brightest quarter.
struct quarters {
    nn::feature_map images{extents{24, 8, 8, 1}};
    std::vector<std::uint8_t> labels;

    quarters() {
        for (dim_t i = 0; i < 24; ++i) {
            const dim_t label = i % 4;
            labels.push_back(static_cast<std::uint8_t>(label));
            for (dim_t y = 0; y < 8; ++y)
                for (dim_t x = 0; x < 8; ++x) {
                    const auto at = (i * 8 + y) * 8 + x;
                    images.data()[at] = 0.3f * random_uniform(1, 1, static_cast<std::uint64_t>(at)) +
                                        (y / 4 * 2 + x / 4 == label ? 0.7f : 0.0f);
                }
        }
    }
};

template <class Numerics>
std::vector<float> weights_after_steps(int steps, executor_ref exec, double* accuracy_reached = nullptr) {
    const quarters data;
    nn::sequential net = models::digits_cnn<Numerics>();
    nn::initialize(net, 9);
    sgd optimizer(net.parameters(), {.momentum = 0.9f, .weight_decay = 1e-3f, .nesterov = true});
    for (int s = 0; s < steps; ++s) train_step(net, data.images, data.labels, optimizer, 0.02f, {.exec = exec});
    std::vector<float> all;
    for (const nn::parameter* p : net.parameters()) all.insert(all.end(), p->value.begin(), p->value.end());
    if (accuracy_reached) *accuracy_reached = accuracy(net, data.images, data.labels, exec);
    return all;
}

template <class Numerics>
void require_same_for_all_threads() {
    const auto serial = weights_after_steps<Numerics>(4, {});
    for (const int threads : {1, 2, 3}) {
        thread_pool pool(threads);
        CAPTURE(threads);
        REQUIRE(weights_after_steps<Numerics>(4, pool) == serial);
    }
}

} // namespace

TEST_CASE("the same weights, bit for bit, for any number of threads", "[exact]") {
    require_same_for_all_threads<nn::fp32_numerics>();
    require_same_for_all_threads<nn::dfp16_numerics>();
}

TEST_CASE("both numerics learn", "[unit]") {
    double fp32 = 0, dfp16 = 0;
    weights_after_steps<nn::fp32_numerics>(20, {}, &fp32);
    weights_after_steps<nn::dfp16_numerics>(20, {}, &dfp16);
    REQUIRE(fp32 == 1.0);
    REQUIRE(dfp16 == 1.0);
}

TEST_CASE("the first steps of INT16 training follow FP32 closely", "[unit]") {
    const auto fp32 = weights_after_steps<nn::fp32_numerics>(1, {}),
               dfp16 = weights_after_steps<nn::dfp16_numerics>(1, {});
    for (std::size_t i = 0; i < fp32.size(); ++i)
        REQUIRE(static_cast<double>(dfp16[i]) == Approx(static_cast<double>(fp32[i])).margin(2e-3).epsilon(2e-3));
}

} // namespace intaglio::optim
