// SPDX-License-Identifier: Apache-2.0

// `bench kernels`: how fast products and convolutions are on the layers of real networks, beside the peaks of this core
// and beside OpenBLAS and oneDNN, all measured in one run.
//
// Each pair of arch and thread count is measured by a process of its own, because peers read their instruction set and
// their threads from the environment when they are loaded; this program starts itself again for each. Figures are
// GMAC/s: 10^9 multiply-adds a second.

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "intaglio/conv/algorithm.hpp"
#include "intaglio/conv/winograd.hpp"
#include "intaglio/core/buffer.hpp"
#include "intaglio/gemm/presets.hpp"
#include "intaglio/gemm/reference.hpp"
#include "intaglio/quantize/residual.hpp"
#include "kernel_table.hpp"
#include "layers.hpp"
#include "peers.hpp"
#include "report.hpp"
#include "timing.hpp"

namespace {

using intaglio::buffer;
using intaglio::GemmPolicy;
using size = std::ptrdiff_t;

struct options {
    bool quick = false;
    std::vector<std::string> archs, operations, policies, networks;
    std::vector<int> threads;
    std::vector<size> batches;
    double budget = 0; ///< seconds for each work
    std::string output = "build/bench/kernels.json";
    std::string rows; ///< set in the processes that measure: where the rows go
};

bool wanted(const std::vector<std::string>& list, const std::string& name) {
    return list.empty() || std::find(list.begin(), list.end(), name) != list.end();
}

// ---- numbers to multiply

/// Numbers like those of a network: normal, five standard deviations in 3/4 of the format's range, the middle of what a
/// shared power of two leaves; `rectified` sets the negative half to zero, and `head_room` bits of the range are not
/// used.
template <class Format>
buffer<typename Format::storage> numbers(size count, bool rectified, int head_room = 0) {
    using storage = typename Format::storage;
    buffer<storage> values(count * intaglio::detail::planes_of_number<Format>);
    if constexpr (std::is_same_v<Format, intaglio::planar_bytes>) {
        const buffer<std::int16_t> whole = numbers<intaglio::byte_planes>(count, rectified, head_room);
        for (size i = 0; i < count; ++i) {
            values[i] = static_cast<std::uint8_t>(whole[i] >> 8);
            values[count + i] = static_cast<std::uint8_t>(whole[i]);
        }
        return values;
    }
    double range = 1;
    if constexpr (!std::is_same_v<storage, float>)
        range = static_cast<double>(
            std::min<std::int64_t>(Format::max_magnitude, std::numeric_limits<storage>::max()) >> head_room);
    std::mt19937 engine(1);
    // a table of draws, walked with another stride for each pass: drawing 10^8 numbers would take longer than the
    // measurement
    std::vector<storage> draws(65521);
    for (storage& d : draws) {
        double sum = 0;
        for (int i = 0; i < 12; ++i) sum += static_cast<double>(engine()) / 4294967296.0 - 0.5; // standard deviation 1
        double v = range * 0.75 * sum / 5;
        if (rectified || std::is_unsigned_v<storage>) v = std::max(v, 0.0);
        if constexpr (std::is_same_v<storage, float>)
            d = static_cast<float>(v);
        else
            // trits: a third each
            d = static_cast<storage>(range <= 1 ? static_cast<double>(engine() % 3) - 1 : std::round(v));
    }
    std::size_t at = 0, stride = 1;
    for (storage& v : values) {
        v = draws[at];
        at += stride;
        if (at >= draws.size()) {
            at -= draws.size();
            stride = stride % 97 + 1;
        }
    }
    return values;
}

template <class Operand, class Total>
using scales_of = intaglio::scale_type<Operand, Total>;

/// What differs from the usual operands, with a note for the row's name.
struct variant {
    const char* note = "";
    int largest_scale = 0; ///< 0: the usual one
    kernel_tables::storage storage = kernel_tables::storage::fast;
    int zero_blocks = 0;   ///< of eight
    int head_room = 0;     ///< bits
    bool winograd = false; ///< 3 x 3 kernels by Winograd's products; filters with another bit of head-room
};
/// INT16 with as many bits as the paper on dynamic fixed point uses (Das et al., arXiv 1802.00930): its chains of 256
/// need two bits of head-room.
constexpr variant paper_bits{.note = ", 13 bits", .head_room = 2};
/// The same by Winograd's products, 16 for 36.
constexpr variant winograd_bits{.note = ", Winograd's", .head_room = 2, .winograd = true};

/// The largest block scale of an operand: as the library's encoder makes them where they are integers, so that products
/// may fold the scales into the digits.
template <class Operand, class Scale>
constexpr int usual_scale() {
    using format = typename Operand::format;
    if constexpr (!std::is_integral_v<Scale>)
        return 200;
    else if constexpr (requires { format::digits; })
        return intaglio::foldable_scale(true, format::digits);
    else
        return intaglio::foldable_scale(false, format::planes);
}

/// An operand and its numbers, shared by the works that use it. `along` is the reduction.
template <class Operand, class Scale>
struct owned_operand {
    buffer<typename Operand::storage> values;
    buffer<Scale> scales;
    kernel_tables::operand_data data;

