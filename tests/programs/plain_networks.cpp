// SPDX-License-Identifier: Apache-2.0

// Writes small coded networks for check_onnx.py: of each of the odd graphs NAME.safetensors, a model file, and
// NAME-plain.safetensors with its weights in full, images, and what the scalar text answers.

#include <cstdio>
#include <exception>
#include <string>

#include "infer/odd_graphs.hpp"
#include "inference/plain_weights.hpp"
#include "intaglio/infer/encode.hpp"
#include "intaglio/infer/reference.hpp"
#include "intaglio/io/model_file.hpp"

int main(int argc, char** argv) {
    using namespace intaglio;
    try {
        require<value_error>(argc == 2, "plain_networks FOLDER");
        for (const auto& [name, net] : odd::all()) {
            const infer::folded_network folded = infer::fold(net, random_parameters(net));
            const tensor<float> images = random_images(nn::image_shape(folded.net, 6));
            infer::calibrator measuring(folded, 16);
            measuring.add(images);
            io::integer_model model{infer::encode(folded, std::move(measuring).finish(),
                                                  [](std::size_t) { return infer::weight_coding{}; }),
                                    {}};
            model.description.name = name, model.description.levels = {"1"};
            io::save_model(join(argv[1], '/', name, ".safetensors"), model);
            write_plain_weights(join(argv[1], '/', name, "-plain.safetensors"), model.network, 1, images,
                                infer::reference_logits(model.network, images));
            std::printf("%s\n", name.c_str());
        }
        return 0;
    } catch (const std::exception& fault) {
        std::fprintf(stderr, "%s\n", fault.what());
        return 1;
    }
}
