// SPDX-License-Identifier: Apache-2.0
#pragma once

// A coded network (nn/coded_network.hpp) as a safetensors file. The structure is JSON text in the metadata entry
// "intaglio.network":
//
//   {"version": 1, "stages": [{"kind": "conv", "name": "conv1", "in_channels": 1, "out_channels": 32, "kernel": 3,
//   "stride": 1, "padding": 1,
//                              "coding": "int8" | "greedy" | "locked", "planes": 2, "factor": x, "in_scale": x,
//                              "out_scale": x},
//                             {"kind": "max_pool", "window": 2, "stride": 2}, {"kind": "average_pool"}, ...]}
//
// and each convolution `name` of n filters with k weights, in b blocks, has the tensors
//
//                        int8         greedy, P planes             locked, P planes
//   name.weights         I8 (n, k)    U8 (P, bytes), five trits    U8 (P, bytes), five trits    bytes = ceil(n k / 5)
//   name.weight_scales   F32 (n)      U8 (P, n, b)                 U8 (n, b)
//   name.scale, .shift   F32 (n)      F32 (n)                      F32 (n)                      the folded batch norm
//
// Loading trusts nothing: every shape is checked against the structure, every number against its range.

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "intaglio/core/config.hpp"
#include "intaglio/io/safetensors.hpp"
#include "intaglio/io/safetensors_writer.hpp"
#include "intaglio/nn/coded_network.hpp"
#include "intaglio/nn/trit_packing.hpp"
#include "intaglio/quantize/residual.hpp"

namespace intaglio::inline INTAGLIO_ABI::io {

namespace detail {

inline constexpr const char* structure_key = "intaglio.network";

inline std::vector<std::uint8_t> packed_planes(std::span<const std::int8_t> trits, dim_t planes) {
    const auto each = trits.size() / static_cast<std::size_t>(planes);
    const auto bytes = static_cast<std::size_t>(nn::packed_trit_bytes(static_cast<dim_t>(each)));
    std::vector<std::uint8_t> packed(static_cast<std::size_t>(planes) * bytes);
    for (std::size_t p = 0; p < static_cast<std::size_t>(planes); ++p)
        nn::pack_trits(trits.subspan(p * each, each), std::span(packed).subspan(p * bytes, bytes));
    return packed;
}

/// Adds the tensors of one convolution and returns its line of the structure.
inline nlohmann::json store_conv(const nn::coded_conv& conv, safetensors_writer& writer) {
    const dim_t rows = conv.shape.out_channels;
    nlohmann::json line = {{"kind", "conv"},
                           {"name", conv.name},
                           {"in_channels", conv.shape.in_channels},
                           {"out_channels", rows},
                           {"kernel", conv.shape.kernel},
                           {"stride", conv.shape.stride},
                           {"padding", conv.shape.padding},
                           {"in_scale", conv.in_scale},
                           {"out_scale", conv.out_scale}};
    const auto add_trits = [&](std::span<const std::int8_t> trits, dim_t planes) {
        const auto packed = packed_planes(trits, planes);
        writer.add<std::uint8_t>(conv.name + ".weights", {planes, static_cast<dim_t>(packed.size()) / planes}, packed);
    };
    if (const auto* greedy = std::get_if<ternary_tensor>(&conv.weights)) {
        line.update({{"coding", "greedy"}, {"planes", greedy->planes()}, {"factor", greedy->factor()}});
        add_trits({greedy->trits(), static_cast<std::size_t>(greedy->planes() * greedy->plane_stride())},
                  greedy->planes());
        const extents shape{greedy->planes(), rows, greedy->blocks()};
        writer.add<std::uint8_t>(conv.name + ".weight_scales", shape,
                                 {greedy->scales(), static_cast<std::size_t>(shape.size())});
    } else if (const auto* locked = std::get_if<locked_tensor>(&conv.weights)) {
        line.update({{"coding", "locked"}, {"planes", locked->digits()}, {"factor", locked->factor()}});
        const auto size = static_cast<std::size_t>(rows * locked->cols());
        std::vector<std::int8_t> trits(size * static_cast<std::size_t>(locked->digits()));
        split_locked({locked->codes(), size}, locked->digits(), trits);
        add_trits(trits, locked->digits());
        const extents shape{rows, locked->blocks()};
        writer.add<std::uint8_t>(conv.name + ".weight_scales", shape,
                                 {locked->scales(), static_cast<std::size_t>(shape.size())});
    } else {
        const auto& bytes = std::get<block_tensor<fixed<8>>>(conv.weights);
        line.update({{"coding", "int8"}, {"planes", 1}, {"factor", 1.0}});
        writer.add<std::int8_t>(conv.name + ".weights", {rows, bytes.cols()},
                                {bytes.values(), static_cast<std::size_t>(rows * bytes.cols())});
        writer.add<float>(conv.name + ".weight_scales", {rows}, {bytes.scales(), static_cast<std::size_t>(rows)});
    }
    writer.add<float>(conv.name + ".scale", {rows}, conv.scale);
    writer.add<float>(conv.name + ".shift", {rows}, conv.shift);
    return line;
}

/// Reads the structure and its tensors; every fault is a file_error that names the file.
class coded_network_loader {
public:
    explicit coded_network_loader(const safetensors_file& file) : file_(file) {}

