// SPDX-License-Identifier: Apache-2.0
#pragma once

// The text of an exception, for tests that ask for words in it.
//
//   REQUIRE(mentions<shape_error>([&] { add(a, b); }, "2 x 3", "4 x 3"));

#include <string>

namespace intaglio {

/// Whether `action` throws an `Error` (or what derives from it) whose text has all of the words. Other exceptions pass
/// through.
template <class Error, class Action, class... Words>
bool mentions(Action&& action, const Words&... words) {
    try {
        action();
    } catch (const Error& e) {
        const std::string text = e.what();
        return ((text.find(words) != std::string::npos) && ...);
    }
    return false;
}

} // namespace intaglio
