// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is measured of a folded network in FP32, on noise images (noise_images.hpp) or on any others, in one stream:
//
//   ranges          of each node's outputs
//   for products    with x the inputs that one output pixel of a group sees (taps x channels, zeros where padding is):
//                   the mean of x, and the second moments H = mean of x x^T, over pixels drawn at random
//
// Images come in batches and are forgotten; memory is that of the second moments, K^2 floats for each product of K taps
// x channels (and group), and of a batch's activations. Products of the FP32 network and of the moments run on the
// library's kernels.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/gemm/gemm.hpp"
#include "intaglio/infer/coded_network.hpp"
#include "intaglio/infer/fold.hpp"
#include "intaglio/infer/formats.hpp"
#include "intaglio/nn/reference/network.hpp"
#include "intaglio/numeric/random.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

/// Of the inputs of a product, group after group.
struct input_statistics {
    dim_t size = 0; ///< K: taps x channels of a group
    dim_t groups = 1;
    dim_t count = 0;         ///< pixels that were drawn
    std::vector<float> mean; ///< (groups, K)
    buffer<float> second;    ///< (groups, K, K); only the upper triangle of each is there

    const float* mean_of(dim_t group) const { return mean.data() + group * size; }
    const float* second_of(dim_t group) const { return second.data() + group * size * size; }
};

struct calibration {
    std::vector<value_range> ranges;                     ///< of each node
    std::vector<std::optional<input_statistics>> inputs; ///< of each node; none where it is no product
};

/// Products with more inputs have no second moments, and so no feedback: those of a first linear layer, 25,088 inputs
/// of VGG's, would take gigabytes and minutes.
inline constexpr dim_t largest_feedback = 8192;

class calibrator {
public:
    /// `pixels`: to draw for each product from an image. The network must outlive the calibrator.
    calibrator(const folded_network& folded, dim_t pixels, bool second_moments = true, executor_ref exec = {})
        : folded_(folded), pixels_(pixels), exec_(exec) {
        require<value_error>(pixels >= 1, "calibrator: ", pixels, " pixels of each image; at least one is needed");
        const std::vector<extents> shapes = nn::infer_shapes(folded.net, 1);
        result_.ranges.resize(shapes.size());
        result_.inputs.resize(shapes.size());
        rows_.resize(shapes.size());
        for (std::size_t i = 0; i < shapes.size(); ++i) {
            const nn::node& n = folded.net.nodes[i];
            if (!detail::is_product(n.op)) continue;
            const conv_geometry g = detail::product_geometry(n.op, shapes[n.inputs[0]]);
            input_statistics& s = result_.inputs[i].emplace();
            s.size = g.filter_size(), s.groups = g.groups;
            s.mean.resize(static_cast<std::size_t>(s.groups * s.size));
            rows_[i].sums.resize(s.mean.size());
            if (second_moments && s.size <= largest_feedback)
                s.second = buffer<float>(checked_product({s.groups, s.size, s.size}));
            // depthwise products have many small moments: as many rows as fit some megabytes
            rows_[i].most = std::clamp<dim_t>((dim_t{1} << 21) / std::max<dim_t>(1, s.groups * s.size), 16, 1024);
            rows_[i].values.resize(static_cast<std::size_t>(rows_[i].most * s.groups * s.size));
        }
    }

    /// Measures a batch of images.
    void add(const tensor<float>& images) {
        const float_environment scope;
        const nn::reference::activations run =
            nn::reference::forward(folded_.net, folded_.weights, images, {.products = {.exec = exec_}});
        for (std::size_t i = 0; i < run.values.size(); ++i) {
            if (run.values[i].empty()) continue;
            value_range r = images_ == 0 ? value_range{run.values[i][0], run.values[i][0]} : result_.ranges[i];
            for (const float v : run.values[i]) r.low = std::min(r.low, v), r.high = std::max(r.high, v);
            result_.ranges[i] = r;
        }
        for (dim_t b = 0; b < images.shape()[0]; ++b, ++images_)
            for (std::size_t i = 0; i < run.values.size(); ++i)
                if (result_.inputs[i]) draw(i, run.values[folded_.net.nodes[i].inputs[0]], b);
    }