    /// lhs has rows of `along` rectified numbers, as activations are; rhs lies as filters do, a column for each.
    owned_operand(bool is_rhs, size across, size along, const variant& v)
        : values(numbers<typename Operand::format>(across * along * planes, !is_rhs, v.head_room)) {
        data.rows = is_rhs ? along : across;
        data.cols = is_rhs ? across : along;
        data.row_stride = is_rhs ? 1 : along;
        data.col_stride = is_rhs ? along : 1;
        data.plane_stride = across * along;
        // dynamic fixed point has powers of two, formats of bytes any scales
        data.scale = sizeof(typename Operand::storage) == 1 ? 1e-6 : 0x1p-20;
        if constexpr (Operand::sharing::by_row) {
            const size blocks =
                Operand::block > 0 ? (along + Operand::block - 1) / std::max<size>(Operand::block, 1) * planes : 1;
            scales = buffer<Scale>(across * blocks);
            for (size i = 0; i < scales.size(); ++i)
                scales[i] =
                    static_cast<Scale>(1 + i % (v.largest_scale > 0 ? v.largest_scale : usual_scale<Operand, Scale>()));
        }
        if constexpr (Operand::block > 0)
            for (size e = 0; is_rhs && e < values.size(); ++e)
                if (e % along / Operand::block % 8 < v.zero_blocks) values[e] = 0;
        data.values = values.data();
        data.scales = scales.data();
        data.scale_count = scales.size();
    }

private:
    static constexpr size planes = Operand::planes;
};

/// A piece of work of ours: a policy's operation, ready to run.
struct work {
    std::string policy;
    const char* peak; ///< name of the peak it is measured against
    bool bytes;       ///< whether the 8-bit peer is its match
    size weights;     ///< bytes of packed weights, where they are what a product has to read
    std::function<void()> run;
    std::shared_ptr<buffer<float>> out{};
};

void stop_on(const kernel_tables::outcome& result) {
    if (result.kind == kernel_tables::outcome::ok) return;
    std::fprintf(stderr, "bench kernels: %s\n", result.text);
    std::exit(1);
}

/// Whether the 8-bit peer is a policy's match.
template <GemmPolicy P>
constexpr bool of_bytes = P::rhs::format::bits <= 8;

/// The atom that a policy would use on the machine at hand, by what is multiplied.
template <GemmPolicy P>
constexpr const char* peak_of() {
    using lhs = typename P::lhs::storage;
    using rhs = typename P::rhs::storage;
    if (std::is_same_v<rhs, float>) return "fp32";
    if (sizeof(rhs) == 4) return "none";
    if (P::rhs::format::bits > 8 || !std::is_same_v<lhs, std::uint8_t>) return "int16"; // signed bytes are widened
    return P::rhs::block == 0 ? "u8s8" : "u8code";
}

// ---- one process: one arch, one thread count

class measurement {
public:
    measurement(const options& o, const kernel_tables::arch_table& table, int threads)
        : options_(o), table_(table), threads_(threads) {
        peers::hold_to_arch(table.name);
        measure_peaks();
        std::printf("\n==== %s, %d thread%s; peers: %s\n", table.name, threads, threads == 1 ? "" : "s",
                    peers::description().c_str());
        std::printf("peaks of one core, GMAC/s: FP32 FMA %.1f, int16 %.1f, u8 x s8 %.1f, u8 x trit %.1f\n", fp32_,
                    int16_, u8s8_, u8code_);
    }

    void run() {
        for (const size batch : options_.batches) {
            convolutions("conv_forward", peers::conv_pass::forward, batch);
            convolutions("conv_input_gradient", peers::conv_pass::input_gradient, batch);
            convolutions("conv_weight_gradient", peers::conv_pass::weight_gradient, batch);
            products(batch);
        }
        squares();
        vectors();
        formats();
        conversions();
    }
    const std::vector<report::row>& rows() const { return rows_; }

private:
    void measure_peaks() {
        const int repeats = options_.quick ? 2 : 4;
        fp32_ = std::max(fp32_, table_.measure_peak("fp32", repeats) * 1e-9);
        int16_ = std::max(int16_, table_.measure_peak("int16", repeats) * 1e-9);
        u8s8_ = std::max(u8s8_, table_.measure_peak("u8s8", repeats) * 1e-9);
        u8code_ = std::max({u8code_, u8s8_, table_.measure_peak("u8trit", repeats) * 1e-9});
    }
    double peak(const char* name) const {
        const std::string n = name;
        return threads_ * (n == "fp32"     ? fp32_
                           : n == "int16"  ? int16_
                           : n == "u8s8"   ? u8s8_
                           : n == "u8code" ? u8code_
                                           : 0);
    }

