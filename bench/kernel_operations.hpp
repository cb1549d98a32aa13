// SPDX-License-Identifier: Apache-2.0
#pragma once

// The generic texts behind kernel_table.hpp: each turns plain structs into the library's views, calls the library, and
// turns an exception into an outcome. Included by the units that are compiled once for each arch, and by nothing else.

#include <array>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <type_traits>

#include "intaglio/conv/forward.hpp"
#include "intaglio/conv/input_gradient.hpp"
#include "intaglio/conv/weight_gradient.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/gemm/gemm.hpp"
#include "intaglio/gemm/presets.hpp"
#include "kernel_table.hpp"

namespace kernel_tables::INTAGLIO_ARCH {

using namespace ::intaglio;

/// The pool of a thread count, made on first use and kept until the program ends.
inline executor_ref pool_of(int threads) {
    if (threads == 1) return {};
    static std::mutex guard;
    static std::array<std::unique_ptr<thread_pool>, 65> pools;
    require<value_error>(threads > 1 && threads < static_cast<int>(pools.size()), "kernel table: ", threads,
                         " threads; ask for 1 to 64");
    const std::lock_guard lock(guard);
    auto& pool = pools[static_cast<std::size_t>(threads)];
    if (!pool) pool = std::make_unique<thread_pool>(threads);
    return *pool;
}

inline void report(outcome& result, outcome::kinds kind, const char* text) {
    result.kind = kind;
    std::strncpy(result.text, text, sizeof result.text - 1);
    result.text[sizeof result.text - 1] = '\0';
}

/// Runs `body`; an exception becomes an outcome.
template <class Body>
void guarded(outcome& result, const Body& body) noexcept {
    result.kind = outcome::ok;
    result.text[0] = '\0';
    try {
        body();
    } catch (const shape_error& e) {
        report(result, outcome::shape_error, e.what());
    } catch (const value_error& e) {
        report(result, outcome::value_error, e.what());
    } catch (const std::exception& e) {
        report(result, outcome::other_error, e.what());
    } catch (...) {
        report(result, outcome::other_error, "an unknown exception");
    }
}

template <class View>
View view_of(const operand_data& o) {
    View view;
    using values = decltype(view.values);
    using element = std::remove_pointer_t<decltype(view.values.data())>;
    view.values = values(static_cast<element*>(o.values), o.rows, o.cols, o.row_stride, o.col_stride);
    view.scale = o.scale;
    view.scales = {static_cast<const typename View::scale_type*>(o.scales), static_cast<std::size_t>(o.scale_count)};
    view.plane_stride = o.plane_stride;
    return view;
}

inline conv_geometry geometry_of(const conv_shape& s) {
    return {s.batch,    s.height,   s.width, s.in_channels, s.out_channels, s.kernel_h,   s.kernel_w,
            s.stride_h, s.stride_w, s.pad_h, s.pad_w,       s.dilation_h,   s.dilation_w, s.groups};
}
inline conv_form form_of(const conv_shape& s) {
    return {.how = static_cast<algorithm>(s.algorithm), .largest = s.largest, .or_direct = true};
}

template <class T>
matrix_view<T> matrix_of(const output_data& out) {
    return {static_cast<T*>(out.values), out.rows, out.cols, out.row_stride, out.col_stride};
}
template <class T>
quantized_view<T> quantized_of(const output_data& out) {
    return {matrix_of<T>(out), out.inverse_scale};
}

/// Which outputs of an operation are instantiated. Each costs compile time, so a policy has what its users and tests
/// need.
enum output_set : unsigned {
    raw = 1,     ///< none -> totals, where the total is integral
    real = 2,    ///< none -> floats
    fused = 4,   ///< bias_relu -> uint8, normalized -> int16: what inference and training write
    variety = 8, ///< none -> int8, bias_relu -> floats, normalized -> floats
};

/// Calls run(out, epilogue) with the types that the call asks for. Returns false where they are not in `Outputs`.
template <GemmPolicy P, unsigned Outputs, class Run>
bool with_output(const output_data& out, const stage_data& stages, const Run& run) {
    const auto none = stages.kind == stage_data::none, bias_relu = stages.kind == stage_data::bias_relu;
    const auto normalized = stages.kind == stage_data::normalized;
    if constexpr ((Outputs & raw) && std::is_integral_v<typename P::total>)
        if (none && out.kind == output_data::totals) return run(matrix_of<typename P::total>(out), epilogue<>{}), true;
    if constexpr (Outputs & real)
        if (none && out.kind == output_data::floats) return run(matrix_of<float>(out), epilogue<>{}), true;
    if constexpr (Outputs & (fused | variety)) {
        const auto columns = static_cast<std::size_t>(out.cols);
        const epilogue with_bias{bias{{stages.bias, columns}}, relu{}};
        const epilogue with_norm{scale_shift{{stages.scale, columns}, {stages.shift, columns}},
                                 add{matrix_view<const float>(stages.residual, out.rows, out.cols)}, relu{},
                                 max_magnitude{stages.max_magnitude}};
        if constexpr (Outputs & fused) {
            if (bias_relu && out.kind == output_data::uint8)
                return run(quantized_of<std::uint8_t>(out), with_bias), true;
            if (normalized && out.kind == output_data::int16)
                return run(quantized_of<std::int16_t>(out), with_norm), true;
        }
        if constexpr (Outputs & variety) {
            if (none && out.kind == output_data::int8) return run(quantized_of<std::int8_t>(out), epilogue<>{}), true;
            if (bias_relu && out.kind == output_data::floats) return run(matrix_of<float>(out), with_bias), true;
            if (normalized && out.kind == output_data::floats) return run(matrix_of<float>(out), with_norm), true;
        }
    }
    return false;
}

constexpr rhs_storage storage_of(storage stored) {
    return stored == storage::fast    ? rhs_storage::fast
           : stored == storage::small ? rhs_storage::small
                                      : rhs_storage::smallest;
}

/// The operations on one policy.
template <GemmPolicy P>
struct operations {
    using lhs_storage = typename P::lhs::storage;
    using rhs_storage = typename P::rhs::storage;

