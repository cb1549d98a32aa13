// SPDX-License-Identifier: Apache-2.0
#pragma once

// The text of a model file: all of it but the weights, as JSON.
//
//   {"version": 1, "name": s, "coding": s,
//    "nodes": [["input", "input", [], {"height": 32, ..}, -0.02], ["conv1", "convolution", [0], {..}],
//              ...],                             name, operation, inputs, options, step of its outputs
//    "output": 51,
//    "levels": [{"name": s, "planes": [1, 1, ..]}, ..],        planes in use of each node that has weights, in order
//    "images": {"scale": x, "mean": [..], "deviation": [..]},  value = (byte * scale - mean) / deviation
//    "classes": [s, ..]}
//
// Options that are the default are left out; a step is negative where codes are signed, and missing where outputs are
// not stored.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/infer/coded_network.hpp"
#include "intaglio/io/safetensors_header.hpp"

namespace intaglio::inline INTAGLIO_ABI::io {

/// What a model file says beside the network.
struct model_description {
    std::string name, coding;                       ///< of the network; of its weights, for people
    std::vector<std::string> levels;                ///< a name for each
    float scale = 1.0F / 255;                       ///< of a byte of an image
    std::vector<float> mean{0.0F}, deviation{1.0F}; ///< one, or one for each channel
    std::vector<std::string> classes;               ///< names, if they are known

    friend bool operator==(const model_description&, const model_description&) = default;
};

namespace detail {

inline constexpr std::size_t longest_model_text = std::size_t{1} << 24, most_model_nodes = 65536,
                             most_model_levels = 64;

/// A float with as many digits as it takes to read it back.
inline nlohmann::json short_number(float v) {
    char text[32];
    std::snprintf(text, sizeof text, "%.9g", static_cast<double>(v));
    return std::strtod(text, nullptr);
}

inline nlohmann::json option_value(dim_t v) { return v; }
inline nlohmann::json option_value(bool v) { return v; }
inline nlohmann::json option_value(double v) { return v; }
inline nlohmann::json option_value(const nn::size2d& v) {
    if (v.h == v.w) return v.h;
    return nlohmann::json::array({v.h, v.w});
}

inline nlohmann::json options_of(const nn::operation& op) {
    return std::visit(
        []<class Op>(const Op& o) {
            nlohmann::json all = nlohmann::json::object(), changed = nlohmann::json::object();
            const Op defaults;
            Op::fields(defaults, [&](const char* name, const auto& value) { all[name] = option_value(value); });
            Op::fields(o, [&](const char* name, const auto& value) {
                nlohmann::json v = option_value(value);
                if (v != all[name]) changed[name] = std::move(v);
            });
            return changed;
        },
        op);
}

inline std::string model_text(const infer::coded_network& network, const model_description& about) {
    using nlohmann::json;
    json nodes = json::array();
    for (std::size_t i = 0; i < network.net.nodes.size(); ++i) {
        const nn::node& n = network.net.nodes[i];
        json line = json::array({n.name, std::string(nn::kind_of(n.op)), n.inputs, options_of(n.op)});
        const infer::activation_format& f = network.formats[i];
        if (f.is_stored()) line.push_back(short_number(f.is_signed ? -f.step : f.step));
        nodes.push_back(std::move(line));
    }
    require<value_error>(about.levels.size() == network.levels.size(), "model file: ", about.levels.size(),
                         " names for ", network.levels.size(), " levels");
    json levels = json::array();
    for (std::size_t l = 0; l < network.levels.size(); ++l) {
        json planes = json::array();
        for (std::size_t i = 0; i < network.net.nodes.size(); ++i)
            if (network.products[i]) planes.push_back(network.levels[l][i]);
        levels.push_back({{"name", about.levels[l]}, {"planes", std::move(planes)}});
    }
    json mean = json::array(), deviation = json::array();
    for (const float v : about.mean) mean.push_back(short_number(v));
    for (const float v : about.deviation) deviation.push_back(short_number(v));
    const json text = {{"version", 1},
                       {"name", about.name},
                       {"coding", about.coding},
                       {"nodes", std::move(nodes)},
                       {"output", network.net.outputs.front().node},
                       {"levels", std::move(levels)},
                       {"images", {{"scale", short_number(about.scale)}, {"mean", mean}, {"deviation", deviation}}},
                       {"classes", about.classes}};
    try {
        return text.dump();
    } catch (const json::exception& fault) { // a name that is not UTF-8
        fail<value_error>("model file: ", shortened(fault.what()));
    }
}

/// Reads the text; whatever does not fit is a file_error.
class model_text_reader {
public:
    explicit model_text_reader(const std::string& file) : file_(file) {}