    const kernel_tables::kernel* kernel_of(const char* policy) const {
        return wanted(options_.policies, policy) ? table_.find(policy) : nullptr;
    }

    /// A product with a packed rhs and float output.
    template <GemmPolicy P>
    void add_product(std::vector<work>& works, const char* policy, size m, size n, size k, const variant& v = {}) {
        const auto* kernel = kernel_of(policy);
        if (!kernel) return;
        using lhs_type = owned_operand<typename P::lhs, scales_of<typename P::lhs, typename P::total>>;
        using rhs_type = owned_operand<typename P::rhs, scales_of<typename P::rhs, typename P::total>>;
        const auto lhs = std::make_shared<lhs_type>(false, m, k, v);
        const rhs_type rhs(true, n, k, v);
        const auto out = std::make_shared<buffer<float>>(m * n);
        kernel_tables::outcome result;
        const std::shared_ptr<void> packed(kernel->pack(rhs.data, v.storage, 1, result), kernel->release);
        stop_on(result);
        kernel_tables::gemm_call call;
        call.lhs = lhs->data;
        call.packed = packed.get();
        call.out = {kernel_tables::output_data::floats, out->data(), m, n, n, 1, 1};
        call.threads = threads_;
        kernel->gemm(call, result);
        if (result.kind == kernel_tables::outcome::unsupported) return;
        stop_on(result);
        works.push_back({std::string(policy) + v.note, peak_of<P>(), of_bytes<P>, kernel->bytes(packed.get()),
                         [=] {
                             kernel_tables::outcome r;
                             kernel->gemm(call, r);
                             static_cast<void>(lhs), static_cast<void>(packed);
                         },
                         out});
    }

    /// A pass of a convolution with float output.
    template <GemmPolicy P>
    void add_convolution(std::vector<work>& works, const char* policy, const layers::layer& l, peers::conv_pass pass,
                         size batch, const variant& v = {}) {
        const auto* kernel = kernel_of(policy);
        if (!kernel) return;
        const auto function = pass == peers::conv_pass::forward          ? kernel->conv_forward
                              : pass == peers::conv_pass::input_gradient ? kernel->conv_input_gradient
                                                                         : kernel->conv_weight_gradient;
        if (!function) return;
        const size in = batch * l.size * l.size, out = batch * l.out_size() * l.out_size();
        kernel_tables::conv_call call;
        call.shape = {batch,    l.size,   l.size,   l.in_channels, l.out_channels, l.kernel,
                      l.kernel, l.stride, l.stride, l.pad,         l.pad,          1,
                      1,        1};
        const bool forward = pass == peers::conv_pass::forward, input = pass == peers::conv_pass::input_gradient;
        variant of_rhs = v;
        if (v.winograd) {
            call.shape.algorithm = static_cast<int>(intaglio::algorithm::winograd);
            call.shape.largest = intaglio::detail::winograd_largest;
            if (forward || input) ++of_rhs.head_room;
        }
        using lhs_format = typename P::lhs::format;
        using rhs_format = typename P::rhs::format;
        const auto lhs = std::make_shared<buffer<typename P::lhs::storage>>(
            numbers<lhs_format>(input ? out * l.out_channels : in * l.in_channels, !input, v.head_room));
        const auto rhs =
            std::make_shared<buffer<typename P::rhs::storage>>(numbers<rhs_format>(forward ? 0
                                                                                   : input ? l.out_channels * l.depth()
                                                                                           : out * l.out_channels,
                                                                                   false, of_rhs.head_room));
        const size rows = forward ? out
                          : input ? in
                                  : l.out_channels,
                   cols = forward ? l.out_channels
                          : input ? l.in_channels
                                  : l.depth();
        const auto result_memory = std::make_shared<buffer<float>>(rows * cols);
        kernel_tables::outcome result;
        std::shared_ptr<void> packed;
        if (forward) {
            using rhs_type = owned_operand<typename P::rhs, scales_of<typename P::rhs, typename P::total>>;
            const rhs_type filter(true, l.out_channels, l.depth(), of_rhs);
            packed = {kernel->pack_filter(call.shape, filter.data, kernel_tables::storage::fast, 1, result),
                      kernel->release_filter};
            stop_on(result);
        } else if (input) {
            packed = {kernel->pack_gradient_filter(call.shape, rhs->data(), 1, 1, result),
                      kernel->release_gradient_filter};
            stop_on(result);
        }
        call.lhs = lhs->data();
        call.rhs = rhs->data();
        call.packed = packed.get();
        call.out = {kernel_tables::output_data::floats, result_memory->data(), rows, cols, cols, 1, 1};
        call.threads = threads_;
        function(call, result);
        if (result.kind == kernel_tables::outcome::unsupported) return;
        stop_on(result);
        works.push_back({std::string(policy) + v.note, peak_of<P>(), of_bytes<P>, 0, [=] {
                             kernel_tables::outcome r;
                             function(call, r);
                             static_cast<void>(lhs), static_cast<void>(rhs), static_cast<void>(result_memory),
                                 static_cast<void>(packed);
                         }});
        if constexpr (std::is_same_v<P, intaglio::dfp16_training>)
            // the exponent of the step before, as in training
            if (const auto* quantize = v.head_room > 0 ? nullptr : table_.find_conversion("dfp16 predicted"))
                works.push_back({"dfp16_training + quantize", peak_of<P>(), false, 0,
                                 with_quantization(*kernel, *quantize, pass, function, call,
                                                   forward ? l.out_channels * l.depth() : rhs->size(), lhs->size(), lhs,
                                                   result_memory)});
    }

