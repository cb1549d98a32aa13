// SPDX-License-Identifier: Apache-2.0

#include "network_choice.hpp"

#include <algorithm>

#include "intaglio/core/error.hpp"
#include "intaglio/models/alexnet.hpp"
#include "intaglio/models/cifar_resnet.hpp"
#include "intaglio/models/digits_cnn.hpp"
#include "intaglio/models/googlenet.hpp"
#include "intaglio/models/resnet.hpp"
#include "intaglio/models/small_cnn.hpp"
#include "intaglio/models/squeezenet.hpp"
#include "intaglio/models/vgg.hpp"

namespace training {
namespace {

namespace models = intaglio::models;
namespace nn = intaglio::nn;
using intaglio::train::schedule_kind;

constexpr image_size photographs{224, 224, 3};
// linear layers as in the papers of AlexNet and VGG
constexpr nn::he_options without_norms{.convolution = nn::he_fan_in, .linear = nn::fixed_deviation(0.01)};

std::vector<network_choice> all_networks() {
    std::vector<network_choice> list;
    // chosen for tools/quickstart on images that were held out
    list.push_back({.name = "digits_cnn",
                    .takes = {8, 8, 1},
                    .usual_data = "digits",
                    .how = {.batch = 32,
                            .epochs = 30,
                            .schedule = schedule_kind::cosine,
                            .rate = 0.1,
                            .warmup = 1,
                            .weight_decay = 2e-3,
                            .label_smoothing = 0.1},
                    .build = [](const image_size&, dim_t) { return models::digits_cnn(); }});
    list.push_back(
        {.name = "small_cnn",
         .usual_data = "fashion",
         .how = {.epochs = 15, .rate = 0.1},
         .build = [](const image_size& images, dim_t classes) {
             return models::small_cnn(
                 {.classes = classes, .height = images.height, .width = images.width, .channels = images.channels});
         }});
    for (const bool projections : {false, true}) // option A, option B
        for (const int depth : {8, 14, 20, 32, 44, 56, 110})
            list.push_back({.name = intaglio::join("resnet", depth, projections ? "-b" : ""),
                            .takes = {32, 32, 3},
                            .usual_data = "cifar10",
                            .how = {.epochs = 40, .rate = 0.3},
                            .build = [depth, projections](const image_size&, dim_t classes) {
                                return models::cifar_resnet(depth, {.classes = classes, .projections = projections});
                            }});
    const auto add = [&](const std::string& name, recipe how, const nn::he_options& first, auto build) {
        list.push_back({.name = name,
                        .takes = photographs,
                        .any_size = true,
                        .how = std::move(how),
                        .first_weights = first,
                        .build = std::move(build)});
    };
    // He et al. 2016 at 256 images: 0.1, 90 epochs; a cosine instead of the steps
    const recipe residual{.batch = 32,
                          .epochs = 90,
                          .schedule = schedule_kind::cosine,
                          .rate = 0.0125,
                          .warmup = 1,
                          .nesterov = false,
                          .weight_decay = 1e-4};
    for (const int depth : {18, 34, 50, 101, 152})
        add(intaglio::join("resnet", depth), residual, {}, [depth](const image_size& images, dim_t classes) {
            return models::resnet(depth, {.classes = classes, .image = images.height});
        });
    // the network as published, with the values of its Caffe files, which other programs converted
    add("resnet50-caffe", residual, {}, [](const image_size& images, dim_t classes) {
        return models::resnet(50,
                              {.classes = classes, .image = images.height, .stride_in_first = true, .epsilon = 1e-3});
    });
    list.back().values = intaglio::data::normalization{1, {123.68f, 116.779f, 103.939f}, {1}};
    // the papers' rates at 128 or 256 images, in proportion
    const recipe plain{.batch = 32,
                       .epochs = 90,
                       .schedule = schedule_kind::step,
                       .rate = 0.0025,
                       .nesterov = false,
                       .weight_decay = 5e-4};
    recipe vgg = plain, vgg_norm = residual, inception = plain;
    vgg.rate = 0.00125;
    vgg.epochs = 74;
    vgg_norm.weight_decay = 5e-4;
    inception.rate = 0.01, inception.weight_decay = 2e-4, inception.schedule = schedule_kind::poly;
    inception.epochs = 60;
    add("alexnet", plain, without_norms, [](const image_size& images, dim_t classes) {
        return models::alexnet({.classes = classes, .image = images.height});
    });
    add("alexnet-published", plain, without_norms, [](const image_size& images, dim_t classes) {
        auto o = models::alexnet_as_published;
        o.classes = classes, o.image = images.height;
        return models::alexnet(o);
    });
    for (const int depth : {11, 13, 16, 19})
        for (const bool norm : {false, true})
            add(intaglio::join("vgg", depth, norm ? "-bn" : ""), norm ? vgg_norm : vgg,
                norm ? nn::he_options{} : without_norms, [depth, norm](const image_size& images, dim_t classes) {
                    return models::vgg(depth, {.classes = classes, .image = images.height, .batch_norm = norm});
                });
    for (const bool norm : {false, true})
        add(norm ? "googlenet-bn" : "googlenet", inception, norm ? nn::he_options{} : without_norms,
            [norm](const image_size& images, dim_t classes) {
                return models::googlenet({.classes = classes, .image = images.height, .batch_norm = norm});
            });
    add("squeezenet", inception, without_norms, [](const image_size& images, dim_t classes) {
        return models::squeezenet({.classes = classes, .image = images.height});
    });
    return list;
}

const std::vector<network_choice>& networks() {
    static const std::vector<network_choice> list = all_networks();
    return list;
}

/// The names of those that take such images, in lines.
std::string names_of(const image_size& images, const char* indent) {
    std::string text, line;
    for (const network_choice& n : networks()) {
        if (!(n.takes == images)) continue;
        if (line.size() + n.name.size() > 70) {
            text += line + "\n" + indent;
            line.clear();
        }
        line += (line.empty() ? "" : " ") + n.name;
    }
    return text + line;
}

} // namespace

std::string image_size::to_string() const { return intaglio::join(height, " x ", width, " x ", channels); }

const network_choice& find_network(const std::string& name) {
    const auto found =
        std::find_if(networks().begin(), networks().end(), [&](const network_choice& n) { return n.name == name; });
    intaglio::require<intaglio::value_error>(found != networks().end(), "no network is called '", name, "'; there are ",
                                             names_of({8, 8, 1}, ""), ' ', names_of({}, ""), ' ',
                                             names_of({32, 32, 3}, ""), ' ', names_of(photographs, ""));
    return *found;
}

std::string describe_networks() {
    return "Networks, by the images that they take (height x width x channels):\n  8 x 8 x 1      " +
           names_of({8, 8, 1}, "                 ") + "\n  any small      " + names_of({}, "                 ") +
           "\n  32 x 32 x 3    " + names_of({32, 32, 3}, "                 ") + "\n  224 x 224 x 3  " +
           names_of(photographs, "                 ") + "\n";
}

} // namespace training
