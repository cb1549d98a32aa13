// SPDX-License-Identifier: Apache-2.0

#include "inference/server.hpp"

#include <algorithm>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "inference/fp32.hpp"
#include "inference/images.hpp"

#include "intaglio/core/error.hpp"
#include "intaglio/infer/integer_network.hpp"
#include "intaglio/io/model_file.hpp"
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

/// Of kernels_of: how often sums of pairs are widened depends on the codes, so such levels are timed one by one.
constexpr int sums_pairs = 4;

/// How each product of a level reads its weights: what tells its kernels from those of other levels.
std::vector<int> kernels_of(const infer::integer_network& engine, const infer::coded_network& network, int level) {
    std::vector<int> kernels;
    for (std::size_t i = 0; i < network.products.size(); ++i)
        for (const infer::stored_weights& s : engine.stored(i))
            if (s.planes == network.planes_at(level, i))
                kernels.push_back(s.pairs ? sums_pairs : s.winograd ? 3 : s.added_to > 0 ? 2 : s.compact ? 1 : 0);
    return kernels;
}

class timed_network {
public:
    /// Takes the files of `places.out`.
    timed_network(const inference_network& network, const inference_places& places, executor_ref exec);

    /// What "batch" answers.
    nlohmann::ordered_json use_batch(dim_t batch);

    /// What "step" answers. value_error for a work that is not there.
    double seconds(std::size_t work, int count) const;

private:
    struct timed_level {
        std::string coding;
        int level;
        std::size_t engine;
        std::vector<int> kernels; ///< of each product
        std::size_t as;           ///< the first level with the same kernels, which is timed
    };

    std::string name_;
    executor_ref exec_;
    infer::folded_network folded_;
    std::vector<std::unique_ptr<infer::integer_network>> engines_;
    std::vector<timed_level> levels_;

    std::vector<float> images_, logits_;
    std::unique_ptr<fp32_inference> fp32_;
    std::vector<peers::work> products_;
    std::vector<infer::integer_network::workspace> memory_; ///< of each level
    std::vector<std::function<void()>> works_;
};

timed_network::timed_network(const inference_network& network, const inference_places& places, executor_ref exec)
    : name_(network.name), exec_(exec) {
    bool trained = false;
    folded_ = infer::fold(network.make(), weights_of(network, places, trained, exec));
    for (const inference_coding& coding : inference_codings(network, trained, places.quick)) {
        const io::loaded_model file = io::load_model(model_path(network, coding, places));
        engines_.push_back(std::make_unique<infer::integer_network>(file.model.network, exec, coding.memory));
        for (int l = 1; l <= engines_.back()->level_count(); ++l) {
            timed_level level{coding.name, l, engines_.size() - 1, kernels_of(*engines_.back(), file.model.network, l),
                              levels_.size()};
            for (std::size_t i = levels_.size(); i-- > 0;)
                if (levels_[i].kernels == level.kernels &&
                    !std::count(level.kernels.begin(), level.kernels.end(), sums_pairs))
                    level.as = levels_[i].as;
            levels_.push_back(std::move(level));
        }
    }
}

nlohmann::ordered_json timed_network::use_batch(dim_t batch) {
    works_.clear();
    images_ = random_images(nn::image_shape(folded_.net, batch));
    logits_.assign(static_cast<std::size_t>(batch * engines_.front()->classes()), 0);
    memory_ = std::vector<infer::integer_network::workspace>(levels_.size());
    fp32_ = make_fp32_inference(folded_, batch);
    fp32_->use(exec_);
    products_ = peer_products(folded_.net, batch);

    nlohmann::ordered_json made{
        {"rows", nlohmann::ordered_json::array()}, {"works", 0}, {"fp32", 0}, {"peer", nullptr}};
    works_.emplace_back([this] { fp32_->run(images_); });
    if (!products_.empty()) {
        made["peer"] = {{"name", products_.front().peer + ", products alone"}, {"work", works_.size()}};
        works_.emplace_back([this] {
            for (const peers::work& w : products_) w.run();
        });
    }
    std::vector<std::size_t> work_of(levels_.size());
    for (std::size_t i = 0; i < levels_.size(); ++i) {
        const timed_level& level = levels_[i];
        work_of[i] = level.as < i ? work_of[level.as] : works_.size();
        if (level.as == i)
            works_.emplace_back([this, i, batch] {
                engines_[levels_[i].engine]->run(images_, batch, levels_[i].level, memory_[i], logits_, exec_);
            });
        made["rows"].push_back(
            {{"network", name_},
             {"level", join(level.level)},
             {"coding", level.coding},
             {"batch", batch},
             {"threads", exec_.concurrency()},
             {"arch", simd::native_arch::name},
             {"timed_as", level.as == i ? "" : join(levels_[level.as].coding, ' ', levels_[level.as].level)},
             {"work", work_of[i]}});
    }
    made["works"] = works_.size();
    return made;
}

double timed_network::seconds(std::size_t work, int count) const {
    require<value_error>(work < works_.size() && count >= 1, "work ", work, " of ", works_.size(), ", ", count,
                         " times");
    return timing::seconds_of(works_[work], count) * count;
}

} // namespace

void serve(const inference_network& network, const inference_places& places, executor_ref exec) {
    timed_network timed(network, places, exec);
    std::cout << "ready " << simd::native_arch::name << std::endl;
    for (std::string order; std::cin >> order;) {
        std::size_t number = 0;
        int count = 0;
        if (!(std::cin >> number)) return;
        if (order == "batch")
            std::cout << timed.use_batch(static_cast<dim_t>(number)).dump() << std::endl;
        else if (order == "step" && std::cin >> count)
            std::cout << timed.seconds(number, count) << std::endl;
        else
            return;
    }
}

} // namespace intaglio::inline INTAGLIO_ABI
