// SPDX-License-Identifier: Apache-2.0

// Convolutions of every policy, all three passes, on every arch of this CPU and for several thread counts, are the
// numbers of conv/reference.hpp bit for bit: kernels of one to eleven taps, strides, paddings wider than the kernel's
// half, dilation, groups, few channels, odd sizes.

#include "conv/exactness.hpp"

namespace {

using namespace exactness;
using kernel_tables::output_data;
using kernel_tables::stage_data;

enum class pass { forward, input_gradient, weight_gradient };

/// One convolution's numbers. lhs, rhs and out are those of the pass.
template <GemmPolicy P>
struct drawn_conv {
    conv_geometry geometry;
    magnitudes lhs_kind, rhs_kind;
    double lhs_scale, rhs_scale;
    std::vector<typename P::lhs::storage> lhs;
    drawn_rhs<P> filter;                       // forward: KRSC data, seen as (k, n)
    std::vector<typename P::rhs::storage> rhs; // gradients
    dim_t out_rows = 0, out_cols = 0, out_padding;
    int pack_threads;
    kernel_tables::storage storage;
    algorithm how = algorithm::automatic;

    drawn_conv(source& random, const conv_geometry& g, pass which)
        : geometry(g), lhs_kind(draw_magnitudes<typename P::lhs::format>(random)),
          rhs_kind(draw_magnitudes<typename P::rhs::format>(random)), lhs_scale(random.chance(50) ? 0.0625 : 3.1e-5),
          rhs_scale(random.chance(50) ? 0.25 : 7.7e-3), out_padding(random.chance(30) ? random.between(1, 4) : 0),
          pack_threads(random.chance(50) ? 1 : 3), storage(draw_storage(random)) {
        const dim_t in = g.in_pixels() * g.in_channels, out = g.out_pixels() * g.out_channels,
                    weights = g.out_channels * g.filter_size();
        using lhs_format = typename P::lhs::format;
        using rhs_format = typename P::rhs::format;
        lhs = draw_values<lhs_format>(random, static_cast<std::size_t>(which == pass::input_gradient ? out : in),
                                      lhs_kind);
        if (which == pass::forward)
            filter = draw_operand<typename P::rhs, scale_type<typename P::rhs, typename P::total>>(
                random, g.filter_size(), g.out_channels, true, true, 0, rhs_kind);
        else
            rhs = draw_values<rhs_format>(
                random, static_cast<std::size_t>(which == pass::input_gradient ? weights : out), rhs_kind);
        out_rows = which == pass::forward          ? g.out_pixels()
                   : which == pass::input_gradient ? g.in_pixels()
                                                   : g.out_channels;
        out_cols = which == pass::forward          ? g.out_channels
                   : which == pass::input_gradient ? g.in_channels
                                                   : g.filter_size();
    }

