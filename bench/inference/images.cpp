// SPDX-License-Identifier: Apache-2.0

#include "inference/images.hpp"

#include <filesystem>

#include "data_formats.hpp"
#include "intaglio/data/cifar10.hpp"
#include "intaglio/data/image_folder.hpp"
#include "intaglio/data/loader.hpp"
#include "intaglio/numeric/random.hpp"

namespace intaglio::inline INTAGLIO_ABI {

namespace {

labelled_images first_images(const data::image_source& set, const data::transform& how, dim_t count, int threads) {
    labelled_images list;
    data::loader batches(set, {.batch = 50, .transform = how, .epochs = 1, .threads = threads});
    while (std::ssize(list.labels) < count && batches.has_next()) {
        const data::batch& b = batches.next();
        const dim_t wanted = std::min(b.count, count - std::ssize(list.labels)), size = b.images.size() / b.count;
        list.images.insert(list.images.end(), b.images.begin(), b.images.begin() + wanted * size);
        list.labels.insert(list.labels.end(), b.labels.begin(), b.labels.begin() + wanted);
    }
    return list;
}

} // namespace

std::optional<labelled_images> read_images(const inference_network& network, const std::string& sets,
                                           const extents& one, dim_t count, int threads) {
    const std::filesystem::path folder = std::filesystem::path(sets) / (network.cifar ? "cifar10" : "imagenet-samples");
    const data::normalization values{network.scale, network.mean, network.deviation};
    if (network.cifar) {
        const auto codecs = data_formats::codecs();
        for (const char* const name : {"test_batch.bin", "test_first5000.bin"}) {
            const std::string file = (folder / name).string();
            if (data::find_packed_file(file, codecs).empty()) continue;
            return first_images(data::read_cifar10_file(file, codecs), {{}, values}, count, threads);
        }
        return std::nullopt;
    }
    const auto formats = data_formats::images();
    if (!std::filesystem::exists(folder / "labels.txt") || formats.empty()) return std::nullopt;
    const auto set = data::image_folder::of_list((folder / "labels.txt").string(), folder.string(), formats);
    data::transform how = data::imagenet_evaluation(one[1], one[1]);
    how.values = values;
    return first_images(set, how, count, threads);
}

std::vector<float> random_images(const extents& shape) {
    std::vector<float> images(static_cast<std::size_t>(shape.size()));
    for (std::size_t i = 0; i < images.size(); ++i) images[i] = 4 * random_uniform(1, 0, i) - 2;
    return images;
}

} // namespace intaglio::inline INTAGLIO_ABI
