// SPDX-License-Identifier: Apache-2.0
#pragma once

// Batches of images, read, augmented and normalized in the background, so that whoever trains does not wait for them.
//
//   loader batches(set, {.batch = 128, .transform = cifar10_training(), .shuffle = true, .seed = 1});
//   for (dim_t step = 0; step < steps; ++step) train_on(batches.next());
//
// A loader goes on through the epochs, and at the end of one prepares the next. Batch n is always the same, whatever
// the number of threads and whatever was asked for before it: it depends on the seed and on n alone. So a run that is
// resumed at step n asks for `first = n`.
//
// Each of its threads takes the next batch that nobody has taken and fills a slot of its own; at most `depth` batches
// wait. An exception of a thread, which names the image, is thrown again by `next` in the place of the batch that it
// belongs to, and by each later call.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/extents.hpp"
#include "intaglio/data/image_set.hpp"
#include "intaglio/data/transform.hpp"
#include "intaglio/numeric/random.hpp"
#include "intaglio/tensor/tensor.hpp"

namespace intaglio::inline INTAGLIO_ABI::data {

/// What a network gets: images (batch, height, width, channels) as floats and their labels.
struct batch {
    tensor<float> images;
    std::vector<std::int32_t> labels;
    std::vector<dim_t> which; ///< the images' numbers in the set
    dim_t count = 0; ///< how many there are; in the last batch of an evaluation perhaps fewer than `images` has
                     ///< room for, the rest is 0 and has the label -1
    dim_t epoch = 0, number = 0; ///< of the batch, counted from the first one of the first epoch
};

struct loader_options {
    dim_t batch = 32;
    data::transform transform = {};
    bool shuffle = false; ///< another order in each epoch; images that fill no batch are left out of it
    std::uint64_t seed = 1;
    dim_t first = 0;                  ///< number of the batch to begin with
    std::optional<dim_t> epochs = {}; ///< after so many, counted from the first one, there is no next batch
    int threads = 1;
    int depth = 4; ///< batches prepared in advance, all threads together
};

/// How well a loader keeps up.
struct loader_times {
    dim_t batches = 0; ///< that `next` gave
    double waited = 0; ///< seconds that `next` waited in all
    double first = 0;  ///< of those, for the first batch: nobody can be ahead of it
    double worked = 0; ///< seconds that the threads prepared batches, added up
};

/// The images 0 .. size - 1 in the random order of an epoch.
inline std::vector<dim_t> epoch_order(dim_t size, std::uint64_t seed, dim_t epoch) {
    constexpr std::uint64_t purpose = std::uint64_t{0xDA7A'0000} << 32; // streams of nobody else
    std::vector<dim_t> order(static_cast<std::size_t>(size));
    std::iota(order.begin(), order.end(), dim_t{0});
    for (std::size_t i = order.size(); i > 1; --i)
        std::swap(
            order[i - 1],
            order[random_below(static_cast<std::uint32_t>(i), seed, purpose | static_cast<std::uint64_t>(epoch), i)]);
    return order;
}

class loader {
public:
    /// Prepares the first image, so that a set or a transform that can't work throws here. The set must outlive the
    /// loader. value_error or shape_error for options that don't fit.
    loader(image_source set, loader_options options) : set_(set), options_(std::move(options)) {
        const auto& o = options_;
        require<value_error>(o.batch >= 1 && o.first >= 0 && o.threads >= 1 && o.threads <= 1024 && o.depth >= 1 &&
                                 o.depth <= 1024,
                             "loader: a batch of ", o.batch, ", ", o.threads, " threads and ", o.depth,
                             " batches in advance, from batch ", o.first);
        require<value_error>(set_.size() >= (o.shuffle ? o.batch : 1) &&
                                 set_.size() <= std::numeric_limits<std::int32_t>::max(),
                             "loader: ", set_.size(), " images, expected at least ", o.shuffle ? o.batch : 1);
        per_epoch_ = o.shuffle ? set_.size() / o.batch : (set_.size() + o.batch - 1) / o.batch;
        end_ = o.epochs ? checked_product({*o.epochs, per_epoch_}) : std::numeric_limits<dim_t>::max();
        next_ = taken_ = o.first;

        transformer work;
        image memory;
        const image_view one = transformed(0, 0, work, memory);
        height_ = one.height, width_ = one.width, channels_ = one.channels;
        normalizer_.emplace(o.transform.values, channels_);

        slots_.resize(static_cast<std::size_t>(o.depth + 1)); // one that the caller holds
        for (slot& s : slots_) {
            s.content.images = tensor<float>({o.batch, height_, width_, channels_});
            s.content.labels.resize(static_cast<std::size_t>(o.batch));
            s.content.which.resize(static_cast<std::size_t>(o.batch));
        }
        try {
            for (int i = 0; i < o.threads; ++i) threads_.emplace_back([this] { serve(); });
        } catch (...) { // the system has no more threads: stop those that started
            stop();
            throw;
        }
    }
    loader(const loader&) = delete;
    loader& operator=(const loader&) = delete;
    ~loader() { stop(); }

    dim_t batches_per_epoch() const noexcept { return per_epoch_; }
    /// Of a batch's images.
    extents shape() const { return {options_.batch, height_, width_, channels_}; }

    /// Whether there is another batch: always, unless the epochs were limited.
    bool has_next() const noexcept { return next_ < end_; }

    /// The next batch, good until the next call. Waits for it if it must; value_error if there is none.
    const batch& next() {
        require<value_error>(has_next(), "loader: batch ", next_, " was asked for, the last one is ", end_ - 1);
        std::unique_lock lock(mutex_);
        if (failure_) std::rethrow_exception(failure_);
        if (held_) { // the caller is done with it
            held_->state = slot::state::empty;
            held_ = nullptr;
            room_.notify_one();
        }
        slot& s = slot_of(next_);
        const auto begin = std::chrono::steady_clock::now();
        ready_.wait(lock, [&] { return s.state == slot::state::full && s.content.number == next_; });
        const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - begin;
        times_.waited += waited.count();
        if (times_.batches++ == 0) times_.first = waited.count();
        if (s.failure) {
            failure_ = s.failure;
            std::rethrow_exception(failure_);
        }
        held_ = &s;
        ++next_;
        return s.content;
    }

    loader_times times() const {
        const std::lock_guard lock(mutex_);
        return times_;
    }

private:
    struct slot {
        enum class state { empty, filling, full };
        batch content;
        std::exception_ptr failure;
        slot::state state = slot::state::empty;
    };

    slot& slot_of(dim_t number) { return slots_[static_cast<std::size_t>(number) % slots_.size()]; }

    void serve() noexcept {
        transformer work;
        image memory;
        for (std::unique_lock lock(mutex_);;) {
            // batches are taken in order, so the slot of the first one not taken is the next to become free
            room_.wait(lock,
                       [&] { return stopping_ || (taken_ < end_ && slot_of(taken_).state == slot::state::empty); });
            if (stopping_) return;
            const dim_t number = taken_++;
            slot& s = slot_of(number);
            s.state = slot::state::filling;
            room_.notify_one(); // the slot after it may be free too
            lock.unlock();
            const auto begin = std::chrono::steady_clock::now();
            try {
                fill(s.content, number, work, memory);
            } catch (...) {
                s.failure = std::current_exception();
            }
            const std::chrono::duration<double> worked = std::chrono::steady_clock::now() - begin;
            lock.lock();
            times_.worked += worked.count();
            s.state = slot::state::full;
            ready_.notify_one();
        }
    }

    image_view transformed(dim_t which, dim_t epoch, transformer& work, image& memory) {
        const image_view from = set_.image(which, memory); // whose faults name the file
        try {
            return work.run(options_.transform.steps, from,
                            choices(options_.seed, static_cast<std::uint64_t>(epoch), which));
        } catch (const shape_error& fault) {
            fail<shape_error>(set_.name(which), ": ", fault.what());
        }
    }

    void fill(batch& b, dim_t number, transformer& work, image& memory) {
        b.number = number;
        b.epoch = number / per_epoch_;
        const dim_t begin = number % per_epoch_ * options_.batch;
        b.count = std::min(options_.batch, set_.size() - begin);
        const auto order = options_.shuffle ? order_of(b.epoch) : nullptr;
        const dim_t size = height_ * width_ * channels_;
        for (dim_t i = 0; i < b.count; ++i) {
            const dim_t which = order ? (*order)[static_cast<std::size_t>(begin + i)] : begin + i;
            b.which[static_cast<std::size_t>(i)] = which;
            b.labels[static_cast<std::size_t>(i)] = set_.label(which);
            const image_view v = transformed(which, b.epoch, work, memory);
            require(v.height == height_ && v.width == width_ && v.channels == channels_, "loader: ", set_.name(which),
                    " is ", v.height, " x ", v.width, " x ", v.channels, " after the transform, the first image ",
                    height_, " x ", width_, " x ", channels_, "; add a step that resizes or crops");
            normalizer_->write(v, b.images.data() + i * size);
        }
        std::fill(b.images.begin() + b.count * size, b.images.end(), 0.0f);
        std::fill(b.labels.begin() + b.count, b.labels.end(), -1);
        std::fill(b.which.begin() + b.count, b.which.end(), -1);
    }

    /// Threads may be in two epochs at once.
    std::shared_ptr<const std::vector<dim_t>> order_of(dim_t epoch) {
        const std::lock_guard lock(order_mutex_);
        auto& [known, order] = orders_[epoch % 2];
        if (!order || known != epoch) {
            order = std::make_shared<const std::vector<dim_t>>(epoch_order(set_.size(), options_.seed, epoch));
            known = epoch;
        }
        return order;
    }

    void stop() noexcept {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        room_.notify_all();
        for (std::thread& t : threads_) t.join();
    }

    image_source set_;
    loader_options options_;
    dim_t height_ = 0, width_ = 0, channels_ = 0;
    std::optional<normalizer> normalizer_;
    dim_t per_epoch_ = 0, end_ = 0; ///< in batches
    dim_t next_ = 0;                ///< what the caller gets next

    mutable std::mutex mutex_; ///< of what follows
    std::condition_variable room_, ready_;
    std::vector<slot> slots_; ///< batch n in slot n mod size
    dim_t taken_ = 0;         ///< the first batch that no thread has taken
    slot* held_ = nullptr;    ///< by the caller
    std::exception_ptr failure_;
    bool stopping_ = false;
    loader_times times_;

    std::mutex order_mutex_;
    std::pair<dim_t, std::shared_ptr<const std::vector<dim_t>>> orders_[2];

    std::vector<std::thread> threads_;
};

} // namespace intaglio::inline INTAGLIO_ABI::data
