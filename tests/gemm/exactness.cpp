// SPDX-License-Identifier: Apache-2.0

// Products of every policy, on every arch of this CPU and for several thread counts, are the numbers of
// gemm/reference.hpp bit for bit: at the sizes where tiles, blocks and chains end, at the magnitudes closest to
// overflow, for any strides and both transpositions, with and without stages.

#include "gemm/exactness.hpp"

namespace {

using namespace exactness;
using kernel_tables::output_data;
using kernel_tables::stage_data;

struct product_shape {
    dim_t m, n, k;
};

/// Sizes around the ends of tiles (4 to 16 rows, 4 to 64 columns), of steps (1, 2, 4, 64), of blocks (16, 32, 64) and
/// of the longest chains.
product_shape draw_shape(source& random, dim_t most_products) {
    static const std::vector<dim_t> rows{0,  1,  2,  3,  4,  5,  6,  7,  8,  11, 12, 13, 14,
                                         15, 16, 17, 27, 28, 29, 31, 32, 33, 47, 61, 97, 131};
    static const std::vector<dim_t> cols{0,  1,  2,  3,  5,  7,  8,  9,  13, 15, 16,  17,  23,
                                         31, 32, 33, 37, 47, 48, 49, 63, 64, 65, 101, 127, 193};
    static const std::vector<dim_t> depths{0,   1,   2,   3,   4,   5,   7,   15,  16,   17,   31,  32,
                                           33,  47,  63,  64,  65,  79,  95,  96,  97,   127,  128, 129,
                                           255, 256, 257, 383, 511, 512, 513, 769, 1031, 2049, 4099};
    for (;;) {
        const product_shape s{random.pick(rows), random.pick(cols), random.pick(depths)};
        if (s.m * s.n * s.k <= most_products) return s;
    }
}

template <GemmPolicy P>
struct drawn_product {
    product_shape shape;
    magnitudes lhs_kind, rhs_kind;
    bool lhs_transposed, rhs_transposed, out_transposed;
    dim_t padding, out_padding;
    int pack_threads;
    kernel_tables::storage storage;
    drawn_lhs<P> lhs;
    drawn_rhs<P> rhs;

    drawn_product(source& random, product_shape s)
        : shape(s), lhs_kind(draw_magnitudes<typename P::lhs::format>(random)),
          rhs_kind(draw_magnitudes<typename P::rhs::format>(random)), lhs_transposed(random.chance(30)),
          rhs_transposed(random.chance(50)), out_transposed(random.chance(15)),
          padding(random.chance(40) ? random.between(1, 5) : 0),
          out_padding(random.chance(40) ? random.between(1, 5) : 0), pack_threads(random.chance(50) ? 1 : 3),
          storage(draw_storage(random)) {
        if (lhs_kind == magnitudes::all_largest && random.chance(60))
            rhs_kind = random.chance(50) ? lhs_kind : magnitudes::alternating;
        lhs = draw_operand<typename P::lhs, scale_type<typename P::lhs, typename P::total>>(
            random, s.k, s.m, false, lhs_transposed, padding, lhs_kind);
        rhs = draw_operand<typename P::rhs, scale_type<typename P::rhs, typename P::total>>(
            random, s.k, s.n, true, rhs_transposed, padding, rhs_kind);
    }