    nn::coded_network load() {
        const auto structure = file_.metadata(structure_key);
        require<file_error>(structure.has_value(), file_.name(), ": the metadata have no '", structure_key, "'");
        // Each stage is read as soon as it is parsed and then dropped, and only what version 1 knows is parsed at all:
        // neither depth nor size of the text can make a tree of values grow.
        nn::coded_network network;
        std::string key;
        const auto take = [&](int depth, json::parse_event_t event, json& parsed) {
            using seen = json::parse_event_t;
            if (event == seen::key) {
                key = parsed.get<std::string>();
                require_known(depth == 1 ? std::span<const std::string_view>(top_keys) : stage_keys, key);
            } else if (event == seen::object_start || event == seen::array_start) {
                const bool object = event == seen::object_start;
                require<file_error>(object ? depth == 0 || depth == 2 : depth == 1 && key == "stages", file_.name(),
                                    ": '", structure_key, "' has ", object ? "an object" : "an array", " after '", key,
                                    "'");
            } else if (event == seen::object_end && depth == 2) {
                require<file_error>(network.stages.size() < max_stages, file_.name(), ": more than ", max_stages,
                                    " stages");
                network.stages.push_back(stage(parsed));
                return false;
            }
            return true;
        };
        json rest;
        try {
            rest = json::parse(structure->begin(), structure->end(), take);
        } catch (const json::exception& fault) {
            fail<file_error>(file_.name(), ": '", structure_key, "' is not JSON: ", shortened(fault.what()));
        }
        require<file_error>(rest.is_object() && rest.contains("stages") && rest["stages"].is_array() &&
                                rest["stages"].empty(),
                            file_.name(), ": '", structure_key, "' is not the structure of a network");
        number(rest, "version", 1, 1);
        return network;
    }

private:
    using json = nlohmann::json;
    static constexpr std::array<std::string_view, 2> top_keys{"version", "stages"};
    static constexpr std::array<std::string_view, 13> stage_keys{
        "kind",   "name",   "in_channels", "out_channels", "kernel",    "stride", "padding",
        "coding", "planes", "factor",      "in_scale",     "out_scale", "window"};

    void require_known(std::span<const std::string_view> known, std::string_view key) const {
        require<file_error>(std::find(known.begin(), known.end(), key) != known.end(), file_.name(), ": '",
                            structure_key, "' has the unknown key '", shortened(key), "'");
    }

