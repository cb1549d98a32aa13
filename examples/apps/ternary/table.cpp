// SPDX-License-Identifier: Apache-2.0

#include "table.hpp"

#include <algorithm>

#include "intaglio/infer/accounting.hpp"

namespace ternary {

using intaglio::dim_t;

void table::print(std::FILE* file) const {
    std::vector<std::size_t> widths;
    for (const auto& row : rows_)
        for (std::size_t c = 0; c < row.size(); ++c) {
            if (widths.size() <= c) widths.push_back(0);
            widths[c] = std::max(widths[c], row[c].size());
        }
    for (const auto& row : rows_) {
        std::string line;
        for (std::size_t c = 0; c < row.size(); ++c) {
            const std::string space(widths[c] - row[c].size(), ' ');
            line += c == 0 ? row[c] + space : "  " + space + row[c];
        }
        std::fprintf(file, "%s\n", line.c_str());
    }
}

std::string fixed(double value, int digits) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", digits, value);
    return text;
}

void print_levels(const intaglio::io::loaded_model& file) {
    const auto& network = file.model.network;
    table t({"level", "name", "planes", "trits", "bits", "multiplications", "bytes in file", "against 8-8"});
    for (int level = 1; level <= network.level_count(); ++level) {
        double planes = 0, weights = 0;
        for (std::size_t i = 0; i < network.products.size(); ++i)
            if (network.products[i]) {
                const auto n = static_cast<double>(network.products[i]->planes.front().codes.size());
                planes += n * network.planes_at(level, i), weights += n;
            }
        const auto cost = intaglio::infer::cost(network, level);
        t.add({intaglio::join(level), file.model.description.levels[static_cast<std::size_t>(level - 1)],
               fixed(planes / weights, 2), fixed(cost.planes_per_weight(), 2),
               fixed(8 * cost.entropy_bytes / cost.weights, 2), "1/" + fixed(cost.multiplications_vs_8_8(), 1),
               intaglio::join(file.bytes_until(level)), fixed(file.size_vs_8_8(level), 2) + "x"});
    }
    t.print(stdout);
    const auto inner = intaglio::infer::cost(network, network.level_count(), false);
    if (inner.planes > 0)
        std::printf("without the first and the last layer, as the paper counts at 2 bits a trit: %.2f trits a weight, "
                    "%.2fx smaller than 8-8, %.1fx fewer multiplications\n",
                    inner.planes_per_weight(), inner.size_vs_8_8(), inner.multiplications_vs_8_8());
    std::printf("8-8 takes %lld bytes, of which the graph %lld\n",
                static_cast<long long>(file.text_bytes() + intaglio::infer::bytes_in_8_8(network)),
                static_cast<long long>(file.text_bytes()));
}

} // namespace ternary
