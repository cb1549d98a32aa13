// SPDX-License-Identifier: Apache-2.0
#pragma once

// Catch2, whose headers have other names in 3.x than in 2.x. Tests include this file and nothing of Catch2's own.

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
namespace Catch {
/// The name that 2.x has.
inline auto Contains(const std::string& text) { return Matchers::ContainsSubstring(text); }
} // namespace Catch
#else
#include <catch2/catch.hpp>
#endif
