// SPDX-License-Identifier: Apache-2.0
#pragma once

// The weight gradient of a convolution. pass.hpp compares the three passes.

#include <span>
#include <vector>

#include "intaglio/conv/line_source.hpp"
#include "intaglio/conv/pass.hpp"
#include "intaglio/conv/winograd_choice.hpp"
#include "intaglio/conv/winograd_gradient.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/gemm/product_in_parts.hpp"

namespace intaglio::inline INTAGLIO_ABI {

namespace detail {

/// What the rows of a weight gradient's product are, and whether lhs is read pixel by pixel, along columns, or as lines
/// (line_source.hpp).
enum class gradient_rows { filters_by_pixel, filters_by_line, channels_by_line, channels_by_pixel };

/// Where rows are filters the output is written in its own order. With a single tap they may be, unless that means to
/// pack the much larger operand; with more, where the window has no stride, unless that fills panels of `cols` columns
/// worse or filters lie so that taps are no rows. Very short lines are not worth the transposition, and where chains
/// show in the result (`ordered`) the zeros between lines would shift them.
inline gradient_rows choose_gradient_rows(const conv_geometry& g, dim_t cols, bool taps_are_rows, bool ordered) {
    const dim_t filters = g.group_out_channels(), channels = g.group_in_channels(), taps = g.kernel_h * g.kernel_w;
    const auto fill = [&](dim_t count) {
        return static_cast<double>(count) / static_cast<double>(std::max<dim_t>(1, round_up(count, cols)));
    };
    if (taps == 1)
        return g.pad_h == 0 && g.pad_w == 0 && g.out_pixels() * (channels - filters) <= 4 * channels * filters
                   ? gradient_rows::filters_by_pixel
                   : gradient_rows::channels_by_pixel;
    if (g.out_width() < 4 || ordered) return gradient_rows::channels_by_pixel;
    return g.stride_h == 1 && g.stride_w == 1 && fill(channels) >= fill(filters) && taps_are_rows
               ? gradient_rows::filters_by_line
               : gradient_rows::channels_by_line;
}

/// The output gradient as it is shifted by taps: window positions are those of the input, without a stride, and taps
/// ascend from the kernel's last.
inline window_axis shifted_axis(dim_t size, dim_t out, dim_t kernel, dim_t pad, dim_t dilation) {
    return {size, out, kernel, pad - (kernel - 1) * dilation, 1, dilation};
}

/// A weight gradient whose arguments were checked: one product a group.
template <GemmPolicy P, class Arch, class T>
class weight_gradient_run {
    using storage = typename P::lhs::storage;
    using traits = kernel_traits<P, Arch>;

public:
    /// One of the two images.
    struct operand {
        const char* name;
        const storage* data;
        double scale;
        dim_t batch, height, width, channels, group_channels;

        dim_t pixels() const { return batch * height * width; }
        image_view<storage> image(dim_t group) const {
            return {data, batch, height, width, channels, group * group_channels, group_channels};
        }
    };

    weight_gradient_run(const conv_geometry& g, const storage* x, double x_scale, const storage* d_out,
                        double d_out_scale, const matrix_view<T>& d_filter, executor_ref exec, audit* check)
        : g_(g), x_{"the input", x, x_scale, g.batch, g.height, g.width, g.in_channels, g.group_in_channels()},
          d_out_{"the output gradient", d_out,         d_out_scale,    g.batch,
                 g.out_height(),        g.out_width(), g.out_channels, g.group_out_channels()},
          d_filter_(d_filter), exec_(exec), check_(check),
          rows_(choose_gradient_rows(g, traits::cols, d_filter.row_stride() % std::max<dim_t>(1, tap_stride()) == 0,
                                     traits::float_total && !traits::floats)) {}