    std::string describe() const {
        return join(shape.m, " x ", shape.n, " x ", shape.k, ", lhs ", name_of(lhs_kind),
                    lhs_transposed ? " transposed" : "", ", rhs ", name_of(rhs_kind),
                    rhs_transposed ? " transposed" : "", ", stored ", name_of(storage), ", padding ", padding, ", out ",
                    out_transposed ? "transposed " : "", "padded by ", out_padding);
    }
};

/// Runs one kind of output on every kernel and thread count, and compares it with `expected`.
template <GemmPolicy P, class T>
void compare(tally& count, const char* policy, const drawn_product<P>& product, const drawn_output<T>& expected,
             output_data::kinds kind, float inverse_scale, drawn_stages* stages, float expected_largest) {
    for_each_kernel(policy, [&](const kernel_tables::kernel& kernel, const char* arch) {
        kernel_tables::outcome result;
        void* packed = kernel.pack(product.rhs.data, product.storage, product.pack_threads, result);
        INFO(policy << " on " << arch << ", " << product.describe() << ", output " << static_cast<int>(kind) << ": "
                    << result.text);
        REQUIRE(packed != nullptr);
        for (const int threads : thread_counts) {
            drawn_output<T> out(expected.view.rows(), expected.view.cols(), product.out_padding,
                                product.out_transposed);
            kernel_tables::gemm_call call;
            call.lhs = product.lhs.data;
            call.rhs = product.rhs.data;
            call.packed = threads == 3 ? nullptr : packed; // one of four packs on the fly
            call.out = out.data(kind, inverse_scale);
            if (stages) {
                stages->largest = 0;
                call.stages = stages->data;
            }
            call.threads = threads;
            kernel.gemm(call, result);
            if (result.kind == kernel_tables::outcome::unsupported) break; // this output isn't in the table
            ++count.cases;
            INFO(threads << " threads: " << result.text);
            if (result.kind != kernel_tables::outcome::ok) FAIL_CHECK("an error");
            if (!out.same_bits(expected)) FAIL_CHECK("differs " << out.difference(expected));
            if (stages && std::memcmp(&stages->largest, &expected_largest, sizeof(float)) != 0)
                FAIL_CHECK("the largest magnitude is " << stages->largest << " instead of " << expected_largest);
        }
        kernel.release(packed);
    });
}

/// An output of type T after the stages, by the scalar text.
template <GemmPolicy P, class T>
void compare_with_stages(tally& count, source& random, const char* policy, const drawn_product<P>& product,
                         const drawn_output<float>& values, output_data::kinds kind, stage_data::kinds stage_kind) {
    float most = 0;
    for (dim_t i = 0; i < values.view.rows(); ++i)
        for (dim_t j = 0; j < values.view.cols(); ++j) {
            if (!(std::fabs(values.view(i, j)) < 1e30F)) return;
            most = std::max(most, std::fabs(values.view(i, j)));
        }
    const float unit = most > 0 ? most : 1.0F;
    const float inverse_scale = 150.0F / unit; // some values pass the range of 8 bits
    drawn_stages stages(random, stage_kind, values.view.rows(), values.view.cols(), unit);
    drawn_output<T> expected(values.view.rows(), values.view.cols(), product.out_padding, product.out_transposed);
    float largest = 0;
    for (dim_t i = 0; i < values.view.rows(); ++i)
        for (dim_t j = 0; j < values.view.cols(); ++j)
            expected.view(i, j) =
                quantized<T>(stages.apply(values.view(i, j), i, j, values.view.cols(), largest), inverse_scale);
    compare<P, T>(count, policy, product, expected, kind, inverse_scale, &stages, largest);
}

template <GemmPolicy P>
void check_product(tally& count, source& random, const char* policy, product_shape shape, bool with_stages) {
    shape.k = std::min(shape.k, longest_reduction<P>());
    const drawn_product<P> product(random, shape);
    const auto lhs = view_of<lhs_view<P>>(product.lhs.data);
    const auto rhs = view_of<rhs_view<P>>(product.rhs.data);
    if constexpr (std::is_integral_v<typename P::total>) {
        drawn_output<typename P::total> totals(shape.m, shape.n, product.out_padding, product.out_transposed);
        reference_gemm<P>(lhs, rhs, totals.view);
        compare<P, typename P::total>(count, policy, product, totals, output_data::totals, 1, nullptr, 0);
    }
    drawn_output<float> values(shape.m, shape.n, product.out_padding, product.out_transposed);
    reference_gemm<P>(lhs, rhs, values.view);
    compare<P, float>(count, policy, product, values, output_data::floats, 1, nullptr, 0);
    if (with_stages) {
        compare_with_stages<P, float>(count, random, policy, product, values, output_data::floats,
                                      stage_data::bias_relu);
        compare_with_stages<P, float>(count, random, policy, product, values, output_data::floats,
                                      stage_data::normalized);
        compare_with_stages<P, std::int8_t>(count, random, policy, product, values, output_data::int8,
                                            stage_data::none);
        compare_with_stages<P, std::uint8_t>(count, random, policy, product, values, output_data::uint8,
                                             stage_data::bias_relu);
        compare_with_stages<P, std::int16_t>(count, random, policy, product, values, output_data::int16,
                                             stage_data::normalized);
    }
}

} // namespace

TEST_CASE("gemm with an extent of zero gives the bits of the scalar text", "[exact]") {
    tally count{"gemm, empty"};
    for_each_policy([&]<GemmPolicy P>(const char* policy) {
        source random(11);
        for (const bool rows : {false, true})
            for (const bool cols : {false, true})
                for (const bool depth : {false, true})
                    for (const dim_t size : {1, 5, 70})
                        if (rows || cols || depth)
                            check_product<P>(count, random, policy,
                                             {rows ? 0 : size, cols ? 0 : size, depth ? 0 : size}, true);
    });
}

TEST_CASE("gemm gives the bits of the scalar text on every arch, for every thread count", "[exact]") {
    tally count{"gemm"};
    const int draws = run_whole() ? 200 : 30;
    for_each_policy([&]<GemmPolicy P>(const char* policy) {
        source random(2024);
        for (const product_shape shape :
             {product_shape{0, 0, 0}, {1, 1, 1}, {3, 5, 0}, {0, 7, 9}, {17, 0, 64}, {33, 65, 129}})
            check_product<P>(count, random, policy, shape, false);
        for (int d = 0; d < draws; ++d)
            check_product<P>(count, random, policy, draw_shape(random, 300'000), d % 4 == 0);
    });
}

TEST_CASE("gemm of blocks larger than the caches gives the bits of the scalar text", "[exact]") {
    tally count{"gemm, large"};
    for_each_policy([&]<GemmPolicy P>(const char* policy) {
        source random(7);
        check_product<P>(count, random, policy, {5, 9, 20'011}, false);
        check_product<P>(count, random, policy, {701, 3, 1301}, false);
        if (run_whole()) {
            check_product<P>(count, random, policy, {3, 1201, 1031}, true);
            check_product<P>(count, random, policy, {257, 131, 2111}, true);
        }
    });
}
