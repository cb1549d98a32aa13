// SPDX-License-Identifier: Apache-2.0
#pragma once

// What happens to an image before it is trained or evaluated on: steps on bytes, each with torchvision's meaning, then
// normalization to floats.
//
//   transform t = imagenet_training(224);                   // random_resized_crop, mirror
//   t.steps.push_back(colour_jitter{0.4f, 0.4f, 0.4f});
//
// Every random choice is a function of (seed, epoch, image, how many choices of this image came before): the same image
// of the same epoch always looks the same, whichever thread prepares it and in whatever order, on every machine.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/data/image.hpp"
#include "intaglio/data/resize.hpp"
#include "intaglio/numeric/random.hpp"

namespace intaglio::inline INTAGLIO_ABI::data {

/// A part of height x width at a random place of the image with a frame of `padding` black pixels around it.
struct padded_crop {
    dim_t padding, height, width;
};
/// Left and right exchanged, with this probability.
struct mirror {
    float probability = 0.5f;
};
/// A random part of the image, resized to height x width: of a share of its area, uniform from least to most, and of a
/// ratio of width to height, uniform in its logarithm. Ten tries to find one that fits, then the largest part in the
/// middle whose ratio is allowed.
struct random_resized_crop {
    dim_t height, width;
    float least_area = 0.08f, most_area = 1;
    float least_ratio = 3.0f / 4, most_ratio = 4.0f / 3;
};
/// The shorter side to `size` pixels, the other one in proportion, rounded down.
struct resize_shorter {
    dim_t size;
};
/// Both sides, whatever the image's proportions.
struct resize_to {
    dim_t height, width;
};
/// The part in the middle. The image must be as large.
struct centre_crop {
    dim_t height, width;
};
/// Brightness, contrast and saturation times a factor, each uniform in 1 - x .. 1 + x, in random order. An image of one
/// channel has no saturation.
struct colour_jitter {
    float brightness = 0, contrast = 0, saturation = 0;
};

using transform_step =
    std::variant<padded_crop, mirror, random_resized_crop, resize_shorter, resize_to, centre_crop, colour_jitter>;

/// Byte v of channel c becomes (v * scale - mean[c]) / deviation[c]. One number stands for all channels.
struct normalization {
    float scale = 1.0f / 255;
    std::vector<float> mean{0}, deviation{1};
};

struct transform {
    std::vector<transform_step> steps;
    normalization values;
};

/// The statistics of ImageNet's training images, which most published networks, CIFAR's included, are normalized by.
inline normalization imagenet_values() { return {1.0f / 255, {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}}; }
inline transform cifar10_training() { return {{padded_crop{4, 32, 32}, mirror{}}, imagenet_values()}; }
inline transform cifar10_evaluation() { return {{}, imagenet_values()}; }
inline transform imagenet_training(dim_t size = 224) {
    return {{random_resized_crop{size, size}, mirror{}}, imagenet_values()};
}
inline transform imagenet_evaluation(dim_t size = 224, dim_t shorter = 256) {
    return {{resize_shorter{shorter}, centre_crop{size, size}}, imagenet_values()};
}

/// The random choices of one image of an epoch.
class choices {
public:
    choices(std::uint64_t seed, std::uint64_t epoch, dim_t image) noexcept
        : seed_(seed), stream_(purpose | epoch), next_(static_cast<std::uint64_t>(image) << 10) {}

