// SPDX-License-Identifier: Apache-2.0

#include "inference/prepare.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <vector>

#include "../examples/apps/train/data_choice.hpp"
#include "inference/fp32.hpp"
#include "intaglio/data/loader.hpp"
#include "intaglio/infer/accounting.hpp"
#include "intaglio/infer/convert.hpp"
#include "intaglio/infer/integer_network.hpp"
#include "intaglio/io/model_file.hpp"
#include "intaglio/io/parameters_file.hpp"
#include "intaglio/nn/he_initialize.hpp"

extern template struct intaglio::infer::product_kernels<intaglio::simd::native_arch>;

namespace intaglio::inline INTAGLIO_ABI {

namespace {

/// Test images as the network takes them, with their labels and what FP32 answers.
struct tested_images {
    std::vector<float> images;
    std::vector<std::int32_t> labels;
    std::vector<dim_t> answers;
};

constexpr dim_t batch = 50;

dim_t best_of(std::span<const float> logits) { return std::max_element(logits.begin(), logits.end()) - logits.begin(); }

double share_right(const tested_images& tested, std::span<const dim_t> answers) {
    dim_t right = 0;
    for (std::size_t i = 0; i < answers.size(); ++i) right += answers[i] == tested.labels[i] ? 1 : 0;
    return static_cast<double>(right) / static_cast<double>(std::max<std::size_t>(1, answers.size()));
}

/// The first images of a data set, whole batches of them; nothing where it is missing.
std::optional<tested_images> read_images(const inference_network& network, const inference_places& places,
                                         infer::folded_network& folded, executor_ref exec) {
    const extents one = nn::image_shape(folded.net, 1);
    const std::string folder = places.data + (network.cifar ? "/cifar10" : "/imagenet-samples");
    if (!std::filesystem::exists(folder)) return std::nullopt;
    const dim_t wanted = network.cifar ? (places.quick ? 1000 : 5000) : places.quick ? 100 : 500;
    const auto opened = training::open_data(training::parse_data(network.cifar ? "cifar10:" + folder : folder),
                                            {one[1], one[2], one[3]}, network.cifar ? 10 : 1000, one[1], exec);
    data::transform how = opened.plain;
    how.values = {network.scale, network.mean, network.deviation};
    data::loader batches(opened.tested(), {.batch = batch, .transform = how, .epochs = 1});
    const auto fp32 = make_fp32_inference(folded, batch);
    fp32->use(exec);
    tested_images tested;
    while (std::ssize(tested.labels) < wanted && batches.has_next()) {
        const data::batch& b = batches.next();
        if (b.count < batch) break;
        tested.images.insert(tested.images.end(), b.images.begin(), b.images.end());
        tested.labels.insert(tested.labels.end(), b.labels.begin(), b.labels.end());
        const auto logits = fp32->run(b.images.span());
        const std::size_t classes = logits.size() / static_cast<std::size_t>(batch);
        for (std::size_t i = 0; i < static_cast<std::size_t>(batch); ++i)
            tested.answers.push_back(best_of(logits.subspan(i * classes, classes)));
    }
    return tested;
}

std::vector<dim_t> answers_of(const infer::integer_network& net, int level, const tested_images& tested,
                              executor_ref exec) {
    infer::integer_network::workspace memory;
    std::vector<dim_t> answers;
    const auto classes = static_cast<std::size_t>(net.classes());
    const auto size = static_cast<std::size_t>(net.image_shape(batch).size());
    std::vector<float> logits(classes * static_cast<std::size_t>(batch));
    for (std::size_t first = 0; first + size <= tested.images.size(); first += size) {
        net.run(std::span(tested.images).subspan(first, size), batch, level, memory, logits, exec);
        for (std::size_t i = 0; i < static_cast<std::size_t>(batch); ++i)
            answers.push_back(best_of(std::span(logits).subspan(i * classes, classes)));
    }
    return answers;
}

std::vector<infer::channel_values> channels_of(const inference_network& network) {
    std::vector<infer::channel_values> list;
    for (std::size_t c = 0; c < 3; ++c) {
        const float mean = network.mean[c], deviation = network.deviation[network.deviation.size() == 1 ? 0 : c];
        const auto value = [&](float byte) { return (byte * network.scale - mean) / deviation; };
        list.push_back({value(118), 62 * network.scale / deviation, value(0), value(255)});
    }
    return list;
}

} // namespace

nn::parameters weights_of(const inference_network& network, const inference_places& places, bool& trained,
                          executor_ref exec) {
    const nn::network net = network.make();
    const std::string path = places.models + "/" + network.weights;
    trained = !network.weights.empty() && std::filesystem::exists(path);
    if (trained) return io::load_parameters(path, nn::evaluation_part(net), {.allow_more = true});
    nn::parameters weights;
    nn::he_initialize(net, weights, 1, {.convolution = nn::he_fan_in}, exec);
    return weights;
}

std::string model_path(const inference_network& network, const inference_coding& coding,
                       const inference_places& places) {
    std::string name = coding.file.empty() ? coding.name : coding.file;
    std::replace(name.begin(), name.end(), ' ', '-');
    return places.out + "/" + network.name + "-" + name + ".safetensors";
}

nlohmann::ordered_json prepare(const inference_network& network, const inference_places& places, executor_ref exec) {
    bool trained = false;
    const nn::network net = network.make();
    const nn::parameters weights = weights_of(network, places, trained, exec);
    infer::folded_network folded = infer::fold(net, weights);
    std::optional<tested_images> tested;
    if (trained) tested = read_images(network, places, folded, exec);

    nlohmann::ordered_json rows = nlohmann::ordered_json::array();
    double bytes_8_8 = 0;
    for (const inference_coding& coding : inference_codings(trained, places.quick)) {
        const std::string path = model_path(network, coding, places);
        if (coding.file.empty()) {
            std::fprintf(stderr, "converting %s, %s\n", network.name.c_str(), coding.name.c_str());
            infer::conversion made = infer::convert(net, weights,
                                                    {.input = channels_of(network),
                                                     .coding = coding.coding,
                                                     .size = coding.size,
                                                     .memory = coding.memory_size,
                                                     .levels = coding.levels,
                                                     .noise = trained && !places.quick ? 0
                                                              : network.cifar          ? 100
                                                                                       : 4},
                                                    exec);
            io::integer_model model{std::move(made.network), {}};
            model.description.name = network.name, model.description.coding = coding.name;
            for (int l = 1; l <= model.network.level_count(); ++l) model.description.levels.push_back(join(l));
            io::save_model(path, model);
        }
        const io::loaded_model file = io::load_model(path);
        const infer::integer_network engine(file.model.network, exec, coding.memory);
        for (int l = 1; l <= engine.level_count(); ++l) {
            const infer::network_cost cost = infer::cost(file.model.network, l);
            const auto memory = static_cast<double>(engine.weight_bytes(l));
            if (bytes_8_8 == 0) bytes_8_8 = memory;
            nlohmann::ordered_json row{{"network", network.name},
                                       {"level", join(l)},
                                       {"coding", coding.name},
                                       {"planes", cost.planes_per_weight()},
                                       {"bits_per_weight", 8 * cost.entropy_bytes / cost.weights},
                                       {"size_vs_8_8", file.size_vs_8_8(l)},
                                       {"memory_vs_8_8", bytes_8_8 / memory},
                                       {"multiplications_vs_8_8", cost.multiplications_vs_8_8()},
                                       {"memory_of_all_levels", engine.weight_bytes()},
                                       {"accuracy", nullptr},
                                       {"fp32_accuracy", nullptr},
                                       {"agreement", nullptr}};
            if (tested) {
                const std::vector<dim_t> answers = answers_of(engine, l, *tested, exec);
                dim_t same = 0;
                for (std::size_t i = 0; i < answers.size(); ++i) same += answers[i] == tested->answers[i] ? 1 : 0;
                row["accuracy"] = share_right(*tested, answers);
                row["fp32_accuracy"] = share_right(*tested, tested->answers);
                row["agreement"] = static_cast<double>(same) / static_cast<double>(answers.size());
            }
            rows.push_back(row);
        }
    }
    return rows;
}

} // namespace intaglio::inline INTAGLIO_ABI
