// SPDX-License-Identifier: Apache-2.0

// A network of one's own, trained on one's own images: described as data, its shapes and parameters checked and
// printed, trained with INT16 activations, gradients and products, saved in the middle, and gone on with from the file
// to the same bits.

#include <algorithm>
#include <cstdio>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "intaglio/data/image_range.hpp"
#include "intaglio/data/loader.hpp"
#include "intaglio/data/synthetic.hpp"
#include "intaglio/io/training_checkpoint.hpp"
#include "intaglio/nn/he_initialize.hpp"
#include "intaglio/nn/network_builder.hpp"
#include "intaglio/nn/summary.hpp"
#include "intaglio/train/schedule.hpp"
#include "intaglio/train/trainer.hpp"

namespace data = intaglio::data;
namespace io = intaglio::io;
namespace nn = intaglio::nn;
namespace train = intaglio::train;

using int16_training = train::trainer<std::int16_t>;

/// A convolution, a residual block, the average, a classifier.
nn::network small_residual_network() {
    nn::network_builder net;
    auto x = net.input(12, 12, 3);
    x = net.relu(net.batch_norm("norm1", net.convolution("conv1", x, {.out_channels = 16, .kernel = 3, .padding = 1})));
    auto y =
        net.relu(net.batch_norm("norm2", net.convolution("conv2", x, {.out_channels = 16, .kernel = 3, .padding = 1})));
    y = net.batch_norm("norm3", net.convolution("conv3", y, {.out_channels = 16, .kernel = 3, .padding = 1}));
    x = net.relu(net.add(y, x));
    return net.finish(net.linear("fc", net.flatten(net.max_pool(x, {.kernel = 4})), {.out_features = 4}));
}

/// Steps until `steps` are done. Batch n is the same whoever asks for it.
void go_on(int16_training& training, const data::image_source& images, intaglio::dim_t steps) {
    data::loader batches(images, {.batch = training.batch(),
                                  .transform = {{data::mirror{}}, {1.0F / 255, {0.5F}, {0.25F}}},
                                  .shuffle = true,
                                  .first = training.steps()});
    const train::schedule rate{.kind = train::schedule_kind::cosine, .rate = 0.05, .steps = 80};
    while (training.steps() < steps) {
        const data::batch& b = batches.next();
        training.step(b.images.span(), b.labels, rate(training.steps()));
    }
}

double accuracy(int16_training& training, const data::image_source& images) {
    data::loader batches(images,
                         {.batch = training.batch(), .transform = {{}, {1.0F / 255, {0.5F}, {0.25F}}}, .epochs = 1});
    const auto next = [&]() -> std::optional<train::labelled_images> {
        if (!batches.has_next()) return std::nullopt;
        const data::batch& b = batches.next();
        return train::labelled_images{b.images.span(), std::span(b.labels).first(static_cast<std::size_t>(b.count))};
    };
    return training.evaluate(next).accuracy();
}

bool same(const nn::parameters& a, const nn::parameters& b) {
    for (std::size_t i = 0; i < a.count(); ++i)
        if (!std::equal(a[i].begin(), a[i].end(), b[i].begin(), b[i].end())) return false;
    return true;
}

int main() {
    const nn::network net = small_residual_network();
    std::printf("%s", nn::summary(net).c_str());
    const data::synthetic_images all(400, 12, 12, 3, 4); // any set that says size, label and image will do
    const data::image_range images(all, 0, 320), test(all, 320, 80);

    nn::parameters first;
    nn::he_initialize(net, first, 1);
    intaglio::thread_pool pool(2);
    const train::sgd_options update{.momentum = 0.9F, .weight_decay = 5e-4F, .nesterov = true};
    int16_training training(net, 20, first, {}, update, pool);
    go_on(training, images, 40);
    const std::string path = (std::filesystem::temp_directory_path() / "intaglio-12-training.safetensors").string();
    io::save_training(path, net, {training.state(), {{"rate", "0.05"}}});
    go_on(training, images, 80);

    int16_training resumed(net, 20, first, {}, update);
    resumed.resume(io::load_training(path, net).state);
    go_on(resumed, images, 80);
    std::filesystem::remove(path);

    const double right = accuracy(training, test);
    std::printf("test images above 95 %%: %s\n", right > 0.95 ? "yes" : "no");
    std::printf("resumed to the same bits: %s\n", same(training.parameters(), resumed.parameters()) ? "yes" : "no");
    std::fprintf(stderr, "right: %.3f\n", right);
}

// Prints:
//   layer     operation        output        parameters  multiply-adds  bits
//   input     input            12 x 12 x 3
//   conv1     convolution 3x3  12 x 12 x 16         448         62,208    32
//   norm1     batch_norm       12 x 12 x 16          32                   32
//   relu      relu             12 x 12 x 16
//   conv2     convolution 3x3  12 x 12 x 16       2,320        331,776    32
//   norm2     batch_norm       12 x 12 x 16          32                   32
//   relu_2    relu             12 x 12 x 16
//   conv3     convolution 3x3  12 x 12 x 16       2,320        331,776    32
//   norm3     batch_norm       12 x 12 x 16          32                   32
//   add       add              12 x 12 x 16
//   relu_3    relu             12 x 12 x 16
//   max_pool  max_pool 4x4 /4  3 x 3 x 16
//   flatten   flatten          144
//   fc        linear           4                    580            576    32
//   total     batch 1                             5,764        726,336    32
//   weights 22.5 KiB, activations 90.6 KiB
//   test images above 95 %: yes
//   resumed to the same bits: yes
