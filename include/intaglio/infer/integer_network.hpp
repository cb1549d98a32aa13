// SPDX-License-Identifier: Apache-2.0
#pragma once

// Runs a coded network (coded_network.hpp) in integers from end to end. Once, from the graph:
//
//   steps     a product with the add and the relu that ride on it, or one pass of any other operation
//   places    of activations in one block of memory (core/memory_plan.hpp); what only a concatenation reads, in steps
//             of the same size, is written where it belongs in there
//   weights   packed for each number of planes that a level uses, in bytes or in as few bits as their codes need
//             (weight_memory)
//
// All of that is constant: any number of threads may run requests at once, each with its own workspace and at its own
// level, which is a number. A request takes no memory for activations beside its workspace. Results equal reference.hpp
// bit for bit: for every batch, number of threads and instruction set.

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "intaglio/core/buffer.hpp"
#include "intaglio/core/config.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/core/memory_plan.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/infer/coded_network.hpp"
#include "intaglio/infer/passes.hpp"
#include "intaglio/infer/product_kernels.hpp"
#include "intaglio/infer/weight_memory.hpp"
#include "intaglio/numeric/exponent.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

/// A template, so that kernels are compiled only where it is used. `integer_network` is the one for the instruction set
/// of the translation unit.
template <class Arch = simd::native_arch>
class basic_integer_network {
public:
    /// The memory of a request: one for each that runs at the same time.
    class workspace {
    public:
        workspace() = default;
        dim_t bytes() const { return memory_.size(); }

    private:
        friend class basic_integer_network;
        buffer<std::byte> memory_;
    };

    /// Throws as check() does.
    explicit basic_integer_network(const coded_network& coded, executor_ref exec = {},
                                   weight_memory memory = weight_memory::fast)
        : net_(coded.net), formats_(coded.formats), shapes_(check(coded)), levels_(coded.levels),
          weights_(net_.nodes.size()) {
        const float_environment scope;
        make_steps();
        plan_memory();
        pack(coded, memory, exec);
    }

    const nn::network& network() const { return net_; }
    int level_count() const { return static_cast<int>(levels_.size()); }
    dim_t classes() const { return shapes_[output()][3]; }
    extents image_shape(dim_t batch) const { return nn::image_shape(net_, batch); }
    /// Of a request for one image; n images take n times as much.
    dim_t bytes_per_image() const { return memory_.bytes(); }
    /// Of all packed weights, or of those that one level reads.
    dim_t weight_bytes() const {
        dim_t sum = 0;
        for (std::size_t i = 0; i < weights_.size(); ++i)
            for (const stored_weights& s : stored(i)) sum += s.bytes;
        return sum;
    }
    dim_t weight_bytes(int level) const {
        dim_t sum = 0;
        for (std::size_t i = 0; i < weights_.size(); ++i) {
            int used = weights_[i].by_planes.empty() ? 0 : planes(level, i);
            for (std::size_t k = stored(i).size(); k-- > 0 && used > 0;)
                if (const stored_weights& s = stored(i)[k]; s.planes == used) sum += s.bytes, used = s.added_to;
        }
        return sum;
    }
    /// The weights of a node, from the fewest planes that a level uses; none where it is no product.
    const std::vector<stored_weights>& stored(std::size_t node) const { return weights_[node].stored; }

    /// A workspace for requests of up to `batch` images; a run makes it larger where it must.
    workspace make_workspace(dim_t batch) const {
        workspace w;
        reserve(w, batch);
        return w;
    }

