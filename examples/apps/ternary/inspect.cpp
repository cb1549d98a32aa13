// SPDX-License-Identifier: Apache-2.0

// `ternary inspect`: what is inside a file: layers, planes, bytes, levels, checksums, and how each layer runs.

#include <algorithm>
#include <cstdio>
#include <string>

#include "intaglio/infer/integer_network.hpp"
#include "intaglio/io/model_file.hpp"
#include "table.hpp"
#include "verbs.hpp"

extern template struct intaglio::infer::product_kernels<intaglio::simd::native_arch>;

namespace ternary {

int inspect(const inspect_options& asked) {
    const intaglio::io::loaded_model file = intaglio::io::load_model(asked.model);
    const auto& network = file.model.network;
    const auto& about = file.model.description;
    std::printf("%s: %s, %s, %lld bytes, %zu nodes\n", asked.model.c_str(), about.name.c_str(), about.coding.c_str(),
                static_cast<long long>(file.file_bytes), network.net.nodes.size());
    table t({"layer", "plane", "level", "codes", "largest", "zeros", "bits", "bytes", "checksum", "input"});
    for (const auto& p : file.planes) {
        const auto& product = *network.products[p.head.node];
        const auto& codes = product.planes[p.head.plane - 1U].codes;
        int largest = 0;
        dim_t zeros = 0;
        for (const std::int8_t c : codes) {
            largest = std::max(largest, std::abs(int{c}));
            zeros += c == 0 ? 1 : 0;
        }
        char checksum[16];
        std::snprintf(checksum, sizeof checksum, "%08x", p.head.checksum);
        const auto n = static_cast<double>(std::max<dim_t>(1, codes.size()));
        t.add({network.net.nodes[p.head.node].name, intaglio::join(p.head.plane), intaglio::join(p.level),
               intaglio::join(p.head.rows, " x ", p.head.cols), intaglio::join(largest),
               fixed(100 * static_cast<double>(zeros) / n, 0) + " %", fixed(8.0 * p.head.bytes / n, 2),
               intaglio::join(p.record_bytes), checksum,
               network.formats[network.net.nodes[p.head.node].inputs[0]].is_signed ? "s8" : "u8"});
    }
    t.print(stdout);
    print_levels(file);
    const intaglio::infer::integer_network net(network, {}, memory_of(asked.memory));
    table kernels({"layer", "planes", "memory", "bits", "kernel"});
    constexpr bool widened = intaglio::infer::product_kernels<>::widens_bytes;
    dim_t weights = 0;
    for (std::size_t i = 0; i < network.net.nodes.size(); ++i) {
        if (!network.products[i]) continue;
        const dim_t count = network.products[i]->planes.front().codes.size();
        weights += count;
        for (const auto& s : net.stored(i))
            kernels.add({network.net.nodes[i].name, intaglio::join(s.planes), intaglio::join(s.bytes),
                         fixed(8.0 * static_cast<double>(s.bytes) / static_cast<double>(std::max<dim_t>(1, count)), 2),
                         s.added_to > 0 ? intaglio::join("expands both, added to ", s.added_to)
                         : s.compact    ? "expands codes in L1"
                         : s.winograd   ? "Winograd's products, in 16 bits"
                         : s.pairs      ? "sums pairs in 16 bits"
                         : widened      ? "reads bytes as 16 bits"
                                        : "reads bytes"});
    }
    kernels.print(stdout);
    for (int level = 1; level <= net.level_count(); ++level)
        std::printf("level %d reads %lld bytes of weights in memory, %.2f bits for each of %lld\n", level,
                    static_cast<long long>(net.weight_bytes(level)),
                    8.0 * static_cast<double>(net.weight_bytes(level)) /
                        static_cast<double>(std::max<dim_t>(1, weights)),
                    static_cast<long long>(weights));
    std::printf("in memory: %lld bytes of packed weights for all levels, %lld bytes of activations an image\n",
                static_cast<long long>(net.weight_bytes()), static_cast<long long>(net.bytes_per_image()));
    std::printf("products: 8-bit activations times 8-bit codes in int32, by the %s kernels\n",
                std::string(intaglio::simd::native_arch::name).c_str());
    return 0;
}

intaglio::infer::weight_memory memory_of(const std::string& name) {
    using intaglio::infer::weight_memory;
    return name == "small" ? weight_memory::small : name == "bytes" ? weight_memory::bytes : weight_memory::fast;
}

} // namespace ternary
