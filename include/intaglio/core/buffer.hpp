// SPDX-License-Identifier: Apache-2.0
#pragma once

// Owned memory for numbers. Kernels ask two things of it that std::vector does not give: it starts on a cache line (a
// tile load that crosses one costs twice as much), and a whole register may be read at the last element, because zero
// bytes follow it.

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/memory_pool.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// Asks a buffer to leave its elements unset, where all of them are written right away.
struct uninitialized_t {};
inline constexpr uninitialized_t uninitialized{};

/// `size()` elements, 64-byte aligned and zero-filled, with `slack` readable zero bytes after the last one.
/// A default-constructed or moved-from buffer is empty and owns nothing; buffer(0) is empty and owns its slack.
template <class T>
class buffer {
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>,
                  "buffer<T>: elements are plain numbers or structs of them; use std::vector for other types");

public:
    using value_type = T;
    static constexpr std::size_t alignment = detail::memory_pool::alignment;
    static constexpr std::size_t slack = 128; ///< bytes

    buffer() = default;

    /// Throws shape_error on a negative or unrepresentable size, std::bad_alloc when memory is short.
    explicit buffer(dim_t size) : buffer(size, uninitialized) {
        if (size > 0) std::memset(static_cast<void*>(data_), 0, bytes());
    }
    buffer(dim_t size, uninitialized_t) {
        constexpr dim_t largest =
            (std::numeric_limits<dim_t>::max() - static_cast<dim_t>(slack)) / static_cast<dim_t>(sizeof(T));
        require(size >= 0 && size <= largest, "buffer: ", size, " elements of ", sizeof(T),
                " bytes can't be allocated");
        const std::size_t payload = static_cast<std::size_t>(size) * sizeof(T);
        void* memory = detail::memory_pool::shared().take(payload + slack);
        std::memset(static_cast<std::byte*>(memory) + payload, 0, slack);
        data_ = static_cast<T*>(memory);
        size_ = size;
    }
    explicit buffer(std::span<const T> values) : buffer(static_cast<dim_t>(values.size()), uninitialized) {
        std::copy(values.begin(), values.end(), data_);
    }

    buffer(const buffer& other) : buffer(other.span()) {}
    buffer(buffer&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    buffer& operator=(buffer other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~buffer() {
        if (data_) detail::memory_pool::shared().give(data_, bytes() + slack);
    }

    dim_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    /// Size of the elements, without the slack.
    std::size_t bytes() const noexcept { return static_cast<std::size_t>(size_) * sizeof(T); }

    T* data() noexcept { return data_; }
    const T* data() const noexcept { return data_; }
    T* begin() noexcept { return data_; }
    const T* begin() const noexcept { return data_; }
    T* end() noexcept { return data_ + size_; }
    const T* end() const noexcept { return data_ + size_; }

    T& operator[](dim_t i) noexcept { return data_[i]; }
    const T& operator[](dim_t i) const noexcept { return data_[i]; }

    std::span<T> span() noexcept { return {data_, static_cast<std::size_t>(size_)}; }
    std::span<const T> span() const noexcept { return {data_, static_cast<std::size_t>(size_)}; }

private:
    T* data_ = nullptr;
    dim_t size_ = 0;
};

} // namespace intaglio::inline INTAGLIO_ABI