    /// The same pass from FP32 operands: both are quantized, filters are packed, then the product; what a training step
    /// does for one layer.
    std::function<void()> with_quantization(const kernel_tables::kernel& kernel,
                                            const kernel_tables::conversion& quantize, peers::conv_pass pass,
                                            kernel_tables::conv_function function, kernel_tables::conv_call call,
                                            size rhs_count, size lhs_count, std::shared_ptr<void> keep_lhs,
                                            std::shared_ptr<void> keep_out) const {
        const auto lhs = std::make_shared<buffer<std::int16_t>>(lhs_count);
        const auto rhs = std::make_shared<buffer<std::int16_t>>(rhs_count);
        const auto lhs_floats = std::make_shared<buffer<float>>(
            numbers<intaglio::float32>(lhs_count, pass != peers::conv_pass::input_gradient));
        const auto rhs_floats = std::make_shared<buffer<float>>(numbers<intaglio::float32>(rhs_count, false));
        call.lhs = lhs->data();
        call.rhs = rhs->data();
        return [=, this] {
            kernel_tables::outcome r;
            kernel_tables::conv_call now = call;
            quantize.run(lhs_floats->data(), lhs->size(), lhs->data(), threads_, r);
            quantize.run(rhs_floats->data(), rhs->size(), rhs->data(), threads_, r);
            if (pass == peers::conv_pass::forward) {
                kernel_tables::operand_data filter;
                filter.values = rhs->data();
                filter.cols = call.shape.out_channels;
                filter.rows = rhs->size() / filter.cols;
                filter.row_stride = 1;
                filter.col_stride = filter.rows;
                now.packed = kernel.pack_filter(call.shape, filter, kernel_tables::storage::fast, threads_, r);
            } else {
                now.packed = nullptr; // the input gradient packs its filters itself
            }
            function(now, r);
            if (pass == peers::conv_pass::forward) kernel.release_filter(const_cast<void*>(now.packed));
            static_cast<void>(keep_lhs), static_cast<void>(keep_out);
        };
    }

    /// Times our works and the peers in turns; a row for each of ours.
    void measure(const std::string& operation, const std::string& layer, size batch, double macs, bool wide_3x3,
                 const std::vector<work>& works, const std::vector<peers::work>& with) {
        if (works.empty()) return;
        std::vector<std::function<void()>> runs;
        for (const work& w : works) runs.push_back(w.run);
        for (const peers::work& p : with) runs.push_back(p.run);
        // weights that are read once a product are timed as they lie in the caches, not as the work before left those
        const double sample = operation == "gemv" ? 1e-2 : 2e-3;
        const auto times = timing::interleaved(runs, options_.budget, sample, threads_ > 1 ? 0.03 : 0);

        std::printf("%-24s %2td", layer.c_str(), batch);
        std::vector<double> peer_gmacs;
        for (std::size_t p = 0; p < with.size(); ++p) {
            peer_gmacs.push_back(macs / times[works.size() + p].best * 1e-9);
            std::printf("  %s %.1f", with[p].peer.c_str(), peer_gmacs.back());
        }
        for (std::size_t w = 0; w < works.size(); ++w) {
            report::row r;
            r.operation = operation;
            r.policy = works[w].policy;
            r.layer = layer;
            r.batch = batch;
            r.threads = threads_;
            r.arch = table_.name;
            r.gmacs = macs / times[w].best * 1e-9;
            r.median_gmacs = macs / times[w].median * 1e-9;
            r.peak_gmacs = operation == "gemv" ? bandwidth_peak(macs, works[w].weights) : peak(works[w].peak);
            r.fma_gmacs = peak("fp32");
            r.wide_3x3 = wide_3x3;
            for (std::size_t p = 0; p < with.size(); ++p) // 8-bit works beside the 8-bit peer where there is one
                if (with[p].peer.starts_with("oneDNN u8s8") ? works[w].bytes : peer_gmacs[p] > r.peer_gmacs) {
                    r.peer = with[p].peer;
                    r.peer_gmacs = peer_gmacs[p];
                }
            std::printf(" | %s %.1f", works[w].policy.c_str(), r.gmacs);
            if (r.peak_gmacs > 0) std::printf(" (%.0f%%)", 100 * r.of_peak());
            if (r.peer_gmacs > 0) std::printf(" %.2fx", r.ratio());
            rows_.push_back(std::move(r));
        }
        std::printf("\n");
        std::fflush(stdout);
    }

