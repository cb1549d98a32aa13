// SPDX-License-Identifier: Apache-2.0

#include "testing.hpp"

#include "intaglio/data/loader.hpp"

namespace training {

std::optional<intaglio::train::score> test(model& m, const session& s, const std::function<bool()>& stop,
                                           const std::function<void(dim_t, dim_t)>& told) {
    const intaglio::data::image_source& images = s.data.tested();
    intaglio::data::loader batches(images, {.batch = s.how.batch,
                                            .transform = s.data.plain,
                                            .seed = s.asked.seed,
                                            .epochs = 1,
                                            .threads = s.asked.loader_threads});
    dim_t done = 0;
    bool stopped = false;
    const auto score = m.evaluate([&]() -> std::optional<test_images> {
        stopped = stop();
        if (stopped || !batches.has_next()) return std::nullopt;
        const intaglio::data::batch& b = batches.next();
        told(done, images.size());
        done += b.count;
        return test_images{b.images.span(), std::span(b.labels).first(static_cast<std::size_t>(b.count))};
    });
    if (stopped) return std::nullopt;
    return score;
}

} // namespace training
