// SPDX-License-Identifier: Apache-2.0
#pragma once

// Small signed codes as the digits of 16-bit words, and their expansion to bytes, by the compiler's generic vectors. A
// word holds as many digits as the powers of the radix fit, so bits a code need be no whole number:
//
//   digits of a word      2     3     4     5     6     8    10
//   radix               255    40    16     9     6     4     3
//   codes, from        -127   -19    -7    -4    -2    -1    -1
//          to           127    20     8     4     3     2     1
//   bits a code           8  5.33     4   3.2  2.67     2   1.6
//
// The word is the number of these digits as a fraction of 65536, rounded up:
//
//   word = ceil(65536 (d_0 / r + d_1 / r^2 + .. + d_(n-1) / r^n)),   d = code + (r - 1) / 2
//
// The first digit is the high half of r times the word, and the low half is the word of the others, in the same way.
// Rounding up adds less than 1 / 65536, which grows to r^(n-1) / 65536 in front of the last digit: less than 1 / r, so
// no digit changes as long as r^n <= 65536.
//
// A group is 64 words, whose first half holds the even codes and whose second half the odd ones of 64 n codes: digit t
// of word i is code 64 t + 2 i, of word 32 + i code 64 t + 2 i + 1. Two such digits in 16 bits each become two bytes.

#include <array>
#include <cstdint>
#include <utility>

#include "intaglio/core/config.hpp"
#include "intaglio/simd/arch/multiply_high.hpp"
#include "intaglio/simd/vector.hpp"

namespace intaglio::inline INTAGLIO_ABI::simd {

/// How codes lie in words: `digits` of them in each.
struct word_form {
    int digits, radix;

    constexpr int lowest() const { return -((radix - 1) / 2); }
    constexpr int highest() const { return radix / 2; }
    /// Codes of a group.
    constexpr dim_t group() const { return 64 * digits; }
    constexpr bool holds(int code) const { return code >= lowest() && code <= highest(); }
};

/// From the fewest bits to the most.
inline constexpr std::array<word_form, 7> word_forms{{{10, 3}, {8, 4}, {6, 6}, {5, 9}, {4, 16}, {3, 40}, {2, 255}}};

/// Words of a group, and its bytes.
inline constexpr dim_t words_of_group = 64, bytes_of_group = 128;

/// Writes a group of codes that the form holds.
inline void write_digits(const word_form& form, const std::int8_t* codes, std::uint16_t* words) {
    std::uint32_t all = 1;
    for (int t = 0; t < form.digits; ++t) all *= static_cast<std::uint32_t>(form.radix);
    for (int i = 0; i < words_of_group; ++i) {
        std::uint32_t number = 0;
        for (int t = 0; t < form.digits; ++t)
            number = number * static_cast<std::uint32_t>(form.radix) +
                     static_cast<std::uint32_t>(codes[64 * t + 2 * (i % 32) + i / 32] - form.lowest());
        words[i] = static_cast<std::uint16_t>((std::uint64_t{number} * 65536 + all - 1) / all);
    }
}

namespace detail {
template <int Form>
INTAGLIO_INLINE void expand_form(const std::uint16_t* words, std::int8_t* codes) {
    constexpr word_form form = word_forms[Form];
    using vectors = vector<std::uint16_t, widest_words>;
    using bytes = vector<std::int8_t, 2 * widest_words>;
    const vectors radix = vectors{} + std::uint16_t{form.radix}, upper = vectors{} + std::uint16_t{256 * form.radix},
                  mask = vectors{} + std::uint16_t{0xff00};
    const bytes lowest = bytes{} + std::int8_t{form.lowest()};
    for (int from = 0; from < 32; from += widest_words) {
        vectors even = load_vector<vectors>(words + from), odd = load_vector<vectors>(words + 32 + from);
#pragma GCC unroll 16
        for (int t = 0; t < form.digits; ++t) {
            store_vector(codes + 64 * t + 2 * from,
                         reinterpret_cast<bytes>(multiply_high(even, radix) | (multiply_high(odd, upper) & mask)) +
                             lowest);
            if (t + 1 < form.digits) even *= radix, odd *= radix;
        }
    }
}
} // namespace detail

/// Codes of `groups` groups as bytes; `form` is a place in word_forms.
inline void expand_digits(std::size_t form, const std::uint16_t* words, dim_t groups, std::int8_t* codes) {
    const auto all = [&]<int... F>(std::integer_sequence<int, F...>) {
        const auto one = [&]<int Form>(std::integral_constant<int, Form>) {
            for (dim_t g = 0; g < groups; ++g)
                detail::expand_form<Form>(words + g * words_of_group, codes + g * word_forms[Form].group());
        };
        ((form == F ? one(std::integral_constant<int, F>{}) : void()), ...);
    };
    all(std::make_integer_sequence<int, static_cast<int>(word_forms.size())>{});
}

} // namespace intaglio::inline INTAGLIO_ABI::simd
