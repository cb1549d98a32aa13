// SPDX-License-Identifier: Apache-2.0

// `ternary ternarize`: reads a network with PyTorch's names, converts it, writes the file, and prints a table per
// layer.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "../train/data_choice.hpp"
#include "../train/network_choice.hpp"
#include "intaglio/core/file.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/core/progress.hpp"
#include "intaglio/data/loader.hpp"
#include "intaglio/infer/coding_clock.hpp"
#include "intaglio/infer/convert.hpp"
#include "intaglio/infer/integer_network.hpp"
#include "intaglio/io/model_file.hpp"
#include "intaglio/io/parameters_file.hpp"
#include "table.hpp"
#include "verbs.hpp"

extern template struct intaglio::infer::product_kernels<intaglio::simd::native_arch>;

namespace ternary {
namespace {

namespace infer = intaglio::infer;
namespace io = intaglio::io;
using intaglio::file_error;
using intaglio::require;
using intaglio::value_error;

/// Scale, mean, deviation and class names, from the model's description, as ../shared/models has one beside each.
void take_json(const std::string& path, io::model_description& about) {
    const intaglio::file_bytes bytes = intaglio::read_file(path);
    const auto all = nlohmann::json::parse(bytes.span().begin(), bytes.span().end(), nullptr, false);
    require<file_error>(all.is_object(), path, ": is not a JSON object");
    if (all.contains("classes") && all["classes"].is_array())
        for (const auto& name : all["classes"])
            if (name.is_string()) about.classes.push_back(name.get<std::string>());
    if (!all.contains("input")) return;
    const auto& input = all["input"];
    const auto numbers = [&](const char* key, std::vector<float>& to) {
        if (!input.contains(key)) return;
        require<file_error>(input[key].is_array(), path, ": input.", key, " is no list");
        to.clear();
        for (const auto& v : input[key]) {
            require<file_error>(v.is_number(), path, ": input.", key, " has what is no number");
            to.push_back(v.get<float>());
        }
    };
    numbers("mean", about.mean), numbers("std", about.deviation);
    // the formula says whether bytes are divided
    if (input.contains("preprocessing") && input["preprocessing"].is_string())
        about.scale = input["preprocessing"].get<std::string>().find("/ 255") != std::string::npos &&
                              input["preprocessing"].get<std::string>().find("no division") == std::string::npos
                          ? 1.0F / 255
                          : 1.0F;
}

/// What the values of each channel are like, if bytes are about 118 +- 62, as those of photographs are.
std::vector<infer::channel_values> channel_values_of(const io::model_description& about, dim_t channels) {
    std::vector<infer::channel_values> list;
    for (dim_t c = 0; c < channels; ++c) {
        const auto of = [&](const std::vector<float>& v) {
            return v.size() == 1 ? v[0] : v.at(static_cast<std::size_t>(c));
        };
        const auto value = [&](float byte) { return (byte * about.scale - of(about.mean)) / of(about.deviation); };
        list.push_back({value(118), 62 * about.scale / of(about.deviation), value(0), value(255)});
    }
    return list;
}

infer::weight_coding coding_of(const ternarize_options& asked) {
    const bool budget = asked.size > 0 || asked.memory_size > 0 || asked.error > 0 || asked.ms > 0,
               blocks = !asked.coding.empty() && asked.coding != "feedback";
    require<value_error>(asked.coding != "8-8" || (!budget && asked.step == 0 && asked.levels == 1),
                         "--coding 8-8 is one coding: leave out --size, --memory-size, --error, --step, --ms and "
                         "--levels, or take --coding feedback");
    require<value_error>((asked.memory_size > 0) + (asked.error > 0) + (asked.step > 0) <= 1,
                         "give one of --memory-size, --error and --step: each says by itself how coarse codes are");
    require<value_error>(!blocks || asked.step == 0, "--step belongs to --coding feedback, not to ", asked.coding);
    require<value_error>(asked.coding != "int4" || (!budget && asked.levels == 1),
                         "--coding int4 has one plane: leave out --size, --memory-size, --error, --ms and --levels, "
                         "or take --coding feedback");
    require<value_error>(blocks || asked.planes == 0, "--planes belongs to --coding greedy and locked, not to ",
                         asked.coding.empty() ? "feedback" : asked.coding.c_str(), "; leave it out");
    infer::weight_coding coding{.step = asked.step, .feedback = asked.feedback, .correct_bias = asked.correct_bias};
    using infer::coding_family;
    coding.family = asked.coding == "greedy"   ? coding_family::greedy
                    : asked.coding == "locked" ? coding_family::locked
                    : asked.coding == "int4"   ? coding_family::int4
                                               : coding_family::steps;
    coding.block = asked.block;
    const bool dial = asked.levels > 1 || budget;
    const int usual = coding.family == coding_family::int4              ? 1
                      : coding.family == coding_family::locked || !dial ? 2
                                                                        : 3;
    coding.planes = asked.planes > 0 ? asked.planes : usual;
    if (coding.family == coding_family::steps) coding.planes = 1;
    const bool coarse = asked.coding == "feedback" || (asked.coding.empty() && asked.levels > 1);
    if (coarse && asked.step == 0 && !budget) coding.step = 0.7;
    require<value_error>(asked.levels == 1 || !blocks || coding.planes > 1, "--levels ", asked.levels,
                         ": a dial adds planes, and --planes 1 leaves none to add; give more, or leave out --levels");
    return coding;
}

/// About what the graph and the names will take in the file.
dim_t text_bytes(const intaglio::nn::network& net, const io::model_description& about) {
    dim_t bytes = 500 + 64 * std::ssize(net.nodes);
    for (const std::string& name : about.classes) bytes += std::ssize(name) + 5;
    return bytes;
}

/// Of one image at the coarsest level: the best run of a third of a second, five at least.
double milliseconds(const infer::coded_network& network, intaglio::executor_ref exec) {
    const infer::integer_network net(network, exec);
    infer::integer_network::workspace memory = net.make_workspace(1);
    const std::vector<float> image(static_cast<std::size_t>(net.image_shape(1).size()), 0.5F);
    std::vector<float> logits(static_cast<std::size_t>(net.classes()));
    double best = 1e30, sum = 0;
    for (int run = 0; run < 5 || sum < 333; ++run) {
        const auto start = std::chrono::steady_clock::now();
        net.run(image, 1, 1, memory, logits, exec);
        const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
        best = std::min(best, ms), sum += ms;
    }
    return best;
}

void print_table(const io::loaded_model& file, const infer::conversion& made) {
    const infer::coded_network& network = file.model.network;
    std::vector<std::string> head{"layer", "weights", "coding", "bits", "bytes", "sensitivity"};
    if (made.time) head.push_back("microseconds");
    table t(std::move(head));
    for (std::size_t i = 0; i < network.net.nodes.size(); ++i) {
        if (!network.products[i]) continue;
        dim_t bytes = 0;
        for (const io::plane_entry& p : file.planes)
            if (p.head.node == i) bytes += p.record_bytes;
        const dim_t weights = network.products[i]->planes.front().codes.size();
        std::vector<std::string> row{network.net.nodes[i].name,
                                     intaglio::join(weights),
                                     infer::describe(made.codings[i]),
                                     fixed(8.0 * static_cast<double>(bytes) / static_cast<double>(weights), 2),
                                     intaglio::join(bytes),
                                     made.sensitivity.empty() ? "" : fixed(made.sensitivity[i], 5)};
        if (made.time) row.push_back(fixed(static_cast<double>(made.time->products[i]) / 1000, 1));
        t.add(std::move(row));
    }
    t.print(stdout);
}

/// What was predicted, beside `ms` that were asked for and `measured` ones.
void print_time(const infer::conversion& made, double ms, double measured) {
    const double predicted = static_cast<double>(made.time->sum()) / 1e6;
    std::printf("%.3f ms were asked for, %.3f ms are predicted, of which %.3f ms for what is no product\n", ms,
                predicted, static_cast<double>(made.time->others) / 1e6);
    const bool finest = std::all_of(made.codings.begin(), made.codings.end(), [](const infer::weight_coding& c) {
        return c.family == infer::coding_family::steps && c.step == 0;
    });
    if (finest) std::printf("all products are in 8-8, the finest coding: that is quick enough\n");
    constexpr double few_percent = 1.03;
    if (measured > few_percent * ms)
        std::printf("measured is %.1f %% more than was asked for: other work runs on this machine, or ask for less\n",
                    100 * (measured / ms - 1));
}

} // namespace

int ternarize(const ternarize_options& asked) {
    const training::network_choice& choice = training::find_network(asked.network);
    training::image_size size = choice.takes;
    if (size.height == 0) size = {28, 28, 1};
    const dim_t classes = asked.classes > 0 ? asked.classes : size.height >= 64 ? 1000 : 10;
    const intaglio::nn::network net = choice.build(size, classes);
    const intaglio::nn::parameters weights =
        io::load_parameters(asked.model, intaglio::nn::evaluation_part(net), {.allow_more = true});

    io::integer_model model;
    io::model_description& about = model.description;
    about.name = asked.network;
    const auto normal = choice.values        ? *choice.values
                        : size.channels == 3 ? intaglio::data::imagenet_values()
                        : size.height == 8   ? intaglio::data::normalization{1.0F / 16, {0}, {1}}
                                             : intaglio::data::normalization{1.0F / 255, {0.286F}, {0.353F}};
    about.scale = normal.scale, about.mean = normal.mean, about.deviation = normal.deviation;
    if (!asked.json.empty()) take_json(asked.json, about);
    if (asked.values.scale) about.scale = *asked.values.scale;
    if (!asked.values.mean.empty()) about.mean = asked.values.mean;
    if (!asked.values.deviation.empty()) about.deviation = asked.values.deviation;
    const auto channels = static_cast<std::size_t>(size.channels);
    for (const std::vector<float>* v : {&about.mean, &about.deviation})
        require<value_error>(v->size() == 1 || v->size() == channels, v->size(), " means or deviations for ", channels,
                             " channels; give one, or one for each");
    for (const float d : about.deviation) require<value_error>(d > 0, "a deviation of ", d, "; give one above 0");

    intaglio::thread_pool pool(asked.threads);
    infer::convert_options options{.input = channel_values_of(about, size.channels),
                                   .coding = coding_of(asked),
                                   .size = asked.size,
                                   .beside_products = text_bytes(net, about),
                                   .memory = asked.memory_size,
                                   .error = asked.error,
                                   .milliseconds = asked.ms,
                                   .levels = asked.levels,
                                   .ends_in_bytes = asked.ends_in_bytes,
                                   .noise = asked.noise};
    training::opened_data data;
    std::unique_ptr<intaglio::data::loader> images;
    if (!asked.calibrate.empty()) {
        data = training::open_data(training::parse_data(asked.calibrate), size, classes, size.height * 256 / 224, pool);
        data.plain.values = {about.scale, about.mean, about.deviation};
        const bool large = size.height > 64;
        images = std::make_unique<intaglio::data::loader>(
            data.train.value(), intaglio::data::loader_options{
                                    .batch = large ? 1 : 10, .transform = data.plain, .shuffle = true, .epochs = 1});
        options.images = [&, left = large ? 40 : 25]() mutable -> std::optional<intaglio::tensor<float>> {
            if (left-- == 0 || !images->has_next()) return std::nullopt;
            return images->next().images;
        };
    }
    std::unique_ptr<intaglio::progress> bar;
    std::string shown;
    options.progress = [&](const std::string& phase, dim_t done, dim_t total) {
        if (phase != shown) bar = std::make_unique<intaglio::progress>(shown = phase, total);
        bar->update(done);
    };
    options.times = [&](const infer::folded_network& folded, const infer::calibration& measured,
                        std::span<const infer::weight_coding> codings) {
        return infer::time_codings(folded, measured, codings, pool, {.progress = options.progress});
    };
    infer::conversion made = infer::convert(net, weights, options, pool);
    bar.reset();

    model.network = std::move(made.network);
    const bool chosen = asked.memory_size > 0 || asked.size > 0 || asked.error > 0 || asked.ms > 0;
    const std::string coding =
        chosen && options.coding.family == infer::coding_family::steps ? "steps" : infer::describe(options.coding);
    about.coding = asked.memory_size > 0 ? intaglio::join(coding, " for ", asked.memory_size, "x in memory")
                   : asked.size > 0      ? intaglio::join(coding, " for ", asked.size, "x")
                   : asked.error > 0     ? intaglio::join(coding, " for an error of ", asked.error)
                   : asked.ms > 0        ? intaglio::join(coding, " for ", asked.ms, " ms")
                                         : coding;
    for (int level = 1; level <= model.network.level_count(); ++level)
        about.levels.push_back(level == model.network.level_count() ? "all" : intaglio::join("level ", level));
    const double ms = milliseconds(model.network, pool);
    io::save_model(asked.output, model);

    const io::loaded_model file = io::load_model(asked.output);
    print_table(file, made);
    print_levels(file);
    std::printf("an image takes %.3f ms on %d thread%s at the coarsest level\n", ms, asked.threads,
                asked.threads == 1 ? "" : "s");
    if (made.time) print_time(made, asked.ms, ms);
    const int bounded = options.coding.family == infer::coding_family::steps ? 1 : model.network.level_count();
    if (const double reached = file.size_vs_8_8(bounded); asked.size > 0 && reached < asked.size)
        std::printf("%.2fx is what was asked for; the file is %.1f %% larger than that\n", asked.size,
                    100 * (asked.size / reached - 1));
    if (asked.memory_size > 0) std::printf("its weights take so little memory with classify --memory small\n");
    std::printf("wrote %s\n", asked.output.c_str());
    return 0;
}

} // namespace ternary
