// SPDX-License-Identifier: Apache-2.0

#include "quickstart_dial.hpp"

#include "intaglio/infer/accounting.hpp"
#include "intaglio/infer/convert.hpp"
#include "intaglio/infer/integer_network.hpp"
#include "intaglio/io/model_file.hpp"
#include "intaglio/models/digits_cnn.hpp"
#include "intaglio/train/score.hpp"
#include "milliseconds_per_image.hpp"

namespace quickstart {
namespace {

namespace infer = intaglio::infer;
namespace io = intaglio::io;

/// A file of the model: how all of its layers are coded.
struct coded_model {
    std::string name;
    infer::weight_coding coding;
    int levels = 1;
};

std::vector<coded_model> coded_models() {
    using infer::coding_family;
    return {{"8-8", {}},
            {"greedy", {.family = coding_family::greedy, .planes = 3}, 3},
            {"locked", {.family = coding_family::locked, .planes = 3}, 3},
            {"int4", {.family = coding_family::int4}},
            {"steps", {.step = 1.0}, 3}};
}

/// The model as a file. Pixels are multiples of 1/16: with 255/16 as the largest value each is stored as its own number
/// 0 .. 16.
void save(const coded_model& model, const intaglio::nn::parameters& parameters, const std::string& path,
          intaglio::executor_ref exec) {
    constexpr auto largest = static_cast<float>(intaglio::data::digits::max_value);
    const infer::channel_values pixels{.mean = 0.3F, .deviation = 0.37F, .low = 0, .high = 255 / largest};
    infer::conversion made = infer::convert(
        intaglio::models::digits_cnn(), parameters,
        {.input = {pixels}, .coding = model.coding, .levels = model.levels, .ends_in_bytes = false}, exec);
    io::integer_model file{std::move(made.network), {}};
    file.description.name = "digits";
    file.description.coding = model.name;
    file.description.scale = 1 / largest;
    for (int level = 1; level <= model.levels; ++level) file.description.levels.push_back(intaglio::join(level));
    io::save_model(path, file);
}

} // namespace

std::vector<level> measure_dial(const intaglio::nn::parameters& parameters, const intaglio::data::digits& test,
                                const std::string& prefix, intaglio::executor_ref exec) {
    const auto images = intaglio::data::digit_images(test);
    const std::vector<std::int32_t> labels(test.labels.begin(), test.labels.end());

    std::vector<level> levels;
    for (const coded_model& model : coded_models()) {
        const std::string path = prefix + model.name + ".safetensors";
        save(model, parameters, path, exec);
        const io::loaded_model loaded = io::load_model(path);
        const infer::integer_network integer(loaded.model.network, exec);
        infer::integer_network::workspace memory;
        for (int l = 1; l <= integer.level_count(); ++l) {
            const infer::network_cost cost = infer::cost(loaded.model.network, l);
            level row;
            row.name = integer.level_count() > 1 ? intaglio::join(model.name, "-", l) : model.name;
            row.planes = cost.planes_per_weight();
            row.bits_per_weight = 8 * cost.entropy_bytes / cost.weights;
            row.size_vs_8_8 = loaded.size_vs_8_8(l);
            row.multiplications_vs_8_8 = cost.multiplications_vs_8_8();
            intaglio::train::score score;
            score.add(integer.run(images, l, memory, exec).span(), labels);
            row.test_accuracy = score.accuracy();
            row.ms_per_image = milliseconds_per_image(test.size(), [&] { integer.run(images, l, memory, exec); });
            levels.push_back(row);
        }
    }
    return levels;
}

} // namespace quickstart
