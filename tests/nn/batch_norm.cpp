// SPDX-License-Identifier: Apache-2.0
#include "intaglio/nn/batch_norm.hpp"

#include <cmath>

#include "intaglio/nn/gradient_check.hpp"
#include "intaglio/numeric/random.hpp"
#include "support/catch.hpp"
#include "support/golden.hpp"

namespace intaglio::nn {

TEST_CASE("training normalises each channel and moves the running statistics", "[unit]") {
    batch_norm norm("norm", 3);
    feature_map in({8, 4, 4, 3}), out({8, 4, 4, 3});
    for (dim_t i = 0; i < in.size(); ++i)
        in.data()[i] = static_cast<float>(i % 3) * 10 + 4 * random_normal(3, 1, static_cast<std::uint64_t>(i));
    norm.forward(in, out, {.training = true});
    for (dim_t c = 0; c < 3; ++c) {
        double sum = 0, squares = 0, mean = 0;
        for (dim_t r = 0; r < in.pixels(); ++r) {
            const auto v = static_cast<double>(out.data()[r * 3 + c]);
            sum += v;
            squares += v * v;
            mean += static_cast<double>(in.data()[r * 3 + c]) / static_cast<double>(in.pixels());
        }
        REQUIRE(sum / static_cast<double>(in.pixels()) == Approx(0).margin(1e-5));
        REQUIRE(squares / static_cast<double>(in.pixels()) == Approx(1).epsilon(1e-4));
        REQUIRE(static_cast<double>(norm.running_mean()[c]) == Approx(0.1 * mean).epsilon(1e-4));
        REQUIRE(norm.running_variance()[c] > 1.0f); // 0.9 + 0.1 * 16
    }
}

TEST_CASE("inference uses the running statistics", "[unit]") {
    batch_norm norm("norm", 1);
    *norm.parameters()[0]->value.data() = 2;   // scale
    *norm.parameters()[1]->value.data() = 0.5; // shift
    *norm.parameters()[2]->value.data() = 3;   // mean
    *norm.parameters()[3]->value.data() = 4;   // variance
    feature_map in({1, 1, 1, 1}), out({1, 1, 1, 1});
    in.data()[0] = 7;
    norm.forward(in, out, {});
    REQUIRE(static_cast<double>(out.data()[0]) == Approx(2 * (7.0 - 3) / std::sqrt(4.00001) + 0.5));
}

TEST_CASE("evaluation has PyTorch's outputs and gradients", "[golden]") {
    constexpr dim_t channels = 6, pixels = 5 * 3;
    batch_norm norm("norm", channels);
    const auto at = [&](int parameter, dim_t c) -> float& {
        return norm.parameters()[static_cast<std::size_t>(parameter)]->value[c];
    };
    const auto u = [](std::uint64_t seed, dim_t i) { return golden_uniform(seed, static_cast<std::uint64_t>(i)); };
    for (dim_t c = 0; c < channels; ++c) {
        at(0, c) = u(10, c) + 1.5f;
        at(1, c) = u(11, c);
        at(2, c) = 0.3f * u(7, c);
        at(3, c) =
            std::fabs(0.3f * u(8, c)) + 0.5f + (1e-3f - batch_norm::epsilon); // PyTorch ran with an epsilon of 1e-3
    }
    feature_map in({4, 5, 3, channels}), out(in.shape()), d_out(in.shape()), d_in(in.shape());
    const auto place = [](dim_t i) { // of element i in the order batch, channels, height, width
        return (i / (channels * pixels) * pixels + i % pixels) * channels + i / pixels % channels;
    };
    for (dim_t i = 0; i < in.size(); ++i) {
        in.data()[place(i)] = 2 * u(9, i) + 1;
        d_out.data()[place(i)] = u(99, i);
    }
    norm.forward(in, out, {.training = true}); // of another pass: must not be remembered
    for (dim_t c = 0; c < channels; ++c) {
        at(2, c) = 0.3f * u(7, c);
        at(3, c) = std::fabs(0.3f * u(8, c)) + 0.5f + (1e-3f - batch_norm::epsilon);
    }
    norm.forward(in, out, {});
    norm.backward(in, out, d_out, &d_in, {});
    const struct {
        dim_t i;
        double out, d_in;
    } expected[] = {{0, 2.8631556, -0.317333281},    {61, -0.293925673, 0.596741199}, {122, 1.64732528, -0.049190823},
                    {183, 2.39015508, 0.0437290519}, {244, 0.0266323704, 1.5906806},  {305, 0.760760069, 0.267141044}};
    for (const auto& e : expected) {
        CAPTURE(e.i);
        CHECK(static_cast<double>(out.data()[place(e.i)]) == Approx(e.out).epsilon(1e-5));
        CHECK(static_cast<double>(d_in.data()[place(e.i)]) == Approx(e.d_in).epsilon(1e-5));
    }
    const double d_scale[] = {0.0285136383, -4.59684134, 5.43460751, 6.86692047, -1.25109506, 5.36942148},
                 d_shift[] = {2.11523008, -1.20522547, 2.73895693, -3.51736426, -3.52322578, 5.01727867};
    for (dim_t c = 0; c < channels; ++c) {
        CHECK(static_cast<double>(norm.parameters()[0]->gradient[c]) == Approx(d_scale[c]).epsilon(1e-4));
        CHECK(static_cast<double>(norm.parameters()[1]->gradient[c]) == Approx(d_shift[c]).epsilon(1e-5));
    }
}

TEST_CASE("gradients of evaluation mode", "[gradient]") {
    batch_norm norm("norm", 5);
    const gradient_report report = check_gradients(norm, {4, 3, 2, 5}, {.step = 2e-3f, .training = false});
    CAPTURE(report.where);
    REQUIRE(report.worst < 2e-3);
}

TEST_CASE("statistics of one pixel are refused", "[unit]") {
    batch_norm norm("norm", 2);
    feature_map in({1, 1, 1, 2}), out({1, 1, 1, 2});
    REQUIRE_THROWS_AS(norm.forward(in, out, {.training = true}), value_error);
    REQUIRE_THROWS_AS(norm.output_shape({1, 1, 1, 3}), shape_error);
}

} // namespace intaglio::nn
