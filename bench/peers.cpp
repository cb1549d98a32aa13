// SPDX-License-Identifier: Apache-2.0

// Built with INTAGLIO_BENCH_OPENBLAS and INTAGLIO_BENCH_ONEDNN where the build finds the libraries.

#include "peers.hpp"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <unordered_map>

#ifdef INTAGLIO_BENCH_OPENBLAS
#include <cblas.h>
#endif
#ifdef INTAGLIO_BENCH_ONEDNN
#include <dnnl.hpp>
#endif

namespace peers {

std::vector<std::pair<std::string, std::string>> environment_for(const std::string& arch, int threads) {
    // Nehalem is the last core before AVX, Haswell the first with AVX2, SkylakeX the one with AVX-512
    const char* core = arch.starts_with("avx512") || arch == "amx" ? "SkylakeX"
                       : arch.starts_with("avx")                   ? "Haswell"
                                                                   : "Nehalem";
    return {{"OPENBLAS_CORETYPE", core},
            {"OPENBLAS_L2_SIZE", ""},
            {"OPENBLAS_NUM_THREADS", std::to_string(threads)},
            {"OMP_NUM_THREADS", std::to_string(threads)},
            {"OMP_PROC_BIND", "false"}}; // bound, the thread that calls would keep all of its own threads on one core
}

#ifdef INTAGLIO_BENCH_OPENBLAS
static std::string blas_description() {
    std::string config = openblas_get_config(); // "OpenBLAS 0.3.21 NO_AFFINITY ..."
    const std::size_t second_space = config.find(' ', config.find(' ') + 1);
    return config.substr(0, second_space) + " (" + openblas_get_corename() + " kernels)";
}

work gemm(std::ptrdiff_t m, std::ptrdiff_t n, std::ptrdiff_t k, const float* a, const float* b, float* c) {
    const auto rows = static_cast<int>(m), cols = static_cast<int>(n), depth = static_cast<int>(k);
    return {"OpenBLAS", [=] {
                if (rows == 1)
                    cblas_sgemv(CblasRowMajor, CblasTrans, depth, cols, 1.0F, b, cols, a, 1, 0.0F, c, 1);
                else
                    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, cols, depth, 1.0F, a, depth, b, cols,
                                0.0F, c, cols);
            }};
}
#else
static std::string blas_description() { return {}; }
work gemm(std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, const float*, const float*, float*) { return {}; }
#endif

#ifdef INTAGLIO_BENCH_ONEDNN
static std::string dnn_description() {
    const dnnl_version_t* v = dnnl_version();
    const char* isa = "";
    switch (dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_sse41:
        isa = "SSE4.1";
        break;
    case dnnl_cpu_isa_avx:
        isa = "AVX";
        break;
    case dnnl_cpu_isa_avx2:
        isa = "AVX2";
        break;
    case dnnl_cpu_isa_avx2_vnni:
        isa = "AVX2 VNNI";
        break;
    case dnnl_cpu_isa_avx512_core:
        isa = "AVX-512";
        break;
    case dnnl_cpu_isa_avx512_core_vnni:
        isa = "AVX-512 VNNI";
        break;
    case dnnl_cpu_isa_avx512_core_bf16:
        isa = "AVX-512 BF16";
        break;
    default:
        isa = "the best it knows";
        break;
    }
    return "oneDNN " + std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch) +
           " (" + isa + ")";
}

void hold_to_arch(const std::string& arch) {
    const dnnl_cpu_isa_t isa = arch == "amx"           ? dnnl_cpu_isa_all
                               : arch == "avx512_vnni" ? dnnl_cpu_isa_avx512_core_vnni
                               : arch == "avx512bw"    ? dnnl_cpu_isa_avx512_core
                               : arch == "avx_vnni"    ? dnnl_cpu_isa_avx2_vnni
                               : arch == "avx2"        ? dnnl_cpu_isa_avx2
                                                       : dnnl_cpu_isa_sse41;
    dnnl_set_max_cpu_isa(isa);
}

namespace {

using dnnl::memory;

/// A primitive with its arguments. Weights and activations are in the layout that the primitive asked for, filled with
/// small numbers.
struct prepared {
    dnnl::engine engine{dnnl::engine::kind::cpu, 0};
    dnnl::stream stream{engine};
    dnnl::primitive primitive;
    std::unordered_map<int, memory> arguments;

    void add(int name, const memory::desc& desc) {
        memory m(desc, engine);
        auto* bytes = static_cast<unsigned char*>(m.get_data_handle());
        const std::size_t size = desc.get_size(); // asked once: a call into the library
        if (desc.data_type() == memory::data_type::f32) {
            auto* values = reinterpret_cast<float*>(bytes);
            for (std::size_t i = 0; i < size / sizeof(float); ++i)
                values[i] = static_cast<float>(i % 13) * 0.125F - 0.75F;
        } else {
            for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<unsigned char>(i % 7);
        }
        arguments.emplace(name, std::move(m));
    }
    void run() {
        primitive.execute(stream, arguments);
        stream.wait();
    }
};

struct descriptions {
    memory::desc in, filter, out;
    memory::dims stride, pad;
};
descriptions describe(const conv_size& s, memory::data_type in_type, memory::data_type filter_type) {
    const auto any = memory::format_tag::any;
    return {{{s.batch, s.in_channels, s.size, s.size}, in_type, any},
            {{s.out_channels, s.in_channels, s.kernel, s.kernel}, filter_type, any},
            {{s.batch, s.out_channels, s.out_size, s.out_size}, memory::data_type::f32, any},
            {s.stride, s.stride},
            {s.pad, s.pad}};
}

dnnl::convolution_forward::primitive_desc forward_of(const dnnl::engine& engine, const descriptions& d,
                                                     dnnl::prop_kind kind,
                                                     dnnl::algorithm how = dnnl::algorithm::convolution_direct) {
    return {dnnl::convolution_forward::desc(kind, how, d.in, d.filter, d.out, d.stride, d.pad, d.pad), engine};
}

} // namespace

