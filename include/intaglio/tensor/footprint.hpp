// SPDX-License-Identifier: Apache-2.0
#pragma once

// Whether two operands share memory, as the edge of an operation asks before it writes: by addresses and strides, in a
// few operations. Exact for whole buffers, and for parts of one buffer whose rows lie side by side, as the channels of
// a concatenated tensor do; where strides have nothing in common it says yes too often, never too rarely.

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/tensor/view.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// Memory that elements lie in: `runs` runs of `length` bytes, `stride` bytes apart.
class footprint {
public:
    /// None.
    footprint() = default;
    template <class T>
    explicit footprint(std::span<T> elements) : footprint(matrix_view<T>(elements.data(), 1, std::ssize(elements))) {}
    template <class T>
    explicit footprint(const matrix_view<T>& v) {
        if (v.empty() || !v.data()) return;
        constexpr auto bytes = static_cast<dim_t>(sizeof(T));
        axis outer{v.rows(), v.row_stride() * bytes}, inner{v.cols(), v.col_stride() * bytes};
        if (outer.step() < inner.step()) std::swap(outer, inner);
        first_ = reinterpret_cast<std::uintptr_t>(v.data()) + outer.lowest() + inner.lowest();
        length_ = inner.reach() + bytes;
        stride_ = outer.step();
        if (length_ > stride_) { // one run
            length_ += outer.reach();
            stride_ = 0;
        }
        end_ = first_ + static_cast<std::uintptr_t>(length_ + (stride_ > 0 ? outer.reach() : 0));
    }

    friend bool overlap(const footprint& a, const footprint& b) {
        if (a.first_ >= b.end_ || b.first_ >= a.end_) return false;
        const dim_t period = std::gcd(a.stride_, b.stride_);
        if (period == 0) return true;
        // runs of both, modulo what their strides have in common
        dim_t ahead = static_cast<dim_t>(b.first_ - a.first_) % period;
        if (ahead < 0) ahead += period;
        return ahead < a.length_ || ahead + b.length_ > period;
    }

private:
    /// `count` steps of so many bytes; a single one has no step.
    struct axis {
        dim_t count, bytes;
        dim_t step() const { return count > 1 ? std::max(bytes, -bytes) : 0; }
        dim_t reach() const { return (count - 1) * step(); }
        std::uintptr_t lowest() const { return static_cast<std::uintptr_t>(bytes < 0 ? (count - 1) * bytes : 0); }
    };

    std::uintptr_t first_ = 0, end_ = 0;
    dim_t length_ = 0, stride_ = 0;
};

/// Throws where an operand of an operation lies in the memory that it writes.
inline void require_apart(const char* operation, const char* operand, bool shared) {
    require<value_error>(!shared, operation, ": the output shares memory with ", operand,
                         ", which is read while it is written; give it memory of its own");
}
template <class Read, class Written>
void require_apart(const char* operation, const char* operand, std::span<Read> read, std::span<Written> written) {
    require_apart(operation, operand, overlap(footprint(read), footprint(written)));
}

} // namespace intaglio::inline INTAGLIO_ABI::detail
