// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <cstdio>
#include <string>

#include "intaglio/core/progress.hpp"
#include "support/catch.hpp"

using namespace intaglio;

namespace {

/// All that `steps` updates of a bar write.
std::string written(intaglio::dim_t total, bool terminal) {
    std::FILE* file = std::tmpfile();
    REQUIRE(file != nullptr);
    {
        progress bar("train", total, file, terminal);
        for (intaglio::dim_t done = 0; done <= total; ++done) bar.update(done, "loss 0.5");
    }
    std::string text(static_cast<std::size_t>(std::ftell(file)), '\0');
    std::rewind(file);
    const std::size_t got = std::fread(text.data(), 1, text.size(), file);
    std::fclose(file);
    text.resize(got);
    return text;
}

} // namespace

TEST_CASE("a log gets about ten lines, whatever the number of steps", "[unit][core]") {
    const std::string text = written(1000, false);
    CHECK(std::count(text.begin(), text.end(), '\n') == 10);
    CHECK(text.find("train: 100 %") != std::string::npos);
    CHECK(text.find("loss 0.5") != std::string::npos);
    CHECK(text.find('\r') == std::string::npos);
    const std::string few = written(3, false);
    CHECK(std::count(few.begin(), few.end(), '\n') == 3);
}

TEST_CASE("a terminal gets one line that ends at 100 %", "[unit][core]") {
    const std::string text = written(1000, true);
    CHECK(std::count(text.begin(), text.end(), '\n') == 1);
    CHECK(text.find("100 %") != std::string::npos);
    CHECK(written(0, true).find("100 %") != std::string::npos);
}

TEST_CASE("a negative total is a value error", "[unit][core]") { CHECK_THROWS_AS(progress("x", -1), value_error); }
