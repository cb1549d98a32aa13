// SPDX-License-Identifier: Apache-2.0
#pragma once

// Parameters as PyTorch stores them, and back. There channels come before pixels, here behind them:
//
//   convolution  (out, in / groups, kernel.h, kernel.w)   <->  (out, kernel.h, kernel.w, in / groups)
//   linear       (out, channels height width)             <->  (out, height width channels)
//
// The second where the linear layer reads a flattened image, as in AlexNet and VGG. Both are the same transposition of
// channels and pixels within each row; everything else is stored alike.

#include <string>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/nn/network.hpp"
#include "intaglio/nn/parameters.hpp"
#include "intaglio/nn/shapes.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

/// How PyTorch stores one tensor of parameters.
struct pytorch_layout {
    extents shape;      ///< there
    dim_t channels = 1; ///< of a row
    dim_t pixels = 1;   ///< of a row; with one, both layouts are the same

    friend bool operator==(const pytorch_layout&, const pytorch_layout&) = default;
};

namespace detail {

/// The shape of the image that node `i` gives as one pixel, whose values dropout and ReLU leave in their places.
inline extents image_behind(const network& net, const std::vector<extents>& shapes, std::size_t i) {
    while (std::holds_alternative<op::relu>(net.nodes[i].op) || std::holds_alternative<op::dropout>(net.nodes[i].op))
        i = net.nodes[i].inputs.front();
    if (std::holds_alternative<op::flatten>(net.nodes[i].op)) i = net.nodes[i].inputs.front();
    return shapes[i];
}

/// out(row, b, a) = in(row, a, b), for rows of a_count x b_count.
inline tensor<float> transposed_rows(const tensor<float>& in, const extents& shape, dim_t a_count, dim_t b_count) {
    tensor<float> out(shape, uninitialized);
    const dim_t row = a_count * b_count, rows = row == 0 ? 0 : in.size() / row;
    for (dim_t r = 0; r < rows; ++r)
        for (dim_t b = 0; b < b_count; ++b)
            for (dim_t a = 0; a < a_count; ++a) out[r * row + b * a_count + a] = in[r * row + a * b_count + b];
    return out;
}

} // namespace detail

/// For each parameter of the network (parameter_specs) how PyTorch stores it. Throws as infer_shapes does.
inline std::vector<pytorch_layout> pytorch_layouts(const network& net) {
    const std::vector<extents> shapes = infer_shapes(net, 1);
    std::vector<pytorch_layout> layouts;
    for (const parameter_spec& spec : parameter_specs(net)) {
        const node& n = net.nodes[spec.node];
        pytorch_layout layout{spec.shape};
        if (spec.shape.rank() == 4) {
            layout = {{spec.shape[0], spec.shape[3], spec.shape[1], spec.shape[2]},
                      spec.shape[3],
                      spec.shape[1] * spec.shape[2]};
        } else if (std::holds_alternative<op::linear>(n.op) && spec.role == parameter_role::weight) {
            const extents image = detail::image_behind(net, shapes, n.inputs.front());
            layout.channels = image[3], layout.pixels = image[1] * image[2];
        }
        layouts.push_back(layout);
    }
    return layouts;
}

/// `stored`, which has layout.shape, in the shape and order of this library.
inline tensor<float> from_pytorch(const tensor<float>& stored, const pytorch_layout& layout,
                                  const parameter_spec& spec) {
    require(stored.shape() == layout.shape, spec.name, ": PyTorch stores ", layout.shape, ", got ", stored.shape());
    return detail::transposed_rows(stored, spec.shape, layout.channels, layout.pixels);
}

/// `value`, which has spec.shape, as PyTorch stores it.
inline tensor<float> to_pytorch(const tensor<float>& value, const pytorch_layout& layout, const parameter_spec& spec) {
    require(value.shape() == spec.shape, spec.name, ": should be ", spec.shape, ", is ", value.shape());
    return detail::transposed_rows(value, layout.shape, layout.pixels, layout.channels);
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