    /// Uniform in [0, 1).
    float unit() noexcept { return random_uniform(seed_, stream_, next_++); }
    float uniform(float least, float most) noexcept { return least + (most - least) * unit(); }
    /// Uniform in 0 .. bound - 1, for 1 <= bound < 2^32.
    dim_t below(dim_t bound) noexcept {
        return random_below(static_cast<std::uint32_t>(bound), seed_, stream_, next_++);
    }

private:
    static constexpr std::uint64_t purpose = std::uint64_t{0xDA7A'0001} << 32; // streams of nobody else
    std::uint64_t seed_, stream_, next_;
};

namespace detail {

/// x^u for u in [0, 1), a multiple of 2^-24, from square roots, which are exact to the last bit on every machine where
/// the C library's pow is not.
inline double power_of_unit(double x, float u) {
    const auto bits = static_cast<std::uint32_t>(u * 0x1p24f);
    double result = 1;
    for (int b = 23; b >= 0; --b) {
        x = std::sqrt(x);
        if (bits >> b & 1) result *= x;
    }
    return result;
}

inline std::uint8_t to_byte(float v) {
    return static_cast<std::uint8_t>(std::min(std::max(v, 0.0f), 255.0f)); // rounded down, as Pillow's blend does
}

/// ITU-R 601 luma, as Pillow's "L".
inline int grey(const std::uint8_t* p) {
    return static_cast<int>((p[0] * 19595u + p[1] * 38470u + p[2] * 7471u + 0x8000u) >> 16);
}

/// v = other + factor (v - other), for each channel of each pixel.
template <class Other>
void blend(image& i, float factor, Other other) {
    const image_view v = i;
    for (dim_t y = 0; y < v.height; ++y)
        for (dim_t x = 0; x < v.width; ++x) {
            std::uint8_t* const p = i.row(y) + x * v.channels;
            const float o = other(p);
            for (dim_t c = 0; c < v.channels; ++c) p[c] = to_byte(o + factor * (static_cast<float>(p[c]) - o));
        }
}
inline void change_brightness(image& i, float factor) {
    blend(i, factor, [](const std::uint8_t*) { return 0.0f; });
}
/// Around the mean of the grey image, rounded to a whole number as Pillow does.
inline void change_contrast(image& i, float factor) {
    const image_view v = i;
    std::int64_t sum = 0;
    for (dim_t y = 0; y < v.height; ++y)
        for (dim_t x = 0; x < v.width; ++x) sum += v.channels == 3 ? grey(v.pixel(y, x)) : *v.pixel(y, x);
    const dim_t n = std::max<dim_t>(v.height * v.width, 1);
    blend(i, factor, [mean = static_cast<float>((2 * sum + n) / (2 * n))](const std::uint8_t*) { return mean; });
}
/// Of three channels.
inline void change_saturation(image& i, float factor) {
    blend(i, factor, [](const std::uint8_t* p) { return static_cast<float>(grey(p)); });
}

} // namespace detail

/// Runs transforms; one for each thread, since it keeps the memory of the last image.
class transformer {
public:
    /// Runs the steps. The result lies in `from` or in this object, until the next call. shape_error where a crop is
    /// larger than the image.
    image_view run(const std::vector<transform_step>& steps, image_view from, choices random) {
        for (const transform_step& step : steps)
            from = std::visit([&](const auto& s) { return apply(s, from, random); }, step);
        return from;
    }

private:
    /// The memory that `from` does not lie in.
    image& fresh(const image_view& from) { return memory_[0].owns(from) ? memory_[1] : memory_[0]; }

    image_view apply(const padded_crop& s, const image_view& from, choices& random) {
        require(s.height >= 1 && s.width >= 1 && s.padding >= 0 && s.height <= from.height + 2 * s.padding &&
                    s.width <= from.width + 2 * s.padding,
                "padded_crop: ", s.height, " x ", s.width, " of an image of ", from.height, " x ", from.width,
                " with a frame of ", s.padding);
        const dim_t top = random.below(from.height + 2 * s.padding - s.height + 1) - s.padding;
        const dim_t left = random.below(from.width + 2 * s.padding - s.width + 1) - s.padding;
        image& into = fresh(from);
        into.resize(s.height, s.width, from.channels);
        const dim_t first = std::clamp<dim_t>(-left, 0, s.width); // output columns that show the image
        const dim_t last = std::clamp<dim_t>(from.width - left, first, s.width), c = from.channels;
        for (dim_t y = 0; y < s.height; ++y) {
            std::uint8_t* const row = into.row(y);
            if (y + top < 0 || y + top >= from.height) {
                std::fill_n(row, s.width * c, std::uint8_t{0});
                continue;
            }
            std::fill_n(row, first * c, std::uint8_t{0});
            if (first < last) std::copy_n(from.pixel(y + top, left + first), (last - first) * c, row + first * c);
            std::fill_n(row + last * c, (s.width - last) * c, std::uint8_t{0});
        }
        return into;
    }

    image_view apply(const mirror& s, const image_view& from, choices& random) {
        if (random.unit() >= s.probability) return from;
        image& into = fresh(from);
        into.resize(from.height, from.width, from.channels);
        for (dim_t y = 0; y < from.height; ++y)
            for (dim_t x = 0; x < from.width; ++x)
                std::copy_n(from.pixel(y, from.width - 1 - x), from.channels, into.row(y) + x * from.channels);
        return into;
    }

    image_view apply(const random_resized_crop& s, const image_view& from, choices& random) {
        require<value_error>(s.least_area > 0 && s.least_area <= s.most_area && s.least_ratio > 0 &&
                                 s.least_ratio <= s.most_ratio,
                             "random_resized_crop: areas ", s.least_area, " to ", s.most_area, ", ratios ",
                             s.least_ratio, " to ", s.most_ratio);
        const double area = static_cast<double>(from.height * from.width),
                     spread = double{s.most_ratio} / double{s.least_ratio};
        for (int attempt = 0; attempt < 10; ++attempt) {
            const double target = area * double{random.uniform(s.least_area, s.most_area)};
            const double ratio = double{s.least_ratio} * detail::power_of_unit(spread, random.unit());
            const auto width = static_cast<dim_t>(std::sqrt(target * ratio) + 0.5);
            const auto height = static_cast<dim_t>(std::sqrt(target / ratio) + 0.5);
            if (width < 1 || height < 1 || width > from.width || height > from.height) continue;
            const dim_t top = random.below(from.height - height + 1), left = random.below(from.width - width + 1);
            return resized(from.part(top, left, height, width), s.height, s.width);
        }
        dim_t height = from.height, width = from.width;
        const double ratio = static_cast<double>(width) / static_cast<double>(height);
        if (ratio < double{s.least_ratio})
            height = std::clamp<dim_t>(static_cast<dim_t>(static_cast<double>(width) / double{s.least_ratio} + 0.5), 1,
                                       height);
        else if (ratio > double{s.most_ratio})
            width = std::clamp<dim_t>(static_cast<dim_t>(static_cast<double>(height) * double{s.most_ratio} + 0.5), 1,
                                      width);
        return resized(from.part((from.height - height) / 2, (from.width - width) / 2, height, width), s.height,
                       s.width);
    }

