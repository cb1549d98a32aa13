// SPDX-License-Identifier: Apache-2.0

#include "table.hpp"

#include <algorithm>

#include "intaglio/infer/step_budget.hpp"

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

dim_t bytes_in_8_8(const intaglio::infer::coded_network& network) {
    dim_t bytes = 0;
    for (const auto& p : network.products)
        if (p) bytes += p->rows() * p->cols() + intaglio::infer::bytes_beside_codes(p->rows());
    return bytes;
}

dim_t bytes_until(const intaglio::io::loaded_model& file, int level) {
    dim_t bytes = file.file_bytes;
    for (std::size_t l = static_cast<std::size_t>(level); l < file.level_bytes.size(); ++l)
        bytes -= file.level_bytes[l];
    return bytes;
}

void print_levels(const intaglio::io::loaded_model& file) {
    const auto& network = file.model.network;
    dim_t sections = 0;
    for (const dim_t b : file.level_bytes) sections += b;
    // the graph and the names are in a file of 8-8 too
    const dim_t text = file.file_bytes - sections, in_bytes = text + bytes_in_8_8(network);
    table t({"level", "name", "planes", "bytes in file", "against 8-8"});
    for (int level = 1; level <= network.level_count(); ++level) {
        double planes = 0, weights = 0;
        for (std::size_t i = 0; i < network.products.size(); ++i)
            if (network.products[i]) {
                const auto n = static_cast<double>(network.products[i]->planes.front().codes.size());
                planes += n * network.planes_at(level, i), weights += n;
            }
        const dim_t bytes = bytes_until(file, level);
        t.add({intaglio::join(level), file.model.description.levels[static_cast<std::size_t>(level - 1)],
               fixed(planes / weights, 2), intaglio::join(bytes),
               fixed(static_cast<double>(in_bytes) / static_cast<double>(bytes), 2) + "x"});
    }
    t.print(stdout);
    std::printf("8-8 takes %lld bytes, of which the graph %lld\n", static_cast<long long>(in_bytes),
                static_cast<long long>(text));
}

} // namespace ternary
