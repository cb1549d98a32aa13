// SPDX-License-Identifier: Apache-2.0
#pragma once

// The product: out(m x n) = lhs(m x k) * rhs(k x n), then an epilogue. One function for every policy. This header
// checks the arguments, in the caller's terms and before any work; driver.hpp has the loops, microkernel.hpp the
// kernel, simd/register_tile.hpp its inner loop, simd/atom.hpp the step.
//
//   const auto weights = intaglio::pack_rhs<intaglio::int8_inference>(rhs);               // once
//   intaglio::gemm<intaglio::int8_inference>(lhs, weights, out, epilogue{bias{b}, relu{}}, pool);
//
// `out` is a matrix_view<float>, a matrix_view of the policy's integral total (the raw exact sums; no stages then), or
// a quantized_view. The result has the same bits for every number of threads, blocking and instruction set.

#include "intaglio/gemm/driver.hpp"
#include "intaglio/gemm/pack_rhs.hpp"
#include "intaglio/gemm/presets.hpp"

namespace intaglio::inline INTAGLIO_ABI {

namespace detail {

/// Throws unless `out` is m x n and can be written, and the stages fit it. Returns the memory that is written.
template <class P, class Out, class... Stages>
footprint check_output(const char* name, const Out& out, dim_t m, dim_t n, const epilogue<Stages...>& stages) {
    using traits = output_traits<Out>;
    static_assert(
        !traits::raw || std::is_same_v<typename traits::stored, typename P::total>,
        "gemm: an integral output takes the policy's raw totals; its element type must be the policy's total");
    static_assert(!traits::raw || epilogue<Stages...>::empty,
                  "gemm: raw totals pass no epilogue; store floats or a quantized_view, or drop the stages");
    const auto& view = traits::view(out);
    require(view.rows() == m && view.cols() == n, name, ": the output is ", view.rows(), " x ", view.cols(),
            ", the product is ", m, " x ", n);
    require<value_error>(view.data() || m == 0 || n == 0, name, ": the output is ", m, " x ", n,
                         " but its pointer is null");
    const footprint memory(view);
    stage_site site{m, n, memory, {}};
    if constexpr (std::is_same_v<typename traits::stored, float>) site.output = view;
    stages.check(site);
    return memory;
}

} // namespace detail

/// out = lhs * rhs with a packed rhs. Throws shape_error where sizes do not fit and value_error for null pointers, an
/// output that shares memory with lhs or with what a stage reads (but for `add`), or elements outside their format (lhs
/// of a proven_chain policy may be any int16); `out` is untouched then. With `check` each chain is shadowed in int64
/// (audit.hpp).
template <GemmPolicy P, class Arch = simd::native_arch, class Out, class... Stages>
void gemm(const lhs_view<P>& lhs, const packed_rhs<P, Arch>& rhs, Out out,
          const epilogue<Stages...>& stages = epilogue<Stages...>{}, executor_ref exec = {}, audit* check = nullptr) {
    detail::check_operand("lhs", lhs, lhs.values.rows(), lhs.values.cols());
    require(lhs.values.cols() == rhs.k(), "gemm: lhs is ", lhs.values.rows(), " x ", lhs.values.cols(), ", rhs is ",
            rhs.k(), " x ", rhs.n(), "; lhs needs as many columns as rhs has rows");
    const detail::footprint written = detail::check_output<P>("gemm", out, lhs.values.rows(), rhs.n(), stages);
    detail::require_apart("gemm", "lhs", detail::overlaps(lhs, written));
    const detail::matrix_source<typename P::lhs::storage> source(lhs.values, lhs.plane_stride);
    const detail::output_target<Out, epilogue<Stages...>> to{out, stages};
    detail::multiply<P, Arch>(source, lhs.scale, lhs.scales, rhs, to, exec, check);
}

/// out = lhs * rhs, packing rhs first.
template <GemmPolicy P, class Arch = simd::native_arch, class Out, class... Stages>
void gemm(const lhs_view<P>& lhs, const rhs_view<P>& rhs, Out out,
          const epilogue<Stages...>& stages = epilogue<Stages...>{}, executor_ref exec = {}, audit* check = nullptr) {
    require(lhs.values.cols() == rhs.values.rows(), "gemm: lhs is ", lhs.values.rows(), " x ", lhs.values.cols(),
            ", rhs is ", rhs.values.rows(), " x ", rhs.values.cols(), "; lhs needs as many columns as rhs has rows");
    detail::check_operand("lhs", lhs, lhs.values.rows(), lhs.values.cols());
    detail::check_output<P>("gemm", out, lhs.values.rows(), rhs.values.cols(), stages);
    gemm<P, Arch>(lhs, pack_rhs<P, Arch>(rhs, rhs_storage::fast, exec), out, stages, exec, check);
}

} // namespace intaglio::inline INTAGLIO_ABI
