// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the nodes of a network do (network.hpp): one small struct for each operation, and `operation`, which is any of
// them. They say what is computed, never how or in which number format; an operation's scalar meaning and gradient are
// in nn/reference/, its shape rule in shapes.hpp. Conventions are PyTorch's, and so are the names of options.
//
// An activation is batch x height x width x channels, channels last; vectors are images of one pixel. Each struct names
// its options once more, in fields(op, visit), which calls visit(name, value) for each: printing (and whoever stores a
// network) reads them from there.

#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"

namespace intaglio::inline INTAGLIO_ABI::nn {

/// A size or a step both ways of an image. One number stands for both: `.kernel = 3`, `.kernel = {1, 7}`.
struct size2d {
    dim_t h = 0;
    dim_t w = 0;

    constexpr size2d() = default;
    constexpr size2d(dim_t both) : h(both), w(both) {}
    constexpr size2d(dim_t h_, dim_t w_) : h(h_), w(w_) {}

    friend constexpr bool operator==(const size2d&, const size2d&) = default;
    /// "3" or "1x7".
    std::string to_string() const { return h == w ? join(h) : join(h, 'x', w); }
};

namespace op {

/// The images, of the size that the network is meant for; one per network, its first node.
struct input {
    static constexpr std::string_view kind = "input";
    dim_t height = 0;
    dim_t width = 0;
    dim_t channels = 0;

    friend bool operator==(const input&, const input&) = default;
    template <class Op, class Visit>
    static void fields(Op& op, Visit&& visit) {
        visit("height", op.height), visit("width", op.width), visit("channels", op.channels);
    }
};

/// conv/geometry.hpp has the formula. Weights (out_channels, kernel.h, kernel.w, in_channels / groups).
struct convolution {
    static constexpr std::string_view kind = "convolution";
    dim_t in_channels = 0; ///< 0 in a network_builder: those of the input
    dim_t out_channels = 0;
    size2d kernel = 1;
    size2d stride = 1;
    size2d padding = 0; ///< zero pixels on each side
    size2d dilation = 1;
    dim_t groups = 1;
    bool bias = true;

    friend bool operator==(const convolution&, const convolution&) = default;
    template <class Op, class Visit>
    static void fields(Op& op, Visit&& visit) {
        visit("in_channels", op.in_channels), visit("out_channels", op.out_channels), visit("kernel", op.kernel);
        visit("stride", op.stride), visit("padding", op.padding), visit("dilation", op.dilation);
        visit("groups", op.groups), visit("bias", op.bias);
    }
};

/// out(o) = sum over i of weight(o, i) in(i) + bias(o), on images of one pixel. Weights (out_features, in_features).
struct linear {
    static constexpr std::string_view kind = "linear";
    dim_t in_features = 0; ///< 0 in a network_builder: the channels of the input
    dim_t out_features = 0;
    bool bias = true;

    friend bool operator==(const linear&, const linear&) = default;
    template <class Op, class Visit>
    static void fields(Op& op, Visit&& visit) {
        visit("in_features", op.in_features), visit("out_features", op.out_features), visit("bias", op.bias);
    }
};

/// weight (in - mean) / sqrt(variance + epsilon) + bias for each channel. In training the statistics are the batch's
/// and the running ones move by `momentum` towards them (the variance towards the unbiased one); otherwise they are
/// the running ones. A frozen one always takes the running ones, and nothing of it is trained.
struct batch_norm {
    static constexpr std::string_view kind = "batch_norm";
    dim_t channels = 0; ///< 0 in a network_builder: those of the input
    double epsilon = 1e-5;
    double momentum = 0.1; ///< weight of the batch in the running statistics
    bool frozen = false;

    friend bool operator==(const batch_norm&, const batch_norm&) = default;
    template <class Op, class Visit>
    static void fields(Op& op, Visit&& visit) {
        visit("channels", op.channels), visit("epsilon", op.epsilon), visit("momentum", op.momentum);
        visit("frozen", op.frozen);
    }
};

/// max(in, 0); NaN stays NaN.
struct relu {
    static constexpr std::string_view kind = "relu";
    friend bool operator==(const relu&, const relu&) = default;
    template <class Op, class Visit>
    static void fields(Op&, Visit&&) {}
};

/// The sum of two inputs of one shape.
struct add {
    static constexpr std::string_view kind = "add";
    friend bool operator==(const add&, const add&) = default;
    template <class Op, class Visit>
    static void fields(Op&, Visit&&) {}
};

/// The channels of all inputs, in their order; images of one size.
struct concatenate {
    static constexpr std::string_view kind = "concatenate";
    friend bool operator==(const concatenate&, const concatenate&) = default;
    template <class Op, class Visit>
    static void fields(Op&, Visit&&) {}
};

/// The largest value of each window (pool_window.hpp says which pixels that is), NaN if there is one. Padding is never
/// the largest. The gradient goes to the first largest value, rows before columns.
struct max_pool {
    static constexpr std::string_view kind = "max_pool";
    size2d kernel = 1;
    size2d stride = 0; ///< 0 in a network_builder: the kernel
    size2d padding = 0;
    bool ceil_mode = false; ///< a last window may reach beyond the padding

