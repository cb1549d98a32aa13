// SPDX-License-Identifier: Apache-2.0
#pragma once

// A model for integer inference as a safetensors file: a coded network (infer/coded_network.hpp), what its images look
// like, and the names of its classes. docs/model-file.md specifies it; in short:
//
//   metadata "intaglio.model"   JSON: graph, formats of activations, levels, images, classes (model_graph.hpp)
//   tensor "level.K"            bytes, K = 1, 2 ..: the planes of weights that level K adds to level K - 1, each a
//                               record of a fixed head, steps, biases and entropy-coded codes, behind each other, then
//                               zeros up to a multiple of 64 bytes. The order in the file is that of the levels.
//
// A file that was cut where a level ends is a model with fewer levels. Loading trusts nothing: sizes, checksums, tables
// and the whole network are checked, and memory is taken only for codes that the graph has room for.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/infer/coded_network.hpp"
#include "intaglio/infer/stored_bytes.hpp"
#include "intaglio/io/checksum.hpp"
#include "intaglio/io/model_graph.hpp"
#include "intaglio/io/rans.hpp"
#include "intaglio/io/safetensors.hpp"
#include "intaglio/io/safetensors_writer.hpp"

namespace intaglio::inline INTAGLIO_ABI::io {

/// The head of a record, little-endian.
struct plane_head {
    std::uint32_t node;       ///< of the graph
    std::uint16_t plane;      ///< 1 for the first
    std::uint16_t divisor;    ///< of the step of the plane before; 1 for the first
    std::uint32_t rows, cols; ///< out channels, filter size
    std::uint8_t coding;      ///< 0: a byte for each code; 1: rans.hpp
    std::uint8_t scales;      ///< of blocks: 0 none, 1 in this record, 2 those of the plane before
    std::uint16_t block;      ///< codes along a row that share a scale; 0 without scales
    std::uint32_t bytes;      ///< of the codes as they are stored
    float largest_step;       ///< of the first plane; otherwise 0
    float bias_step;
    std::uint32_t checksum; ///< CRC-32 of the record with 0 here
};
static_assert(sizeof(plane_head) == 36 && std::is_trivially_copyable_v<plane_head>);
static_assert(std::endian::native == std::endian::little, "model files are read and written as they lie in memory");

/// What a file says about one plane: for those who look inside.
struct plane_entry {
    plane_head head;
    int level = 1;
    dim_t record_bytes = 0;
};

struct integer_model {
    infer::coded_network network;
    model_description description;
};

/// A model from a file, and what there is to say about the file.
struct loaded_model {
    integer_model model;
    std::vector<plane_entry> planes; ///< in the order of the file
    std::vector<dim_t> level_bytes;  ///< of the section of each level
    dim_t file_bytes = 0;

