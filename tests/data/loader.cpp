// SPDX-License-Identifier: Apache-2.0
#include "intaglio/data/loader.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "intaglio/data/synthetic.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"

namespace intaglio::data {
namespace {

const transform jittered{{padded_crop{2, 9, 8}, mirror{}, colour_jitter{0.2f, 0.2f, 0.2f}}, imagenet_values()};

loader_options training(int threads, int depth, dim_t first = 0) {
    return {.batch = 4,
            .transform = jittered,
            .shuffle = true,
            .seed = 7,
            .first = first,
            .threads = threads,
            .depth = depth};
}

/// A set one of whose images can't be read.
struct broken_images : synthetic_images {
    dim_t broken;
    broken_images(dim_t which) : synthetic_images(23, 9, 8, 3, 5), broken(which) {}
    image_view image(dim_t i, data::image& memory) const {
        if (i == broken) fail<file_error>(name(i), ": ends at offset 17");
        return synthetic_images::image(i, memory);
    }
};

} // namespace

TEST_CASE("batches are the same for any number of threads, any depth and any beginning", "[exact]") {
    const synthetic_images images(23, 9, 8, 3, 5);
    const image_set set = synthetic_set(images);
    loader expected(set, training(1, 1));
    REQUIRE(expected.batches_per_epoch() == 5);
    REQUIRE(expected.shape() == extents{4, 9, 8, 3});
    std::vector<std::unique_ptr<loader>> others;
    for (const int threads : {1, 2, 3, 8})
        others.push_back(std::make_unique<loader>(images, training(threads, threads + 1)));
    std::set<std::vector<dim_t>> orders;
    for (dim_t n = 0; n < 17; ++n) {
        const batch& e = expected.next();
        REQUIRE((e.number == n && e.epoch == n / 5 && e.count == 4));
        orders.insert(e.which);
        for (auto& other : others) {
            const batch& b = other->next();
            REQUIRE((b.number == n && b.epoch == n / 5 && b.which == e.which && b.labels == e.labels));
            REQUIRE(std::equal(b.images.begin(), b.images.end(), e.images.begin()));
        }
        if (n == 13 || n == 4) {
            loader resumed(set, training(2, 3, n));
            const batch& b = resumed.next();
            REQUIRE((b.number == n && b.which == e.which));
            REQUIRE(std::equal(b.images.begin(), b.images.end(), e.images.begin()));
        }
        for (std::size_t i = 0; i < 4; ++i) REQUIRE(e.labels[i] == set.label(e.which[i]));
    }
    REQUIRE(orders.size() == 17); // epochs differ
    REQUIRE(expected.times().batches == 17);
}

TEST_CASE("an epoch has each image once", "[unit]") {
    const auto order = epoch_order(1000, 3, 2);
    REQUIRE(std::set<dim_t>(order.begin(), order.end()).size() == 1000);
    REQUIRE(
        (*std::min_element(order.begin(), order.end()) == 0 && *std::max_element(order.begin(), order.end()) == 999));
    REQUIRE(order != epoch_order(1000, 3, 1));
    REQUIRE(order != epoch_order(1000, 4, 2));
    REQUIRE(epoch_order(0, 1, 0).empty());
    const synthetic_images images(20, 4, 4, 1, 2);
    loader batches(images, {.batch = 5, .shuffle = true, .epochs = 2, .threads = 2});
    for (int epoch = 0; epoch < 2; ++epoch) {
        std::set<dim_t> seen;
        for (int i = 0; i < 4; ++i) {
            const batch& b = batches.next();
            seen.insert(b.which.begin(), b.which.end());
        }
        REQUIRE(seen.size() == 20);
    }
    REQUIRE(!batches.has_next());
}

TEST_CASE("an evaluation sees every image in order, and the last batch may be part full", "[unit]") {
    const image_set set = synthetic_set({11, 4, 6, 3, 3});
    loader batches(set, {.batch = 4, .transform = {{}, {1, {0}, {1}}}, .epochs = 1, .threads = 2});
    dim_t next = 0;
    while (batches.has_next()) {
        const batch& b = batches.next();
        REQUIRE(b.count == std::min<dim_t>(4, 11 - next));
        for (dim_t i = 0; i < 4; ++i) {
            const auto place = static_cast<std::size_t>(i);
            const bool there = i < b.count;
            REQUIRE(b.which[place] == (there ? next : -1));
            REQUIRE(b.labels[place] == (there ? set.label(next) : -1));
            for (dim_t p = 0; p < 72; ++p)
                REQUIRE(b.images[i * 72 + p] == (there ? static_cast<float>(set.image(next).pixels[p]) : 0.0f));
            next += there;
        }
    }
    REQUIRE(next == 11);
    REQUIRE(mentions<value_error>([&] { batches.next(); }, "batch 3", "the last one is 2"));
}

TEST_CASE("an image that can't be read is told in its place, and again", "[unit]") {
    for (const int threads : {1, 3}) {
        const broken_images images(14);
        loader batches(images, {.batch = 4, .threads = threads, .depth = 2});
        for (int i = 0; i < 3; ++i) REQUIRE(batches.next().number == i);
        for (int i = 0; i < 2; ++i)
            REQUIRE(mentions<file_error>([&] { batches.next(); }, "synthetic image 14", "offset 17"));
    }
    const broken_images first(0);
    REQUIRE(mentions<file_error>([&] { loader(first, {.batch = 4}); }, "synthetic image 0")); // before any training
}

TEST_CASE("what can't work is refused before any training", "[unit]") {
    const synthetic_images images(5, 4, 4, 3, 2);
    REQUIRE(mentions<value_error>([&] { loader(images, {.batch = 0}); }, "a batch of 0"));
    REQUIRE(mentions<value_error>([&] { loader(images, {.batch = 6, .shuffle = true}); }, "5 images", "at least 6"));
    REQUIRE(mentions<shape_error>(
        [&] {
            loader(images, {.batch = 2, .transform = {{centre_crop{5, 5}}, {}}});
        },
        "synthetic image 0", "5 x 5", "4 x 4"));
    REQUIRE(mentions<value_error>(
        [&] {
            loader(images, {.batch = 2, .transform = {{}, {1, {1, 2}, {1}}}});
        },
        "2 means", "3 channels"));
    REQUIRE(loader(images, {.batch = 6, .epochs = 1}).next().count == 5);
}

TEST_CASE("images of other sizes are told by name", "[unit]") {
    struct growing : synthetic_images {
        growing() : synthetic_images(6, 4, 4, 1, 2) {}
        image_view image(dim_t i, data::image& memory) const {
            memory.resize(4 + i / 3, 4, 1);
            for (dim_t y = 0; y < 4 + i / 3; ++y) std::fill_n(memory.row(y), 4, std::uint8_t{1});
            return memory;
        }
    };
    const growing images;
    loader batches(images, {.batch = 3});
    REQUIRE(batches.next().count == 3);
    REQUIRE(mentions<shape_error>([&] { batches.next(); }, "synthetic image 3", "5 x 4", "4 x 4"));
}

TEST_CASE("a loader may be left at any moment", "[unit]") {
    const synthetic_images images(64, 32, 32, 3, 2);
    for (int taken = 0; taken < 6; ++taken) {
        loader batches(images, {.batch = 8, .shuffle = true, .threads = 3, .depth = 2});
        for (int i = 0; i < taken; ++i) batches.next();
    }
    SUCCEED();
}

TEST_CASE("a loader works ahead and tells how long it was waited for", "[unit]") {
    const synthetic_images images(8, 8, 8, 3, 2);
    loader batches(images, {.batch = 2, .depth = 3});
    batches.next();
    while (batches.times().worked == 0) std::this_thread::yield();
    for (int i = 0; i < 50; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        batches.next();
    }
    const loader_times t = batches.times();
    REQUIRE(t.batches == 51);
    REQUIRE((t.first >= 0 && t.waited >= t.first && t.worked > 0));
}

} // namespace intaglio::data