    /// Logits (batch, classes) of images in FP32 (batch x height x width x channels). Throws shape_error where a size
    /// does not fit, value_error for another level than 1 .. level_count() and images that are not finite. `done`, if
    /// there is one, is called behind each pass with its node: the product, or the operation.
    void run(std::span<const float> images, dim_t batch, int level, workspace& memory, std::span<float> logits,
             executor_ref exec = {}, const std::function<void(std::size_t node)>& done = {}) const {
        const float_environment scope;
        const extents expected = image_shape(batch);
        require(batch >= 0 && std::ssize(images) == expected.size(), "integer_network: images ", expected, " have ",
                expected.size(), " values, got ", images.size());
        require(std::ssize(logits) == batch * classes(), "integer_network: ", batch, " x ", classes(), " logits, got ",
                logits.size());
        require<value_error>(level >= 1 && level <= level_count(), "integer_network: level ", level,
                             " of a network with ", level_count());
        if (!all_finite(images.data(), std::ssize(images)))
            for (std::size_t i = 0; i < images.size(); ++i)
                require<value_error>(is_finite(images[i]), "integer_network: element ", i, " of the images is ",
                                     images[i]);
        if (batch == 0) return;
        reserve(memory, batch);
        const request r{memory.memory_.data(), batch, level, logits.data()};
        quantize(images, at(0, r), exec);
        if (done) done(0);
        for (const step& s : steps_) {
            run(s, r, exec);
            if (done) done(s.node);
        }
        if (formats_[output()].is_stored()) {
            const activation last = at(output(), r);
            for (dim_t b = 0; b < batch; ++b) detail::load_reals(last, b, 0, classes(), logits.data() + b * classes());
        }
    }
    tensor<float> run(const tensor<float>& images, int level, workspace& memory, executor_ref exec = {}) const {
        const dim_t batch = images.shape()[0];
        require(images.shape() == image_shape(batch), "integer_network: takes images ", image_shape(batch), ", got ",
                images.shape());
        tensor<float> logits({batch, classes()});
        run(images.span(), batch, level, memory, logits.span(), exec);
        return logits;
    }

private:
    using kernels = product_kernels<Arch>;
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    /// What passes over memory at once; nodes by their numbers.
    struct step {
        std::size_t node = 0;        ///< the product, or the operation
        std::size_t shortcut = none; ///< what is added: the other input
        bool rectify = false;
        std::size_t out = 0;
    };
    struct product_weights {
        std::map<int, typename kernels::packed> by_planes;
        std::vector<stored_weights> stored;
        std::vector<std::vector<float>> bias; ///< for each number of planes
    };
    struct place {
        std::size_t home = none; ///< node in whose memory it lies: itself, or a concatenation, or what it is a view of
        dim_t first = 0;         ///< channel there
        std::size_t block = none;
    };
    struct request {
        std::byte* memory;
        dim_t batch;
        int level;
        float* logits;
    };

    std::size_t output() const { return net_.outputs.front().node; }
    int planes(int level, std::size_t node) const { return levels_[static_cast<std::size_t>(level - 1)][node]; }
    bool rides(std::size_t node) const { return !formats_[node].is_stored() && node != output(); }

    // --- steps ------------------------------------------------------------------------------------------------------
    void make_steps() {
        for (std::size_t i = 1; i < net_.nodes.size(); ++i) {
            if (rides(i)) continue;
            step s{.node = i, .out = i};
            if (std::holds_alternative<nn::op::relu>(net_.nodes[s.node].op)) {
                s.rectify = true;
                s.node = net_.nodes[s.node].inputs[0];
                if (!rides(s.node)) s.node = i; // of something in memory
            }
            if (std::holds_alternative<nn::op::add>(net_.nodes[s.node].op)) {
                const auto& in = net_.nodes[s.node].inputs;
                const std::size_t rider = rides(in[0]) ? 0 : 1;
                if (rides(in[rider])) s.shortcut = in[1 - rider], s.node = in[rider];
            }
            steps_.push_back(s);
        }
    }

