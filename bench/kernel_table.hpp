// SPDX-License-Identifier: Apache-2.0
#pragma once

// The library's kernels behind plain function pointers, so that one program can run and compare every instruction set
// that its CPU has. The units kernel_table_*.cpp are compiled once for each arch; nothing but pointers, sizes and the
// structs below crosses their edge: no exception, no type of the library, no template. That is what keeps the flags of
// one unit from leaking into another, and it is the pattern that an application with run-time choice follows
// (docs/kernels.md).
//
//   kernel_operations.hpp    one generic text for each operation
//   kernel_table_*.cpp       that text, instantiated over a list of policies
//   kernel_archs.cpp         which archs were built, and which of them this CPU can run

#include <cstddef>
#include <cstdint>
#include <span>

namespace kernel_tables {

/// What happened. `kind` tells the exception's type; `text` is its message.
struct outcome {
    enum kinds { ok, shape_error, value_error, other_error, unsupported };
    kinds kind = ok;
    char text[480] = "";
};

/// An operand_view without its types.
struct operand_data {
    const void* values = nullptr;
    std::ptrdiff_t rows = 0, cols = 0, row_stride = 0, col_stride = 1;
    double scale = 1;
    const void* scales = nullptr;
    std::ptrdiff_t scale_count = 0;
    std::ptrdiff_t plane_stride = 0;
};

/// Where a result goes. Totals have the policy's integral type; the others are quantized views (gemm/gemm.hpp).
struct output_data {
    enum kinds { totals, floats, int8, uint8, int16 };
    kinds kind = floats;
    void* values = nullptr;
    std::ptrdiff_t rows = 0, cols = 0, row_stride = 0, col_stride = 1;
    float inverse_scale = 1;
};

/// The epilogue. Each kind is one composition of stages; with which outputs they were instantiated says
/// kernel_operations.hpp.
struct stage_data {
    enum kinds { none, bias_relu, normalized }; ///< normalized: scale_shift, add, relu, max_magnitude
    kinds kind = none;
    const float* bias = nullptr;
    const float* scale = nullptr;
    const float* shift = nullptr;
    const float* residual = nullptr; ///< shaped and strided like a dense output
    float* max_magnitude = nullptr;
};

struct gemm_call {
    operand_data lhs;
    operand_data rhs;             ///< used where `packed` is null
    const void* packed = nullptr; ///< from kernel::pack
    output_data out;
    stage_data stages;
    int threads = 1; ///< 1 runs serially, more through a pool that the unit keeps
};

/// conv_geometry, member for member, and how it is computed.
struct conv_shape {
    std::ptrdiff_t batch = 1, height = 0, width = 0, in_channels = 0, out_channels = 0, kernel_h = 1, kernel_w = 1,
                   stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0, dilation_h = 1, dilation_w = 1, groups = 1;
    int algorithm = 0; ///< as in conv/algorithm.hpp; direct where it can't be exact
    int largest = 0;   ///< conv_form::largest
};

struct conv_call {
    conv_shape shape;
    const void* lhs = nullptr; ///< forward and weight gradient: activations; input gradient: d_out
    double lhs_scale = 1;
    /// Forward: from kernel::pack_filter; input gradient: from kernel::pack_gradient_filter, or null.
    const void* packed = nullptr;
    const void* rhs = nullptr; ///< input gradient: the filter where `packed` is null; weight gradient: d_out
    double rhs_scale = 1;
    output_data out;
    stage_data stages;
    int threads = 1;
};

/// rhs_storage (gemm/rhs_layout.hpp), name for name.
enum class storage { fast, small, smallest };

using pack_function = void* (*)(const operand_data& rhs, storage, int threads, outcome&) noexcept;
using gemm_function = void (*)(const gemm_call&, outcome&) noexcept;
using pack_filter_function = void* (*)(const conv_shape&, const operand_data& filter, storage, int threads,
                                       outcome&) noexcept;
using pack_gradient_filter_function = void* (*)(const conv_shape&, const void* filter, double scale, int threads,
                                                outcome&) noexcept;
using bytes_function = std::ptrdiff_t (*)(const void* packed) noexcept;
using conv_function = void (*)(const conv_call&, outcome&) noexcept;
using release_function = void (*)(void* packed) noexcept;

/// All operations on one policy. An operation that the policy doesn't have is null.
struct kernel {
    const char* policy;
    pack_function pack;
    bytes_function bytes; ///< of memory that a packed operand holds
    release_function release;
    gemm_function gemm;
    pack_filter_function pack_filter;
    release_function release_filter;
    conv_function conv_forward;
    pack_gradient_filter_function pack_gradient_filter;
    release_function release_gradient_filter;
    conv_function conv_input_gradient;
    conv_function conv_weight_gradient;
    bool fused; ///< whether it has outputs with stages
};

/// One shape of a peak (peak.hpp): runs so many rounds of an atom with operands that stay in registers or L1, and
/// returns how many multiply-adds that were. An arch has several shapes under one name; the best is the peak.
struct peak {
    const char* name; ///< "fp32", "int16", "u8s8", "u8trit"
    double (*run)(std::ptrdiff_t rounds) noexcept;
};

/// A pass over memory: `count` floats in, whatever it writes out (at most 4 bytes a float). Together with the passes
/// "read" and "copy", which do nothing but move bytes, it tells how much of the memory's bandwidth quantization
/// reaches.
struct conversion {
    /// "read", "copy", "largest_magnitude", "dfp16_convert" (exponent given), "dfp16" (both passes), "dfp16 predicted"
    /// (both in one).
    const char* name;
    double bytes; ///< moved for each element
    void (*run)(const float* values, std::ptrdiff_t count, void* out, int threads, outcome&) noexcept;
};

/// The part of an arch's table that one unit holds.
struct kernel_list {
    const kernel* kernels;
    std::size_t count;
};
struct peak_list {
    const peak* peaks;
    std::size_t count;
};
struct conversion_list {
    const conversion* conversions;
    std::size_t count;
};

/// One arch: the kernels of this program that were compiled for it.
struct arch_table {
    const char* name;       ///< "avx2", as in simd/arch.hpp
    bool built = false;     ///< whether this program has its units
    bool runs_here = false; ///< whether this CPU has its instructions
    kernel_list training{}, inference{}, blocks{};
    peak_list peaks{};
    conversion_list conversions{};

    bool usable() const { return built && runs_here; }
    /// The kernel of a policy, or null.
    const kernel* find(const char* policy) const;
    /// The conversion of a name, or null.
    const conversion* find_conversion(const char* name) const;
    /// Multiply-adds per second of a peak, the best of all its shapes and of `repeats` runs of some milliseconds each;
    /// 0 where the arch lacks it.
    double measure_peak(const char* peak_name, int repeats = 5) const;
};

/// Every arch that the library knows, the least first.
std::span<const arch_table> arch_tables();
/// The table of an arch by name, or null.
const arch_table* find_arch(const char* name);

} // namespace kernel_tables