work convolution(const conv_size& size, conv_pass pass, bool winograd) {
    try {
        const auto f32 = memory::data_type::f32;
        const auto p = std::make_shared<prepared>();
        const descriptions d = describe(size, f32, f32);
        const auto how = winograd ? dnnl::algorithm::convolution_winograd : dnnl::algorithm::convolution_direct;
        if (pass == conv_pass::forward) {
            const auto forward = forward_of(p->engine, d, dnnl::prop_kind::forward_inference, how);
            p->primitive = dnnl::convolution_forward(forward);
            p->add(DNNL_ARG_SRC, forward.src_desc());
            p->add(DNNL_ARG_WEIGHTS, forward.weights_desc());
            p->add(DNNL_ARG_DST, forward.dst_desc());
        } else if (pass == conv_pass::input_gradient) {
            using backward = dnnl::convolution_backward_data;
            const backward::primitive_desc b(backward::desc(how, d.in, d.filter, d.out, d.stride, d.pad, d.pad),
                                             p->engine, forward_of(p->engine, d, dnnl::prop_kind::forward_training));
            p->primitive = backward(b);
            p->add(DNNL_ARG_DIFF_SRC, b.diff_src_desc());
            p->add(DNNL_ARG_WEIGHTS, b.weights_desc());
            p->add(DNNL_ARG_DIFF_DST, b.diff_dst_desc());
        } else {
            using backward = dnnl::convolution_backward_weights;
            const backward::primitive_desc b(backward::desc(how, d.in, d.filter, d.out, d.stride, d.pad, d.pad),
                                             p->engine, forward_of(p->engine, d, dnnl::prop_kind::forward_training));
            p->primitive = backward(b);
            p->add(DNNL_ARG_SRC, b.src_desc());
            p->add(DNNL_ARG_DIFF_WEIGHTS, b.diff_weights_desc());
            p->add(DNNL_ARG_DIFF_DST, b.diff_dst_desc());
        }
        return {winograd ? "oneDNN f32 Winograd" : "oneDNN f32", [p] { p->run(); }};
    } catch (const dnnl::error&) {
        return {}; // it has no such convolution
    }
}

/// Whether u8 x s8 convolutions lose what int16 can't hold: without dot-product instructions two products are summed in
/// int16 first.
static bool saturates() {
    const conv_size size{1, 7, 64, 16, 1, 1, 0, 7};
    prepared p;
    const auto forward = forward_of(p.engine, describe(size, memory::data_type::u8, memory::data_type::s8),
                                    dnnl::prop_kind::forward_inference);
    memory in(forward.src_desc(), p.engine), filter(forward.weights_desc(), p.engine),
        out(forward.dst_desc(), p.engine);
    std::memset(in.get_data_handle(), 255, forward.src_desc().get_size());
    std::memset(filter.get_data_handle(), 127, forward.weights_desc().get_size());
    dnnl::convolution_forward(forward).execute(p.stream,
                                               {{DNNL_ARG_SRC, in}, {DNNL_ARG_WEIGHTS, filter}, {DNNL_ARG_DST, out}});
    p.stream.wait();
    return *static_cast<const float*>(out.get_data_handle()) != 64.0F * 255 * 127;
}

work convolution_u8s8(const conv_size& size) {
    try {
        static const std::string name = saturates() ? "oneDNN u8s8 (saturates)" : "oneDNN u8s8";
        const auto p = std::make_shared<prepared>();
        const auto forward = forward_of(p->engine, describe(size, memory::data_type::u8, memory::data_type::s8),
                                        dnnl::prop_kind::forward_inference);
        p->primitive = dnnl::convolution_forward(forward);
        p->add(DNNL_ARG_SRC, forward.src_desc());
        p->add(DNNL_ARG_WEIGHTS, forward.weights_desc());
        p->add(DNNL_ARG_DST, forward.dst_desc());
        return {name, [p] { p->run(); }};
    } catch (const dnnl::error&) {
        return {};
    }
}
#else
static std::string dnn_description() { return {}; }
void hold_to_arch(const std::string&) {}
work convolution(const conv_size&, conv_pass, bool) { return {}; }
work convolution_u8s8(const conv_size&) { return {}; }
#endif

std::string description() {
    const std::string blas = blas_description(), dnn = dnn_description();
    if (blas.empty() && dnn.empty()) return "none";
    return blas + (blas.empty() || dnn.empty() ? "" : ", ") + dnn;
}

} // namespace peers