    /// GMAC/s if weights are read as fast as so many bytes can be: they are used once.
    double bandwidth_peak(double macs, size weights) const {
        const auto* read = table_.find_conversion("read");
        if (!read || weights < 64) return 0;
        const buffer<float> values(weights / 4);
        const auto times = timing::interleaved({[&] {
                                                   kernel_tables::outcome r;
                                                   read->run(values.data(), values.size(), nullptr, threads_, r);
                                               }},
                                               options_.budget / 4, 1e-2);
        return macs / times.front().best * 1e-9;
    }

    void head(const char* operation) {
        measure_peaks();
        std::printf("\n%s: layer, batch, peers, then ours as GMAC/s (share of its peak) ratio to the peer\n",
                    operation);
    }

    template <class F>
    void for_each_layer(F&& f) const {
        for (const layers::network& net : layers::networks) {
            if (!wanted(options_.networks, net.name)) continue;
            for (const layers::layer& l : net.layers)
                if (!options_.quick || l.representative) f(std::string(net.name) + "/" + l.name, l);
        }
    }

    void convolutions(const char* operation, peers::conv_pass pass, size batch) {
        if (!wanted(options_.operations, operation)) return;
        head(operation);
        for_each_layer([&](const std::string& name, const layers::layer& l) {
            // nobody needs the gradient by the image
            if (pass == peers::conv_pass::input_gradient && l.in_channels == 3) return;
            std::vector<work> works;
            add_convolution<intaglio::fp32>(works, "fp32", l, pass, batch);
            add_convolution<intaglio::dfp16_training>(works, "dfp16_training", l, pass, batch);
            add_convolution<intaglio::dfp16_training>(works, "dfp16_training", l, pass, batch, paper_bits);
            const bool by_winograd = l.kernel == 3 && l.stride == 1 && l.in_channels >= 16;
            if (by_winograd)
                add_convolution<intaglio::dfp16_training>(works, "dfp16_training", l, pass, batch, winograd_bits);
            if (std::strcmp(table_.name, "amx") == 0) {
                add_convolution<intaglio::dfp16_bytes>(works, "dfp16_bytes", l, pass, batch);
                add_convolution<intaglio::dfp16_planar>(works, "dfp16_planar", l, pass, batch);
            }
            if (pass == peers::conv_pass::forward) {
                add_convolution<intaglio::int8_inference>(works, "int8_inference", l, pass, batch);
                add_convolution<intaglio::ternary8_inference<1>>(works, "ternary8_inference<1>", l, pass, batch);
                add_convolution<intaglio::ternary8_locked<2>>(works, "ternary8_locked<2>", l, pass, batch);
            }
            std::vector<peers::work> with;
            const peers::conv_size s{batch,    l.size,   l.in_channels, l.out_channels,
                                     l.kernel, l.stride, l.pad,         l.out_size()};
            if (auto p = peers::convolution(s, pass)) with.push_back(std::move(p));
            if (by_winograd)
                if (auto p = peers::convolution(s, pass, true)) with.push_back(std::move(p));
            if (pass == peers::conv_pass::forward && any_bytes(works))
                if (auto p = peers::convolution_u8s8(s)) with.push_back(std::move(p));
            measure(operation, name, batch, static_cast<double>(batch) * l.macs(), l.kernel == 3 && l.in_channels >= 64,
                    works, with);
        });
    }

    static bool any_bytes(const std::vector<work>& works) {
        return std::any_of(works.begin(), works.end(), [](const work& w) { return w.bytes; });
    }