    template <unsigned Outputs, class Run>
    static void run_with_output(const output_data& out, const stage_data& stages, outcome& result,
                                const Run& run) noexcept {
        guarded(result, [&] {
            if (!with_output<P, Outputs>(out, stages, run))
                report(result, outcome::unsupported, "this output and epilogue aren't in the table");
        });
    }

    static void* pack(const operand_data& rhs, storage stored, int threads, outcome& result) noexcept {
        void* packed = nullptr;
        guarded(result, [&] {
            packed = new packed_rhs<P>(pack_rhs<P>(view_of<rhs_view<P>>(rhs), storage_of(stored), pool_of(threads)));
        });
        return packed;
    }
    static std::ptrdiff_t bytes(const void* packed) noexcept {
        return static_cast<const packed_rhs<P>*>(packed)->bytes();
    }
    static void release(void* packed) noexcept { delete static_cast<packed_rhs<P>*>(packed); }

    template <unsigned Outputs>
    static void multiply(const gemm_call& call, outcome& result) noexcept {
        run_with_output<Outputs>(call.out, call.stages, result, [&](const auto& out, const auto& stages) {
            const auto lhs = view_of<lhs_view<P>>(call.lhs);
            if (call.packed)
                gemm<P>(lhs, *static_cast<const packed_rhs<P>*>(call.packed), out, stages, pool_of(call.threads));
            else
                gemm<P>(lhs, view_of<rhs_view<P>>(call.rhs), out, stages, pool_of(call.threads));
        });
    }

    static void* pack_filter(const conv_shape& shape, const operand_data& filter, storage stored, int threads,
                             outcome& result) noexcept {
        void* packed = nullptr;
        guarded(result, [&] {
            packed = new packed_filter<P>(::intaglio::pack_filter<P>(geometry_of(shape), view_of<rhs_view<P>>(filter),
                                                                     storage_of(stored), pool_of(threads), {},
                                                                     form_of(shape)));
        });
        return packed;
    }
    static void release_filter(void* packed) noexcept { delete static_cast<packed_filter<P>*>(packed); }