    /// Of the file when it ends behind a level, 1 .. the last one.
    dim_t bytes_until(int level) const {
        dim_t bytes = file_bytes;
        for (std::size_t l = static_cast<std::size_t>(level); l < level_bytes.size(); ++l) bytes -= level_bytes[l];
        return bytes;
    }
    /// Of the header: the graph and names.
    dim_t text_bytes() const { return file_bytes - std::accumulate(level_bytes.begin(), level_bytes.end(), dim_t{0}); }
    /// How many times smaller the file is than the network in 8-8 with the same text, when it ends behind a level.
    double size_vs_8_8(int level) const {
        return static_cast<double>(text_bytes() + infer::bytes_in_8_8(model.network)) /
               static_cast<double>(bytes_until(level));
    }
};

namespace detail {

inline constexpr const char* model_key = "intaglio.model";
inline constexpr dim_t section_unit = 64;

/// The record of a plane.
inline std::vector<std::byte> plane_record(const infer::coded_product& product, std::size_t node, int plane) {
    const infer::weight_plane& p = product.planes[static_cast<std::size_t>(plane - 1)];
    const std::span<const std::int8_t> codes = p.codes.span();
    std::vector<std::byte> coded = rans_encode(codes);
    const bool pays = coded.size() < codes.size();
    if (!pays) {
        const auto raw = std::as_bytes(codes);
        coded.assign(raw.begin(), raw.end());
    }
    plane_head head{.node = static_cast<std::uint32_t>(node),
                    .plane = static_cast<std::uint16_t>(plane),
                    .divisor = static_cast<std::uint16_t>(p.divisor),
                    .rows = static_cast<std::uint32_t>(product.rows()),
                    .cols = static_cast<std::uint32_t>(product.cols()),
                    .coding = static_cast<std::uint8_t>(pays ? 1 : 0),
                    .scales = static_cast<std::uint8_t>(p.block == 0       ? 0
                                                        : p.scales.empty() ? 2
                                                                           : 1),
                    .block = static_cast<std::uint16_t>(p.block),
                    .bytes = static_cast<std::uint32_t>(coded.size()),
                    .largest_step = plane == 1 ? product.steps.largest : 0,
                    .bias_step = p.bias.step,
                    .checksum = 0};
    std::vector<std::byte> record;
    const auto put = [&](std::span<const std::byte> bytes) { record.insert(record.end(), bytes.begin(), bytes.end()); };
    put(std::as_bytes(std::span(&head, 1)));
    if (plane == 1) put(std::as_bytes(std::span(product.steps.falls)));
    put(std::as_bytes(std::span(p.scales)));
    put(std::as_bytes(std::span(p.bias.codes)));
    put(coded);
    head.checksum = crc32(record);
    std::memcpy(record.data(), &head, sizeof head);
    return record;
}

/// Reads the records of a section into the network.
class plane_reader {
public:
    plane_reader(const std::string& file, loaded_model& loaded, const std::vector<extents>& shapes)
        : file_(file), loaded_(loaded), shapes_(shapes) {}

    void read(std::span<const std::byte> section, int level) {
        std::size_t at = 0;
        const std::vector<int>& wanted = network().levels[static_cast<std::size_t>(level - 1)];
        for (std::size_t node = 0; node < wanted.size(); ++node) {
            const int before = level == 1 ? 0 : network().levels[static_cast<std::size_t>(level - 2)][node];
            for (int plane = before + 1; plane <= wanted[node]; ++plane)
                at += record(section.subspan(at), node, plane, level);
        }
        require<file_error>(section.size() - at < static_cast<std::size_t>(section_unit), file_, ": level ", level,
                            " has ", section.size() - at, " bytes behind its last plane");
        for (; at < section.size(); ++at)
            require<file_error>(section[at] == std::byte{0}, file_, ": level ", level, ": its padding is not zero");
    }

private:
    infer::coded_network& network() { return loaded_.model.network; }