    void product(const char* operation, const std::string& name, size batch, size m, size n, size k, bool wide_3x3,
                 std::vector<work> works) {
        std::vector<peers::work> with;
        const buffer<float> a = numbers<intaglio::float32>(m * k, true), b = numbers<intaglio::float32>(k * n, false);
        buffer<float> c(m * n);
        if (auto p = peers::gemm(m, n, k, a.data(), b.data(), c.data())) with.push_back(std::move(p));
        measure(operation, name, batch, static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k),
                wide_3x3, works, with);
    }

    std::vector<work> usual_products(size m, size n, size k) {
        std::vector<work> works;
        add_product<intaglio::fp32>(works, "fp32", m, n, k);
        add_product<intaglio::dfp16_training>(works, "dfp16_training", m, n, k);
        add_product<intaglio::dfp16_training>(works, "dfp16_training", m, n, k, paper_bits);
        if (std::strcmp(table_.name, "amx") == 0) {
            add_product<intaglio::dfp16_bytes>(works, "dfp16_bytes", m, n, k);
            add_product<intaglio::dfp16_planar>(works, "dfp16_planar", m, n, k);
        }
        add_product<intaglio::int8_inference>(works, "int8_inference", m, n, k);
        add_product<intaglio::ternary8_inference<1>>(works, "ternary8_inference<1>", m, n, k);
        add_product<intaglio::ternary8_locked<2>>(works, "ternary8_locked<2>", m, n, k);
        return works;
    }

    /// The layers as products: pixels x filters x (taps x channels).
    void products(size batch) {
        if (!wanted(options_.operations, "gemm")) return;
        head("gemm");
        for_each_layer([&](const std::string& name, const layers::layer& l) {
            const size m = batch * l.out_size() * l.out_size(), n = l.out_channels, k = l.depth();
            if (m * k > size{1} << 28) return; // an im2col matrix above 1 GiB in FP32
            product("gemm", name, batch, m, n, k, l.kernel == 3 && l.in_channels >= 64, usual_products(m, n, k));
        });
    }

    void squares() {
        if (!wanted(options_.operations, "gemm")) return;
        for (const size n : options_.quick ? std::vector<size>{1024} : std::vector<size>{512, 1024, 2048})
            product("gemm", "square/" + std::to_string(n), 1, n, n, n, false, usual_products(n, n, n));
    }

    /// A vector, and few rows, of activations by a matrix of weights that hardly fits a cache. The vector's peak is the
    /// bandwidth: what reading its packed weights alone would take.
    void vectors() {
        constexpr size n = 4096;
        if (wanted(options_.operations, "gemv")) {
            head("gemv (share of the read bandwidth)");
            auto works = usual_products(1, n, n);
            using kernel_tables::storage;
            add_product<intaglio::ternary8_inference<1>>(works, "ternary8_inference<1>", 1, n, n,
                                                         {", 2 bits", 200, storage::small});
            add_product<intaglio::ternary8_inference<1>>(works, "ternary8_inference<1>", 1, n, n,
                                                         {", five in a byte", 200, storage::smallest});
            add_product<intaglio::ternary8_locked<2>>(works, "ternary8_locked<2>", 1, n, n,
                                                      {", 4 bits", 200, storage::small});
            product("gemv", "4096 x 4096", 1, 1, n, n, false, std::move(works));
        }
        if (wanted(options_.operations, "gemm"))
            for (const size m : options_.quick ? std::vector<size>{64} : std::vector<size>{64, 512})
                product("gemm", "4096 x 4096, " + std::to_string(m), m, m, n, n, false, usual_products(m, n, n));
    }

