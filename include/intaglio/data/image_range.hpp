// SPDX-License-Identifier: Apache-2.0
#pragma once

// Consecutive images of a set, as a set: to test on some and train on the others where a set has no parts of its own,
// or to train on fewer.

#include <cstdint>
#include <span>
#include <string>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/data/image_set.hpp"

namespace intaglio::inline INTAGLIO_ABI::data {

struct image_range {
    image_source set; ///< whose set must outlive this one
    dim_t first = 0, count = 0;
    std::span<const std::string> classes;

    /// value_error unless the set has them all.
    image_range(image_source of, dim_t from, dim_t images)
        : set(of), first(from), count(images), classes(of.classes()) {
        require<value_error>(from >= 0 && images >= 0 && from <= of.size() - images, "image_range: images ", from,
                             " to ", from + images, " of a set of ", of.size());
    }

    dim_t size() const noexcept { return count; }
    std::int32_t label(dim_t i) const { return set.label(first + i); }
    image_view image(dim_t i, data::image& memory) const { return set.image(first + i, memory); }
    std::string name(dim_t i) const { return set.name(first + i); }
};

} // namespace intaglio::inline INTAGLIO_ABI::data