    friend bool operator==(const max_pool&, const max_pool&) = default;
    template <class Op, class Visit>
    static void fields(Op& op, Visit&& visit) {
        visit("kernel", op.kernel), visit("stride", op.stride), visit("padding", op.padding);
        visit("ceil_mode", op.ceil_mode);
    }
};

/// The mean of each window.
struct average_pool {
    static constexpr std::string_view kind = "average_pool";
    size2d kernel = 1;
    size2d stride = 0; ///< 0 in a network_builder: the kernel
    size2d padding = 0;
    bool ceil_mode = false;        ///< a last window may reach beyond the padding, where nothing counts
    bool count_include_pad = true; ///< whether padding counts as zeros, or not at all

    friend bool operator==(const average_pool&, const average_pool&) = default;
    template <class Op, class Visit>
    static void fields(Op& op, Visit&& visit) {
        visit("kernel", op.kernel), visit("stride", op.stride), visit("padding", op.padding);
        visit("ceil_mode", op.ceil_mode), visit("count_include_pad", op.count_include_pad);
    }
};

/// The mean of `size` windows that cover the image, whatever its size; of the whole image for a size of 1, the global
/// average pool.
struct adaptive_average_pool {
    static constexpr std::string_view kind = "adaptive_average_pool";
    size2d size = 1;

    friend bool operator==(const adaptive_average_pool&, const adaptive_average_pool&) = default;
    template <class Op, class Visit>
    static void fields(Op& op, Visit&& visit) {
        visit("size", op.size);
    }
};

/// in(c) / (k + alpha / size * sum of in(j)^2)^beta, j from c - size / 2 to c + (size - 1) / 2 within the channels.
struct local_response_norm {
    static constexpr std::string_view kind = "local_response_norm";
    dim_t size = 5; ///< channels that are summed
    double alpha = 1e-4;
    double beta = 0.75;
    double k = 1;

    friend bool operator==(const local_response_norm&, const local_response_norm&) = default;
    template <class Op, class Visit>
    static void fields(Op& op, Visit&& visit) {
        visit("size", op.size), visit("alpha", op.alpha), visit("beta", op.beta), visit("k", op.k);
    }
};

/// In training each value is zero with this probability, and otherwise divided by 1 - probability; elsewhere nothing.
struct dropout {
    static constexpr std::string_view kind = "dropout";
    double probability = 0.5;

    friend bool operator==(const dropout&, const dropout&) = default;
    template <class Op, class Visit>
    static void fields(Op& op, Visit&& visit) {
        visit("probability", op.probability);
    }
};

/// An image as one pixel: the channels of its pixels one after another. (PyTorch flattens channel by channel; weights
/// of a linear layer behind it are permuted where they are read, pytorch_layout.hpp.)
struct flatten {
    static constexpr std::string_view kind = "flatten";
    friend bool operator==(const flatten&, const flatten&) = default;
    template <class Op, class Visit>
    static void fields(Op&, Visit&&) {}
};

/// The shortcut without parameters where size and channels change ("option A" of He et al. 2016): every stride-th row
/// and column from the first on, with channels of zeros before and behind.
struct padded_shortcut {
    static constexpr std::string_view kind = "padded_shortcut";
    size2d stride = 1;
    dim_t zeros_before = 0; ///< channels
    dim_t zeros_behind = 0;

    friend bool operator==(const padded_shortcut&, const padded_shortcut&) = default;
    template <class Op, class Visit>
    static void fields(Op& op, Visit&& visit) {
        visit("stride", op.stride), visit("zeros_before", op.zeros_before), visit("zeros_behind", op.zeros_behind);
    }
};

/// The loss of a classifier, for each output of a network; not a node. With K classes and p = softmax(logits), the mean
/// over the batch of -sum over k of q_k log p_k, where q is 1 - label_smoothing at the label plus label_smoothing / K.
struct softmax_cross_entropy {
    static constexpr std::string_view kind = "softmax_cross_entropy";
    double label_smoothing = 0;

    friend bool operator==(const softmax_cross_entropy&, const softmax_cross_entropy&) = default;
    template <class Op, class Visit>
    static void fields(Op& op, Visit&& visit) {
        visit("label_smoothing", op.label_smoothing);
    }
};

} // namespace op

/// What a node does.
using operation = std::variant<op::input, op::convolution, op::linear, op::batch_norm, op::relu, op::add,
                               op::concatenate, op::max_pool, op::average_pool, op::adaptive_average_pool,
                               op::local_response_norm, op::dropout, op::flatten, op::padded_shortcut>;

/// Functions side by side, as std::visit likes them.
template <class... Functions>
struct overloaded : Functions... {
    using Functions::operator()...;
};
template <class... Functions>
overloaded(Functions...) -> overloaded<Functions...>; // Clang before 17 does not find it by itself

/// The name of the operation: "convolution".
inline std::string_view kind_of(const operation& op) {
    return std::visit([](const auto& o) { return o.kind; }, op);
}

/// The operation with those options that are not the default: "convolution(in_channels=3, out_channels=64, kernel=7)".
template <class Op>
    requires requires { Op::kind; }
std::string describe(const Op& op) {
    std::vector<std::string> usual;
    const Op defaults;
    Op::fields(defaults, [&](const char*, const auto& value) { usual.push_back(join(value)); });
    std::string text;
    std::size_t i = 0;
    Op::fields(op, [&](const char* name, const auto& value) {
        const std::string shown = join(value);
        if (shown != usual[i++]) text += join(text.empty() ? "" : ", ", name, '=', shown);
    });
    return text.empty() ? std::string(Op::kind) : join(Op::kind, '(', text, ')');
}

inline std::string describe(const operation& op) {
    return std::visit([](const auto& o) { return describe(o); }, op);
}

} // namespace intaglio::inline INTAGLIO_ABI::nn