    void run(const step& s, const request& r, executor_ref exec) const {
        const nn::node& n = net_.nodes[s.node];
        const activation out = at(s.out, r);
        const auto in = [&](std::size_t i) { return at(n.inputs[i], r); };
        std::visit(nn::overloaded{
                       [&](const nn::op::convolution&) { multiply(s, r, out, exec); },
                       [&](const nn::op::linear&) { multiply(s, r, out, exec); },
                       [&](const nn::op::add&) { combine(in(0), in(1), s.rectify, out, exec); },
                       [&](const nn::op::relu&) { combine(in(0), {}, true, out, exec); },
                       [&](const nn::op::concatenate&) { concatenate(s.node, r, exec); },
                       [&](const nn::op::max_pool& p) { max_pool(p, in(0), out, exec); },
                       [&](const nn::op::average_pool& p) { average_pool(p, in(0), out, exec); },
                       [&](const nn::op::adaptive_average_pool& p) { average_pool(p, in(0), out, exec); },
                       [&](const nn::op::local_response_norm& o) { response_norm(o, in(0), out, exec); },
                       [&](const nn::op::padded_shortcut& o) { padded_shortcut(o, in(0), out, exec); },
                       [](const auto&) {}, // a flattened image is the image
                   },
                   n.op);
    }

    void multiply(const step& s, const request& r, const activation& out, executor_ref exec) const {
        const nn::node& n = net_.nodes[s.node];
        const activation in = at(n.inputs[0], r);
        const int planes = this->planes(r.level, s.node);
        const product_weights& w = weights_[s.node];
        product_end end{w.bias[static_cast<std::size_t>(planes - 1)].data(), {}, s.rectify};
        if (s.shortcut != none) end.shortcut = at(s.shortcut, r);
        kernels::run(detail::product_geometry(n.op, in.shape), in, w.by_planes.at(planes), end, out, exec);
    }

    /// Copies what is not there yet.
    void concatenate(std::size_t node, const request& r, executor_ref exec) const {
        const activation whole = at(node, r);
        dim_t first = 0;
        for (const std::size_t from : net_.nodes[node].inputs) {
            const activation in = at(from, r);
            activation part = whole;
            part.data += first;
            part.shape = in.shape;
            if (part.data != in.data) copy_channels(in, part, exec);
            first += in.channels();
        }
    }

    // --- memory -----------------------------------------------------------------------------------------------------
    void plan_memory() {
        const std::size_t count = net_.nodes.size();
        const std::vector<std::vector<std::size_t>> readers = nn::readers(net_);
        places_.resize(count);
        std::vector<dim_t> time(count); // the step that runs each node
        for (std::size_t i = count; i-- > 0;) time[i] = rides(i) ? time[readers[i].front()] : static_cast<dim_t>(i);
        // whose memory: readers come later, so their homes are known
        for (std::size_t i = count; i-- > 0;) {
            place& p = places_[i];
            p.home = i;
            if (readers[i].size() != 1 || !formats_[i].is_stored() || i == 0 || is_view(i)) continue;
            const std::size_t reader = readers[i].front();
            if (!std::holds_alternative<nn::op::concatenate>(net_.nodes[reader].op) ||
                !(formats_[reader] == formats_[i]))
                continue;
            p = places_[reader];
            for (const std::size_t from : net_.nodes[reader].inputs) {
                if (from == i) break;
                p.first += shapes_[from][3];
            }
        }
        for (std::size_t i = 0; i < count; ++i)
            if (is_view(i)) places_[i].home = places_[net_.nodes[i].inputs[0]].home;
        for (std::size_t i = 0; i < count; ++i) {
            if (!formats_[i].is_stored()) continue;
            const std::size_t home = places_[i].home;
            dim_t last = i == output() ? static_cast<dim_t>(count) : time[i];
            for (const std::size_t reader : readers[i]) last = std::max(last, time[reader]);
            if (places_[home].block == none) {
                places_[home].block = memory_.add(shapes_[home].size());
                memory_.touch(places_[home].block, time[i]);
            }
            memory_.touch(places_[home].block, last);
        }
        for (place& p : places_) p.block = places_[p.home].block;
        memory_.settle();
    }
    bool is_view(std::size_t node) const { return std::holds_alternative<nn::op::flatten>(net_.nodes[node].op); }

