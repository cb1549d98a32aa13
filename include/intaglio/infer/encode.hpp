// SPDX-License-Identifier: Apache-2.0
#pragma once

// From a folded network and what was measured of it (calibration.hpp) to integer codes, without data:
//
//   formats   of activations from their ranges (formats.hpp)
//   weights   product by product, in one of the codings of weight_coding.hpp. Of steps, the step of an output channel
//             is
//               8-8      largest weight / 127
//               steps    c times the root mean square of the channel's weights, of at least 5 % of the largest
//                        channel's; codes have no limit but 127. Wide tails cost more than coarse steps, and small
//                        codes cost little where files are entropy-coded
//             further planes code what the sum of those before left, in steps of a fraction; in each of them a column's
//             rounding error is fed back to the columns behind it (error_feedback.hpp)
//   biases    of each number of planes: the mean of what they leave, (W - codes) times the mean input, goes in

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/infer/block_codes.hpp"
#include "intaglio/infer/calibration.hpp"
#include "intaglio/infer/coded_network.hpp"
#include "intaglio/infer/error_feedback.hpp"
#include "intaglio/infer/fold.hpp"
#include "intaglio/infer/formats.hpp"
#include "intaglio/infer/weight_coding.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

namespace detail {

/// The weights of a product.
inline const tensor<float>& weights_of(const folded_network& folded, std::size_t node) {
    return folded.weights[folded.weights.place(node, nn::parameter_role::weight)];
}

/// The steps of the rows of a matrix of weights: `factor` root mean squares each, or, for a factor of 0, of 8-8.
inline channel_steps steps_of_rows(std::span<const float> weights, dim_t rows, double factor) {
    const dim_t cols = rows > 0 ? std::ssize(weights) / rows : 0;
    std::vector<double> sizes;
    for (dim_t r = 0; r < rows; ++r) {
        double power = 0, largest = 0;
        for (dim_t c = 0; c < cols; ++c) {
            const double w = std::fabs(static_cast<double>(weights[static_cast<std::size_t>(r * cols + c)]));
            power += w * w, largest = std::max(largest, w);
        }
        sizes.push_back(factor > 0 ? std::sqrt(power / static_cast<double>(std::max<dim_t>(1, cols))) * factor
                                   : largest / 127);
    }
    if (factor > 0) {
        const double least = sizes.empty() ? 0 : 0.05 * *std::max_element(sizes.begin(), sizes.end());
        for (double& s : sizes) s = std::max(s, least);
    }
    return steps_at_least(sizes);
}

/// The largest code of each plane, so that no sum of planes passes 127.
inline std::vector<int> code_limits(const std::vector<int>& divisors) {
    std::vector<int> limits(divisors.size() + 1);
    int sum = 127; // of the planes up to this one
    for (std::size_t p = divisors.size(); p > 0; --p) {
        const int before = (sum - divisors[p - 1]) / divisors[p - 1];
        require<value_error>(divisors[p - 1] >= 1 && before >= 1, "encode: a plane divides the step by ",
                             divisors[p - 1], "; codes of all planes together go to 127");
        limits[p] = sum - before * divisors[p - 1];
        sum = before;
    }
    limits[0] = sum;
    return limits;
}

/// Takes a plane's part off what is left of the weights; `steps` of the channels after its divisor.
inline void take_off(const coded_product& product, std::size_t p, std::span<const float> steps, float* left,
                     std::vector<std::int16_t>& sums) {
    const dim_t cols = product.cols();
    add_plane(product, p, sums.data(), [&](dim_t i, int, int part) {
        left[i] -= steps[static_cast<std::size_t>(i / cols)] * static_cast<float>(part);
    });
}

/// Planes of one step for each channel; biases are left out.
inline void add_step_planes(coded_product& product, std::span<const float> weights, const input_statistics& inputs,
                            const weight_coding& coding, executor_ref exec) {
    const dim_t size = inputs.size, rows = std::ssize(product.steps.falls), each = rows / inputs.groups;
    const bool many = !coding.divisors.empty();
    std::vector<float> left(weights.begin(), many ? weights.end() : weights.begin());
    std::vector<std::int16_t> sums(left.size(), 0);
    const float* const from = many ? left.data() : weights.data();
    const std::vector<int> limits = code_limits(coding.divisors);
    std::vector<feedback_factor> factors; // of each group
    if (coding.feedback && coding.step > 0 && !inputs.second.empty())
        for (dim_t group = 0; group < inputs.groups; ++group)
            factors.push_back(factor_moments(inputs.second_of(group), size, 0.01, exec));
    int divisor = 1;
    for (std::size_t p = 0; p <= coding.divisors.size(); ++p) {
        weight_plane plane{tensor<std::int8_t>({rows, size}), p == 0 ? 1 : coding.divisors[p - 1], {}};
        divisor *= plane.divisor;
        const std::vector<float> steps = product.steps.values(divisor);
        for (dim_t group = 0; group < inputs.groups; ++group) {
            const dim_t first = group * each;
            code_rows(from + first * size, each, size,
                      std::span(steps).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(each)),
                      limits[p], factors.empty() ? nullptr : &factors[static_cast<std::size_t>(group)],
                      plane.codes.data() + first * size, exec);
        }
        product.planes.push_back(std::move(plane));
        if (many) take_off(product, p, steps, left.data(), sums);
    }
}