    /// By Winograd's products; operands were looked at. False where the direct form should write them: with `or_direct`
    /// alone.
    bool run_winograd(bool or_direct) const {
        const float_environment scope;
        const winograd_grid x_grid = forward_grid(g_);
        winograd_grid d_out_grid = x_grid;
        d_out_grid.first_y = d_out_grid.first_x = 0;
        for (dim_t group = 0; group < g_.groups; ++group) {
            const matrix_view<T> out = filters_of(group);
            const winograd_gradient_run<P, Arch, T> group_run(x_.image(group), x_grid, d_out_.image(group), d_out_grid,
                                                              x_.scale * d_out_.scale, out, check_);
            if (!group_run.run(exec_, or_direct)) return false;
        }
        return true;
    }

    void run() const {
        const float_environment scope;
        if (g_.out_channels == 0 || g_.filter_size() == 0) return; // there is nothing to write
        require_grouped_lhs<P>(g_, lhs().name, lhs().data, lhs().pixels(), lhs().channels);
        if (g_.groups > 1 || !traits::proven)
            require_dense_range<typename P::rhs::format>(rhs().name, rhs().data, rhs().pixels(), rhs().channels);
        const dim_t images = images_of_part();
        for (dim_t group = 0; group < g_.groups; ++group) {
            if constexpr (sums_in_parts)
                if (images < g_.batch) {
                    run_parts(group, images);
                    continue;
                }
            if (!run_group(group)) {
                weight_gradient_run plain = *this;
                plain.rows_ = gradient_rows::channels_by_pixel;
                plain.run_group(group);
            }
        }
    }

private:
    static constexpr bool sums_in_parts = traits::proven && std::is_same_v<typename traits::total, std::int64_t>;

    /// False where it can't be done so, and nothing was written.
    bool run_group(dim_t group) const {
        const output out = output_of(group);
        return for_each_operand(group, [&](const auto& source, const packed_rhs<P, Arch>& packed) {
            detail::multiply<P, Arch>(source, lhs().scale, {}, packed, out.target(), exec_, check_);
        });
    }

    /// Images that are multiplied at a time: where the output is small, as many as stay in L2 with all that is made of
    /// them, and several parts for each thread; otherwise all.
    dim_t images_of_part() const {
        if constexpr (sums_in_parts) {
            using product = product_in_parts<P, Arch, matrix_view<T>, epilogue<>>;
            const dim_t l2 = cache_sizes::of_this_machine().l2;
            if (product::totals_bytes(product_rows(), rhs().group_channels) > l2 / 3) return g_.batch;
            const auto bytes = [](const operand& o, dim_t channels) {
                return o.height * o.width * (o.group_channels + channels) * static_cast<dim_t>(sizeof(storage));
            };
            const dim_t image = bytes(lhs(), lhs().group_channels) +
                                bytes(rhs(), round_up(rhs().group_channels, dim_t{traits::cols})),
                        fit = std::max<dim_t>(1, l2 / 2 / std::max<dim_t>(1, image));
            return std::min(fit, ceil_div(g_.batch, std::max(1, exec_.concurrency())));
        }
        return g_.batch;
    }
    void run_parts(dim_t group, dim_t images) const {
        const output out = output_of(group);
        product_in_parts<P, Arch, matrix_view<T>, epilogue<>> sum(out.target(), product_rows(), rhs().group_channels,
                                                                  std::max(1, exec_.concurrency()));
        exec_.for_each(ceil_div(g_.batch, images), [&](dim_t part, int worker) {
            const weight_gradient_run some = images_from(part * images, std::min(images, g_.batch - part * images));
            some.for_each_operand(group, [&](const auto& source, const packed_rhs<P, Arch>& packed) {
                sum.add(source, lhs().scale, packed, check_, worker);
            });
        });
        sum.finish();
    }
    /// The same of some images, on one thread.
    weight_gradient_run images_from(dim_t first, dim_t count) const {
        weight_gradient_run some = *this;
        some.g_.batch = some.x_.batch = some.d_out_.batch = count;
        some.x_.data += first * x_.height * x_.width * x_.channels;
        some.d_out_.data += first * d_out_.height * d_out_.width * d_out_.channels;
        some.exec_ = {};
        return some;
    }

