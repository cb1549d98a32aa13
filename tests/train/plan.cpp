// SPDX-License-Identifier: Apache-2.0
#include "intaglio/train/plan.hpp"

#include <cmath>
#include <optional>

#include "intaglio/nn/network_builder.hpp"
#include "intaglio/train/sgd.hpp"
#include "support/catch.hpp"
#include "support/cosine.hpp"
#include "support/message_of.hpp"
#include "train/plan_check.hpp"

namespace intaglio::train {
namespace {

/// Every operation once, with shortcuts, branches and an auxiliary classifier.
nn::network everything() {
    nn::network_builder b;
    auto x = b.input(13, 11, 3);
    x = b.relu(
        b.batch_norm("bn1", b.convolution("conv1", x, {.out_channels = 8, .kernel = 3, .stride = 2, .padding = 1})));
    auto y = b.relu(b.convolution("branch1", x, {.out_channels = 6, .kernel = {1, 3}, .padding = {0, 1}, .groups = 2}));
    auto z = b.max_pool(x, {.kernel = 3, .stride = 1, .padding = 1});
    z = b.relu(b.convolution("branch2", z, {.out_channels = 4, .kernel = 3, .padding = 2, .dilation = 2}));
    x = b.concatenate({y, z, x});
    x = b.local_response_norm(x, {.size = 3, .alpha = 0.5, .beta = 0.75});
    auto w =
        b.batch_norm("bn2", b.convolution("conv2", x, {.out_channels = 18, .kernel = 3, .padding = 1, .bias = false}));
    x = b.relu(b.add(w, x));
    auto s = b.padded_shortcut(x, {.stride = 2, .zeros_before = 3, .zeros_behind = 3});
    w = b.batch_norm("bn3", b.convolution("conv3", x, {.out_channels = 24, .kernel = 3, .stride = 2, .padding = 1}),
                     {.frozen = true});
    x = b.relu(b.add(s, w));
    auto t = b.flatten(b.adaptive_average_pool(x, {2, 1}));
    b.auxiliary_output(b.linear("aux", t, {.out_features = 5}), 0.3);
    x = b.average_pool(x, {.kernel = 3, .stride = 2, .padding = 1, .ceil_mode = true, .count_include_pad = false});
    x = b.relu(b.linear("fc1", b.flatten(x), {.out_features = 32}));
    x = b.dropout(x, 0.25);
    return b.finish(b.linear("fc2", x, {.out_features = 5}), {.label_smoothing = 0.1});
}

nn::parameters drawn(const nn::network& net) {
    nn::parameters p(net);
    for (std::size_t i = 0; i < p.count(); ++i) {
        const nn::parameter_spec& spec = p.spec(i);
        const auto fan = static_cast<float>(spec.shape.size() / std::max<dim_t>(1, spec.shape[0]));
        for (dim_t e = 0; e < p[i].size(); ++e) {
            const float u = 2 * random_uniform(7, i, static_cast<std::uint64_t>(e)) - 1;
            if (spec.decays)
                p[i].data()[e] = u * std::sqrt(6 / fan);
            else
                p[i].data()[e] += 0.1F * u;
        }
    }
    return p;
}

struct batch {
    std::vector<float> images;
    std::vector<std::int32_t> labels;