    template <class Out>
    void reference(pass which, matrix_view<Out> out) const {
        if (which == pass::forward) {
            reference_conv_forward<P>(geometry, lhs, lhs_scale, view_of<rhs_view<P>>(filter.data), out);
        } else if constexpr (has_gradients<P>) {
            if (which == pass::input_gradient)
                reference_conv_input_gradient<P>(geometry, lhs, lhs_scale, rhs, rhs_scale, out);
            else
                reference_conv_weight_gradient<P>(geometry, lhs, lhs_scale, rhs, rhs_scale, out);
        }
    }
};

template <GemmPolicy P, class T>
void compare(tally& count, const char* policy, pass which, const drawn_conv<P>& conv, const drawn_output<T>& expected,
             output_data::kinds kind, float inverse_scale, drawn_stages* stages, float expected_largest) {
    for_each_kernel(policy, [&](const kernel_tables::kernel& kernel, const char* arch) {
        if (!kernel.conv_forward) return; // this policy has products alone
        kernel_tables::outcome result;
        kernel_tables::conv_call call;
        call.shape = shape_of(conv.geometry);
        call.shape.algorithm = static_cast<int>(conv.how);
        void* packed = nullptr;
        if (which == pass::forward)
            packed = kernel.pack_filter(call.shape, conv.filter.data, conv.storage, conv.pack_threads, result);
        // others from dense filters
        else if (which == pass::input_gradient &&
                 (conv.storage != kernel_tables::storage::fast || conv.how == algorithm::winograd))
            packed =
                kernel.pack_gradient_filter(call.shape, conv.rhs.data(), conv.rhs_scale, conv.pack_threads, result);
        if (result.kind != kernel_tables::outcome::ok)
            FAIL("packing " << policy << " on " << arch << ": " << describe(conv.geometry) << ": " << result.text);
        for (const int threads : thread_counts) {
            drawn_output<T> out(expected.view.rows(), expected.view.cols(), conv.out_padding);
            call.lhs = conv.lhs.data();
            call.lhs_scale = conv.lhs_scale;
            call.packed = packed;
            call.rhs = conv.rhs.data();
            call.rhs_scale = conv.rhs_scale;
            call.out = out.data(kind, inverse_scale);
            if (stages) {
                stages->largest = 0;
                call.stages = stages->data;
            }
            call.threads = threads;
            (which == pass::forward          ? kernel.conv_forward
             : which == pass::input_gradient ? kernel.conv_input_gradient
                                             : kernel.conv_weight_gradient)(call, result);
            if (result.kind == kernel_tables::outcome::unsupported) break; // this output isn't in the table
            ++count.cases;
            INFO(policy << " on " << arch << ", pass " << static_cast<int>(which) << ", " << describe(conv.geometry)
                        << ", lhs " << name_of(conv.lhs_kind) << ", rhs " << name_of(conv.rhs_kind) << ", stored "
                        << name_of(conv.storage) << ", output " << static_cast<int>(kind) << ", out padded by "
                        << conv.out_padding << ", " << threads << " threads: " << result.text);
            if (result.kind != kernel_tables::outcome::ok) FAIL_CHECK("an error");
            if (!out.same_bits(expected)) FAIL_CHECK("differs " << out.difference(expected));
            if (stages && std::memcmp(&stages->largest, &expected_largest, sizeof(float)) != 0)
                FAIL_CHECK("the largest magnitude is " << stages->largest << " instead of " << expected_largest);
        }
        if (packed) (which == pass::forward ? kernel.release_filter : kernel.release_gradient_filter)(packed);
    });
}

template <GemmPolicy P, class T>
void compare_with_stages(tally& count, source& random, const char* policy, const drawn_conv<P>& conv,
                         const drawn_output<float>& values, output_data::kinds kind, stage_data::kinds stage_kind) {
    float most = 0;
    for (dim_t i = 0; i < values.view.rows(); ++i)
        for (dim_t j = 0; j < values.view.cols(); ++j) {
            if (!(std::fabs(values.view(i, j)) < 1e30F)) return;
            most = std::max(most, std::fabs(values.view(i, j)));
        }
    const float unit = most > 0 ? most : 1.0F;
    drawn_stages stages(random, stage_kind, values.view.rows(), values.view.cols(), unit);
    drawn_output<T> expected(values.view.rows(), values.view.cols(), conv.out_padding);
    float largest = 0;
    for (dim_t i = 0; i < values.view.rows(); ++i)
        for (dim_t j = 0; j < values.view.cols(); ++j)
            expected.view(i, j) =
                quantized<T>(stages.apply(values.view(i, j), i, j, values.view.cols(), largest), 150.0F / unit);
    compare<P, T>(count, policy, pass::forward, conv, expected, kind, 150.0F / unit, &stages, largest);
}

template <GemmPolicy P>
void check_drawn(tally& count, source& random, const char* policy, const drawn_conv<P>& conv, pass which,
                 bool with_stages = false) {
    if constexpr (std::is_integral_v<typename P::total>) {
        drawn_output<typename P::total> totals(conv.out_rows, conv.out_cols, conv.out_padding);
        conv.reference(which, totals.view);
        compare<P, typename P::total>(count, policy, which, conv, totals, output_data::totals, 1, nullptr, 0);
    }
    drawn_output<float> values(conv.out_rows, conv.out_cols, conv.out_padding);
    conv.reference(which, values.view);
    compare<P, float>(count, policy, which, conv, values, output_data::floats, 1, nullptr, 0);
    if (with_stages) {
        compare_with_stages<P, float>(count, random, policy, conv, values, output_data::floats, stage_data::bias_relu);
        compare_with_stages<P, float>(count, random, policy, conv, values, output_data::floats, stage_data::normalized);
        compare_with_stages<P, std::int8_t>(count, random, policy, conv, values, output_data::int8, stage_data::none);
        compare_with_stages<P, std::uint8_t>(count, random, policy, conv, values, output_data::uint8,
                                             stage_data::bias_relu);
        compare_with_stages<P, std::int16_t>(count, random, policy, conv, values, output_data::int16,
                                             stage_data::normalized);
    }
}

template <GemmPolicy P>
void check_pass(tally& count, source& random, const char* policy, const conv_geometry& g, pass which,
                bool with_stages = false) {
    check_drawn(count, random, policy, drawn_conv<P>(random, g, which), which, with_stages);
}

/// A 3 x 3 kernel whose output lines are as long as those of the input.
conv_geometry lines(dim_t batch, dim_t height, dim_t width, dim_t in_channels, dim_t out_channels) {
    return {.batch = batch,
            .height = height,
            .width = width,
            .in_channels = in_channels,
            .out_channels = out_channels,
            .kernel_h = 3,
            .kernel_w = 3,
            .pad_h = 1,
            .pad_w = 1};
}

/// The shapes that a network has, and those that a careless kernel gets wrong.
const std::vector<conv_geometry>& fixed_shapes() {
    static const std::vector<conv_geometry> shapes{
        {.batch = 1, .height = 1, .width = 1, .in_channels = 1, .out_channels = 1},
        {.batch = 0, .height = 5, .width = 5, .in_channels = 3, .out_channels = 4, .kernel_h = 3, .kernel_w = 3},
        {.batch = 1, .height = 3, .width = 4, .in_channels = 0, .out_channels = 2, .kernel_h = 3, .kernel_w = 3},
        {.batch = 2, .height = 7, .width = 7, .in_channels = 64, .out_channels = 33},
        {.batch = 1,
         .height = 8,
         .width = 8,
         .in_channels = 16,
         .out_channels = 48,
         .kernel_h = 3,
         .kernel_w = 3,
         .pad_h = 1,
         .pad_w = 1},
        {.batch = 2,
         .height = 9,
         .width = 7,
         .in_channels = 3,
         .out_channels = 8,
         .kernel_h = 3,
         .kernel_w = 3,
         .stride_h = 2,
         .stride_w = 2,
         .pad_h = 1,
         .pad_w = 1},
        {.batch = 1,
         .height = 20,
         .width = 21,
         .in_channels = 3,
         .out_channels = 7,
         .kernel_h = 7,
         .kernel_w = 7,
         .stride_h = 2,
         .stride_w = 2,
         .pad_h = 3,
         .pad_w = 3},
        {.batch = 1,
         .height = 23,
         .width = 27,
         .in_channels = 3,
         .out_channels = 5,
         .kernel_h = 11,
         .kernel_w = 11,
         .stride_h = 4,
         .stride_w = 4,
         .pad_h = 2,
         .pad_w = 2},
        {.batch = 1,
         .height = 9,
         .width = 9,
         .in_channels = 5,
         .out_channels = 6,
         .kernel_h = 5,
         .kernel_w = 5,
         .pad_h = 2,
         .pad_w = 2},
        {.batch = 1,
         .height = 6,
         .width = 6,
         .in_channels = 8,
         .out_channels = 8,
         .kernel_h = 1,
         .kernel_w = 1,
         .stride_h = 2,
         .stride_w = 2},
        {.batch = 1,
         .height = 6,
         .width = 5,
         .in_channels = 8,
         .out_channels = 12,
         .kernel_h = 3,
         .kernel_w = 3,
         .pad_h = 1,
         .pad_w = 1,
         .groups = 4},
        {.batch = 1,
         .height = 6,
         .width = 6,
         .in_channels = 7,
         .out_channels = 7,
         .kernel_h = 3,
         .kernel_w = 3,
         .pad_h = 1,
         .pad_w = 1,
         .groups = 7},
        {.batch = 1,
         .height = 10,
         .width = 10,
         .in_channels = 4,
         .out_channels = 4,
         .kernel_h = 3,
         .kernel_w = 3,
         .pad_h = 2,
         .pad_w = 2,
         .dilation_h = 2,
         .dilation_w = 2},
        {.batch = 1,
         .height = 3,
         .width = 3,
         .in_channels = 2,
         .out_channels = 3,
         .kernel_h = 3,
         .kernel_w = 3,
         .pad_h = 4,
         .pad_w = 4},
        {.batch = 1,
         .height = 2,
         .width = 40,
         .in_channels = 17,
         .out_channels = 19,
         .kernel_h = 1,
         .kernel_w = 5,
         .stride_w = 3,
         .pad_w = 1},
        {.batch = 3,
         .height = 8,
         .width = 8,
         .in_channels = 1,
         .out_channels = 32,
         .kernel_h = 3,
         .kernel_w = 3,
         .pad_h = 1,
         .pad_w = 1},
        {.batch = 1,
         .height = 5,
         .width = 5,
         .in_channels = 130,
         .out_channels = 9,
         .kernel_h = 3,
         .kernel_w = 3,
         .pad_h = 1,
         .pad_w = 1},
        lines(2, 3, 32, 16, 16), // tiles of 14 + 14 + 4 rows in half a panel
        lines(1, 5, 16, 8, 33),  // 8 + 8
        lines(3, 4, 12, 20, 16), // 8 + 4
        lines(1, 3, 40, 5, 20),  // 14 + 14 + 8 + 4
        lines(2, 2, 24, 32, 10), // 8 + 8 + 8
        lines(1, 3, 20, 24, 64), // 8 + 8 + 4
    };
    return shapes;
}

/// Shapes of each kind of path (a tap, several, strided, groups, dilated), with every extent that may be zero as zero
/// in turn, alone and together with another. The padding covers the kernel where the image is empty.
std::vector<conv_geometry> empty_shapes() {
    const conv_geometry points{
        .batch = 2, .height = 4, .width = 5, .in_channels = 6, .out_channels = 4, .pad_h = 1, .pad_w = 1};
    conv_geometry same = points, strided, grouped, dilated;
    same.kernel_h = same.kernel_w = 3;
    same.pad_h = same.pad_w = 2;
    strided = grouped = dilated = same;
    strided.stride_h = strided.stride_w = 2;
    grouped.groups = 2;
    dilated.dilation_h = dilated.dilation_w = 2;
    dilated.pad_h = dilated.pad_w = 3;
    constexpr dim_t conv_geometry::*extents[] = {&conv_geometry::batch, &conv_geometry::height, &conv_geometry::width,
                                                 &conv_geometry::in_channels, &conv_geometry::out_channels};
    std::vector<conv_geometry> shapes;
    for (const conv_geometry& base : {points, same, strided, grouped, dilated})
        for (const auto first : extents)
            for (const auto second : extents) {
                conv_geometry g = base;
                g.*first = g.*second = 0;
                shapes.push_back(g);
            }
    return shapes;
}

conv_geometry draw_shape(source& random, dim_t most_macs, dim_t longest) {
    for (;;) {
        conv_geometry g;
        g.batch = random.pick<dim_t>({1, 1, 2, 3});
        g.height = random.between(1, 17);
        g.width = random.chance(50) ? g.height : random.between(1, 33);
        g.groups = random.pick<dim_t>({1, 1, 1, 1, 2, 3});
        g.in_channels = g.groups * random.pick<dim_t>({1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 33, 64, 65, 96});
        g.out_channels = g.groups * random.pick<dim_t>({1, 2, 3, 5, 8, 13, 15, 16, 17, 31, 32, 33, 47, 64, 65});
        g.kernel_h = random.pick<dim_t>({1, 1, 2, 3, 3, 3, 4, 5, 7, 11});
        g.kernel_w = random.chance(70) ? g.kernel_h : random.pick<dim_t>({1, 2, 3, 5, 7});
        g.stride_h = random.pick<dim_t>({1, 1, 1, 2, 2, 3, 4});
        g.stride_w = random.chance(70) ? g.stride_h : random.pick<dim_t>({1, 2, 4});
        g.pad_h = random.between(0, g.kernel_h);
        g.pad_w = random.between(0, g.kernel_w);
        g.dilation_h = random.pick<dim_t>({1, 1, 1, 1, 2, 3});
        g.dilation_w = random.chance(70) ? g.dilation_h : random.pick<dim_t>({1, 2});
        if (g.out_height() > 0 && g.out_width() > 0 && g.macs() <= most_macs && g.filter_size() <= longest) return g;
    }
}

conv_geometry draw_winograd_shape(source& random) {
    for (;;) {
        conv_geometry g{.kernel_h = 3, .kernel_w = 3};
        g.batch = random.pick<dim_t>({1, 1, 2, 5});
        g.height = random.between(1, 9);
        g.width = random.chance(50) ? g.height : random.between(1, 19);
        g.groups = random.pick<dim_t>({1, 1, 1, 2});
        g.in_channels = g.groups * random.pick<dim_t>({1, 2, 3, 7, 8, 9, 16, 17, 31, 33, 64, 70, 144});
        g.out_channels = g.groups * random.pick<dim_t>({1, 2, 5, 16, 17, 32, 33, 65});
        g.pad_h = random.between(0, 3);
        g.pad_w = random.between(0, 3);
        if (g.out_height() > 0 && g.out_width() > 0 && g.macs() <= 600'000) return g;
    }
}

/// Numbers up to `most` in magnitude: any, the largest of either sign, one sign, few.
void draw_small(source& random, std::vector<std::int16_t>& values, std::int64_t most) {
    const int kind = static_cast<int>(random.between(0, 4));
    for (auto& v : values) {
        const std::int64_t sign = kind == 2 || random.chance(50) ? 1 : -1;
        v = static_cast<std::int16_t>(kind == 0                         ? random.between(-most, most)
                                      : kind <= 2                       ? sign * most
                                      : kind == 3 && !random.chance(10) ? 0
                                                                        : random.between(-most / 64, most / 64));
    }
}

template <GemmPolicy P>
void check_geometry(tally& count, source& random, const char* policy, const conv_geometry& g, bool with_stages) {
    check_pass<P>(count, random, policy, g, pass::forward, with_stages);
    if constexpr (has_gradients<P>) {
        check_pass<P>(count, random, policy, g, pass::input_gradient);
        check_pass<P>(count, random, policy, g, pass::weight_gradient);
    }
}

/// Where bytes are widened; elsewhere the direct form.
template <GemmPolicy P>
void check_bytes(tally& count, source& random, const char* policy, const conv_geometry& g, bool with_stages) {
    drawn_conv<P> conv(random, g, pass::forward);
    conv.how = algorithm::winograd;
    conv.storage = kernel_tables::storage::fast;
    check_drawn(count, random, policy, conv, pass::forward, with_stages);
}

} // namespace

TEST_CASE("convolutions with an extent of zero give the bits of the scalar text", "[exact]") {
    tally count{"conv, empty"};
    for_each_policy([&]<GemmPolicy P>(const char* policy) {
        if constexpr (std::is_same_v<typename P::lhs::sharing, per_tensor>) {
            source random(3);
            for (const conv_geometry& g : empty_shapes()) check_geometry<P>(count, random, policy, g, true);
        }
    });
}

TEST_CASE("convolutions give the bits of the scalar text on every arch, for every thread count", "[exact]") {
    tally count{"conv"};
    const int draws = run_whole() ? 150 : 15;
    for_each_policy([&]<GemmPolicy P>(const char* policy) {
        if constexpr (std::is_same_v<typename P::lhs::sharing, per_tensor>) {
            source random(1);
            int nth = 0;
            for (const conv_geometry& g : fixed_shapes()) check_geometry<P>(count, random, policy, g, ++nth % 4 == 0);
            for (int d = 0; d < draws; ++d)
                check_geometry<P>(count, random, policy, draw_shape(random, 300'000, longest_reduction<P>()),
                                  d % 5 == 0);
        }
    });
}

TEST_CASE("3 x 3 kernels by Winograd's products give the bits of the scalar text", "[exact]") {
    tally count{"conv, Winograd"};
    source random(7);
    for (int d = 0; d < (run_whole() ? 400 : 60); ++d) {
        const conv_geometry g = draw_winograd_shape(random);
        check_bytes<int8_inference>(count, random, "int8_inference", g, d % 5 == 0);
        check_bytes<int8_signed>(count, random, "int8_signed", g, false);
        for (const pass which : {pass::forward, pass::input_gradient, pass::weight_gradient}) {
            drawn_conv<dfp16_training> conv(random, g, which);
            conv.how = algorithm::winograd;
            // now and then one that doesn't fit: then it is computed directly
            draw_small(random, conv.lhs, random.pick<std::int64_t>({8191, 8191, 8191, 8192}));
            draw_small(random, which == pass::forward ? conv.filter.values : conv.rhs,
                       which == pass::weight_gradient
                           ? random.pick<std::int64_t>({8191, 8191, 8191, 700, 8192})
                           : random.pick<std::int64_t>({3640, 3640, 4095, 8191, 8192, 32767}));
            check_drawn(count, random, "dfp16_training", conv, which, which == pass::forward && d % 5 == 0);
        }
    }
}
