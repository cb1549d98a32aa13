// SPDX-License-Identifier: Apache-2.0

#include "data_choice.hpp"

#include <filesystem>
#include <utility>

#include "data_formats.hpp"
#include "intaglio/data/cifar10.hpp"
#include "intaglio/data/digits.hpp"
#include "intaglio/data/idx.hpp"
#include "intaglio/data/image_folder.hpp"
#include "intaglio/data/image_range.hpp"
#include "intaglio/data/synthetic.hpp"

namespace training {
namespace {

namespace data = intaglio::data;
namespace fs = std::filesystem;

/// Two sets that live together.
template <class Set>
opened_data pair_of(std::string kind, Set train, Set test) {
    const auto both = std::make_shared<const std::pair<Set, Set>>(std::move(train), std::move(test));
    opened_data opened{std::move(kind), both, {}, {}, {}, {}};
    opened.train.emplace(both->first);
    if (both->second.size() > 0) opened.test.emplace(both->second);
    return opened;
}

opened_data open_images(const std::string& folder, const image_size& images, dim_t shorter_side,
                        intaglio::executor_ref exec) {
    const auto formats = data_formats::images();
    const fs::path root(folder);
    intaglio::require<intaglio::file_error>(fs::is_directory(root), folder,
                                            ": is no folder; --data takes one with a folder of images for each class, "
                                            "with train and val that have those, or with a labels.txt");
    intaglio::require<intaglio::file_error>(
        !formats.empty(), folder,
        ": this program was built without TurboJPEG and libpng (Debian: libturbojpeg0-dev, libpng-dev)");
    const auto classes_of = [&](const fs::path& at) { return data::image_folder::of_classes(at.string(), formats); };
    opened_data opened;
    if (fs::exists(root / "labels.txt")) {
        const auto set = std::make_shared<const data::image_folder>(
            data::image_folder::of_list((root / "labels.txt").string(), folder, formats));
        set->check(data::image_check::headers, exec);
        opened = {"images", set, *set, {}, {}, {}};
    } else if (fs::is_directory(root / "train")) {
        auto train = classes_of(root / "train");
        const fs::path test_folder = root / (fs::is_directory(root / "val") ? "val" : "test");
        intaglio::require<intaglio::file_error>(fs::is_directory(test_folder), folder,
                                                ": has a folder 'train' but neither 'val' nor 'test'");
        auto test = classes_of(test_folder);
        intaglio::require<intaglio::file_error>(train.classes == test.classes, test_folder.string(), ": its ",
                                                test.classes.size(), " classes are not the ", train.classes.size(),
                                                " of 'train'");
        train.check(data::image_check::headers, exec);
        test.check(data::image_check::headers, exec);
        opened = pair_of("images", std::move(train), std::move(test));
    } else {
        const auto set = std::make_shared<const data::image_folder>(classes_of(root));
        set->check(data::image_check::headers, exec);
        opened = {"images", set, *set, {}, {}, {}};
    }
    opened.augmented = data::imagenet_training(images.height);
    opened.plain = data::imagenet_evaluation(images.height, shorter_side);
    return opened;
}

opened_data open_synthetic(const image_size& images, dim_t classes) {
    const dim_t count = std::max<dim_t>(1280, 2 * classes), tested = images.height < 64 ? 320 : 32;
    struct parts {
        data::synthetic_images all;
        data::image_range train, test;
        parts(data::synthetic_images set, dim_t first, dim_t second)
            : all(std::move(set)), train(all, 0, first), test(all, first, second) {}
        parts(const parts&) = delete; // its ranges look at `all`
        parts& operator=(const parts&) = delete;
    };
    const auto set = std::make_shared<const parts>(
        data::synthetic_images(count + tested, images.height, images.width, images.channels, classes), count, tested);
    opened_data opened{"synthetic", set, set->train, set->test, {}, {}};
    opened.plain.values = {1.0f / 255, {0.5f}, {0.25f}};
    opened.augmented = opened.plain;
    return opened;
}

} // namespace

data_request parse_data(const std::string& text) {
    const std::size_t colon = text.find(':');
    const std::string kind = text.substr(0, colon), path = colon == text.npos ? "" : text.substr(colon + 1);
    for (const char* known : {"cifar10", "fashion", "digits", "synthetic", "images"})
        if (kind == known) {
            intaglio::require<intaglio::value_error>(kind != "images" || !path.empty(),
                                                     "--data images: where are they? Give images:DIR");
            return {kind, path};
        }
    intaglio::require<intaglio::value_error>(
        fs::exists(text) || (colon == text.npos && text.find('/') != text.npos), "--data ", text,
        ": is neither a folder nor one of cifar10:DIR, fashion:DIR, digits:FILE, images:DIR, synthetic");
    return {"images", text};
}

image_size size_of(const data_request& request) {
    if (request.kind == "cifar10") return {32, 32, 3};
    if (request.kind == "fashion") return {28, 28, 1};
    if (request.kind == "digits") return {8, 8, 1};
    return {};
}

opened_data open_data(const data_request& request, const image_size& images, dim_t classes, dim_t shorter_side,
                      intaglio::executor_ref exec) {
    const auto codecs = data_formats::codecs();
    if (request.kind == "synthetic") return open_synthetic(images, classes);
    if (request.kind == "images") return open_images(request.path, images, shorter_side, exec);
    opened_data opened;
    if (request.kind == "cifar10") {
        auto split = data::read_cifar10(data::data_folder(request.path, "cifar10"), codecs);
        opened = pair_of("cifar10", std::move(split.train), std::move(split.test));
        opened.augmented = data::cifar10_training();
        opened.plain = data::cifar10_evaluation();
    } else if (request.kind == "fashion") {
        auto split = data::read_fashion_mnist(data::data_folder(request.path, "fashion-mnist"), codecs);
        opened = pair_of("fashion", std::move(split.train), std::move(split.test));
        opened.plain.values = {1.0f / 255, {0.286f}, {0.353f}}; // of the training images
        opened.augmented = {{data::padded_crop{2, 28, 28}, data::mirror{}}, opened.plain.values};
    } else {
        const std::string file = request.path.empty() ? DIGITS_FILE : request.path;
        const auto split = data::split_digits(data::read_digits(file, codecs));
        opened = pair_of("digits", data::to_image_set(split.train), data::to_image_set(split.test));
        opened.plain.values = {1.0f / data::digits::max_value, {0}, {1}};
        opened.augmented = {{data::padded_crop{1, 8, 8}}, opened.plain.values};
    }
    return opened;
}

std::string describe_data() {
    return R"(Data:
  cifar10:DIR    CIFAR-10, binary version, as it is, .gz or .xz; crops and mirror images
  fashion:DIR    Fashion-MNIST's four files, as they are, .gz or .xz (Debian: dataset-fashion-mnist)
  digits:FILE    8 x 8 digits as comma-separated numbers; default: those of this source tree
  DIR            JPEG and PNG images: a folder for each class, or train and val (test) with those, or a labels.txt
  synthetic      images that are a formula: nothing to download, for speed and for tests
  Without :DIR it is the folder cifar10 or fashion-mnist of the one that INTAGLIO_DATA names.
)";
}

} // namespace training