    std::size_t record(std::span<const std::byte> bytes, std::size_t node, int plane, int level) {
        const nn::node& n = network().net.nodes[node];
        const auto refuse = [&](bool good, const auto&... fault) {
            require<file_error>(good, file_, ": level ", level, ", plane ", plane, " of ", n.name, ": ", fault...);
        };
        refuse(bytes.size() >= sizeof(plane_head), "cut in its head");
        plane_head head;
        std::memcpy(&head, bytes.data(), sizeof head);
        const conv_geometry g = infer::detail::product_geometry(n.op, shapes_[n.inputs[0]]);
        refuse(head.node == node && head.plane == static_cast<unsigned>(plane), "is said to be plane ", head.plane,
               " of node ", head.node);
        refuse(head.rows == g.out_channels && head.cols == g.filter_size(), "has ", head.rows, " x ", head.cols,
               " codes, the graph has ", g.out_channels, " x ", g.filter_size());
        const auto rows = static_cast<std::size_t>(head.rows), count = rows * head.cols;
        refuse(head.coding <= 1, "is coded in the unknown way ", int{head.coding});
        refuse(head.scales <= 2 && (head.scales > 0) == (head.block > 0) && (head.scales < 2 || plane > 1),
               "has blocks of ", head.block, " codes and scales of the unknown kind ", int{head.scales});
        refuse(head.coding == 1 || head.bytes == count, "has ", head.bytes, " bytes for ", count, " codes");
        refuse(plane == 1 ? head.divisor == 1 : head.divisor >= 1 && head.divisor <= 127, "divides steps by ",
               head.divisor);
        refuse(plane == 1 || head.largest_step == 0, "has steps of its own");
        const std::size_t scales =
            head.scales == 1 ? rows * static_cast<std::size_t>(infer::detail::blocks_of(head.cols, head.block)) : 0;
        const std::size_t size = sizeof head + (plane == 1 ? rows : 0) + scales + 2 * rows + head.bytes;
        refuse(bytes.size() >= size, "takes ", size, " bytes, ", bytes.size(), " are left");
        codes_ += static_cast<dim_t>(count);
        refuse(codes_ <= most_codes_a_byte * loaded_.file_bytes, "more than ", most_codes_a_byte,
               " codes for each byte of the file");
        plane_head blank = head;
        blank.checksum = 0;
        const std::uint32_t sum =
            crc32(bytes.first(size).subspan(sizeof head), crc32(std::as_bytes(std::span(&blank, 1))));
        refuse(sum == head.checksum, "its checksum is ", head.checksum, ", its bytes sum to ", sum);

        std::size_t at = sizeof head;
        const auto take = [&](auto& values, std::size_t how_many) {
            values.resize(how_many);
            if (how_many == 0) return; // nowhere to copy to
            std::memcpy(values.data(), bytes.data() + at, how_many * sizeof values[0]);
            at += how_many * sizeof values[0];
        };
        std::optional<infer::coded_product>& product = network().products[node];
        if (plane == 1) {
            product.emplace();
            product->steps.largest = head.largest_step;
            take(product->steps.falls, rows);
        }
        infer::weight_plane p{
            tensor<std::int8_t>({g.out_channels, g.filter_size()}, uninitialized), head.divisor, {}, head.block, {}};
        p.bias.step = head.bias_step;
        take(p.scales, scales);
        take(p.bias.codes, rows);
        const std::span<const std::byte> coded = bytes.first(size).subspan(at);
        if (head.coding == 0)
            std::memcpy(p.codes.data(), coded.data(), count);
        else
            rans_decode(coded, join(file_, ": level ", level, ", plane ", plane, " of ", n.name), p.codes.span());
        product->planes.push_back(std::move(p));
        loaded_.planes.push_back({head, level, static_cast<dim_t>(size)});
        return size;
    }

    static constexpr dim_t most_codes_a_byte = 1024; ///< a plane of zeros takes no bits; still memory is bounded

