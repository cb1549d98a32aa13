// SPDX-License-Identifier: Apache-2.0

// `ternary classify`: the top classes of images with their shares, or the accuracy on labelled ones (accuracy.cpp), at
// any level.

#include "classify.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "data_formats.hpp"
#include "intaglio/core/file.hpp"
#include "intaglio/data/transform.hpp"

namespace ternary {
namespace {

namespace data = intaglio::data;
namespace infer = intaglio::infer;
namespace io = intaglio::io;
using intaglio::require;
using intaglio::value_error;

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

void classify_files(const classify_options& asked, const opened_model& model, intaglio::executor_ref exec) {
    const io::model_description& about = model.about();
    const infer::integer_network& net = model.net;
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
        for (const int level : levels_of(asked.level, model)) {
            net.run(pixels, 1, level, memory, logits, exec);
            std::printf("%s, level %s\n", path.c_str(), model.level_name(level).c_str());
            print_top(about, logits, asked.top);
        }
    }
}

} // namespace

std::vector<int> levels_of(const std::string& wanted, const opened_model& model) {
    const int count = model.net.level_count();
    if (wanted == "last") return {count};
    std::vector<int> all(static_cast<std::size_t>(count));
    std::iota(all.begin(), all.end(), 1);
    if (wanted == "all") return all;
    for (const int level : all)
        if (wanted == intaglio::join(level) || wanted == model.level_name(level)) return {level};
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

int classify(const classify_options& asked) {
    require<value_error>(asked.images.empty() != asked.data.empty(), "classify: give images, or --data");
    require<value_error>(!asked.data.empty() || (asked.confident == 0 && asked.chart.empty() && asked.beside.empty() &&
                                                 asked.fp32.empty()),
                         "classify: --confident, --beside, --fp32 and --chart go with --data");
    require<value_error>(asked.fp32.empty() || asked.reference.empty(),
                         "classify: give --fp32 or --reference: answers are compared with one of them");
    intaglio::thread_pool pool(asked.threads);
    const opened_model model(asked.model, memory_of(asked.memory), pool);
    if (asked.data.empty())
        classify_files(asked, model, pool);
    else
        measure_accuracy(asked, model, pool);
    return 0;
}

} // namespace ternary