    nn::coded_stage stage(const json& line) {
        const std::string kind = text(line, "kind");
        if (kind == "conv") return conv(line);
        if (kind == "max_pool")
            return nn::max_pool_stage{number(line, "window", 1, max_size), number(line, "stride", 1, max_size)};
        require<file_error>(kind == "average_pool", file_.name(), ": a stage of the unknown kind '", kind, "'");
        return nn::average_pool_stage{};
    }

    nn::coded_conv conv(const json& line) {
        nn::coded_conv c;
        c.name = text(line, "name");
        require<file_error>(names_.insert(c.name).second, file_.name(), ": two layers have the name '", c.name, "'");
        c.shape = {.in_channels = number(line, "in_channels", 1, max_size),
                   .out_channels = number(line, "out_channels", 1, max_size),
                   .kernel = number(line, "kernel", 1, max_kernel),
                   .stride = number(line, "stride", 1, max_kernel),
                   .padding = number(line, "padding", 0, max_kernel)};
        c.in_scale = static_cast<float>(real(line, "in_scale"));
        c.out_scale = static_cast<float>(real(line, "out_scale"));
        require<file_error>(c.in_scale > 0 && c.out_scale >= 0 && std::isfinite(c.in_scale) &&
                                std::isfinite(c.out_scale),
                            file_.name(), ": ", c.name, " has activation scales of ", c.in_scale, " and ", c.out_scale);
        const dim_t planes = number(line, "planes", 1, nn::max_planes);
        const double factor = real(line, "factor");
        require<file_error>(factor > 0, file_.name(), ": ", c.name, " has a factor of ", factor);
        const std::string coding = text(line, "coding");
        const dim_t rows = c.shape.out_channels, cols = c.shape.filter_size();
        if (coding == "int8") {
            const auto values = file_.get<std::int8_t>(c.name + ".weights", {rows, cols});
            const auto scales = floats(c.name + ".weight_scales", rows);
            for (dim_t i = 0; i < values.size(); ++i)
                require<file_error>(values[i] >= -127, file_.name(), ": ", c.name, ".weights, element ", i, " is ",
                                    int{values[i]}, ", below -127");
            block_tensor<fixed<8>> weights(rows, cols, cols);
            std::copy(values.begin(), values.end(), weights.values());
            std::copy(scales.begin(), scales.end(), weights.scales());
            c.weights = std::move(weights);
        } else if (coding == "greedy") {
            const auto trits = read_trits(c.name, planes, rows * cols);
            ternary_tensor weights(planes, rows, cols, nn::scale_run);
            std::copy(trits.begin(), trits.end(), weights.trits());
            const auto scales = file_.get<std::uint8_t>(c.name + ".weight_scales", {planes, rows, weights.blocks()});
            std::copy(scales.begin(), scales.end(), weights.scales());
            weights.set_factor(factor);
            c.weights = std::move(weights);
        } else {
            require<file_error>(coding == "locked", file_.name(), ": ", c.name, " has the unknown coding '", coding,
                                "'");
            const auto trits = read_trits(c.name, planes, rows * cols);
            locked_tensor weights(static_cast<int>(planes), rows, cols, nn::scale_run);
            fuse_locked(trits, static_cast<int>(planes), {weights.codes(), static_cast<std::size_t>(rows * cols)});
            const auto scales = file_.get<std::uint8_t>(c.name + ".weight_scales", {rows, weights.blocks()});
            std::copy(scales.begin(), scales.end(), weights.scales());
            weights.set_factor(factor);
            c.weights = std::move(weights);
        }
        c.scale = floats(c.name + ".scale", rows);
        c.shift = floats(c.name + ".shift", rows);
        return c;
    }

