// SPDX-License-Identifier: Apache-2.0
#pragma once

// The networks of tests/golden/networks.safetensors: torchvision's, with weights from a formula, and PyTorch's digests
// of their gradients (golden/README.md).

#include <cmath>
#include <cstdio>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "intaglio/io/safetensors.hpp"
#include "intaglio/models/alexnet.hpp"
#include "intaglio/models/googlenet.hpp"
#include "intaglio/models/resnet.hpp"
#include "intaglio/models/vgg.hpp"
#include "intaglio/nn/parameters.hpp"
#include "intaglio/nn/pytorch_layout.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/golden.hpp"

namespace intaglio::golden {

inline const io::safetensors_file& networks_file() {
    static const auto file = io::safetensors_file::read(golden_file("networks.safetensors"));
    return file;
}

/// A network of the file without dropout, its weights and its images.
struct golden_network {
    static constexpr const char* names[] = {"alexnet",  "vgg16",    "vgg16_bn", "googlenet",
                                            "resnet18", "resnet50", "resnet101"};

    std::string name;
    nn::network net;
    std::vector<nn::pytorch_layout> layouts = nn::pytorch_layouts(net);
    nn::parameters weights{net};
    std::map<std::string, std::size_t> places{}; ///< of parameters, by name
    tensor<float> images = channels_last(formula(500, {2, 3, 224, 224}));
    std::vector<std::int32_t> labels{3, 977};

    explicit golden_network(const std::string& title) : name(title), net(without_dropout(make(title))) {
        dim_t count = 0;
        for (std::size_t p = 0; p < weights.count(); ++p) {
            const nn::parameter_spec& spec = weights.spec(p);
            tensor<float> t = formula(1000 + static_cast<std::uint64_t>(p), layouts[p].shape);
            const auto fan_in = static_cast<double>(t.size() / t.shape()[0]);
            for (float& v : t)
                v = t.shape().rank() >= 2 ? v * static_cast<float>(std::sqrt(6.0 / fan_in))
                    : spec.role == nn::parameter_role::running_variance ? 1.0f + 0.2f * v
                    : spec.role == nn::parameter_role::running_mean     ? 0.1f * v
                    : spec.role == nn::parameter_role::weight           ? 1.0f + 0.1f * v
                                                                        : 0.05f * v;
            weights[p] = from_pytorch(t, layouts[p], spec);
            places[spec.name] = p;
            if (spec.trained) count += spec.shape.size();
        }
        REQUIRE(std::to_string(count) == networks_file().metadata(name + ".count").value());
    }

    tensor<float> evaluation_logits() const { return networks_file().get<float>(name + ".evaluation_logits"); }
    tensor<float> training_logits() const { return networks_file().get<float>(name + ".training_logits"); }
    double training_loss() const { return static_cast<double>(networks_file().get<float>(name + ".training_loss")[0]); }

    /// That the digests of all gradients are PyTorch's within `tolerance`, as a share of the norm; returns by how much
    /// the norms differ at most. A bias in front of a batch norm has no gradient, since the mean takes it away again:
    /// what there is of it is rounding, at most `zero` of the norm of the weights' gradient.
    double check_gradients(const std::vector<tensor<float>>& gradients, double tolerance, double zero) const {
        const tensor<double> digests = networks_file().get<double>(name + ".gradients");
        const auto rows = nlohmann::json::parse(networks_file().metadata(name + ".parameters").value());
        REQUIRE(digests.shape() == extents{static_cast<dim_t>(rows.size()), 5});
        const auto after = nn::readers(net);
        const auto normalised = [&](std::size_t node) {
            return !after[node].empty() &&
                   std::holds_alternative<nn::op::batch_norm>(net.nodes[after[node].front()].op) &&
                   !std::holds_alternative<nn::op::batch_norm>(net.nodes[node].op);
        };
        double worst = 0, norm_before = 0;
        for (std::size_t r = 0; r < rows.size(); ++r) {
            const std::string parameter = rows[r][0];
            CAPTURE(parameter);
            const std::size_t p = places.at(parameter);
            std::vector<dim_t> shape(layouts[p].shape.begin(), layouts[p].shape.end());
            REQUIRE(rows[r][1].get<std::vector<dim_t>>() == shape);
            const double* const expected = digests.data() + 5 * r;
            const tensor<float>& g = gradients[p]; // the first and the last element are PyTorch's, too
            double sum = 0, magnitudes = 0, squares = 0;
            for (const float v : g) {
                const auto d = static_cast<double>(v);
                sum += d, magnitudes += std::fabs(d), squares += d * d;
            }
            const double norm = std::sqrt(squares), first = static_cast<double>(g[0]),
                         last = static_cast<double>(g[g.size() - 1]);
            if (weights.spec(p).role == nn::parameter_role::bias && normalised(weights.spec(p).node)) {
                REQUIRE(norm <= zero * norm_before);
                continue;
            }
            norm_before = norm;
            worst = std::max(worst, std::fabs(norm / expected[2] - 1));
            REQUIRE(norm == Approx(expected[2]).epsilon(tolerance));
            REQUIRE(magnitudes == Approx(expected[1]).epsilon(tolerance));
            REQUIRE(std::fabs(sum - expected[0]) <= tolerance * expected[1]);
            // single elements: one rectifier that decides otherwise is seen
            REQUIRE(std::fabs(first - expected[3]) <= 2 * tolerance * expected[2]);
            REQUIRE(std::fabs(last - expected[4]) <= 2 * tolerance * expected[2]);
        }
        return worst;
    }

private:
    static nn::network make(const std::string& title) {
        if (title == "alexnet") return models::alexnet();
        if (title == "vgg16") return models::vgg(16);
        if (title == "vgg16_bn") return models::vgg(16, {.batch_norm = true});
        if (title == "googlenet") return models::googlenet({.batch_norm = true});
        return models::resnet(std::stoi(title.substr(6)));
    }
    static nn::network without_dropout(nn::network net) {
        for (nn::node& n : net.nodes)
            if (auto* d = std::get_if<nn::op::dropout>(&n.op)) d->probability = 0;
        return net;
    }
};

} // namespace intaglio::golden
