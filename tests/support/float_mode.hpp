// SPDX-License-Identifier: Apache-2.0
#pragma once

// Floating-point environments that a caller may have, set for as long as an object lives.

#include <cfenv>
#include <cstdint>
#include <span>

#include "intaglio/core/float_environment.hpp"

namespace intaglio {

struct float_mode {
    const char* name;
    int rounding;       ///< FE_TONEAREST, ...
    std::uint64_t bits; ///< of the machine's register that are switched on
    std::uint64_t clear = 0;
};

/// Every environment that the library has to step out of on this machine.
inline std::span<const float_mode> float_modes() {
#if defined(__SSE__)
    static constexpr float_mode modes[] = {{"FTZ and DAZ", FE_TONEAREST, 0x8040},
                                           {"FTZ", FE_TONEAREST, 0x8000},
                                           {"DAZ", FE_TONEAREST, 0x0040},
                                           {"upwards", FE_UPWARD, 0},
                                           {"downwards", FE_DOWNWARD, 0},
                                           {"towards zero, FTZ and DAZ", FE_TOWARDZERO, 0x8040},
                                           {"traps for invalid, division by zero, overflow", FE_TONEAREST, 0, 0x0680}};
    return modes;
#elif defined(__aarch64__)
    static constexpr float_mode modes[] = {{"FZ", FE_TONEAREST, 1 << 24},
                                           {"FZ and default NaN", FE_TONEAREST, 3 << 24},
                                           {"upwards", FE_UPWARD, 0},
                                           {"downwards", FE_DOWNWARD, 0},
                                           {"towards zero and FZ", FE_TOWARDZERO, 1 << 24}};
    return modes;
#else
    return {};
#endif
}

/// The calling thread in a mode. What it leaves behind is what was there.
class in_float_mode {
public:
    explicit in_float_mode(const float_mode& mode) noexcept : before_(detail::read_float_control()) {
        std::fesetround(mode.rounding);
        detail::write_float_control((detail::read_float_control() | mode.bits) & ~mode.clear & ~flags);
        set_ = control();
    }
    ~in_float_mode() {
        std::fesetround(FE_TONEAREST);
        detail::write_float_control(before_);
    }
    in_float_mode(const in_float_mode&) = delete;
    in_float_mode& operator=(const in_float_mode&) = delete;

    /// Whether the thread is still, or again, in the mode.
    bool holds() const noexcept { return control() == set_; }

    static std::uint64_t control() noexcept { return detail::read_float_control() & detail::float_control_mask; }

private:
    static constexpr std::uint64_t flags = 0x3F; ///< raised by operations before: a trap for them would come at once

    std::uint64_t before_, set_ = 0;
};

} // namespace intaglio