    image_view apply(const resize_shorter& s, const image_view& from, choices&) {
        const dim_t shorter = std::max<dim_t>(std::min(from.height, from.width), 1);
        return resized(from, std::max<dim_t>(from.height * s.size / shorter, 1),
                       std::max<dim_t>(from.width * s.size / shorter, 1));
    }
    image_view apply(const resize_to& s, const image_view& from, choices&) { return resized(from, s.height, s.width); }

    image_view apply(const centre_crop& s, const image_view& from, choices&) {
        require(s.height >= 1 && s.width >= 1 && s.height <= from.height && s.width <= from.width,
                "centre_crop: ", s.height, " x ", s.width, " of an image of ", from.height, " x ", from.width);
        // torchvision rounds half a pixel to the even side
        const auto half = [](dim_t n) { return n / 2 + (n % 2 != 0 && n / 2 % 2 != 0 ? 1 : 0); };
        return from.part(half(from.height - s.height), half(from.width - s.width), s.height, s.width);
    }

    image_view apply(const colour_jitter& s, const image_view& from, choices& random) {
        const float brightness = random.uniform(1 - s.brightness, 1 + s.brightness);
        const float contrast = random.uniform(1 - s.contrast, 1 + s.contrast);
        const float saturation = random.uniform(1 - s.saturation, 1 + s.saturation);
        int order[] = {0, 1, 2};
        std::swap(order[2], order[random.below(3)]);
        std::swap(order[1], order[random.below(2)]);
        image& into = fresh(from);
        into.resize(from.height, from.width, from.channels);
        for (dim_t y = 0; y < from.height; ++y) std::copy_n(from.row(y), from.width * from.channels, into.row(y));
        for (const int which : order) {
            if (which == 0 && s.brightness > 0) detail::change_brightness(into, brightness);
            if (which == 1 && s.contrast > 0) detail::change_contrast(into, contrast);
            if (which == 2 && s.saturation > 0 && from.channels == 3) detail::change_saturation(into, saturation);
        }
        return into;
    }

    image_view resized(const image_view& from, dim_t height, dim_t width) {
        require(from.height >= 1 && from.width >= 1 && height >= 1 && width >= 1, "resize: an image of ", from.height,
                " x ", from.width, " to ", height, " x ", width);
        if (from.height == height && from.width == width) return from;
        image& into = fresh(from);
        resizer_.resize(from, height, width, into);
        return into;
    }

    image memory_[2];
    resizer resizer_;
};

/// The floats of every byte and channel, tabled.
class normalizer {
public:
    /// value_error unless there is one mean and one deviation above 0, or one for each channel.
    normalizer(const normalization& values, dim_t channels) : table_(static_cast<std::size_t>(256 * channels)) {
        const auto count = static_cast<std::size_t>(channels);
        const auto fits = [&](std::size_t size) { return size == 1 || size == count; };
        require<value_error>(fits(values.mean.size()) && fits(values.deviation.size()),
                             "normalization: ", values.mean.size(), " means and ", values.deviation.size(),
                             " deviations for ", channels, " channels");
        for (std::size_t c = 0; c < count; ++c) {
            const float mean = values.mean[values.mean.size() == 1 ? 0 : c];
            const float deviation = values.deviation[values.deviation.size() == 1 ? 0 : c];
            require<value_error>(deviation > 0, "normalization: a deviation of ", deviation);
            for (std::size_t v = 0; v < 256; ++v)
                table_[v * count + c] = (static_cast<float>(v) * values.scale - mean) / deviation;
        }
    }

    /// Writes (height, width, channels) floats. The image must have the channels that the table is for.
    void write(const image_view& from, float* out) const {
        const auto count = static_cast<std::size_t>(from.channels);
        for (dim_t y = 0; y < from.height; ++y) {
            const std::uint8_t* at = from.row(y);
            for (dim_t x = 0; x < from.width; ++x)
                for (std::size_t c = 0; c < count; ++c) *out++ = table_[*at++ * count + c];
        }
    }

private:
    std::vector<float> table_; ///< (256, channels)
};

} // namespace intaglio::inline INTAGLIO_ABI::data
