// SPDX-License-Identifier: Apache-2.0

// `ternary classify`: the top classes of images with their shares, or the accuracy on labelled ones, at any level.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "../train/data_choice.hpp"
#include "data_formats.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/core/progress.hpp"
#include "intaglio/data/loader.hpp"
#include "intaglio/data/transform.hpp"
#include "intaglio/infer/integer_network.hpp"
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
    const auto classes = static_cast<std::size_t>(net.classes());
    std::vector<float> logits(static_cast<std::size_t>(asked.batch) * classes);
    const std::vector<dim_t> others = answers_in(asked.reference);
    std::vector<std::vector<dim_t>> answers;
    table t({"level", "top-1", "top-5", others.empty() ? "as the last level" : "as the reference", "file, bytes",
             "ms an image"});
    const std::vector<int> levels = levels_of(asked.level, file);
    std::vector<std::int32_t> labels;
    for (auto l = levels.rbegin(); l != levels.rend(); ++l) { // the finest first: the others are compared with it
        data::loader batches(images, {.batch = asked.batch, .transform = how, .epochs = 1});
        infer::integer_network::workspace memory = net.make_workspace(asked.batch);
        std::vector<dim_t>& answer = answers.emplace_back();
        labels.clear();
        dim_t right = 0, in_five = 0;
        double seconds = 0;
        intaglio::progress bar(intaglio::join("level ", *l), count);
        for (dim_t done = 0; done < count && batches.has_next();) {
            const data::batch& b = batches.next();
            const auto start = std::chrono::steady_clock::now();
            net.run(b.images.span(), asked.batch, *l, memory, logits, exec);
            seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
            for (dim_t i = 0; i < b.count && done < count; ++i, ++done) {
                const std::span<const float> row =
                    std::span(logits).subspan(static_cast<std::size_t>(i) * classes, classes);
                const auto label = b.labels[static_cast<std::size_t>(i)];
                const dim_t best = std::max_element(row.begin(), row.end()) - row.begin();
                answer.push_back(best);
                labels.push_back(label);
                right += best == label ? 1 : 0;
                if (static_cast<std::size_t>(label) < classes) {
                    const float v = row[static_cast<std::size_t>(label)];
                    in_five +=
                        std::count_if(row.begin(), row.end(), [&](float other) { return other > v; }) < 5 ? 1 : 0;
                }
            }
            bar.update(done);
        }
        bar.finish();
        const auto n = static_cast<double>(answer.size());
        const std::vector<dim_t>& compared = others.empty() ? answers.front() : others;
        require<value_error>(compared.size() >= answer.size(), asked.reference, ": has logits of ", compared.size(),
                             " images, the data have ", answer.size());
        dim_t same = 0;
        for (std::size_t i = 0; i < answer.size(); ++i) same += answer[i] == compared[i] ? 1 : 0;
        t.add({about.levels[static_cast<std::size_t>(*l - 1)], fixed(100 * static_cast<double>(right) / n, 2) + " %",
               fixed(100 * static_cast<double>(in_five) / n, 2) + " %",
               fixed(100 * static_cast<double>(same) / n, 2) + " %", intaglio::join(file.bytes_until(*l)),
               fixed(1000 * seconds / n, 2)});
    }
    std::printf("%zu images, %s\n", answers.front().size(), about.name.c_str());
    t.print(stdout);
    if (asked.confusion) print_mistakes(about, labels, answers.front(), net.classes());
}

} // namespace

int classify(const classify_options& asked) {
    require<value_error>(asked.images.empty() != asked.data.empty(), "classify: give images, or --data");
    intaglio::thread_pool pool(asked.threads);
    const io::loaded_model file = io::load_model(asked.model);
    const infer::integer_network net(file.model.network, pool);
    if (asked.data.empty())
        classify_files(asked, file, net, pool);
    else
        classify_data(asked, file, net, pool);
    return 0;
}

} // namespace ternary
