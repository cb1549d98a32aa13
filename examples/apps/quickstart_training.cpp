// SPDX-License-Identifier: Apache-2.0

#include "quickstart_training.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

#include "intaglio/core/progress.hpp"
#include "intaglio/data/augment.hpp"
#include "intaglio/models/digits_cnn.hpp"
#include "intaglio/nn/initialize.hpp"
#include "intaglio/numeric/random.hpp"
#include "intaglio/optim/schedule.hpp"
#include "intaglio/optim/sgd.hpp"
#include "intaglio/optim/train_step.hpp"

namespace quickstart {
namespace {

/// The order of the images in an epoch: a shuffle that depends on seed and epoch alone.
std::vector<intaglio::dim_t> shuffled(intaglio::dim_t size, std::uint64_t seed, std::uint64_t stream) {
    std::vector<intaglio::dim_t> order(static_cast<std::size_t>(size));
    std::iota(order.begin(), order.end(), intaglio::dim_t{0});
    for (std::size_t i = order.size(); i > 1; --i)
        std::swap(order[i - 1], order[intaglio::random_below(static_cast<std::uint32_t>(i), seed, stream, i)]);
    return order;
}

template <class Numerics>
trained train(const intaglio::data::digits_split& digits, const recipe& how, executor_ref exec) {
    namespace nn = intaglio::nn;
    namespace optim = intaglio::optim;
    // Streams of the counter-based generator: parameters draw from the first ones, an epoch takes two of these.
    constexpr std::uint64_t order_stream = 1'000, deformation_stream = 1'000'000;

    trained result;
    result.network = intaglio::models::digits_cnn<Numerics>();
    nn::initialize(result.network, how.seed);
    const intaglio::dim_t steps = digits.train.size() / how.batch;
    optim::sgd optimizer(result.network.parameters(),
                         {.momentum = how.momentum, .weight_decay = how.weight_decay, .nesterov = true});
    const optim::warmup rate{
        steps, optim::cosine_schedule{.rate = how.rate, .steps = steps * std::max<intaglio::dim_t>(how.epochs - 1, 1)}};

    nn::feature_map images({how.batch, intaglio::data::digits::side, intaglio::data::digits::side, 1});
    std::vector<std::uint8_t> labels(static_cast<std::size_t>(how.batch));
    // of the first step of every fifth epoch: an audit takes many times as long as the products themselves
    intaglio::audit check;
    intaglio::progress bar(std::string("training in ") + Numerics::name, how.epochs * steps);
    for (intaglio::dim_t epoch = 0; epoch < how.epochs; ++epoch) {
        const auto stream = static_cast<std::uint64_t>(epoch);
        const auto order = shuffled(digits.train.size(), how.seed, order_stream + stream);
        for (intaglio::dim_t step = 0; step < steps; ++step) {
            const auto start = std::chrono::steady_clock::now();
            for (intaglio::dim_t i = 0; i < how.batch; ++i) {
                const intaglio::dim_t image = order[static_cast<std::size_t>(step * how.batch + i)];
                intaglio::data::place_deformed_digit(digits.train, image, {}, how.seed, deformation_stream + stream,
                                                     images, i);
                labels[static_cast<std::size_t>(i)] = digits.train.labels[static_cast<std::size_t>(image)];
            }
            const intaglio::dim_t done = epoch * steps + step;
            const bool audited = step == 0 && epoch % 5 == 0;
            const auto batch = optim::train_step(
                result.network, images, labels, optimizer, rate(done),
                {.exec = exec, .counts = &result.counts, .check = audited ? &check : nullptr}, how.label_smoothing);
            if (!audited)
                result.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
            char suffix[64];
            std::snprintf(suffix, sizeof suffix, "epoch %d, loss %.3f", static_cast<int>(epoch + 1), batch.loss);
            bar.update(done + 1, suffix);
        }
    }
    bar.finish();
    result.sums_checked = check.chains();
    result.overflows = check.overflows();
    result.test_accuracy =
        optim::accuracy(result.network, intaglio::data::digit_images(digits.test), digits.test.labels, exec);
    return result;
}

} // namespace

trained train_fp32(const intaglio::data::digits_split& digits, const recipe& how, executor_ref exec) {
    return train<intaglio::nn::fp32_numerics>(digits, how, exec);
}
trained train_dfp16(const intaglio::data::digits_split& digits, const recipe& how, executor_ref exec) {
    return train<intaglio::nn::dfp16_numerics>(digits, how, exec);
}

} // namespace quickstart
