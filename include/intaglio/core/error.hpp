// SPDX-License-Identifier: Apache-2.0
#pragma once

// The library's exceptions, and the two functions that throw them. A public function checks its arguments once, before
// any work, and the message gives both sides of what does not fit:
//
//   require(lhs.cols == rhs.rows, "gemm: lhs has ", lhs.cols, " columns, rhs has ", rhs.rows, " rows");
//
// Like everything else these types live in the namespace of the arch. A program that links objects of several archs and
// lets an exception pass from one to another catches std::runtime_error, which they share.

#include <charconv>
#include <concepts>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI {

/// Base of all exceptions of the library.
struct error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Sizes that are negative, overflow or do not fit each other.
struct shape_error : error {
    using error::error;
};

/// A value that an operation can't take: NaN, out of the format's range, an unknown name.
struct value_error : error {
    using error::error;
};

/// A file that can't be read or written, is cut short or contradicts itself. The text names the file and the offset.
struct file_error : error {
    using error::error;
};

namespace detail {
inline void append(std::string& text, std::string_view part) { text += part; }
inline void append(std::string& text, const char* part) { text += part; }
inline void append(std::string& text, char part) { text += part; }
inline void append(std::string& text, bool part) { text += part ? "true" : "false"; }

template <class Number>
    requires std::is_arithmetic_v<Number>
void append(std::string& text, Number part) {
    char digits[64];
    const auto end = std::to_chars(digits, digits + sizeof digits, part);
    text.append(digits, end.ptr);
}

/// Anything that can describe itself, such as extents.
template <class T>
    requires requires(const T& part) {
        { part.to_string() } -> std::convertible_to<std::string>;
    }
void append(std::string& text, const T& part) { text += part.to_string(); }
} // namespace detail

/// The parts, one after another: strings, characters, integers, floating-point numbers (shortest exact form), and types
/// with a to_string().
template <class... Parts>
std::string join(const Parts&... parts) {
    std::string text;
    (detail::append(text, parts), ...);
    return text;
}

/// Throws an `E` whose text is the joined parts.
template <class E, class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
    throw E(join(parts...));
}

/// Throws an `E` whose text is the joined parts unless `ok`. The parts are joined only when it throws. Always inlined,
/// so that a compiler that knows the arguments sees that nothing after it runs (and does not warn of it).
template <class E = shape_error, class... Parts>
[[gnu::always_inline]] inline void require(bool ok, const Parts&... parts) {
    if (!ok) [[unlikely]]
        fail<E>(parts...);
}

} // namespace intaglio::inline INTAGLIO_ABI
