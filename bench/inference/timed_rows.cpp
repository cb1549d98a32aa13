// SPDX-License-Identifier: Apache-2.0

#include "inference/timed_rows.hpp"

#include <functional>
#include <memory>
#include <variant>
#include <vector>

#include "inference/fp32.hpp"
#include "intaglio/infer/integer_network.hpp"
#include "intaglio/io/model_file.hpp"
#include "intaglio/numeric/random.hpp"
#include "peers.hpp"
#include "timing.hpp"

extern template struct intaglio::infer::product_kernels<intaglio::simd::native_arch>;

namespace intaglio::inline INTAGLIO_ABI {

namespace {

/// oneDNN's products of a network one after another; nothing where it lacks one.
std::vector<peers::work> peer_products(const nn::network& net, dim_t batch) {
    std::vector<peers::work> works;
    const std::vector<extents> shapes = nn::infer_shapes(net, batch);
    for (const std::size_t i : infer::products_of(net)) {
        const conv_geometry g = infer::detail::product_geometry(net.nodes[i].op, shapes[net.nodes[i].inputs[0]]);
        const bool square = g.kernel_h == g.kernel_w && g.stride_h == g.stride_w && g.pad_h == g.pad_w &&
                            g.height == g.width && g.groups == 1 && g.dilation_h == 1 && g.dilation_w == 1;
        if (!square) return {};
        works.push_back(peers::convolution_u8s8(
            {g.batch, g.height, g.in_channels, g.out_channels, g.kernel_h, g.stride_h, g.pad_h, g.out_height()}));
        if (!works.back()) return {};
    }
    return works;
}

/// How each product of a level reads its weights: what tells its kernels from those of other levels.
std::vector<char> kernels_of(const infer::integer_network& engine, const infer::coded_network& network, int level) {
    std::vector<char> kernels;
    for (std::size_t i = 0; i < network.products.size(); ++i)
        for (const infer::stored_weights& s : engine.stored(i))
            if (s.planes == network.planes_at(level, i))
                kernels.push_back(static_cast<char>(s.added_to > 0 ? 2 : s.compact ? 1 : 0));
    return kernels;
}

} // namespace

nlohmann::ordered_json time_network(const inference_network& network, const inference_places& places, dim_t batch,
                                    executor_ref exec) {
    struct timed_level {
        std::string coding;
        int level;
        std::size_t engine;
        std::vector<char> kernels; ///< of each product
        std::size_t as;            ///< the first level with the same kernels, which is timed
    };
    std::vector<timed_level> levels;
    std::vector<std::unique_ptr<infer::integer_network>> engines;
    bool trained = false;
    const nn::parameters weights = weights_of(network, places, trained, exec);
    infer::folded_network folded = infer::fold(network.make(), weights);
    for (const inference_coding& coding : inference_codings(trained, places.quick)) {
        const io::loaded_model file = io::load_model(model_path(network, coding, places));
        engines.push_back(std::make_unique<infer::integer_network>(file.model.network, exec, coding.memory));
        for (int l = 1; l <= engines.back()->level_count(); ++l) {
            timed_level level{coding.name, l, engines.size() - 1, kernels_of(*engines.back(), file.model.network, l),
                              levels.size()};
            for (std::size_t i = levels.size(); i-- > 0;)
                if (levels[i].kernels == level.kernels) level.as = levels[i].as;
            levels.push_back(std::move(level));
        }
    }
    std::vector<float> images(static_cast<std::size_t>(nn::image_shape(folded.net, batch).size()));
    for (std::size_t i = 0; i < images.size(); ++i) images[i] = 4 * random_uniform(1, 0, i) - 2;
    const auto fp32 = make_fp32_inference(folded, batch);
    fp32->use(exec);
    const std::vector<peers::work> products = peer_products(folded.net, batch);

    std::vector<std::function<void()>> works{[&] { fp32->run(images); }};
    if (!products.empty())
        works.emplace_back([&] {
            for (const peers::work& w : products) w.run();
        });
    std::vector<infer::integer_network::workspace> memory(levels.size());
    std::vector<float> logits(static_cast<std::size_t>(batch * engines.front()->classes()));
    std::vector<std::size_t> work_of(levels.size());
    for (std::size_t i = 0; i < levels.size(); ++i) {
        work_of[i] = levels[i].as < i ? work_of[levels[i].as] : works.size();
        if (levels[i].as == i)
            works.emplace_back(
                [&, i] { engines[levels[i].engine]->run(images, batch, levels[i].level, memory[i], logits, exec); });
    }
    const std::vector<timing::result> times = timing::interleaved(works, places.quick ? 0.15 : 1, 2e-4, 2e-3);

    nlohmann::ordered_json rows = nlohmann::ordered_json::array();
    const auto ms = [&](std::size_t work) { return 1e3 * times[work].best / static_cast<double>(batch); };
    for (std::size_t i = 0; i < levels.size(); ++i) {
        nlohmann::ordered_json row{
            {"network", network.name},
            {"level", join(levels[i].level)},
            {"coding", levels[i].coding},
            {"batch", batch},
            {"threads", exec.concurrency()},
            {"arch", simd::native_arch::name},
            {"ms_per_image", ms(work_of[i])},
            {"timed_as", levels[i].as == i ? "" : join(levels[levels[i].as].coding, ' ', levels[levels[i].as].level)},
            {"fp32_ms_per_image", ms(0)},
            {"peer", ""},
            {"peer_ms_per_image", nullptr}};
        if (!products.empty()) {
            row["peer"] = products.front().peer + ", products alone";
            row["peer_ms_per_image"] = ms(1);
        }
        rows.push_back(row);
    }
    return rows;
}

} // namespace intaglio::inline INTAGLIO_ABI