    /// All planes, `each` trits in each. Memory is taken only after the file's own size has confirmed the claim.
    std::vector<std::int8_t> read_trits(const std::string& name, dim_t planes, dim_t each) const {
        const dim_t bytes = nn::packed_trit_bytes(each);
        const auto packed = file_.get<std::uint8_t>(name + ".weights", {planes, bytes});
        std::vector<std::int8_t> trits(static_cast<std::size_t>(planes * each));
        for (dim_t p = 0; p < planes; ++p) {
            const bool good = nn::unpack_trits(
                packed.span().subspan(static_cast<std::size_t>(p * bytes), static_cast<std::size_t>(bytes)),
                std::span(trits).subspan(static_cast<std::size_t>(p * each), static_cast<std::size_t>(each)));
            require<file_error>(good, file_.name(), ": ", name, ".weights, plane ", p, ": a byte above ",
                                nn::largest_trit_byte, " does not hold five trits");
        }
        return trits;
    }

    std::vector<float> floats(const std::string& name, dim_t size) const {
        const auto values = file_.get<float>(name, {size});
        for (dim_t i = 0; i < size; ++i)
            require<file_error>(std::isfinite(values[i]), file_.name(), ": ", name, ", element ", i, " is not finite");
        return {values.begin(), values.end()};
    }

    // A filter of largest sizes still has a size that fits: 2^20 channels each way, 2^6 taps each way.
    static constexpr dim_t max_size = dim_t{1} << 20;
    static constexpr dim_t max_kernel = 64;
    static constexpr std::size_t max_stages = 65536, max_text = 1000; ///< bytes

    const json& member(const json& line, const char* key) const {
        require<file_error>(line.is_object() && line.contains(key), file_.name(), ": a stage of the network lacks '",
                            key, "'");
        return line[key];
    }
    dim_t number(const json& line, const char* key, dim_t least, dim_t most) const {
        const json& value = member(line, key);
        const bool good =
            value.is_number_integer() && value.get<std::int64_t>() >= least && value.get<std::int64_t>() <= most;
        // to dump an array would recurse
        require<file_error>(good, file_.name(), ": '", key, "' is ",
                            value.is_number() ? value.dump() : std::string(value.type_name()), ", expected ", least,
                            " to ", most);
        return value.get<dim_t>();
    }
    double real(const json& line, const char* key) const {
        const json& value = member(line, key);
        require<file_error>(value.is_number() && std::isfinite(value.get<double>()), file_.name(), ": '", key,
                            "' is not a finite number");
        return value.get<double>();
    }
    std::string text(const json& line, const char* key) const {
        const json& value = member(line, key);
        const auto* const found = value.get_ptr<const std::string*>();
        require<file_error>(found && found->size() <= max_text, file_.name(), ": '", key,
                            "' is not a string of at most ", max_text, " bytes");
        return *found;
    }

    const safetensors_file& file_;
    std::set<std::string> names_; ///< of the convolutions so far
};

} // namespace detail

/// Writes the network, atomically. value_error where two layers have one name.
inline void save_coded_network(const nn::coded_network& network, const std::string& path) {
    safetensors_writer writer;
    nlohmann::json stages = nlohmann::json::array();
    for (const auto& stage : network.stages) {
        if (const auto* conv = std::get_if<nn::coded_conv>(&stage))
            stages.push_back(detail::store_conv(*conv, writer));
        else if (const auto* pool = std::get_if<nn::max_pool_stage>(&stage))
            stages.push_back({{"kind", "max_pool"}, {"window", pool->window}, {"stride", pool->stride}});
        else
            stages.push_back({{"kind", "average_pool"}});
    }
    writer.set_metadata(detail::structure_key, nlohmann::json{{"version", 1}, {"stages", std::move(stages)}}.dump());
    writer.write(path);
}

/// Reads a network that save_coded_network wrote, or that somebody else did. file_error for any fault.
inline nn::coded_network load_coded_network(const std::string& path) {
    const safetensors_file file = safetensors_file::read(path);
    return detail::coded_network_loader(file).load();
}

} // namespace intaglio::inline INTAGLIO_ABI::io