    /// What was measured. value_error where no image was.
    calibration finish() && {
        const float_environment scope;
        require<value_error>(images_ > 0, "calibrator: no image was measured");
        for (std::size_t i = 0; i < rows_.size(); ++i) {
            if (!result_.inputs[i]) continue;
            flush(i);
            input_statistics& s = *result_.inputs[i];
            const float share = 1 / static_cast<float>(s.count);
            for (std::size_t k = 0; k < s.mean.size(); ++k)
                s.mean[k] = static_cast<float>(rows_[i].sums[k] / static_cast<double>(s.count));
            for (float& v : s.second) v *= share;
        }
        return std::move(result_);
    }

private:
    struct drawn_rows {
        dim_t most = 0, count = 0; ///< that wait in `values`
        std::vector<float> values; ///< (groups, most, K)
        std::vector<double> sums;  ///< (groups, K)
    };

    /// Pixels of image b, one at random from each of as many equal runs.
    void draw(std::size_t node, const tensor<float>& x, dim_t b) {
        const conv_geometry g = detail::product_geometry(folded_.net.nodes[node].op, x.shape());
        const dim_t all = g.out_height() * g.out_width(), wanted = std::min(pixels_, all);
        drawn_rows& rows = rows_[node];
        for (dim_t i = 0; i < wanted; ++i) {
            const dim_t from = i * all / wanted, to = (i + 1) * all / wanted;
            const dim_t p = from + static_cast<dim_t>(random_below(static_cast<std::uint32_t>(to - from), 1,
                                                                   static_cast<std::uint64_t>(node),
                                                                   static_cast<std::uint64_t>(images_ * pixels_ + i)));
            gather(g, x.data() + b * g.height * g.width * g.in_channels, p / g.out_width(), p % g.out_width(), rows);
            if (++rows.count == rows.most) flush(node);
        }
    }
    static void gather(const conv_geometry& g, const float* image, dim_t y, dim_t x, drawn_rows& rows) {
        const dim_t channels = g.group_in_channels(), size = g.filter_size();
        for (dim_t group = 0; group < g.groups; ++group) {
            float* to = rows.values.data() + (group * rows.most + rows.count) * size;
            for (dim_t r = 0; r < g.kernel_h; ++r)
                for (dim_t s = 0; s < g.kernel_w; ++s, to += channels) {
                    const dim_t h = y * g.stride_h + r * g.dilation_h - g.pad_h,
                                w = x * g.stride_w + s * g.dilation_w - g.pad_w;
                    if (h < 0 || h >= g.height || w < 0 || w >= g.width)
                        std::fill_n(to, channels, 0.0F);
                    else
                        std::copy_n(image + (h * g.width + w) * g.in_channels + group * channels, channels, to);
                }
        }
    }

    /// Adds the rows that wait to the sums: H by the FP32 kernel, the upper triangle in panels of columns.
    void flush(std::size_t node) {
        drawn_rows& rows = rows_[node];
        input_statistics& s = *result_.inputs[node];
        if (rows.count == 0) return;
        constexpr dim_t panel = 512;
        for (dim_t group = 0; group < s.groups; ++group) {
            const float* const x = rows.values.data() + group * rows.most * s.size;
            double* const sums = rows.sums.data() + group * s.size;
            for (dim_t r = 0; r < rows.count; ++r)
                for (dim_t k = 0; k < s.size; ++k) sums[k] += static_cast<double>(x[r * s.size + k]);
            if (s.second.empty()) continue;
            float* const h = s.second.data() + group * s.size * s.size;
            for (dim_t c = 0; c < s.size; c += panel) {
                const dim_t cols = std::min(panel, s.size - c), lines = c + cols;
                const matrix_view<float> out(h + c, lines, cols, s.size);
                gemm<fp32>(lhs_view<fp32>{.values = {x, lines, rows.count, 1, s.size}},
                           rhs_view<fp32>{.values = {x + c, rows.count, cols, s.size}}, out,
                           epilogue{intaglio::add{out}}, exec_);
            }
        }
        s.count += rows.count;
        rows.count = 0;
    }

    const folded_network& folded_;
    dim_t pixels_;
    executor_ref exec_;
    dim_t images_ = 0;
    calibration result_;
    std::vector<drawn_rows> rows_;
};

} // namespace intaglio::inline INTAGLIO_ABI::infer
