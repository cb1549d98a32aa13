// SPDX-License-Identifier: Apache-2.0

// `ternary classify`: the top classes of images with their shares, or the accuracy on labelled ones, at any level.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "../train/data_choice.hpp"
#include "data_formats.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/core/progress.hpp"
#include "intaglio/data/loader.hpp"
#include "intaglio/data/transform.hpp"
#include "intaglio/infer/confident_run.hpp"
#include "intaglio/infer/integer_network.hpp"
#include "intaglio/io/atomic_file.hpp"
#include "intaglio/io/line_chart.hpp"
#include "intaglio/io/model_file.hpp"
#include "table.hpp"
#include "verbs.hpp"

extern template struct intaglio::infer::product_kernels<intaglio::simd::native_arch>;

namespace ternary {
namespace {

namespace data = intaglio::data;
namespace infer = intaglio::infer;
namespace io = intaglio::io;
using intaglio::require;
using intaglio::value_error;

std::vector<int> levels_of(const std::string& wanted, const io::loaded_model& file) {
    const int count = file.model.network.level_count();
    if (wanted == "last") return {count};
    std::vector<int> all(static_cast<std::size_t>(count));
    std::iota(all.begin(), all.end(), 1);
    if (wanted == "all") return all;
    for (const int level : all)
        if (wanted == intaglio::join(level) ||
            wanted == file.model.description.levels[static_cast<std::size_t>(level - 1)])
            return {level};
    intaglio::fail<value_error>("--level ", wanted, ": the file has ", count, " levels; give one, last or all");
}

std::string name_of(const io::model_description& about, dim_t c) {
    return c < std::ssize(about.classes) ? about.classes[static_cast<std::size_t>(c)] : intaglio::join("class ", c);
}

dim_t shorter_side(const classify_options& asked, const intaglio::extents& image) {
    const dim_t shorter = asked.resize > 0 ? asked.resize : image[1] * 256 / 224;
    require<value_error>(shorter >= image[1], "--resize ", shorter, ": the network takes images of ", image[1],
                         " pixels a side; give as much at least");
    return shorter;
}

data::transform transform_of(const classify_options& asked, const io::model_description& about,
                             const intaglio::extents& image) {
    data::transform t;
    if (image[1] > 64) t = data::imagenet_evaluation(image[1], shorter_side(asked, image));
    t.values = {about.scale, about.mean, about.deviation};
    return t;
}

void print_top(const io::model_description& about, std::span<const float> logits, int top) {
    std::vector<dim_t> order(logits.size());
    std::iota(order.begin(), order.end(), dim_t{0});
    const auto shown = std::min<std::size_t>(static_cast<std::size_t>(top), order.size());
    const auto of = [&](dim_t c) { return static_cast<double>(logits[static_cast<std::size_t>(c)]); };
    std::partial_sort(order.begin(), order.begin() + static_cast<dim_t>(shown), order.end(),
                      [&](dim_t a, dim_t b) { return of(a) > of(b); });
    double sum = 0;
    for (std::size_t c = 0; c < logits.size(); ++c) sum += std::exp(of(static_cast<dim_t>(c)) - of(order[0]));
    for (std::size_t k = 0; k < shown; ++k)
        std::printf("  %5.1f %%  %s\n", 100 * std::exp(of(order[k]) - of(order[0])) / sum,
                    name_of(about, order[k]).c_str());
}

void classify_files(const classify_options& asked, const io::loaded_model& file, const infer::integer_network& net,
                    intaglio::executor_ref exec) {
    const io::model_description& about = file.model.description;
    const intaglio::extents one = net.image_shape(1);
    require<value_error>(one[3] == 3, "images of files have three channels, the network takes ", one[3],
                         "; use --data");
    data::transform how = transform_of(asked, about, one);
    if (one[1] <= 64) how.steps = {data::resize_to{one[1], one[2]}};
    const auto formats = data_formats::images();
    const data::normalizer values(how.values, one[3]);
    data::transformer run;
    infer::integer_network::workspace memory;
    std::vector<float> pixels(static_cast<std::size_t>(one.size())), logits(static_cast<std::size_t>(net.classes()));
    for (const std::string& path : asked.images) {
        data::image image;
        data::decode_image(intaglio::read_file(path).span(), formats, path, image);
        values.write(run.run(how.steps, image, data::choices(1, 0, 0)), pixels.data());
        for (const int level : levels_of(asked.level, file)) {
            net.run(pixels, 1, level, memory, logits, exec);
            std::printf("%s, level %s\n", path.c_str(), about.levels[static_cast<std::size_t>(level - 1)].c_str());
            print_top(about, logits, asked.top);
        }
    }
}

/// The classes of the largest logits in a file of them; of "logits_all" if there is such a tensor, else of "logits".
std::vector<dim_t> answers_in(const std::string& path) {
    if (path.empty()) return {};
    const auto file = io::safetensors_file::map(path);
    const auto logits = file.get<float>(file.contains("logits_all") ? "logits_all" : "logits");
    require<intaglio::file_error>(logits.shape().rank() == 2 && logits.size() > 0, path, ": its logits are ",
                                  logits.shape(), ", expected images x classes");
    std::vector<dim_t> answers;
    const dim_t classes = logits.shape()[1];
    for (dim_t i = 0; i < logits.size(); i += classes)
        answers.push_back(std::max_element(logits.data() + i, logits.data() + i + classes) - logits.data() - i);
    return answers;
}

/// The twenty classes that are most often taken for another, and for which.
void print_mistakes(const io::model_description& about, std::span<const std::int32_t> labels,
                    std::span<const dim_t> answers, dim_t classes) {
    struct mistake {
        dim_t count, label, answer;
    };
    std::vector<dim_t> counts(static_cast<std::size_t>(classes * classes));
    for (std::size_t i = 0; i < labels.size(); ++i)
        if (labels[i] >= 0 && labels[i] < classes) ++counts[static_cast<std::size_t>(labels[i] * classes + answers[i])];
    std::vector<mistake> mistakes;
    for (dim_t a = 0; a < classes; ++a)
        for (dim_t b = 0; b < classes; ++b)
            if (const dim_t count = counts[static_cast<std::size_t>(a * classes + b)]; a != b && count > 0)
                mistakes.push_back({count, a, b});
    std::stable_sort(mistakes.begin(), mistakes.end(),
                     [](const mistake& a, const mistake& b) { return a.count > b.count; });
    for (const mistake& m : std::span(mistakes).first(std::min<std::size_t>(20, mistakes.size())))
        std::printf("%5lld x %s taken for %s\n", static_cast<long long>(m.count), name_of(about, m.label).c_str(),
                    name_of(about, m.answer).c_str());
}

/// A way to run the network over data: a level, or several.
struct way {
    std::string name;
    dim_t file_bytes;
    /// Logits of a batch, of which the first `count` images count.
    std::function<void(std::span<const float> images, dim_t count, std::span<float> logits)> run;
};

struct result {
    std::string name;
    dim_t file_bytes = 0;
    double top_1 = 0, top_5 = 0, ms = 0;
    std::vector<dim_t> answers;
};

result measure(const way& by, data::loader& batches, dim_t count, std::size_t classes,
               std::vector<std::int32_t>& labels) {
    result r{by.name, by.file_bytes, 0, 0, 0, {}};
    std::vector<float> logits;
    labels.clear();
    dim_t right = 0, in_five = 0;
    double seconds = 0;
    intaglio::progress bar(by.name, count);
    for (dim_t done = 0; done < count && batches.has_next();) {
        const data::batch& b = batches.next();
        logits.resize(static_cast<std::size_t>(b.images.shape()[0]) * classes);
        const auto start = std::chrono::steady_clock::now();
        by.run(b.images.span(), b.count, logits);
        seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        for (dim_t i = 0; i < b.count && done < count; ++i, ++done) {
            const std::span<const float> row =
                std::span(logits).subspan(static_cast<std::size_t>(i) * classes, classes);
            const auto label = b.labels[static_cast<std::size_t>(i)];
            r.answers.push_back(std::max_element(row.begin(), row.end()) - row.begin());
            labels.push_back(label);
            right += r.answers.back() == label ? 1 : 0;
            if (static_cast<std::size_t>(label) >= classes) continue;
            const float v = row[static_cast<std::size_t>(label)];
            in_five += std::count_if(row.begin(), row.end(), [&](float other) { return other > v; }) < 5 ? 1 : 0;
        }
        bar.update(done);
    }
    bar.finish();
    const auto n = static_cast<double>(std::max<std::size_t>(1, r.answers.size()));
    r.top_1 = 100 * static_cast<double>(right) / n, r.top_5 = 100 * static_cast<double>(in_five) / n;
    r.ms = 1000 * seconds / n;
    return r;
}

void write_chart(const std::string& path, const std::string& network, const std::vector<result>& results) {
    io::chart_series by_size{network}, by_time{network};
    for (const result& r : results) {
        by_size.points.emplace_back(static_cast<double>(r.file_bytes) / 1000, r.top_1);
        by_time.points.emplace_back(r.ms, r.top_1);
    }
    std::sort(by_time.points.begin(), by_time.points.end());
    const std::string svg = io::line_chart({{"Accuracy against size", "file, kB", "top-1, %", {by_size}},
                                            {"Accuracy against time", "ms an image", "top-1, %", {by_time}}});
    io::write_file_atomically(path, {std::span<const char>(svg)});
}

void classify_data(const classify_options& asked, const io::loaded_model& file, const infer::integer_network& net,
                   intaglio::executor_ref exec) {
    const intaglio::extents one = net.image_shape(1);
    const io::model_description& about = file.model.description;
    const training::data_request request = training::parse_data(asked.data);
    const training::opened_data opened =
        training::open_data(request, {one[1], one[2], one[3]}, net.classes(), shorter_side(asked, one), exec);
    const data::image_source& images = opened.tested();
    const dim_t count = asked.limit > 0 ? std::min(asked.limit, images.size()) : images.size();
    data::transform how = opened.plain;
    how.values = {about.scale, about.mean, about.deviation};
    const std::vector<dim_t> others = answers_in(asked.reference);

    infer::integer_network::workspace memory = net.make_workspace(asked.batch);
    std::vector<way> ways;
    std::vector<int> levels = levels_of(asked.level, file);
    std::reverse(levels.begin(), levels.end()); // the finest first: the others are compared with it
    for (const int level : levels)
        ways.push_back({about.levels[static_cast<std::size_t>(level - 1)], file.bytes_until(level),
                        [&net, &memory, level, exec](std::span<const float> x, dim_t, std::span<float> logits) {
                            const dim_t batch = std::ssize(logits) / net.classes();
                            net.run(x, batch, level, memory, logits, exec);
                        }});
    const int finest = net.level_count();
    std::optional<infer::confident_run> gated;
    dim_t again = 0;
    if (asked.confident > 0) {
        require<value_error>(finest > 1, "--confident: the file has one level; convert with --levels");
        gated.emplace(net, 1, finest, asked.confident);
        const auto size = static_cast<std::size_t>(one.size()), classes = static_cast<std::size_t>(net.classes());
        ways.push_back(
            {"confident", file.bytes_until(finest),
             [&again, &gated, size, classes, exec](std::span<const float> x, dim_t n, std::span<float> logits) {
                 const auto images_of = static_cast<std::size_t>(n);
                 again += gated->run(x.first(images_of * size), n, logits.first(images_of * classes), exec);
             }});
    }

    std::vector<result> results;
    std::vector<std::int32_t> labels;
    for (const way& by : ways) {
        data::loader batches(images, {.batch = asked.batch, .transform = how, .epochs = 1});
        results.push_back(measure(by, batches, count, static_cast<std::size_t>(net.classes()), labels));
    }
    const std::vector<dim_t>& compared = others.empty() ? results.front().answers : others;
    table t({"level", "top-1", "top-5", others.empty() ? "as the last level" : "as the reference", "file, bytes",
             "ms an image"});
    for (const result& r : results) {
        require<value_error>(compared.size() >= r.answers.size(), asked.reference, ": has logits of ", compared.size(),
                             " images, the data have ", r.answers.size());
        dim_t same = 0;
        for (std::size_t i = 0; i < r.answers.size(); ++i) same += r.answers[i] == compared[i] ? 1 : 0;
        const double n = static_cast<double>(std::max<std::size_t>(1, r.answers.size()));
        t.add({r.name, fixed(r.top_1, 2) + " %", fixed(r.top_5, 2) + " %",
               fixed(100 * static_cast<double>(same) / n, 2) + " %", intaglio::join(r.file_bytes), fixed(r.ms, 2)});
    }
    std::printf("%zu images, %s\n", results.front().answers.size(), about.name.c_str());
    t.print(stdout);
    if (gated)
        std::printf("confident: %.1f %% of the images took the last level too\n",
                    100 * static_cast<double>(again) / static_cast<double>(std::max<dim_t>(1, count)));
    if (!asked.chart.empty()) {
        if (gated) results.pop_back();
        write_chart(asked.chart, about.name, results);
        std::printf("wrote %s\n", asked.chart.c_str());
    }
    if (asked.confusion) print_mistakes(about, labels, results.front().answers, net.classes());
}

} // namespace

int classify(const classify_options& asked) {
    require<value_error>(asked.images.empty() != asked.data.empty(), "classify: give images, or --data");
    require<value_error>(!asked.data.empty() || (asked.confident == 0 && asked.chart.empty()),
                         "classify: --confident and --chart go with --data");
    intaglio::thread_pool pool(asked.threads);
    const io::loaded_model file = io::load_model(asked.model);
    const infer::integer_network net(file.model.network, pool, memory_of(asked.memory));
    if (asked.data.empty())
        classify_files(asked, file, net, pool);
    else
        classify_data(asked, file, net, pool);
    return 0;
}

} // namespace ternary
