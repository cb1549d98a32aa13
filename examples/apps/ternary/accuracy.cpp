// SPDX-License-Identifier: Apache-2.0

// `ternary classify --data`: how often each level is right, beside other files of the network and FP32, as a table and
// as a chart.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../train/data_choice.hpp"
#include "../train/model.hpp"
#include "../train/network_choice.hpp"
#include "classify.hpp"
#include "intaglio/core/progress.hpp"
#include "intaglio/data/loader.hpp"
#include "intaglio/infer/confident_run.hpp"
#include "intaglio/infer/fold.hpp"
#include "intaglio/io/atomic_file.hpp"
#include "intaglio/io/line_chart.hpp"
#include "intaglio/io/parameters_file.hpp"
#include "intaglio/simd/native.hpp"
#include "table.hpp"

namespace ternary {
namespace {

namespace data = intaglio::data;
namespace infer = intaglio::infer;
namespace io = intaglio::io;
using intaglio::require;
using intaglio::value_error;

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

/// Makes the logits of a batch of images, of which the first `count` count.
using batch_run = std::function<void(std::span<const float> images, dim_t count, std::span<float> logits)>;

/// A way to run the network over data: a level, or several, or FP32.
struct way {
    std::string name;
    const opened_model* of; ///< null: FP32
    std::string mark;       ///< in the chart
    dim_t file_bytes;
    batch_run run;
};

struct result {
    way by;
    double top_1 = 0, top_5 = 0, ms = 0;
    std::vector<dim_t> answers{};
};

/// The network that the model names, batch norms folded, in FP32 with the weights of a file.
batch_run load_fp32(const std::string& weights, const opened_model& model, dim_t batch, intaglio::executor_ref exec) {
    const intaglio::extents one = model.net.image_shape(1);
    const intaglio::nn::network net =
        training::find_network(model.about().name).build({one[1], one[2], one[3]}, model.net.classes());
    infer::folded_network folded =
        infer::fold(net, io::load_parameters(weights, intaglio::nn::evaluation_part(net), {.allow_more = true}));
    const training::trained_network run =
        training::make_fp32_network(folded.net, std::move(folded.weights), batch, exec);
    run(std::vector<float>(static_cast<std::size_t>(batch * one.size()))); // packs filters, which no image pays for
    return [run](std::span<const float> images, dim_t, std::span<float> logits) {
        std::ranges::copy(run(images), logits.begin());
    };
}

/// All levels of a model that were asked for, the finest first.
void add_levels(const opened_model& model, const std::string& wanted, bool named, std::vector<way>& ways, dim_t batch,
                intaglio::executor_ref exec) {
    const auto memory = std::make_shared<infer::integer_network::workspace>(model.net.make_workspace(batch));
    std::vector<int> levels = levels_of(wanted, model);
    std::reverse(levels.begin(), levels.end());
    const bool one = model.net.level_count() == 1;
    for (const int level : levels) {
        const std::string& name = model.level_name(level);
        ways.push_back(
            {!named ? name
             : one  ? model.about().coding
                    : intaglio::join(model.about().coding, ", ", name),
             &model, one ? "" : name, model.file.bytes_until(level),
             [&net = model.net, memory, batch, level, exec](std::span<const float> x, dim_t, std::span<float> logits) {
                 net.run(x, batch, level, *memory, logits, exec);
             }});
    }
}

result measure(const way& by, data::loader& batches, dim_t count, std::size_t classes,
               std::vector<std::int32_t>& labels) {
    result r{by};
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

/// Accuracy against `x`, a curve for each file. FP32, which would stretch the axis, is a line at its height.
template <class X>
io::chart_panel panel_of(const std::vector<result>& results, const std::string& title, const std::string& label,
                         const char* unit, int digits, const X& x) {
    io::chart_panel panel{title, label, intaglio::join("top-1, % of ", results.front().answers.size(), " images")};
    double least = HUGE_VAL, most = -HUGE_VAL;
    const opened_model* last = nullptr;
    for (const result& r : results) {
        if (!r.by.of) continue;
        if (r.by.of != last)
            panel.series.push_back({intaglio::join(r.by.of->about().name, ", ", r.by.of->about().coding)});
        last = r.by.of;
        panel.series.back().points.emplace_back(x(r), r.top_1);
        panel.series.back().marks.push_back(r.by.mark);
        least = std::min(least, x(r)), most = std::max(most, x(r));
    }
    for (const result& r : results)
        if (!r.by.of)
            panel.series.push_back({.name = intaglio::join("FP32, ", fixed(x(r), digits), ' ', unit),
                                    .points = {{least, r.top_1}, {most, r.top_1}},
                                    .dashed = true});
    return panel;
}

void write_chart(const classify_options& asked, const std::vector<result>& results) {
    const std::string svg = io::line_chart(
        {panel_of(results, "Accuracy against size", "file, kB", "kB", 0,
                  [](const result& r) { return static_cast<double>(r.by.file_bytes) / 1000; }),
         panel_of(results, "Accuracy against time",
                  intaglio::join("ms an image: ", intaglio::simd::native_arch::name, ", batches of ", asked.batch, ", ",
                                 asked.threads, asked.threads == 1 ? " thread" : " threads"),
                  "ms", 3, [](const result& r) { return r.ms; })});
    io::write_file_atomically(asked.chart, {std::span<const char>(svg)});
    std::printf("wrote %s\n", asked.chart.c_str());
}

} // namespace

void measure_accuracy(const classify_options& asked, const opened_model& model, intaglio::executor_ref exec) {
    const infer::integer_network& net = model.net;
    const intaglio::extents one = net.image_shape(1);
    const io::model_description& about = model.about();
    const training::data_request request = training::parse_data(asked.data);
    const training::opened_data opened =
        training::open_data(request, {one[1], one[2], one[3]}, net.classes(), shorter_side(asked, one), exec);
    const data::image_source& images = opened.tested();
    const dim_t count = asked.limit > 0 ? std::min(asked.limit, images.size()) : images.size();
    data::transform how = opened.plain;
    const std::vector<dim_t> others = answers_in(asked.reference);

    std::vector<way> ways;
    if (!asked.fp32.empty())
        ways.push_back({"FP32", nullptr, "", static_cast<dim_t>(std::filesystem::file_size(asked.fp32)),
                        load_fp32(asked.fp32, model, asked.batch, exec)});
    add_levels(model, asked.level, false, ways, asked.batch, exec);
    std::deque<opened_model> beside;
    for (const std::string& path : asked.beside) {
        const opened_model& other = beside.emplace_back(path, memory_of(asked.memory), exec);
        require<value_error>(other.net.image_shape(1) == one && other.net.classes() == net.classes(), path,
                             ": takes images ", other.net.image_shape(1), " of ", other.net.classes(), " classes, ",
                             asked.model, ' ', one, " of ", net.classes());
        add_levels(other, "all", true, ways, asked.batch, exec);
    }
    const int finest = net.level_count();
    std::optional<infer::confident_run> gated;
    dim_t again = 0;
    if (asked.confident > 0) {
        require<value_error>(finest > 1, "--confident: the file has one level; convert with --levels");
        gated.emplace(net, 1, finest, asked.confident);
        const auto size = static_cast<std::size_t>(one.size()), classes = static_cast<std::size_t>(net.classes());
        ways.push_back(
            {"confident", &model, "", model.file.bytes_until(finest),
             [&again, &gated, size, classes, exec](std::span<const float> x, dim_t n, std::span<float> logits) {
                 const auto images_of = static_cast<std::size_t>(n);
                 again += gated->run(x.first(images_of * size), n, logits.first(images_of * classes), exec);
             }});
    }

    std::vector<result> results;
    std::vector<std::int32_t> labels;
    for (const way& by : ways) {
        const io::model_description& values = by.of ? by.of->about() : about;
        how.values = {values.scale, values.mean, values.deviation};
        data::loader batches(images, {.batch = asked.batch, .transform = how, .epochs = 1});
        results.push_back(measure(by, batches, count, static_cast<std::size_t>(net.classes()), labels));
    }
    const std::vector<dim_t>& compared = others.empty() ? results.front().answers : others;
    table t({"level", "top-1", "top-5",
             !others.empty()       ? "as the reference"
             : !asked.fp32.empty() ? "as FP32"
                                   : "as the last level",
             "file, bytes", "ms an image"});
    for (const result& r : results) {
        require<value_error>(compared.size() >= r.answers.size(), asked.reference, ": has logits of ", compared.size(),
                             " images, the data have ", r.answers.size());
        dim_t same = 0;
        for (std::size_t i = 0; i < r.answers.size(); ++i) same += r.answers[i] == compared[i] ? 1 : 0;
        const double n = static_cast<double>(std::max<std::size_t>(1, r.answers.size()));
        t.add({r.by.name, fixed(r.top_1, 2) + " %", fixed(r.top_5, 2) + " %",
               fixed(100 * static_cast<double>(same) / n, 2) + " %", intaglio::join(r.by.file_bytes), fixed(r.ms, 3)});
    }
    std::printf("%zu images, %s\n", results.front().answers.size(), about.name.c_str());
    t.print(stdout);
    if (gated)
        std::printf("confident: %.1f %% of the images took the last level too\n",
                    100 * static_cast<double>(again) / static_cast<double>(std::max<dim_t>(1, count)));
    if (!asked.chart.empty()) {
        if (gated) results.pop_back();
        write_chart(asked, results);
    }
    if (asked.confusion) print_mistakes(about, labels, results[asked.fp32.empty() ? 0 : 1].answers, net.classes());
}

} // namespace ternary
