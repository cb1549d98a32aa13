// SPDX-License-Identifier: Apache-2.0
#pragma once

// Instruction sets as tags. A tag derives from the one that it extends, so an overload for `avx2` also serves
// `avx512_vnni` unless a nearer ancestor has its own; `portable` is the last. The tags are the library's own: xsimd's
// differ between its versions.

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

namespace arch {
struct portable {
    static constexpr const char* name = "portable";
};
/// Portable code in the shape of a tile machine: its atom takes 16 rows at once. It exists to prove, on every machine,
/// that nothing above the atom assumes single rows.
struct portable_tile : portable {
    static constexpr const char* name = "portable_tile";
};
struct sse41 : portable {
    static constexpr const char* name = "sse41";
};
struct avx2 : sse41 {
    static constexpr const char* name = "avx2";
};
struct avx_vnni : avx2 {
    static constexpr const char* name = "avx_vnni";
};
struct avx512bw : avx2 {
    static constexpr const char* name = "avx512bw";
};
struct avx512_vnni : avx512bw {
    static constexpr const char* name = "avx512_vnni";
};
struct amx : avx512_vnni {
    static constexpr const char* name = "amx";
};
struct neon : portable {
    static constexpr const char* name = "neon";
};
struct neon_dot : neon {
    static constexpr const char* name = "neon_dot";
};
} // namespace arch

/// The arch of this translation unit, from the compiler's flags (core/config.hpp).
using native_arch = arch::INTAGLIO_ARCH;

} // namespace intaglio::inline INTAGLIO_ABI::simd