    /// Every other format of the presets, on one 3 x 3 layer as a product.
    void formats() {
        if (!wanted(options_.operations, "gemm")) return;
        head("gemm, other formats");
        const size m = 196, n = 256, k = 2304;
        std::vector<work> works;
        add_product<intaglio::dfp16_bytes>(works, "dfp16_bytes", m, n, k);
        add_product<intaglio::dfp16_planar>(works, "dfp16_planar", m, n, k);
        add_product<intaglio::dfp16_dial<3>>(works, "dfp16_dial<3>", m, n, k);
        add_product<intaglio::dfp16_dial<1>>(works, "dfp16_dial<1>", m, n, k);
        add_product<intaglio::int8_signed>(works, "int8_signed", m, n, k);
        add_product<intaglio::ternary8_inference<1>>(works, "ternary8_inference<1>", m, n, k, {", unfolded", 200});
        add_product<intaglio::ternary8_inference<1>>(
            works, "ternary8_inference<1>", m, n, k,
            {", unfolded, 1/8 of blocks zero", 200, kernel_tables::storage::fast, 1});
        add_product<intaglio::ternary8_inference<1>>(
            works, "ternary8_inference<1>", m, n, k,
            {", unfolded, 1/2 of blocks zero", 200, kernel_tables::storage::fast, 4});
        add_product<intaglio::ternary8_locked<2>>(works, "ternary8_locked<2>", m, n, k, {", unfolded", 200});
        add_product<intaglio::ternary8_inference<2>>(works, "ternary8_inference<2>", m, n, k);
        add_product<intaglio::ternary8_inference<3>>(works, "ternary8_inference<3>", m, n, k);
        add_product<intaglio::ternary8_locked<3>>(works, "ternary8_locked<3>", m, n, k);
        add_product<intaglio::int4_blocks>(works, "int4_blocks", m, n, k);
        add_product<intaglio::int16_blocks>(works, "int16_blocks", m, n, k);
        add_product<intaglio::int32_mantissas>(works, "int32_mantissas", m, n, k);
        product("gemm", "resnet50/conv4_b", 1, m, n, k, true, works);
        for (std::size_t w = 1; w < works.size(); ++w)
            if (works[0].policy == "dfp16_bytes" && works[w].policy.starts_with("dfp16_dial"))
                std::printf("%-24s    error of %s: %.2g of the products' root mean square\n", "",
                            works[w].policy.c_str(), relative_error(*works[w].out, *works[0].out));
    }

    /// |v - exact|_2 / |exact|_2.
    static double relative_error(const buffer<float>& v, const buffer<float>& exact) {
        double error = 0, all = 0;
        for (size i = 0; i < v.size(); ++i) {
            const double e = exact[i], d = static_cast<double>(v[i]) - e;
            error += d * d;
            all += e * e;
        }
        return std::sqrt(error / all);
    }

    /// Quantization as a share of the bandwidth of L2 (256 KiB) and of the memory (64 MiB). Figures are 10^9 elements a
    /// second.
    void conversions() {
        if (!wanted(options_.operations, "quantize") || !table_.find_conversion("read")) return;
        std::printf("\nquantize: 10^9 elements a second (share of the bandwidth measured beside)\n");
        for (const size count : {size{1} << 16, size{1} << 24}) {
            const buffer<float> values = numbers<intaglio::float32>(count, false);
            buffer<float> out(count);
            std::vector<std::function<void()>> runs;
            const auto& list = table_.conversions;
            for (std::size_t c = 0; c < list.count; ++c)
                runs.push_back([&, c] {
                    kernel_tables::outcome r;
                    list.conversions[c].run(values.data(), count, out.data(), threads_, r);
                });
            const auto times = timing::interleaved(runs, options_.budget);
            double read = 0, copy = 0; // bytes a second
            for (std::size_t c = 0; c < list.count; ++c) {
                const double rate = static_cast<double>(count) / times[c].best;
                if (std::strcmp(list.conversions[c].name, "read") == 0) read = rate * list.conversions[c].bytes;
                if (std::strcmp(list.conversions[c].name, "copy") == 0) copy = rate * list.conversions[c].bytes;
            }
            const std::string name = std::to_string(count * 4 >> 10) + " KiB";
            std::printf("%-24s   read %.1f GB/s, copy %.1f GB/s", name.c_str(), read * 1e-9, copy * 1e-9);
            for (std::size_t c = 0; c < list.count; ++c) {
                const kernel_tables::conversion& conversion = list.conversions[c];
                report::row r;
                r.operation = "quantize";
                r.policy = conversion.name;
                if (r.policy == "read" || r.policy == "copy") continue;
                if (count == size{1} << 16) r.policy += " in L2";
                r.layer = name;
                r.threads = threads_;
                r.arch = table_.name;
                r.gmacs = static_cast<double>(count) / times[c].best * 1e-9;
                r.median_gmacs = static_cast<double>(count) / times[c].median * 1e-9;
                // the time that moving the bytes takes: those of the first pass read, those of the second read and
                // written
                const double seconds = conversion.bytes == 4   ? 4 / read
                                       : conversion.bytes == 6 ? 6 / copy
                                                               : 4 / read + 6 / copy;
                r.peak_gmacs = 1e-9 / seconds;
                std::printf(" | %s %.2f (%.0f%%)", conversion.name, r.gmacs, 100 * r.of_peak());
                rows_.push_back(std::move(r));
            }
            std::printf("\n");
        }
    }

    const options& options_;
    const kernel_tables::arch_table& table_;
    int threads_;
    double fp32_ = 0, int16_ = 0, u8s8_ = 0, u8code_ = 0;
    std::vector<report::row> rows_;
};

// ---- the process that starts the others

