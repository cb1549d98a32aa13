// SPDX-License-Identifier: Apache-2.0
#include "intaglio/io/line_chart.hpp"

#include <algorithm>
#include <limits>

#include "support/catch.hpp"

namespace intaglio::io {

TEST_CASE("ticks are round numbers that hold all values", "[unit]") {
    for (const auto& [low, high] : std::vector<std::pair<double, double>>{
             {0, 1}, {-3, 40}, {0.1, 0.11}, {5, 5}, {0, 0}, {1e-7, 3e7}, {HUGE_VAL, -HUGE_VAL}}) {
        const detail::chart_axis axis(low, high);
        if (low <= high) {
            REQUIRE(axis.low <= low);
            REQUIRE(axis.high >= high);
        }
        REQUIRE(axis.high > axis.low);
        const double ticks = (axis.high - axis.low) / axis.step;
        REQUIRE(ticks >= 1);
        REQUIRE(ticks <= 11);
    }
}

TEST_CASE("a chart has its texts as XML, a line for each series, and gaps for what is not finite", "[unit]") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const std::string svg =
        line_chart({{"loss < 1 & \"more\"", "epoch", "nats", {{"a", {{0, 1}, {1, nan}, {2, 3}, {3, 4}}}, {"b"}}}});
    REQUIRE(svg.starts_with("<svg"));
    REQUIRE(svg.ends_with("</svg>\n"));
    REQUIRE(svg.find("loss &lt; 1 &amp; &quot;more&quot;") != std::string::npos);
    REQUIRE(svg.find("nan") == std::string::npos);
    const std::size_t line = svg.find("stroke-linecap");
    REQUIRE(line != std::string::npos);
    const std::string path = svg.substr(svg.rfind("<path", line), line - svg.rfind("<path", line));
    REQUIRE(std::count(path.begin(), path.end(), 'M') == 2); // two pieces
}

TEST_CASE("a marked series has a dot and a text at each of its finite points, and a dot in the legend", "[unit]") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    const chart_series marked{.name = "a", .points = {{0, 1}, {1, nan}, {2, 3}}, .marks = {"low & left", "gap", ""}};
    const std::string svg = line_chart({{"", "", "", {marked, {.name = "b", .points = {{0, 1}, {2, 2}}}}}});
    const auto count = [&](std::string_view text) {
        std::size_t times = 0;
        for (std::size_t at = svg.find(text); at != svg.npos; at = svg.find(text, at + 1)) ++times;
        return times;
    };
    REQUIRE(count("<circle") == 3);
    REQUIRE(count(">low &amp; left</text>") == 1);
    REQUIRE(count("gap") == 0);
}

} // namespace intaglio::io
