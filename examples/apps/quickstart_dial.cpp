// SPDX-License-Identifier: Apache-2.0

#include "quickstart_dial.hpp"

#include "intaglio/io/coded_network_file.hpp"
#include "intaglio/models/digits_cnn.hpp"
#include "intaglio/nn/accounting.hpp"
#include "intaglio/nn/encode.hpp"
#include "intaglio/nn/integer_network.hpp"
#include "intaglio/train/score.hpp"
#include "milliseconds_per_image.hpp"

namespace quickstart {
namespace {

/// A file of the model: the codings of its five layers.
struct coded_model {
    std::string name;
    std::vector<intaglio::nn::weight_coding> codings; ///< one for all layers, or one for each
};

std::vector<coded_model> coded_models() {
    using coding = intaglio::nn::weight_coding;
    constexpr coding eight_bits{coding::family::int8, 1}, greedy{coding::family::greedy, 3},
        two{coding::family::locked, 2}, three{coding::family::locked, 3};
    return {{"8-8", {eight_bits}},
            {"greedy", {greedy}},
            {"locked-2", {two}},
            {"locked-3", {three}},
            {"mixed", {three, two, two, two, three}}};
}

} // namespace

std::vector<level> measure_dial(const intaglio::nn::parameters& parameters, const intaglio::data::digits& test,
                                const std::string& prefix, intaglio::executor_ref exec) {
    namespace nn = intaglio::nn;
    constexpr intaglio::dim_t side = intaglio::data::digits::side;
    // Pixels are multiples of 1/16: with a range of 255/16 each is stored as its own number 0 .. 16.
    constexpr float image_range = 255.0f / intaglio::data::digits::max_value;
    const auto images = intaglio::data::digit_images(test);
    const std::vector<std::int32_t> labels(test.labels.begin(), test.labels.end());
    const auto folded = nn::fold(intaglio::models::digits_cnn(), parameters);

    std::vector<level> levels;
    nn::network_cost base;
    for (const coded_model& model : coded_models()) {
        const std::string path = prefix + model.name + ".safetensors";
        intaglio::io::save_coded_network(nn::encode(folded, model.codings, image_range, exec), path);
        const nn::coded_network loaded = intaglio::io::load_coded_network(path);
        const nn::integer_network integer(loaded, exec);
        if (levels.empty()) base = nn::cost(loaded, 1, side, side);

        nn::integer_network::workspace memory;
        for (int planes = 1; planes <= integer.levels(); ++planes) {
            const nn::network_cost cost = nn::cost(loaded, planes, side, side);
            level row;
            row.name = integer.levels() > 1 ? intaglio::join(model.name, "-", planes) : model.name;
            row.planes = cost.planes_per_weight();
            row.bits_per_weight = cost.bits_per_weight();
            row.size_vs_8_8 = static_cast<double>(base.bytes) / static_cast<double>(cost.bytes);
            row.multiplications_vs_8_8 =
                static_cast<double>(base.multiplications) / static_cast<double>(cost.multiplications);
            intaglio::train::score score;
            score.add(integer.run(images, planes, memory, exec).span(), labels);
            row.test_accuracy = score.accuracy();
            row.ms_per_image = milliseconds_per_image(test.size(), [&] { integer.run(images, planes, memory, exec); });
            levels.push_back(row);
        }
    }
    return levels;
}

} // namespace quickstart
