// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where the gradients by a network's parameters are written. Either all are kept, each in a tensor of its own; or one
// node's wait at a time, in the memory of the largest, until they are handed to whoever moves the parameters.

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "intaglio/core/buffer.hpp"
#include "intaglio/gemm/blocking.hpp"
#include "intaglio/nn/parameters.hpp"

namespace intaglio::inline INTAGLIO_ABI::train {

class parameter_gradients {
public:
    parameter_gradients() = default;
    /// `parameters` must outlive it.
    explicit parameter_gradients(const nn::parameters& parameters)
        : parameters_(&parameters), places_(parameters.count(), nullptr) {}

    /// Where that by the parameter of a role of a node is written; null where there is none, or nobody asked.
    float* at(std::size_t node, nn::parameter_role role) {
        const std::size_t i = parameters_->place(node, role);
        return i < places_.size() ? places_[i] : nullptr;
    }

    /// Those that are kept, in the order of the parameters; empty where a parameter is not trained.
    std::vector<tensor<float>>& kept() {
        for (std::size_t i = kept_.size(); i < parameters_->count(); ++i)
            kept_.emplace_back(parameters_->spec(i).trained ? parameters_->spec(i).shape : extents{0});
        return kept_;
    }
    /// From now on all are kept.
    void keep() {
        for (std::size_t i = 0; i < kept().size(); ++i) places_[i] = kept_[i].data();
    }

    /// Makes room for those of a node alone, unset or zeros.
    void make_room(std::size_t node, bool zeros) {
        constexpr dim_t line = 16; // floats
        const auto room = [&](std::size_t i) { return intaglio::detail::round_up((*parameters_)[i].size(), line); };
        dim_t size = 0;
        for_each_trained(node, [&](std::size_t i) { size += room(i); });
        if (shared_.size() < size) shared_ = buffer<float>(size, uninitialized);
        if (zeros) std::fill_n(shared_.data(), size, 0.0F);
        float* to = shared_.data();
        for_each_trained(node, [&](std::size_t i) { places_[i] = std::exchange(to, to + room(i)); });
    }
    /// use(i, gradient) for each trained parameter of the node, whose room is then free.
    template <class Use>
    void hand_over(std::size_t node, const Use& use) {
        for_each_trained(node, [&](std::size_t i) {
            const float* const gradient = std::exchange(places_[i], nullptr);
            use(i, std::span<const float>(gradient, static_cast<std::size_t>((*parameters_)[i].size())));
        });
    }

private:
    template <class F>
    void for_each_trained(std::size_t node, const F& f) const {
        for (const nn::parameter_role role : {nn::parameter_role::weight, nn::parameter_role::bias})
            if (const std::size_t i = parameters_->place(node, role);
                i < parameters_->count() && parameters_->spec(i).trained)
                f(i);
    }

    const nn::parameters* parameters_ = nullptr;
    std::vector<float*> places_;      ///< by parameter
    std::vector<tensor<float>> kept_; ///< made when somebody asks
    buffer<float> shared_;
};

} // namespace intaglio::inline INTAGLIO_ABI::train
