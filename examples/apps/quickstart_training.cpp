// SPDX-License-Identifier: Apache-2.0

#include "quickstart_training.hpp"

#include <chrono>
#include <cstdio>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "intaglio/core/progress.hpp"
#include "intaglio/data/augment.hpp"
#include "intaglio/models/digits_cnn.hpp"
#include "intaglio/nn/he_initialize.hpp"
#include "intaglio/numeric/random.hpp"
#include "intaglio/train/schedule.hpp"
#include "milliseconds_per_image.hpp"
#include "train/model.hpp"

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

void add(const intaglio::train::step_report& report, losses& to) {
    for (const intaglio::train::tensor_report& r : report.rows()) {
        to.values += r.elements;
        to.clipped += r.losses.clipped;
        to.flushed_to_zero += r.losses.flushed_to_zero;
        to.chains += r.chains;
        to.overflows += r.overflows;
    }
}

trained train(const char* name, std::unique_ptr<training::model> make(training::model_setup),
              const intaglio::data::digits_split& digits, const recipe& how, executor_ref exec) {
    namespace nn = intaglio::nn;
    // Streams of the counter-based generator: parameters draw from the first ones, an epoch takes two of these.
    constexpr std::uint64_t order_stream = 1'000, deformation_stream = 1'000'000;
    constexpr std::size_t pixels = intaglio::data::digits::side * intaglio::data::digits::side;

    nn::network net = intaglio::models::digits_cnn();
    net.loss.label_smoothing = how.label_smoothing;
    nn::parameters first;
    nn::he_initialize(net, first, how.seed, {.convolution = nn::he_fan_in, .linear = nn::he_fan_in});
    const auto training =
        make({.network = net,
              .batch = how.batch,
              .first = std::move(first),
              .update = {.momentum = how.momentum, .weight_decay = how.weight_decay, .nesterov = true},
              .exec = exec});
    const intaglio::dim_t steps = digits.train.size() / how.batch;
    const intaglio::train::schedule rate{.kind = intaglio::train::schedule_kind::cosine,
                                         .rate = how.rate,
                                         .steps = steps * std::max<intaglio::dim_t>(how.epochs - 1, 1),
                                         .warmup = steps};

    trained result;
    std::vector<float> images(static_cast<std::size_t>(how.batch) * pixels);
    std::vector<std::int32_t> labels(static_cast<std::size_t>(how.batch));
    intaglio::progress bar(std::string("training in ") + name, how.epochs * steps);
    for (intaglio::dim_t epoch = 0; epoch < how.epochs; ++epoch) {
        const auto stream = static_cast<std::uint64_t>(epoch);
        const auto order = shuffled(digits.train.size(), how.seed, order_stream + stream);
        for (intaglio::dim_t step = 0; step < steps; ++step) {
            const auto start = std::chrono::steady_clock::now();
            for (std::size_t i = 0; i < labels.size(); ++i) {
                const intaglio::dim_t image = order[static_cast<std::size_t>(step * how.batch) + i];
                intaglio::data::deform_digit(digits.train, image, {}, how.seed, deformation_stream + stream,
                                             std::span(images).subspan(i * pixels, pixels));
                labels[i] = digits.train.labels[static_cast<std::size_t>(image)];
            }
            // an audit takes many times as long as the products themselves
            const bool watched = step == 0 && epoch % 5 == 0;
            intaglio::train::step_report report(true);
            if (watched) training->watch(&report);
            const auto batch = training->step(images, labels, rate(training->steps()));
            if (watched) {
                training->watch(nullptr);
                add(report, result.lost);
            } else {
                result.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
            }
            char suffix[64];
            std::snprintf(suffix, sizeof suffix, "epoch %d, loss %.3f", static_cast<int>(epoch + 1), batch.loss);
            bar.update(training->steps(), suffix);
        }
    }
    bar.finish();
    result.parameters = training->state().parameters;

    const auto test = intaglio::data::digit_images(digits.test);
    const std::vector<std::int32_t> test_labels(digits.test.labels.begin(), digits.test.labels.end());
    const auto answer = [&] {
        std::size_t first_image = 0;
        return training->evaluate([&]() -> std::optional<training::test_images> {
            const std::size_t count = std::min(labels.size(), test_labels.size() - first_image);
            if (count == 0) return std::nullopt;
            std::copy_n(test.data() + first_image * pixels, count * pixels, images.data());
            const training::test_images batch{images, std::span(test_labels).subspan(first_image, count)};
            first_image += count;
            return batch;
        });
    };
    result.test_accuracy = answer().accuracy();
    result.ms_per_image = milliseconds_per_image(digits.test.size(), answer);
    return result;
}

} // namespace

trained train_fp32(const intaglio::data::digits_split& digits, const recipe& how, executor_ref exec) {
    return train("FP32", training::make_fp32_model, digits, how, exec);
}
trained train_dfp16(const intaglio::data::digits_split& digits, const recipe& how, executor_ref exec) {
    return train("DFP16", training::make_dfp16_model, digits, how, exec);
}

} // namespace quickstart