    bool has_filters_left() const {
        return rows_ == gradient_rows::filters_by_pixel || rows_ == gradient_rows::filters_by_line;
    }
    const operand& lhs() const { return has_filters_left() ? d_out_ : x_; }
    const operand& rhs() const { return has_filters_left() ? x_ : d_out_; }
    /// The filters of a group in the output.
    matrix_view<T> filters_of(dim_t group) const {
        return d_filter_.transposed().columns(group * d_out_.group_channels, d_out_.group_channels).transposed();
    }
    /// From tap to tap in the output.
    dim_t tap_stride() const { return x_.group_channels * d_filter_.col_stride(); }

    dim_t product_rows() const { return g_.kernel_h * g_.kernel_w * lhs().group_channels; }

    /// Where the product of a group goes.
    struct output {
        matrix_view<T> values;
        std::vector<dim_t> rows; ///< of `values`, for each row of the product; empty: in order
        epilogue<> none{};

        output_target<matrix_view<T>, epilogue<>> target() const {
            return {values, none, 0, rows.empty() ? nullptr : rows.data()};
        }
    };
    output output_of(dim_t group) const {
        if (rows_ == gradient_rows::filters_by_pixel) return {filters_of(group), {}};
        if (rows_ != gradient_rows::filters_by_line) return {filters_of(group).transposed(), {}};
        // rows of the product, tap by tap from the last, are those of the output as a matrix of (filter, tap) x
        // channels
        const dim_t taps = g_.kernel_h * g_.kernel_w, filter_rows = d_filter_.row_stride() / tap_stride(),
                    filters = d_out_.group_channels;
        std::vector<dim_t> rows;
        for (dim_t tap = taps; tap-- > 0;)
            for (dim_t o = group * filters; o < (group + 1) * filters; ++o) rows.push_back(o * filter_rows + tap);
        return {matrix_view<T>{d_filter_.data(), g_.out_channels * filter_rows, x_.group_channels, tap_stride(),
                               d_filter_.col_stride()},
                std::move(rows)};
    }

    /// use(source, packed rhs) for the operands of a group's product; false where they can't be multiplied so.
    template <class Use>
    bool for_each_operand(dim_t group, const Use& use) const {
        switch (rows_) {
        case gradient_rows::filters_by_pixel: {
            const std::vector<dim_t> pixels = strided_pixels();
            return use_pixels(group, {d_out_.height, d_out_.height}, {d_out_.width, d_out_.width},
                              pixels.empty() ? nullptr : pixels.data(), use);
        }
        case gradient_rows::filters_by_line:
            return use_lines(group, shifted_axis(g_.height, d_out_.height, g_.kernel_h, g_.pad_h, g_.dilation_h),
                             shifted_axis(g_.width, d_out_.width, g_.kernel_w, g_.pad_w, g_.dilation_w), use);
        case gradient_rows::channels_by_line:
            return use_lines(group, forward_y(g_), forward_x(g_), use);
        case gradient_rows::channels_by_pixel:
            break;
        }
        return use_pixels(group, forward_y(g_), forward_x(g_), nullptr, use);
    }

    /// Of the input, those that a single tap meets, where they are not all.
    std::vector<dim_t> strided_pixels() const {
        std::vector<dim_t> pixels;
        if (g_.stride_h * g_.stride_w > 1)
            for (dim_t b = 0; b < g_.batch; ++b)
                for (dim_t r = 0; r < d_out_.height; ++r)
                    for (dim_t c = 0; c < d_out_.width; ++c)
                        pixels.push_back(((b * g_.height + r * g_.stride_h) * g_.width + c * g_.stride_w) *
                                         g_.in_channels);
        return pixels;
    }

    /// lhs along columns; `offsets`: of the pixels of rhs, if they are not all.
    template <class Use>
    bool use_pixels(dim_t group, const window_axis& y, const window_axis& x, const dim_t* offsets,
                    const Use& use) const {
        const pixel_source source(lhs().image(group), y, x);
        use(source, pack(rhs_rows<storage>{first_of_rhs(group), rhs().channels, 1, offsets}, source.depth()));
        return true;
    }

