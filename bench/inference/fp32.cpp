// SPDX-License-Identifier: Apache-2.0

#include "inference/fp32.hpp"

#include "intaglio/nn/shapes.hpp"
#include "intaglio/train/plan.hpp"

namespace intaglio::inline INTAGLIO_ABI {

namespace {

class plan_inference final : public fp32_inference {
public:
    plan_inference(infer::folded_network& folded, dim_t batch)
        : plan_(folded.net, nn::image_shape(folded.net, batch), folded.weights) {}

    std::span<const float> run(std::span<const float> images) override {
        plan_.forward(images, false);
        return plan_.logits();
    }
    void use(executor_ref exec) override { plan_.use(exec); }

private:
    train::plan<float> plan_;
};

} // namespace

std::unique_ptr<fp32_inference> make_fp32_inference(infer::folded_network& folded, dim_t batch) {
    return std::make_unique<plan_inference>(folded, batch);
}

} // namespace intaglio::inline INTAGLIO_ABI
