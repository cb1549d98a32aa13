// SPDX-License-Identifier: Apache-2.0
#pragma once

// Labelled images: a set that is in memory, and the interface through which a loader (loader.hpp) reads any set, those
// that read or compute an image only when it is asked for (image_folder.hpp, synthetic.hpp) included.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/data/image.hpp"

namespace intaglio::inline INTAGLIO_ABI::data {

/// Images of one size, in memory.
struct image_set {
    dim_t height = 0, width = 0, channels = 0;
    std::vector<std::uint8_t> pixels; ///< (images, height, width, channels)
    std::vector<std::int32_t> labels; ///< 0 .. classes - 1, one for each image
    std::vector<std::string> classes; ///< their names

    dim_t size() const noexcept { return static_cast<dim_t>(labels.size()); }
    dim_t image_size() const noexcept { return height * width * channels; } ///< in bytes
    std::int32_t label(dim_t i) const noexcept { return labels[static_cast<std::size_t>(i)]; }
    image_view image(dim_t i) const noexcept {
        return {pixels.data() + i * image_size(), height, width, channels, width * channels};
    }
    image_view image(dim_t i, data::image&) const noexcept { return image(i); }
    std::string name(dim_t i) const { return join("image ", i); }

    /// Adds the images of another one. shape_error unless sizes and classes are the same, or this one is empty.
    void append(const image_set& more) {
        if (labels.empty()) {
            *this = more;
            return;
        }
        require(more.height == height && more.width == width && more.channels == channels && more.classes == classes,
                "image_set: images of ", height, " x ", width, " x ", channels, " in ", classes.size(),
                " classes, appended are ", more.height, " x ", more.width, " x ", more.channels, " in ",
                more.classes.size());
        pixels.insert(pixels.end(), more.pixels.begin(), more.pixels.end());
        labels.insert(labels.end(), more.labels.begin(), more.labels.end());
    }
};

struct image_split {
    image_set train, test;
};

/// What a loader asks of a set. Several threads call it at once.
template <class S>
concept ImageSource = requires(const S& set, dim_t i, image& memory) {
    { set.size() } -> std::convertible_to<dim_t>;
    { set.label(i) } -> std::convertible_to<std::int32_t>;
    { set.image(i, memory) } -> std::convertible_to<image_view>; ///< in `memory`, or in the set itself
    { set.name(i) } -> std::convertible_to<std::string>;         ///< for messages
    { set.classes } -> std::convertible_to<std::span<const std::string>>;
};

/// Any set without its type; the set must outlive it.
class image_source {
public:
    template <ImageSource S>
        requires(!std::is_same_v<S, image_source>)
    image_source(const S& set)
    noexcept
        : set_(std::addressof(set)), classes_(set.classes), size_(static_cast<dim_t>(set.size())),
          label_([](const void* s, dim_t i) { return static_cast<std::int32_t>(static_cast<const S*>(s)->label(i)); }),
          image_([](const void* s, dim_t i, data::image& memory) -> image_view {
              return static_cast<const S*>(s)->image(i, memory);
          }),
          name_([](const void* s, dim_t i) -> std::string { return static_cast<const S*>(s)->name(i); }) {}

    dim_t size() const noexcept { return size_; }
    std::span<const std::string> classes() const noexcept { return classes_; }
    std::int32_t label(dim_t i) const { return label_(set_, i); }
    image_view image(dim_t i, data::image& memory) const { return image_(set_, i, memory); }
    std::string name(dim_t i) const { return name_(set_, i); }

private:
    const void* set_;
    std::span<const std::string> classes_;
    dim_t size_;
    std::int32_t (*label_)(const void*, dim_t);
    image_view (*image_)(const void*, dim_t, data::image&);
    std::string (*name_)(const void*, dim_t);
};

} // namespace intaglio::inline INTAGLIO_ABI::data