/// Runs this program again for one arch and one thread count, with the environment that the peers need; appends its
/// rows.
bool measure_apart(const options& o, const std::string& arch, int threads, const std::vector<std::string>& arguments,
                   std::vector<report::row>& rows) {
    const std::string path = o.output + "." + arch + "." + std::to_string(threads) + ".rows";
    const pid_t child = fork();
    if (child < 0) return false;
    if (child == 0) {
        for (const auto& [name, value] : peers::environment_for(arch, threads))
            value.empty() ? unsetenv(name.c_str()) : setenv(name.c_str(), value.c_str(), 1);
        std::vector<std::string> words{"kernels", "--rows", path, "--arch", arch, "--threads", std::to_string(threads)};
        words.insert(words.end(), arguments.begin(), arguments.end());
        std::vector<char*> argv;
        for (std::string& w : words) argv.push_back(w.data());
        argv.push_back(nullptr);
        execv("/proc/self/exe", argv.data());
        _exit(127);
    }
    int status = 0;
    waitpid(child, &status, 0);
    std::ifstream file(path);
    if (status == 0 && file)
        for (const auto& r : nlohmann::json::parse(file)) rows.push_back(report::from_json(r));
    std::filesystem::remove(path);
    return status == 0;
}

} // namespace

int main(int argc, char** argv) {
    options o;
    CLI::App app{"Speed of products and convolutions on the layers of real networks, beside this core's peaks and "
                 "beside OpenBLAS and oneDNN"};
    app.add_flag("--quick", o.quick, "a dozen layers, batch 1, less time each: under four minutes");
    app.add_option("--arch", o.archs, "instruction sets (default: the best of this CPU)")->delimiter(',');
    app.add_option("--threads", o.threads, "thread counts (default: 1 and 2)")->delimiter(',');
    app.add_option("--batch", o.batches, "images at once (default: 1 and 8; quick: 1)")->delimiter(',');
    app.add_option("--case", o.operations,
                   "gemm, gemv, conv_forward, conv_input_gradient, conv_weight_gradient, quantize (default: all)")
        ->delimiter(',');
    app.add_option("--policy", o.policies, "names of presets as in the tables (default: all)")->expected(1)->take_all();
    app.add_option("--network", o.networks, "resnet50, vgg16, googlenet, alexnet (default: all)")->delimiter(',');
    app.add_option("--budget", o.budget, "seconds for each work on each layer (default: 0.15; quick: 0.03)");
    app.add_option("--output", o.output, "the JSON file");
    app.add_option("--rows", o.rows, "for the program's own use")->group("");
    CLI11_PARSE(app, argc, argv);

    if (o.threads.empty()) o.threads = {1, 2};
    if (o.batches.empty()) o.batches = o.quick ? std::vector<size>{1} : std::vector<size>{1, 8};
    if (o.budget <= 0) o.budget = o.quick ? 0.03 : 0.15;
    if (o.archs.empty()) {
        for (const auto& table : kernel_tables::arch_tables())
            if (table.usable()) o.archs = {table.name};
    }
    for (const std::string& arch : o.archs) {
        const auto* table = kernel_tables::find_arch(arch.c_str());
        if (!table || !table->usable()) {
            std::fprintf(stderr, "bench kernels: %s is %s\n", arch.c_str(),
                         !table         ? "no instruction set"
                         : table->built ? "not on this CPU"
                                        : "not in this build");
            return 1;
        }
    }

    if (!o.rows.empty()) { // a process that measures
        measurement m(o, *kernel_tables::find_arch(o.archs.front().c_str()), o.threads.front());
        m.run();
        nlohmann::json rows = nlohmann::json::array();
        for (const auto& r : m.rows()) rows.push_back(report::to_json(r));
        std::ofstream file(o.rows);
        file << rows;
        return file ? 0 : 1;
    }

    std::vector<std::string> arguments; // all but --arch and --threads, which the children get one of
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (word == "--arch" || word == "--threads" || word == "--output")
            ++i;
        else if (!word.starts_with("--arch=") && !word.starts_with("--threads=") && !word.starts_with("--output="))
            arguments.push_back(word);
    }
    const std::filesystem::path folder = std::filesystem::path(o.output).parent_path();
    if (!folder.empty()) std::filesystem::create_directories(folder);
    std::vector<report::row> rows;
    bool good = true;
    for (const std::string& arch : o.archs)
        for (const int threads : o.threads) good = measure_apart(o, arch, threads, arguments, rows) && good;
    report::print_summary(report::summarize(rows));
    report::print_forms(rows, "dfp16_training, 13 bits", "dfp16_training, Winograd's");
    good = report::write(o.output, rows, {{"compiler", __VERSION__}, {"quick", o.quick}}) && good;
    std::printf("\nrows and summary: %s\n", o.output.c_str());
    return good ? 0 : 1;
}