    /// A dense operand of `size` numbers.
    template <class Format>
    static auto dense(const void* values, std::ptrdiff_t size) {
        using element = typename Format::storage;
        return std::span(static_cast<const element*>(values),
                         static_cast<std::size_t>(::intaglio::detail::stored_planes<Format> * size));
    }
    static auto input(const conv_geometry& g, const void* values) {
        return dense<typename P::lhs::format>(values, g.in_pixels() * g.in_channels);
    }
    static auto filters(const conv_geometry& g, const void* values) {
        return dense<typename P::rhs::format>(values, g.out_channels * g.filter_size());
    }
    static auto gradient(const conv_geometry& g, const void* values) {
        return dense<typename P::lhs::format>(values, g.out_pixels() * g.out_channels);
    }

    template <unsigned Outputs>
    static void forward(const conv_call& call, outcome& result) noexcept {
        run_with_output<Outputs>(call.out, call.stages, result, [&](const auto& out, const auto& stages) {
            const conv_geometry g = geometry_of(call.shape);
            conv_forward<P>(g, input(g, call.lhs), call.lhs_scale, *static_cast<const packed_filter<P>*>(call.packed),
                            out, stages, pool_of(call.threads));
        });
    }
    static void* pack_gradient_filter(const conv_shape& shape, const void* filter, double scale, int threads,
                                      outcome& result) noexcept {
        void* packed = nullptr;
        guarded(result, [&] {
            const conv_geometry g = geometry_of(shape);
            packed = new packed_gradient_filter<P>(::intaglio::pack_gradient_filter<P>(
                g, filters(g, filter), scale, pool_of(threads), {}, form_of(shape)));
        });
        return packed;
    }
    static void release_gradient_filter(void* packed) noexcept {
        delete static_cast<packed_gradient_filter<P>*>(packed);
    }

    static void input_gradient(const conv_call& call, outcome& result) noexcept {
        run_with_output<raw | real>(call.out, call.stages, result, [&](const auto& out, const auto& stages) {
            const conv_geometry g = geometry_of(call.shape);
            const auto d_out = gradient(g, call.lhs);
            if (call.packed)
                conv_input_gradient<P>(g, d_out, call.lhs_scale,
                                       *static_cast<const packed_gradient_filter<P>*>(call.packed), out, stages,
                                       pool_of(call.threads));
            else
                conv_input_gradient<P>(g, d_out, call.lhs_scale, filters(g, call.rhs), call.rhs_scale, out, stages,
                                       pool_of(call.threads));
        });
    }
    static void weight_gradient(const conv_call& call, outcome& result) noexcept {
        run_with_output<raw | real>(call.out, call.stages, result, [&](const auto& out, const epilogue<>&) {
            const conv_geometry g = geometry_of(call.shape);
            conv_weight_gradient<P>(g, input(g, call.lhs), call.lhs_scale, gradient(g, call.rhs), call.rhs_scale, out,
                                    pool_of(call.threads), nullptr, form_of(call.shape));
        });
    }
};

/// Products alone.
template <GemmPolicy P, unsigned Outputs = raw | real>
constexpr kernel products(const char* policy) {
    using o = operations<P>;
    kernel k{};
    k.policy = policy;
    k.pack = o::pack;
    k.bytes = o::bytes;
    k.release = o::release;
    k.gemm = o::template multiply<Outputs>;
    k.fused = (Outputs & fused) != 0;
    return k;
}

/// Products and the forward convolution, which takes any lhs that shares one scale.
template <GemmPolicy P, unsigned Outputs = raw | real, unsigned ConvOutputs = Outputs>
constexpr kernel products_and_forward(const char* policy) {
    using o = operations<P>;
    kernel k = products<P, Outputs>(policy);
    k.pack_filter = o::pack_filter;
    k.release_filter = o::release_filter;
    k.conv_forward = o::template forward<ConvOutputs>;
    return k;
}

/// Products and all three passes of the convolution.
template <GemmPolicy P, unsigned Outputs = raw | real, unsigned ConvOutputs = Outputs>
constexpr kernel all_passes(const char* policy) {
    using o = operations<P>;
    kernel k = products_and_forward<P, Outputs, ConvOutputs>(policy);
    k.pack_gradient_filter = o::pack_gradient_filter;
    k.release_gradient_filter = o::release_gradient_filter;
    k.conv_input_gradient = o::input_gradient;
    k.conv_weight_gradient = o::weight_gradient;
    return k;
}

template <std::size_t N>
constexpr kernel_list list_of(const kernel (&kernels)[N]) {
    return {kernels, N};
}

} // namespace kernel_tables::INTAGLIO_ARCH