    batch(const nn::network& net, dim_t size, std::uint64_t seed) {
        images.resize(static_cast<std::size_t>(nn::image_shape(net, size).size()));
        for (std::size_t i = 0; i < images.size(); ++i) images[i] = 2 * random_uniform(seed, 1, i) - 1;
        for (dim_t i = 0; i < size; ++i)
            labels.push_back(static_cast<std::int32_t>(random_below(5, seed, 2, static_cast<std::uint64_t>(i))));
    }
};

float largest(const tensor<float>& t) {
    float most = 0;
    for (const float v : t) most = std::max(most, std::abs(v));
    return most;
}

/// The parameters after so many steps, and the losses. `at_once`: each moves as soon as its gradient is there.
template <class T>
std::vector<double> train(const nn::network& net, nn::parameters& p, int steps, executor_ref exec,
                          const plan_options& options = {}, bool at_once = false) {
    plan<T> training(net, nn::image_shape(net, 4), p, options, exec);
    sgd update(p, {.momentum = 0.9F, .weight_decay = 1e-3F, .nesterov = true});
    std::vector<double> losses;
    for (int s = 0; s < steps; ++s) {
        const batch b(net, 4, static_cast<std::uint64_t>(s % 2));
        training.set_step(static_cast<std::uint64_t>(s));
        if (at_once) {
            std::vector<int> seen(p.count(), 0);
            const auto move = [&](std::size_t i, std::span<const float> gradient) {
                ++seen[i];
                update.step(p, i, gradient, 0.05F, exec);
            };
            losses.push_back(training.gradients_of(b.images, b.labels, move).loss);
            for (std::size_t i = 0; i < p.count(); ++i) REQUIRE(seen[i] == (p.spec(i).trained ? 1 : 0));
        } else {
            losses.push_back(training.gradients_of(b.images, b.labels).loss);
            update.step(p, training.gradients(), 0.05F, exec);
        }
        training.parameters_changed();
    }
    return losses;
}

} // namespace

TEST_CASE("the gradient of a network with every operation is the slope of its loss", "[gradient]") {
    const nn::network net = everything();
    nn::parameters p = drawn(net);
    const batch b(net, 4, 1);
    plan<float> training(net, nn::image_shape(net, 4), p);
    training.gradients_of(b.images, b.labels);
    const std::vector<tensor<float>> gradients = training.gradients();
    const nn::parameters start = p;
    for (std::size_t i = 0; i < p.count(); ++i) {
        if (gradients[i].size() == 0) continue;
        // along the gradient itself the slope is its norm; a short way, so that few rectifiers switch
        double squares = 0;
        for (const float g : gradients[i]) squares += static_cast<double>(g) * static_cast<double>(g);
        const double norm = std::sqrt(squares), way = 2e-3 / std::max(1.0, norm);
        if (norm < 1e-6) continue;
        const auto loss_at = [&](double t) {
            p = start;
            for (dim_t e = 0; e < p[i].size(); ++e)
                p[i].data()[e] += static_cast<float>(t * static_cast<double>(gradients[i].data()[e]) / norm);
            training.parameters_changed();
            training.forward(b.images, true);
            return training.loss(b.labels).loss;
        };
        INFO(p.spec(i).name << ": norm " << norm);
        REQUIRE((loss_at(way) - loss_at(-way)) / (2 * way) == Approx(norm).epsilon(0.03).margin(2e-3));
    }
}

TEMPLATE_TEST_CASE("every unit of a step is its scalar meaning", "[unit][exact]", float, std::int16_t) {
    const nn::network net = everything();
    for (const bool paper : {false, true}) {
        if (paper && std::is_same_v<TestType, float>) continue;
        CAPTURE(paper);
        nn::parameters p = drawn(net);
        plan_options options = paper ? paper_options(net) : plan_options{};
        options.keep_tensors = true;
        thread_pool pool(2);
        plan<TestType> training(net, nn::image_shape(net, 4), p, options, pool);
        sgd update(p);
        for (std::uint64_t step = 0; step < 3; ++step) {
            const batch b(net, 4, step);
            plan_check<TestType> check(training, options, step);
            training.set_step(step);
            training.forward(b.images, true);
            check.forward(b.images);
            training.loss(b.labels);
            training.backward();
            check.backward();
            update.step(p, training.gradients(), 0.3F);
            training.parameters_changed();
        }
    }
}

TEST_CASE("int16 storage gives nearly the gradients of floats", "[unit]") {
    const nn::network net = everything();
    nn::parameters p = drawn(net), q = p;
    const batch b(net, 8, 1);
    plan<float> single(net, nn::image_shape(net, 8), p);
    const double loss = single.gradients_of(b.images, b.labels).loss;
    for (const bool paper : {false, true}) {
        plan<std::int16_t> integer(net, nn::image_shape(net, 8), q, paper ? paper_options(net) : plan_options{});
        REQUIRE(integer.gradients_of(b.images, b.labels).loss == Approx(loss).epsilon(paper ? 4e-3 : 1e-3));
        for (std::size_t i = 0; i < p.count(); ++i) {
            INFO(p.spec(i).name << (paper ? ", the paper's options" : ""));
            if (largest(single.gradients()[i]) < 1e-5F) continue; // a bias in front of a batch norm has none
            REQUIRE(cosine(single.gradients()[i], integer.gradients()[i]) > (paper ? 0.99 : 0.999));
        }
        q = p;
    }
}

TEMPLATE_TEST_CASE("a training has the same bits for any number of threads", "[unit][exact]", float, std::int16_t) {
    const nn::network net = everything();
    nn::parameters first = drawn(net);
    const std::vector<double> losses = train<TestType>(net, first, 4, {});
    REQUIRE(losses.back() < losses.front());
    for (const int threads : {2, 3, 8}) {
        thread_pool pool(threads);
        nn::parameters other = drawn(net);
        REQUIRE(train<TestType>(net, other, 4, pool) == losses);
        for (std::size_t i = 0; i < first.count(); ++i)
            for (dim_t e = 0; e < first[i].size(); ++e) REQUIRE(other[i].data()[e] == first[i].data()[e]);
    }
}

TEST_CASE("the algorithm of convolutions changes no bit of a training, while it is tried or after", "[unit][exact]") {
    const nn::network net = everything();
    nn::parameters direct = drawn(net);
    const std::vector<double> losses = train<std::int16_t>(net, direct, 6, {}, {.convolutions = algorithm::direct});
    for (const algorithm how : {algorithm::winograd, algorithm::automatic}) {
        nn::parameters other = drawn(net);
        REQUIRE(train<std::int16_t>(net, other, 6, {}, {.convolutions = how}) == losses);
        for (std::size_t i = 0; i < direct.count(); ++i)
            for (dim_t e = 0; e < direct[i].size(); ++e) REQUIRE(other[i].data()[e] == direct[i].data()[e]);
    }
}

TEMPLATE_TEST_CASE("parameters that move as soon as their gradients are there end at the same bits", "[unit][exact]",
                   float, std::int16_t) {
    const nn::network net = everything();
    for (const plan_options& options : {plan_options{}, paper_options(net)}) {
        nn::parameters kept = drawn(net), moved = kept;
        REQUIRE(train<TestType>(net, kept, 3, {}, options) == train<TestType>(net, moved, 3, {}, options, true));
        for (std::size_t i = 0; i < kept.count(); ++i)
            REQUIRE(std::equal(kept[i].begin(), kept[i].end(), moved[i].begin()));
    }
}

TEST_CASE("a plan that takes up another's exponents goes on with the same bits", "[unit][exact]") {
    const nn::network net = everything();
    nn::parameters p = drawn(net);
    const batch b(net, 4, 3);
    const extents images = nn::image_shape(net, 4);
    plan<std::int16_t> whole(net, images, p);
    whole.gradients_of(b.images, b.labels);
    for (std::size_t i = 0; i < p.count();
         ++i) // activations half as large: exponents that stay are not those of a start
        if (p.spec(i).decays)
            for (float& v : p[i]) v *= 0.55F;
    nn::parameters q = p;
    plan<std::int16_t> resumed(net, images, q);
    resumed.set_exponents(whole.exponents());
    whole.parameters_changed();
    REQUIRE(resumed.gradients_of(b.images, b.labels).loss == whole.gradients_of(b.images, b.labels).loss);
    for (std::size_t i = 0; i < p.count(); ++i)
        for (dim_t e = 0; e < resumed.gradients()[i].size(); ++e)
            REQUIRE(resumed.gradients()[i].data()[e] == whole.gradients()[i].data()[e]);
    REQUIRE_THROWS_AS(resumed.set_exponents(std::vector<std::int32_t>(3)), shape_error);
}

TEST_CASE("evaluation takes running statistics and drops nothing", "[unit]") {
    const nn::network net = everything();
    nn::parameters p = drawn(net);
    const batch b(net, 4, 1);
    plan<float> training(net, nn::image_shape(net, 4), p);
    training.forward(b.images, false);
    const std::vector<float> first(training.logits().begin(), training.logits().end());
    const nn::parameters before = p;
    training.forward(b.images, false);
    REQUIRE(std::equal(first.begin(), first.end(), training.logits().begin()));
    for (std::size_t i = 0; i < p.count(); ++i) REQUIRE(std::equal(p[i].begin(), p[i].end(), before[i].begin()));
    training.forward(b.images, true);
    REQUIRE_FALSE(std::equal(first.begin(), first.end(), training.logits().begin()));
}

TEST_CASE("a plan refuses what does not fit", "[unit]") {
    const nn::network net = everything();
    nn::parameters p = drawn(net);
    plan<float> training(net, nn::image_shape(net, 2), p);
    REQUIRE(mentions<shape_error>([&] { training.forward(std::vector<float>(7), true); }, "2 x 13 x 11 x 3", "got 7"));
    const batch b(net, 2, 1);
    training.forward(b.images, true);
    REQUIRE_THROWS_AS(training.loss(std::vector<std::int32_t>{0, 5}), value_error);
    REQUIRE_THROWS_AS(plan<float>(net, nn::image_shape(net, 2), p, {.storage = {}, .in_float = {"nobody"}}),
                      value_error);
}

} // namespace intaglio::train