    /// Lines meet zeros that the scalar text (reference.hpp) has not, in their gaps and around the image that is
    /// shifted, and leave out some that it has. So floats that are not all finite are not multiplied so: false then.
    template <class Use>
    bool use_lines(dim_t group, const window_axis& y, const window_axis& x, const Use& use) const {
        line_source source(lhs().image(group), y, x, traits::k, planes_of_number<typename P::lhs::format>, exec_);
        if (!source.finite()) return false;
        if constexpr (traits::proven) source.template measure<typename traits::atom>(exec_);
        const std::vector<dim_t> offsets = source.rhs_offsets(rhs().channels);
        const std::vector<storage> zeros(static_cast<std::size_t>(rhs().group_channels));
        const auto packed =
            pack(rhs_rows<storage>{first_of_rhs(group), 0, 1, offsets.data(), zeros.data()}, source.depth());
        if (!packed.finite()) return false;
        use(source, packed);
        return true;
    }

    const storage* first_of_rhs(dim_t group) const { return rhs().data + group * rhs().group_channels; }

    packed_rhs<P, Arch> pack(const rhs_rows<storage>& rows, dim_t depth) const {
        rhs_view<P> scale_only;
        scale_only.scale = rhs().scale;
        scale_only.plane_stride = rhs().pixels() * rhs().channels;
        auto packed = detail::pack_rows<P, Arch>(rows, depth, rhs().group_channels, scale_only, exec_);
        require_proven_range<P>(rhs().name, packed.largest(), rhs_rows<storage>{rhs().data, rhs().channels, 1},
                                rhs().pixels(), rhs().channels);
        return packed;
    }

    conv_geometry g_;
    operand x_, d_out_;
    matrix_view<T> d_filter_;
    executor_ref exec_;
    audit* check_;
    gradient_rows rows_;
};

} // namespace detail

/// d_filter(out_channels, kernel_h kernel_w in_channels / groups) = the gradient by the filters, from x and d_out, both
/// dense; planar_bytes plane after plane. Throws shape_error or value_error, `d_filter` untouched, where something does
/// not fit or `d_filter` shares memory with an operand. An operand outside of its format's range is refused; only
/// -32768 is multiplied, exactly, where it is in the operand that stands on the left (pass.hpp). `form`: of which
/// `largest` speaks of both operands.
template <GemmPolicy P, class Arch = simd::native_arch, class T>
void conv_weight_gradient(const conv_geometry& g, std::span<const typename P::lhs::storage> x, double x_scale,
                          std::span<const typename P::rhs::storage> d_out, double d_out_scale, matrix_view<T> d_filter,
                          executor_ref exec = {}, audit* check = nullptr, conv_form form = {}) {
    detail::require_gradient_policy<P>();
    g.check();
    detail::require_dense<typename P::lhs::format>("the input", x, g.in_pixels(), g.in_channels);
    detail::require_dense<typename P::rhs::format>("the output gradient", d_out, g.out_pixels(), g.out_channels);
    const auto written =
        detail::check_output<P>("conv_weight_gradient", d_filter, g.out_channels, g.filter_size(), epilogue<>{});
    detail::require_apart("conv_weight_gradient", "the input", overlap(detail::footprint(x), written));
    detail::require_apart("conv_weight_gradient", "the output gradient", overlap(detail::footprint(d_out), written));
    detail::check_reduction<P>(g.out_pixels());
    const detail::weight_gradient_run<P, Arch, T> run(g, x.data(), x_scale, d_out.data(), d_out_scale, d_filter, exec,
                                                      check);
    if constexpr (detail::has_winograd<P, Arch>) {
        if (detail::takes_winograd_gradient(g, form, x, d_out, exec, check) &&
            run.run_winograd(form.or_direct || form.how == algorithm::automatic))
            return;
    } else {
        detail::refuse_winograd("conv_weight_gradient", form);
    }
    run.run();
}

} // namespace intaglio::inline INTAGLIO_ABI
