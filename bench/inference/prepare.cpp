// SPDX-License-Identifier: Apache-2.0

#include "inference/prepare.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "inference/fp32.hpp"
#include "inference/images.hpp"
#include "inference/plain_weights.hpp"
#include "intaglio/infer/accounting.hpp"
#include "intaglio/infer/convert.hpp"
#include "intaglio/infer/integer_network.hpp"
#include "intaglio/io/model_file.hpp"
#include "intaglio/io/parameters_file.hpp"
#include "intaglio/nn/he_initialize.hpp"

extern template struct intaglio::infer::product_kernels<intaglio::simd::native_arch>;

namespace intaglio::inline INTAGLIO_ABI {

namespace {

/// Test images, and what FP32 answers.
struct tested_images : labelled_images {
    std::vector<dim_t> answers;
};

dim_t best_of(std::span<const float> logits) { return std::max_element(logits.begin(), logits.end()) - logits.begin(); }

double share_right(const tested_images& tested, std::span<const dim_t> answers) {
    dim_t right = 0;
    for (std::size_t i = 0; i < answers.size(); ++i) right += answers[i] == tested.labels[i] ? 1 : 0;
    return static_cast<double>(right) / static_cast<double>(std::max<std::size_t>(1, answers.size()));
}

/// The answers of `run`, which takes images and returns logits, to all images, batch by batch.
template <class Run>
std::vector<dim_t> answers_of(const labelled_images& tested, Run&& run) {
    constexpr std::size_t batch = 50;
    const std::size_t count = tested.labels.size(), size = tested.images.size() / std::max<std::size_t>(1, count);
    std::vector<dim_t> answers;
    for (std::size_t first = 0; first < count; first += batch) {
        const std::size_t images = std::min(batch, count - first);
        const std::span<const float> logits =
            run(std::span(tested.images).subspan(first * size, images * size), images);
        const std::size_t classes = logits.size() / images;
        for (std::size_t i = 0; i < images; ++i) answers.push_back(best_of(logits.subspan(i * classes, classes)));
    }
    return answers;
}

std::vector<dim_t> answers_of(const infer::integer_network& net, int level, const labelled_images& tested,
                              executor_ref exec) {
    infer::integer_network::workspace memory;
    std::vector<float> logits;
    return answers_of(tested, [&](std::span<const float> images, std::size_t count) {
        logits.resize(count * static_cast<std::size_t>(net.classes()));
        net.run(images, static_cast<dim_t>(count), level, memory, logits, exec);
        return std::span<const float>(logits);
    });
}

std::optional<tested_images> read_tested_images(const inference_network& network, const inference_places& places,
                                                infer::folded_network& folded, executor_ref exec) {
    std::optional<labelled_images> read = read_images(network, places.data, nn::image_shape(folded.net, 1),
                                                      images_of(network.cifar, places.quick), exec.concurrency());
    if (!read || read->labels.empty()) return std::nullopt;
    tested_images tested{std::move(*read), {}};
    std::map<std::size_t, std::unique_ptr<fp32_inference>> of_batch; // the last batch may be smaller
    tested.answers = answers_of(tested, [&](std::span<const float> images, std::size_t count) {
        auto& fp32 = of_batch[count];
        if (!fp32) {
            fp32 = make_fp32_inference(folded, static_cast<dim_t>(count));
            fp32->use(exec);
        }
        return fp32->run(images);
    });
    return tested;
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

/// The weights of 8-8 and its logits of some images, at most 32 MiB of them.
void write_for_peers(const std::string& path, const infer::coded_network& network, const infer::integer_network& engine,
                     const std::optional<tested_images>& tested, executor_ref exec) {
    const dim_t size = engine.image_shape(1).size(), most = (dim_t{32} << 20) / (4 * size),
                count = std::min(most, tested ? std::ssize(tested->labels) : dim_t{8});
    tensor<float> images(engine.image_shape(count)), logits({count, engine.classes()});
    const std::vector<float> given = tested ? tested->images : random_images(images.shape());
    std::copy_n(given.begin(), images.size(), images.data());
    infer::integer_network::workspace memory;
    for (dim_t i = 0; i < count; ++i)
        engine.run(images.span().subspan(static_cast<std::size_t>(i * size), static_cast<std::size_t>(size)), 1, 1,
                   memory,
                   logits.span().subspan(static_cast<std::size_t>(i * engine.classes()),
                                         static_cast<std::size_t>(engine.classes())),
                   exec);
    write_plain_weights(path, network, 1, images, logits);
}

/// Says what is being done, and the seconds that it took.
class told_step {
public:
    told_step(const inference_network& network, const std::string& what) {
        std::fprintf(stderr, "preparing %s, %s ..", network.name.c_str(), what.c_str());
    }
    ~told_step() {
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start_;
        std::fprintf(stderr, " %.1f s\n", seconds.count());
    }
    told_step(const told_step&) = delete;
    told_step& operator=(const told_step&) = delete;

private:
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

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

std::string plain_path(const inference_network& network, const inference_places& places) {
    return places.out + "/" + network.name + "-plain.safetensors";
}

nlohmann::ordered_json prepare(const inference_network& network, const inference_places& places, executor_ref exec) {
    bool trained = false;
    const nn::network net = network.make();
    const nn::parameters weights = weights_of(network, places, trained, exec);
    infer::folded_network folded = infer::fold(net, weights);
    std::optional<tested_images> tested;
    if (trained) {
        const told_step step(network, "images and FP32's answers");
        tested = read_tested_images(network, places, folded, exec);
    }

    nlohmann::ordered_json rows = nlohmann::ordered_json::array();
    double bytes_8_8 = 0;
    std::map<std::string, std::vector<std::vector<dim_t>>> answers; // of each file, at each level
    for (const inference_coding& coding : inference_codings(network, trained, places.quick)) {
        const told_step step(network, coding.name);
        const std::string path = model_path(network, coding, places);
        if (coding.file.empty()) {
            infer::conversion made = infer::convert(net, weights,
                                                    {.input = channels_of(network),
                                                     .coding = coding.coding,
                                                     .size = coding.size,
                                                     .memory = coding.memory_size,
                                                     .levels = coding.levels,
                                                     .noise = noise_of(network, trained, places.quick)},
                                                    exec);
            io::integer_model model{std::move(made.network), {}};
            model.description.name = network.name, model.description.coding = coding.name;
            for (int l = 1; l <= model.network.level_count(); ++l) model.description.levels.push_back(join(l));
            io::save_model(path, model);
        }
        const io::loaded_model file = io::load_model(path);
        const infer::integer_network engine(file.model.network, exec, coding.memory);
        if (rows.empty()) {
            bytes_8_8 = static_cast<double>(engine.weight_bytes(1));
            write_for_peers(plain_path(network, places), file.model.network, engine, tested, exec);
        }
        std::vector<std::vector<dim_t>>& answered = answers[path];
        for (int l = 1; l <= engine.level_count(); ++l) {
            const infer::network_cost cost = infer::cost(file.model.network, l);
            nlohmann::ordered_json row{{"network", network.name},
                                       {"level", join(l)},
                                       {"coding", coding.name},
                                       {"planes", cost.planes_per_weight()},
                                       {"bits_per_weight", 8 * cost.entropy_bytes / cost.weights},
                                       {"size_vs_8_8", file.size_vs_8_8(l)},
                                       {"memory_vs_8_8", bytes_8_8 / static_cast<double>(engine.weight_bytes(l))},
                                       {"multiplications_vs_8_8", cost.multiplications_vs_8_8()},
                                       {"memory_of_all_levels", engine.weight_bytes()},
                                       {"accuracy", nullptr},
                                       {"fp32_accuracy", nullptr},
                                       {"agreement", nullptr}};
            if (tested) { // a level has the same answers in every form of memory
                if (std::ssize(answered) < l) answered.push_back(answers_of(engine, l, *tested, exec));
                const std::vector<dim_t>& ours = answered[static_cast<std::size_t>(l - 1)];
                dim_t same = 0;
                for (std::size_t i = 0; i < ours.size(); ++i) same += ours[i] == tested->answers[i] ? 1 : 0;
                row["accuracy"] = share_right(*tested, ours);
                row["fp32_accuracy"] = share_right(*tested, tested->answers);
                row["agreement"] = static_cast<double>(same) / static_cast<double>(ours.size());
            }
            rows.push_back(row);
        }
    }
    return rows;
}

} // namespace intaglio::inline INTAGLIO_ABI
