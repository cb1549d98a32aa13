// SPDX-License-Identifier: Apache-2.0
#pragma once

// Line charts as SVG text, for curves that people would rather look at than read: losses and accuracies of a training,
// accuracy against size. Panels stand side by side, each with its axes, ticks at round numbers, a grid, and a legend.
// Colours tell series apart for colour-blind readers, too (Okabe and Ito's palette), and dashes where they repeat.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "intaglio/core/config.hpp"

namespace intaglio::inline INTAGLIO_ABI::io {

struct chart_series {
    std::string name;
    std::vector<std::pair<double, double>> points{}; ///< (x, y); those that are not finite leave a gap
    bool dashed = false;
    std::vector<std::string> marks{}; ///< a dot at each point, and this beside it; empty: a line alone
};

/// One pair of axes.
struct chart_panel {
    std::string title, x_label, y_label;
    std::vector<chart_series> series{};
};

namespace detail {
/// Text with the five characters that XML reserves written as entities.
inline std::string xml_text(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
        case '<':
            out += "&lt;";
            break;
        case '>':
            out += "&gt;";
            break;
        case '&':
            out += "&amp;";
            break;
        case '"':
            out += "&quot;";
            break;
        case '\'':
            out += "&apos;";
            break;
        default:
            out += c;
        }
    }
    return out;
}

template <class... Values>
std::string print(const char* format, Values... values) {
    std::array<char, 256> text;
    const int length = std::snprintf(text.data(), text.size(), format, values...);
    return {text.data(), static_cast<std::size_t>(std::clamp(length, 0, 255))};
}

/// The range of an axis, and the step of its ticks: 1, 2 or 5 times a power of ten, about five of them.
struct chart_axis {
    double low = 0, high = 1, step = 0.2;

    chart_axis(double least, double most) {
        if (!(most > least)) { // one value, or none
            const double half = std::max(1e-9, std::abs(least) / 2);
            low = std::isfinite(least) ? least - half : 0;
            high = std::isfinite(least) ? least + half : 1;
        } else {
            low = least;
            high = most;
        }
        const double rough = (high - low) / 5, power = std::pow(10.0, std::floor(std::log10(rough)));
        step = power * (rough < 1.5 * power ? 1 : rough < 3.5 * power ? 2 : rough < 7.5 * power ? 5 : 10);
        low = std::floor(low / step) * step;
        high = std::ceil(high / step) * step;
    }
    double place(double v) const { return (v - low) / (high - low); }
};

inline constexpr std::array<const char*, 7> chart_colours{"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                                          "#E69F00", "#56B4E9", "#000000"};

inline std::string draw_panel(const chart_panel& panel, double left, double top, double width, double height) {
    double x0 = HUGE_VAL, x1 = -HUGE_VAL, y0 = HUGE_VAL, y1 = -HUGE_VAL;
    for (const chart_series& s : panel.series)
        for (const auto& [x, y] : s.points)
            if (std::isfinite(x) && std::isfinite(y)) {
                x0 = std::min(x0, x), x1 = std::max(x1, x);
                y0 = std::min(y0, y), y1 = std::max(y1, y);
            }
    const chart_axis xs(x0, x1), ys(y0, y1);
    const auto across = [&](double x) { return left + xs.place(x) * width; };
    const auto down = [&](double y) { return top + (1 - ys.place(y)) * height; };
    std::string svg =
        print("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" font-weight=\"bold\">", left + width / 2, top - 12) +
        xml_text(panel.title) + "</text>\n";
    for (int i = 0; xs.low + i * xs.step <= xs.high + xs.step / 2; ++i) {
        const double x = xs.low + i * xs.step;
        svg += print("<path d=\"M%.1f %.1fV%.1f\" stroke=\"#ddd\"/>", across(x), top, top + height);
        svg += print("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%g</text>\n", across(x), top + height + 16, x);
    }
    for (int i = 0; ys.low + i * ys.step <= ys.high + ys.step / 2; ++i) {
        const double y = std::abs(ys.low + i * ys.step) < ys.step / 1e6 ? 0 : ys.low + i * ys.step;
        svg += print("<path d=\"M%.1f %.1fH%.1f\" stroke=\"#ddd\"/>", left, down(y), left + width);
        svg += print("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n", left - 6, down(y) + 4, y);
    }
    svg += print("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"none\" stroke=\"#333\"/>\n", left,
                 top, width, height);
    svg += print("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", left + width / 2, top + height + 36) +
           xml_text(panel.x_label) + "</text>\n";
    svg += print("<text transform=\"translate(%.1f %.1f) rotate(-90)\" text-anchor=\"middle\">", left - 48,
                 top + height / 2) +
           xml_text(panel.y_label) + "</text>\n";
    for (std::size_t i = 0; i < panel.series.size(); ++i) {
        const chart_series& s = panel.series[i];
        const std::string stroke =
            print("fill=\"none\" stroke=\"%s\" stroke-width=\"1.6\"%s/>", chart_colours[i % chart_colours.size()],
                  s.dashed || i >= chart_colours.size() ? " stroke-dasharray=\"5 3\"" : "");
        std::string path;
        bool pen = false;
        for (const auto& [x, y] : s.points) {
            const bool finite = std::isfinite(x) && std::isfinite(y);
            if (finite) path += print("%c%.1f %.1f", pen ? 'L' : 'M', across(x), down(y));
            pen = finite;
        }
        if (s.points.size() == 1) path += "h0.1";
        svg += "<path d=\"" + path + "\" stroke-linecap=\"round\" " + stroke + "\n";
        const auto dot = [&](double x, double y) {
            return print("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\"/>", x, y,
                         chart_colours[i % chart_colours.size()]);
        };
        for (std::size_t k = 0; k < std::min(s.marks.size(), s.points.size()); ++k) {
            const auto& [x, y] = s.points[k];
            if (!std::isfinite(x) || !std::isfinite(y)) continue;
            // above a point on the right, below one on the left: a curve that rises leaves room there
            const bool right = xs.place(x) > 0.5;
            const double line = std::clamp(down(y) + (right ? -6 : 14), top + 10, top + height - 4);
            svg += dot(across(x), down(y)) + print("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">",
                                                   across(x) + (right ? -7 : 7), line, right ? "end" : "start");
            svg += xml_text(s.marks[k]) + "</text>\n";
        }
        const double y = top + height + 58 + 18 * static_cast<double>(i);
        svg += print("<path d=\"M%.1f %.1fh24\" ", left, y - 4) + stroke;
        if (!s.marks.empty()) svg += dot(left + 12, y - 4);
        svg += print("<text x=\"%.1f\" y=\"%.1f\">", left + 32, y) + xml_text(s.name) + "</text>\n";
    }
    return svg;
}
} // namespace detail

/// The panels side by side, as a whole SVG document.
inline std::string line_chart(const std::vector<chart_panel>& panels) {
    constexpr double width = 420, height = 260, before = 76, above = 36, gap = 40;
    std::size_t most = 0;
    for (const chart_panel& p : panels) most = std::max(most, p.series.size());
    const double whole = static_cast<double>(panels.size()) * (before + width) + gap,
                 tall = above + height + 66 + 18 * static_cast<double>(most);
    std::string svg =
        detail::print("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" ", whole, tall) +
        "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
    for (std::size_t i = 0; i < panels.size(); ++i)
        svg += detail::draw_panel(panels[i], before + static_cast<double>(i) * (before + width), above, width, height);
    return svg + "</svg>\n";
}

} // namespace intaglio::inline INTAGLIO_ABI::io
