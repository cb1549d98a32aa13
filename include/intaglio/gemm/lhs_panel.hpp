// SPDX-License-Identifier: Apache-2.0
#pragma once

// The left-hand side as the kernel reads it: a panel of a tile's rows, by a few strides, wherever it lies: in the
// caller's matrix, in a copy (pack_lhs.hpp), or in an image whose windows overlap (patch.hpp).

#include <algorithm>
#include <limits>

#include "intaglio/core/config.hpp"
#include "intaglio/core/division.hpp"

namespace intaglio::inline INTAGLIO_ABI::detail {

/// Element k of the reduction lies in the image for some row of a panel of windows if first <= k % period < end. Others
/// are zeros for all of its rows.
struct live_elements {
    dim_t period = 1, first = 0, end = 1;
};

/// A panel of lhs as the kernel reads it: element k of row i starts at data + i * row_stride + (k - first) * k_scale, a
/// step of the atom further on at + step_stride, and the next plane at + plane_stride.
///
/// The windows of a convolution are read from an image: there the reduction falls into segments of `segment_length`,
/// one for each row of taps (or each tap, or each image), and segment g starts at data + segments[g]. What is zeros for
/// all rows is passed over, in whole steps of the atom (unless floats say otherwise: product_call::zeros_vanish).
template <class Digit>
struct lhs_panel {
    const Digit* data = nullptr;
    dim_t row_stride = 0;
    dim_t step_stride = 0;
    dim_t k_scale = 1;
    dim_t plane_stride = 0;
    dim_t first = 0;
    const dim_t* segments = nullptr; ///< nullptr: one segment
    dim_t segment_length = 0;
    live_elements live = {};
};

/// Walks the pieces of one range of the reduction after the other that lie evenly in memory, but for zeros: `for
/// (walk.begin(plane, k, length); walk.next();)`. A range that begins where the one before ended needs no division.
template <class Digit>
class segment_walk {
public:
    const Digit* data = nullptr; ///< row 0, first element of the piece
    dim_t length = 0;            ///< of the piece
    dim_t offset = 0;            ///< from k to the piece

    INTAGLIO_INLINE explicit segment_walk(const lhs_panel<Digit>& lhs) : lhs_(lhs) {}

    INTAGLIO_INLINE void begin(int plane, dim_t k, dim_t range) {
        left_ = range;
        length = offset = 0;
        if (k != at_ || plane != plane_) seek(plane, k);
    }

    INTAGLIO_INLINE bool next() {
        offset += length;
        while (left_ > 0) {
            if (run_left_ == 0) next_run();
            length = std::min(left_, run_left_);
            data = run_;
            run_ += length * lhs_.k_scale;
            run_left_ -= length;
            left_ -= length;
            at_ += length;
            if (alive_) return true;
            offset += length;
        }
        return false;
    }

private:
    INTAGLIO_INLINE void seek(int plane, dim_t k) {
        at_ = k;
        plane_ = plane;
        run_ = lhs_.data + plane * lhs_.plane_stride;
        if (lhs_.segments) {
            start_ = run_;
            const division segment = divide(k, lhs_.segment_length);
            segment_ = segment.quotient;
            inside_ = segment.remainder;
            place_ = k < lhs_.live.period ? k : divide(k, lhs_.live.period).remainder;
            run_left_ = 0;
        } else {
            run_ += (k - lhs_.first) * lhs_.k_scale;
            run_left_ = std::numeric_limits<dim_t>::max();
        }
    }

    /// Goes to the next elements that lie evenly in memory and are all alive, or all not.
    INTAGLIO_INLINE void next_run() {
        const live_elements& live = lhs_.live;
        alive_ = place_ >= live.first && place_ < live.end;
        run_left_ = std::min(lhs_.segment_length - inside_, (alive_                ? live.end
                                                             : place_ < live.first ? live.first
                                                                                   : live.period) -
                                                                place_);
        run_ = start_ + lhs_.segments[segment_] + inside_;
        if ((inside_ += run_left_) == lhs_.segment_length) {
            inside_ = 0;
            ++segment_;
        }
        if ((place_ += run_left_) == live.period) place_ = 0;
    }

    const lhs_panel<Digit>& lhs_;
    const Digit *start_ = nullptr, *run_ = nullptr;
    int plane_ = 0;
    bool alive_ = true;
    dim_t at_ = -1; ///< where the range before ended: run_left_ elements before the end of a run
    dim_t left_ = 0, run_left_ = 0;
    dim_t segment_ = 0, inside_ = 0; ///< behind the run
    dim_t place_ = 0;                ///< the same, % live.period
};

} // namespace intaglio::inline INTAGLIO_ABI::detail