    const std::string& file_;
    dim_t codes_ = 0;
    loaded_model& loaded_;
    const std::vector<extents>& shapes_;
};

/// The bytes of a file that was cut behind a section, with those that are missing as zeros; nothing where none are.
inline std::vector<char> completed(std::span<const char> bytes, const std::string& name) {
    std::uint64_t header = 0;
    if (bytes.size() >= 8) std::memcpy(&header, bytes.data(), 8);
    if (bytes.size() < 8 || header > bytes.size() - 8) return {};
    // where the last section ends: its offsets are the largest number of the header's "data_offsets"
    const std::string_view text(bytes.data() + 8, static_cast<std::size_t>(header));
    std::uint64_t most = 0;
    for (std::size_t at = text.find("\"data_offsets\":["); at != text.npos;
         at = text.find("\"data_offsets\":[", at + 1)) {
        std::size_t end = text.find(',', at);
        std::uint64_t value = 0;
        for (end = end == text.npos ? text.size() : end + 1; end < text.size() && text[end] >= '0' && text[end] <= '9';
             ++end)
            value = std::min<std::uint64_t>(value * 10 + static_cast<std::uint64_t>(text[end] - '0'),
                                            std::uint64_t{1} << 50);
        most = std::max(most, value);
    }
    // nothing is taken for a claim beyond what planes of bytes could fill: a cut file keeps its first level
    constexpr std::uint64_t largest_growth = 64;
    if (most + 8 + header <= bytes.size() || most > largest_growth * bytes.size()) return {};
    require<file_error>(most < std::uint64_t{1} << 40, name, ": claims ", most, " bytes of data");
    std::vector<char> whole(bytes.begin(), bytes.end());
    whole.resize(static_cast<std::size_t>(most + 8 + header));
    return whole;
}

} // namespace detail

/// The model as a file that is being made; written with tensor_alignment::element. Throws as infer::check does, and
/// value_error where a later level uses fewer planes than an earlier one.
inline safetensors_writer model_writer(const integer_model& model) {
    const infer::coded_network& network = model.network;
    infer::check(network);
    safetensors_writer writer;
    writer.set_metadata(detail::model_key, detail::model_text(network, model.description));
    for (int level = 1; level <= network.level_count(); ++level) {
        std::vector<std::byte> section;
        for (std::size_t node = 0; node < network.net.nodes.size(); ++node) {
            const int before = level == 1 ? 0 : network.planes_at(level - 1, node),
                      now = network.planes_at(level, node);
            require<value_error>(now >= before, "model file: level ", level, " uses ", now, " planes of ",
                                 network.net.nodes[node].name, ", the level before it ", before);
            for (int plane = before + 1; plane <= now; ++plane) {
                const std::vector<std::byte> record = detail::plane_record(*network.products[node], node, plane);
                section.insert(section.end(), record.begin(), record.end());
            }
        }
        section.resize((section.size() + detail::section_unit - 1) / detail::section_unit * detail::section_unit);
        const auto* const bytes = reinterpret_cast<const std::uint8_t*>(section.data());
        writer.add<std::uint8_t>(join("level.", level), {static_cast<dim_t>(section.size())}, {bytes, section.size()});
    }
    return writer;
}

/// Replaces a file by one that holds the model.
inline void save_model(const std::string& path, const integer_model& model) {
    safetensors_writer writer = model_writer(model);
    writer.write(path, tensor_alignment::element);
}

/// A model from the bytes of a file; `name` stands for it in messages. Levels whose bytes are not all there any more
/// are left out, if there is one that is. Throws file_error, which names the file and the place, for everything else
/// that save_model did not write.
inline loaded_model parse_model(std::span<const char> bytes, const std::string& name) {
    const std::vector<char> completed = detail::completed(bytes, name);
    const auto file = safetensors_file::view(completed.empty() ? bytes : std::span(completed), name);
    const auto text = file.metadata(detail::model_key);
    require<file_error>(text.has_value(), name, ": the metadata have no '", detail::model_key,
                        "'; is it a model that was converted?");
    loaded_model loaded;
    loaded.file_bytes = std::ssize(bytes);
    try {
        detail::parse_model_text(*text, name, loaded.model.network, loaded.model.description);
        const std::vector<extents> shapes = nn::infer_shapes(loaded.model.network.net, 1);
        infer::coded_network& network = loaded.model.network;
        network.products.resize(network.net.nodes.size());
        detail::plane_reader reader(name, loaded, shapes);
        const auto levels = static_cast<int>(network.levels.size());
        int complete = 0;
        for (int level = 1; level <= levels; ++level) {
            const tensor_info& section = file.at(join("level.", level));
            if (static_cast<std::size_t>(section.end) > bytes.size()) break;
            const std::span<const std::byte> data = file.bytes(section.name);
            reader.read(data, level);
            loaded.level_bytes.push_back(static_cast<dim_t>(data.size()));
            complete = level;
        }
        require<file_error>(complete > 0, name, ": is cut in its first level");
        network.levels.resize(static_cast<std::size_t>(complete));
        infer::check(network);
    } catch (const file_error&) {
        throw;
    } catch (const error& fault) {
        fail<file_error>(name, ": ", fault.what());
    }
    return loaded;
}
/// The same from a file, decoded where it is mapped. One that another program cuts short meanwhile ends this one with
/// SIGBUS (core/file.hpp).
inline loaded_model load_model(const std::string& path) { return parse_model(map_file(path).span(), path); }

} // namespace intaglio::inline INTAGLIO_ABI::io