    activation at(std::size_t node, const request& r) const {
        const place& p = places_[node];
        const extents& s = shapes_[node];
        activation a{nullptr, {r.batch, s[1], s[2], s[3]}, s[3], formats_[node]};
        if (!a.format.is_stored()) {
            a.data = reinterpret_cast<std::byte*>(r.logits);
            return a;
        }
        a.data = r.memory + memory_.place(p.block) * r.batch + p.first;
        if (!is_view(node)) a.stride = shapes_[p.home][3];
        return a;
    }

    void reserve(workspace& w, dim_t batch) const {
        const dim_t bytes = checked_product({memory_.bytes(), batch});
        if (w.memory_.size() < bytes) w.memory_ = buffer<std::byte>(bytes, uninitialized);
    }

    // --- weights ----------------------------------------------------------------------------------------------------
    /// Whether weights are worth fewer bits. Where time counts (measured in docs/kernels.md): trits, read faster than
    /// bytes, and others if many output pixels of an image share the expansion, and no Winograd's products are quicker.
    static bool worth_compact(const channel_codes& codes, dim_t pixels, weight_memory memory, bool by_winograd) {
        constexpr dim_t many_pixels = 784; // the expansion takes 2 % of the time or less
        constexpr double trits = 0.25, less = 0.9;
        if (memory == weight_memory::bytes) return false;
        const double share = compact_share(codes.codes.span());
        return share < (memory == weight_memory::small || (pixels >= many_pixels && !by_winograd) ? less : trits);
    }
    void pack(const coded_network& coded, weight_memory memory, executor_ref exec) {
        for (std::size_t i = 0; i < net_.nodes.size(); ++i) {
            if (!coded.products[i]) continue;
            const coded_product& product = *coded.products[i];
            const std::size_t from = net_.nodes[i].inputs[0];
            const conv_geometry g = detail::product_geometry(net_.nodes[i].op, shapes_[from]);
            product_weights& to = weights_[i];
            for (const weight_plane& plane : product.planes) to.bias.push_back(plane.bias.values());
            std::set<int> used;
            for (int level = 1; level <= level_count(); ++level) used.insert(planes(level, i));
            const bool is_signed = formats_[from].is_signed, small = memory == weight_memory::small,
                       or_winograd = !small && kernels::takes_winograd(g, is_signed);
            // what shares memory is of one kind, and the finest planes have the largest codes
            const bool all_pairs = small && !used.empty() &&
                                   kernels::takes_pairs(sum_of_planes(product, *used.rbegin()), is_signed, or_winograd);
            for (const int count : used) {
                const channel_codes codes = sum_of_planes(product, count);
                const bool pairs = small ? all_pairs : kernels::takes_pairs(codes, is_signed, or_winograd),
                           compact =
                               worth_compact(codes, g.out_height() * g.out_width(), memory, !pairs && or_winograd);
                auto packed =
                    kernels::pack(g, codes, is_signed, pairs, compact ? rhs_storage::compact : rhs_storage::fast,
                                  small ? algorithm::direct : algorithm::automatic, exec);
                stored_weights how{.planes = count, .compact = compact, .pairs = pairs};
                if (compact && small && !to.stored.empty() && to.stored.back().compact) {
                    int divisor = 1;
                    for (int p = to.stored.back().planes; p < count; ++p)
                        divisor *= product.planes[static_cast<std::size_t>(p)].divisor;
                    if (kernels::refine(packed, to.by_planes.at(to.stored.back().planes), divisor))
                        how.added_to = to.stored.back().planes;
                }
                how.bytes = kernels::bytes(packed), how.winograd = kernels::is_winograd(packed);
                to.stored.push_back(how);
                to.by_planes.emplace(count, std::move(packed));
            }
        }
    }

    nn::network net_;
    std::vector<activation_format> formats_;
    std::vector<extents> shapes_; ///< for one image
    std::vector<std::vector<int>> levels_;
    std::vector<step> steps_;
    std::vector<place> places_; ///< of each node
    memory_plan memory_;
    std::vector<product_weights> weights_; ///< of each node
};
using integer_network = basic_integer_network<>;

} // namespace intaglio::inline INTAGLIO_ABI::infer
