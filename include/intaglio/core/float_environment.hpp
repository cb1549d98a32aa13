// SPDX-License-Identifier: Apache-2.0
#pragma once

// The floating-point environment in which the library computes. A thread may have been told to round in another
// direction, to treat denormal numbers as zeros (FTZ and DAZ, which a program linked with -ffast-math switches on
// before main), or to trap. Threads inherit that from the thread that made them, so that the workers of a pool may
// compute in another one than their caller. Results have the same bits all the same: each function of the library that
// computes with floating-point numbers opens with
//
//   const float_environment scope;
//
// or, where it returns a number, is the argument of in_float_environment; and executor_ref does so around each worker's
// share. It costs one read of a register where nothing is to be changed.
//
// What the register of the machine holds is written here and not in simd/arch, since executors, two floors below, need
// it, and it is no vector instruction. On machines other than x86 and AArch64 the caller's environment stays.

#include <cstdint>

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI {

namespace detail {

#if defined(__SSE__)
/// MXCSR: rounding to nearest even, all exceptions masked, denormal numbers kept. The low six bits are the flags that
/// operations have raised.
inline constexpr std::uint64_t default_float_control = 0x1F80, float_control_mask = 0xFFC0;
INTAGLIO_INLINE std::uint64_t read_float_control() noexcept {
    std::uint32_t control;
    asm volatile("stmxcsr %0" : "=m"(control));
    return control;
}
INTAGLIO_INLINE void write_float_control(std::uint64_t control) noexcept {
    const auto low = static_cast<std::uint32_t>(control);
    asm volatile("ldmxcsr %0" : : "m"(low) : "memory");
}
#elif defined(__aarch64__)
/// FPCR: the same is all zeros. Flags are in a register of their own.
inline constexpr std::uint64_t default_float_control = 0, float_control_mask = 0xFFFF'FFFF;
INTAGLIO_INLINE std::uint64_t read_float_control() noexcept {
    std::uint64_t control;
    asm volatile("mrs %0, fpcr" : "=r"(control));
    return control;
}
INTAGLIO_INLINE void write_float_control(std::uint64_t control) noexcept {
    asm volatile("msr fpcr, %0" : : "r"(control) : "memory");
}
#else
inline constexpr std::uint64_t default_float_control = 0, float_control_mask = 0;
INTAGLIO_INLINE std::uint64_t read_float_control() noexcept { return 0; }
INTAGLIO_INLINE void write_float_control(std::uint64_t) noexcept {}
#endif

} // namespace detail

/// As long as this lives the calling thread rounds to nearest even, keeps denormal numbers and does not trap. Then, by
/// an exception too, the thread's own environment is back; if it was another one, so are its flags.
///
/// The compiler orders memory around a change of the environment, not arithmetic in registers. That is enough for
/// functions that read their operands from memory and write their results there. Those that return a number take
/// in_float_environment: Clang 14 moved the last division of such a one behind the scope.
class float_environment {
public:
    INTAGLIO_INLINE float_environment() noexcept : callers_(detail::read_float_control()) {
        if (differs()) [[unlikely]]
            detail::write_float_control(detail::default_float_control);
    }
    INTAGLIO_INLINE ~float_environment() {
        if (differs()) [[unlikely]]
            detail::write_float_control(callers_);
    }
    float_environment(const float_environment&) = delete;
    float_environment& operator=(const float_environment&) = delete;

private:
    bool differs() const noexcept { return (callers_ & detail::float_control_mask) != detail::default_float_control; }

    std::uint64_t callers_;
};

namespace detail {
/// f(), apart from the code around it. The empty barrier keeps the compiler from taking this for a function of its
/// arguments alone, which it might move.
template <class F>
[[gnu::noinline]] auto call_apart(const F& f) {
    asm volatile("" : : : "memory");
    return f();
}
} // namespace detail

/// f() in a float_environment: nothing of what it returns is computed outside of it.
template <class F>
auto in_float_environment(const F& f) {
    const float_environment scope;
    return detail::call_apart(f);
}

} // namespace intaglio::inline INTAGLIO_ABI