    void read(std::string_view text, infer::coded_network& network, model_description& about) {
        refuse(text.size() <= longest_model_text, "the text of the model has ", text.size(), " bytes, at most ",
               longest_model_text, " are read");
        json all;
        try {
            // what the format knows nests five deep
            all = json::parse(text.begin(), text.end(), [&](int depth, json::parse_event_t, json&) {
                refuse(depth <= 6, "the text of the model nests ", depth, " deep");
                return true;
            });
        } catch (const json::exception& fault) {
            fail<file_error>(file_, ": the text of the model is not JSON: ", shortened(fault.what()));
        }
        refuse(number(member(all, "version"), "version", 1, 1) == 1, "another version");
        about.name = words(member(all, "name"), "name");
        about.coding = words(member(all, "coding"), "coding");
        const json& nodes = array(member(all, "nodes"), "nodes", 1, most_model_nodes);
        for (const json& line : nodes) node(line, network);
        network.net.outputs = {
            {static_cast<std::size_t>(number(member(all, "output"), "output", 0, std::ssize(nodes) - 1)), 1}};
        std::vector<std::size_t> products;
        for (std::size_t i = 0; i < network.net.nodes.size(); ++i)
            if (infer::detail::is_product(network.net.nodes[i].op)) products.push_back(i);
        for (const json& line : array(member(all, "levels"), "levels", 1, most_model_levels)) {
            about.levels.push_back(words(member(line, "name"), "name of a level"));
            const json& planes = array(member(line, "planes"), "planes", products.size(), products.size());
            std::vector<int>& level = network.levels.emplace_back(network.net.nodes.size(), 0);
            for (std::size_t p = 0; p < products.size(); ++p) {
                const int least =
                    network.levels.size() == 1 ? 1 : network.levels[network.levels.size() - 2][products[p]];
                level[products[p]] = static_cast<int>(number(planes[p], "planes", least, 16));
            }
        }
        const json& images = member(all, "images");
        about.scale = real(member(images, "scale"), "scale");
        about.mean = reals(member(images, "mean"), "mean");
        about.deviation = reals(member(images, "deviation"), "deviation");
        for (const float d : about.deviation) refuse(d > 0, "a deviation of ", d);
        about.classes.clear();
        for (const json& name : array(member(all, "classes"), "classes", 0, 1U << 20))
            about.classes.push_back(words(name, "name of a class"));
    }

private:
    using json = nlohmann::json;

    template <class... Words>
    void refuse(bool good, const Words&... words) const {
        require<file_error>(good, file_, ": ", words...);
    }
    const json& member(const json& of, const char* key) const {
        refuse(of.is_object() && of.contains(key), "the model lacks '", key, "'");
        return of[key];
    }
    const json& array(const json& value, const char* what, std::size_t least, std::size_t most) const {
        refuse(value.is_array() && value.size() >= least && value.size() <= most, "'", what, "' is no list of ", least,
               " to ", most);
        return value;
    }
    dim_t number(const json& value, const char* what, dim_t least, dim_t most) const {
        const bool good =
            value.is_number_integer() && value.get<std::int64_t>() >= least && value.get<std::int64_t>() <= most;
        refuse(good, "'", what, "' is ", value.is_number() ? value.dump() : std::string(value.type_name()),
               ", expected ", least, " to ", most);
        return value.get<dim_t>();
    }
    double precise(const json& value, const char* what) const {
        refuse(value.is_number() && std::isfinite(value.get<double>()), "'", what, "' is no finite number");
        return value.get<double>();
    }
    float real(const json& value, const char* what) const {
        const auto v = static_cast<float>(precise(value, what));
        refuse(std::isfinite(v), "'", what, "' is no finite number");
        return v;
    }
    std::vector<float> reals(const json& value, const char* what) const {
        std::vector<float> list;
        for (const json& v : array(value, what, 1, 4096)) list.push_back(real(v, what));
        return list;
    }
    std::string words(const json& value, const char* what) const {
        const auto* const text = value.get_ptr<const std::string*>();
        refuse(text && text->size() <= 1000, "'", what, "' is no string of at most 1000 bytes");
        return *text;
    }

    void option(const json& value, const char* name, dim_t& to) const {
        to = number(value, name, std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::int32_t>::max());
    }
    void option(const json& value, const char* name, bool& to) const {
        refuse(value.is_boolean(), "'", name, "' is neither true nor false");
        to = value.get<bool>();
    }
    void option(const json& value, const char* name, double& to) const { to = precise(value, name); }
    void option(const json& value, const char* name, nn::size2d& to) const {
        if (!value.is_array()) {
            option(value, name, to.h);
            to.w = to.h;
            return;
        }
        array(value, name, 2, 2);
        option(value[0], name, to.h), option(value[1], name, to.w);
    }

    /// The operation of that kind, with its options; false if `Op` is another kind.
    template <class Op>
    bool take(const std::string& kind, const json& options, nn::operation& to) const {
        if (kind != Op::kind) return false;
        Op op;
        std::size_t known = 0;
        Op::fields(op, [&](const char* name, auto& value) {
            if (!options.contains(name)) return;
            ++known;
            option(options[name], name, value);
        });
        refuse(known == options.size(), "a ", kind, " with an unknown option");
        to = op;
        return true;
    }
    template <class... Ops>
    bool take_any(std::variant<Ops...>& to, const std::string& kind, const json& options) const {
        return (take<Ops>(kind, options, to) || ...);
    }

    void node(const json& line, infer::coded_network& network) const {
        array(line, "nodes", 4, 5);
        nn::node n;
        n.name = words(line[0], "name of a node");
        const std::string kind = words(line[1], "operation");
        refuse(line[3].is_object(), n.name, ": its options are no object");
        refuse(take_any(n.op, kind, line[3]), n.name, ": the unknown operation '", kind, "'");
        for (const json& from : array(line[2], "inputs", 0, most_model_nodes))
            n.inputs.push_back(
                static_cast<std::size_t>(number(from, "inputs", 0, static_cast<dim_t>(network.net.nodes.size()) - 1)));
        infer::activation_format format;
        if (line.size() == 5) {
            const float step = real(line[4], "step");
            refuse(step != 0, n.name, ": a step of 0");
            format = {std::fabs(step), step < 0};
        }
        network.net.nodes.push_back(std::move(n));
        network.formats.push_back(format);
    }

    const std::string& file_;
};

inline void parse_model_text(std::string_view text, const std::string& file, infer::coded_network& network,
                             model_description& about) {
    about.levels.clear();
    model_text_reader(file).read(text, network, about);
}

} // namespace detail
} // namespace intaglio::inline INTAGLIO_ABI::io