/// Planes with scales per block; biases are left out.
inline void add_block_planes(coded_product& product, std::span<const float> weights, dim_t cols,
                             const weight_coding& coding, executor_ref exec) {
    const std::vector<float> steps = product.steps.values();
    product.planes = block_coder(weights, std::ssize(steps), cols, steps, coding, exec).planes();
    for (std::size_t p = 1; p < product.planes.size(); ++p) // steps are those of the first plane
        product.steps.largest *= static_cast<float>(product.planes[p].divisor);
}

} // namespace detail

/// Codes the weights (rows, K) of a product, group after group of `inputs.groups`; `bias` is the folded one. Throws
/// value_error for a coding that can't be.
inline coded_product code_product(std::span<const float> weights, std::span<const float> bias,
                                  const input_statistics& inputs, const weight_coding& coding, executor_ref exec = {}) {
    const float_environment scope;
    check(coding);
    const dim_t size = inputs.size, rows = std::ssize(bias), each = rows / inputs.groups;
    const bool of_steps = coding.family == coding_family::steps;
    coded_product product{detail::steps_of_rows(weights, rows, of_steps ? coding.step : 0), {}};
    if (of_steps)
        detail::add_step_planes(product, weights, inputs, coding, exec);
    else
        detail::add_block_planes(product, weights, size, coding, exec);

    std::vector<float> left(weights.begin(), weights.end());
    std::vector<std::int16_t> sums(left.size(), 0);
    std::vector<std::vector<float>> steps;
    int divisor = 1;
    for (const weight_plane& plane : product.planes) steps.push_back(product.steps.values(divisor *= plane.divisor));
    for (std::size_t p = 0; p < product.planes.size(); ++p) {
        detail::take_off(product, p, steps[p], left.data(), sums);
        std::vector<double> biases(bias.begin(), bias.end());
        for (dim_t r = 0; r < rows && coding.correct_bias; ++r) {
            double mean = 0;
            for (dim_t k = 0; k < size; ++k)
                mean += static_cast<double>(left[static_cast<std::size_t>(r * size + k)]) *
                        static_cast<double>(inputs.mean_of(r / each)[k]);
            biases[static_cast<std::size_t>(r)] += mean;
        }
        product.planes[p].bias = nearest_biases(biases);
    }
    return product;
}

/// Codes the weights of a node. Throws shape_error where the measurements are those of another network.
inline coded_product code_node(const folded_network& folded, const calibration& measured, std::size_t node,
                               const weight_coding& coding, executor_ref exec = {}) {
    const tensor<float>& weights = detail::weights_of(folded, node);
    const std::optional<input_statistics>& inputs = measured.inputs[node];
    require(inputs && inputs->size * weights.shape()[0] == weights.size(), "encode: the measurements don't fit ",
            folded.net.nodes[node].name);
    const float* const own = folded.weights.find(node, nn::parameter_role::bias);
    std::vector<float> bias(static_cast<std::size_t>(weights.shape()[0]), 0.0F);
    if (own) std::copy_n(own, bias.size(), bias.begin());
    return code_product(weights.span(), bias, *inputs, coding, exec);
}

/// Codes a network: `coding(node)` says how each of its products. All planes are in use at the one level that there is;
/// whoever wants more sets them. `done` is called before each product, with how many are done and its name. Throws as
/// code_node does.
inline coded_network encode(const folded_network& folded, const calibration& measured,
                            const std::function<weight_coding(std::size_t node)>& coding, executor_ref exec = {},
                            const std::function<void(dim_t done, const std::string& name)>& done = {}) {
    const float_environment scope;
    const std::size_t count = folded.net.nodes.size();
    require(measured.ranges.size() == count && measured.inputs.size() == count, "encode: measurements of ",
            measured.ranges.size(), " nodes for a network of ", count);
    coded_network coded{folded.net,
                        choose_formats(folded.net, measured.ranges),
                        std::vector<std::optional<coded_product>>(count),
                        {std::vector<int>(count, 0)}};
    dim_t products = 0;
    for (const std::size_t i : products_of(folded.net)) {
        if (done) done(products++, folded.net.nodes[i].name);
        coded.products[i] = code_node(folded, measured, i, coding(i), exec);
        coded.levels[0][i] = coded.products[i]->plane_count();
    }
    return coded;
}

} // namespace intaglio::inline INTAGLIO_ABI::infer
