// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reader and writer of safetensors files: named tensors and a few strings.
//
//   8 bytes    length n of the header, little-endian
//   n bytes    JSON: {"name": {"dtype": "F32", "shape": [64, 3, 3, 32], "data_offsets": [begin, end]}, ...,
//                     "__metadata__": {"key": "value"}}
//   the rest   the elements, row-major, at offsets that count from here; tensors follow each other without gaps
//
// Files are not trusted. Every number of the header is checked against the file's real size, offsets may neither
// overlap nor leave gaps, and the first fault is a file_error that names the file, the tensor and the offset. No memory
// is asked for beyond the file's own size.
//
// The JSON is nlohmann's (Debian: nlohmann-json3-dev); this is one of two headers of the library that need it.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/io/atomic_file.hpp"
#include "intaglio/io/element_type.hpp"
#include "intaglio/tensor/tensor.hpp"

namespace intaglio::inline INTAGLIO_ABI::io {

/// A file in memory, checked.
class safetensors_file {
public:
    struct entry {
        element_type type;
        extents shape;
        dim_t begin = 0; ///< first byte, from the start of the file
        dim_t end = 0;   ///< one past the last byte
    };

    /// Reads and checks a whole file.
    static safetensors_file read(const std::string& path) { return parse(io::read_file(path), path); }

    /// The same from memory; `name` stands for the file in messages.
    static safetensors_file parse(std::vector<char> bytes, std::string name) {
        safetensors_file file;
        file.bytes_ = std::move(bytes);
        file.name_ = std::move(name);
        file.parse_header();
        return file;
    }

    const std::string& name() const { return name_; }
    const std::map<std::string, entry>& entries() const { return entries_; }
    const std::map<std::string, std::string>& metadata() const { return metadata_; }
    bool contains(const std::string& tensor_name) const { return entries_.count(tensor_name) != 0; }

    /// The tensor of that name and type; F16 is given as float too. file_error if it isn't there or has another type.
    template <StoredElement T>
    tensor<T> get(const std::string& tensor_name) const {
        const auto found = entries_.find(tensor_name);
        require<file_error>(found != entries_.end(), name_, ": has no tensor '", tensor_name, "'");
        const entry& e = found->second;
        const char* const from = bytes_.data() + e.begin;
        if constexpr (std::is_same_v<T, float>)
            if (e.type.name == "F16") {
                tensor<float> values(e.shape);
                for (dim_t i = 0; i < values.size(); ++i) {
                    std::uint16_t half;
                    std::memcpy(&half, from + 2 * i, 2);
                    values[i] = float_from_half(half);
                }
                return values;
            }
        require<file_error>(e.type.name == element_name<T>, name_, ": tensor '", tensor_name, "' at offset ", e.begin,
                            " holds ", e.type.name, ", expected ", element_name<T>);
        tensor<T> values(e.shape);
        if (e.end > e.begin) std::memcpy(values.data(), from, static_cast<std::size_t>(e.end - e.begin));
        return values;
    }

    /// The same, of a shape that must be the given one.
    template <StoredElement T>
    tensor<T> get(const std::string& tensor_name, const extents& shape) const {
        tensor<T> values = get<T>(tensor_name);
        require<file_error>(values.shape() == shape, name_, ": tensor '", tensor_name, "' is ", values.shape(),
                            ", expected ", shape);
        return values;
    }

private:
    using json = nlohmann::json;
    static constexpr dim_t max_header = 100'000'000; ///< bytes; the limit of the format's own library

    void parse_header() {
        const auto size = static_cast<dim_t>(bytes_.size());
        require<file_error>(size >= 8, name_, ": ends at offset ", size, ", inside the 8 bytes of the header's length");
        std::uint64_t length = 0;
        std::memcpy(&length, bytes_.data(), 8);
        require<file_error>(length <= static_cast<std::uint64_t>(std::min(max_header, size - 8)), name_,
                            ": the header claims ", length, " bytes from offset 8, the file has ", size, " bytes");
        const dim_t data = 8 + static_cast<dim_t>(length);
        const json header = parse_json(bytes_.data() + 8, bytes_.data() + data);
        for (const auto& [key, value] : header.items()) {
            if (key == "__metadata__")
                read_metadata(value);
            else
                entries_.emplace(key, read_entry(key, value, data));
        }
        check_coverage(data);
    }

    json parse_json(const char* begin, const char* end) const {
        std::set<std::string> seen;
        const auto refuse_twins = [&](int depth, json::parse_event_t event, json& value) {
            if (event == json::parse_event_t::key && depth == 1)
                require<file_error>(seen.insert(value.get_ref<const std::string&>()).second, name_,
                                    ": the header names '", value.get_ref<const std::string&>(), "' twice");
            return true;
        };
        json header;
        try {
            header = json::parse(begin, end, refuse_twins);
        } catch (const json::exception& fault) {
            const auto* const where = dynamic_cast<const json::parse_error*>(&fault);
            fail<file_error>(name_, ": the header is not JSON at offset ", 8 + (where ? where->byte : 0), ": ",
                             fault.what());
        }
        require<file_error>(header.is_object(), name_, ": the header at offset 8 is not a JSON object");
        return header;
    }

    void read_metadata(const json& value) {
        require<file_error>(value.is_object(), name_, ": __metadata__ is not an object");
        for (const auto& [key, text] : value.items()) {
            require<file_error>(text.is_string(), name_, ": metadata '", key, "' is not a string");
            metadata_.emplace(key, text.get<std::string>());
        }
    }

    dim_t read_size(const std::string& tensor_name, const json& value) const {
        const bool fits = value.is_number_unsigned() &&
                          value.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<dim_t>::max());
        require<file_error>(fits, name_, ": tensor '", tensor_name,
                            "' has a size or offset that is not a whole number in range: ", value.dump());
        return static_cast<dim_t>(value.get<std::uint64_t>());
    }

    entry read_entry(const std::string& tensor_name, const json& value, dim_t data) const {
        const auto whole = [&] {
            if (!value.is_object()) return false;
            const auto type = value.find("dtype"), shape = value.find("shape"), offsets = value.find("data_offsets");
            return type != value.end() && type->is_string() && shape != value.end() && shape->is_array() &&
                   offsets != value.end() && offsets->is_array() && offsets->size() == 2;
        };
        require<file_error>(whole(), name_, ": tensor '", tensor_name, "' lacks a dtype, a shape or two data_offsets");
        entry e;
        const auto& type_name = value["dtype"].get_ref<const std::string&>();
        const auto type = std::find_if(element_types.begin(), element_types.end(),
                                       [&](const element_type& t) { return t.name == type_name; });
        require<file_error>(type != element_types.end(), name_, ": tensor '", tensor_name, "' has the unknown dtype '",
                            type_name, "'");
        e.type = *type;

        std::vector<dim_t> sizes;
        for (const json& size : value["shape"]) sizes.push_back(read_size(tensor_name, size));
        dim_t bytes = 0;
        try {
            e.shape = extents(std::span<const dim_t>(sizes));
            bytes = checked_product({e.shape.size(), e.type.bytes});
        } catch (const shape_error& fault) {
            fail<file_error>(name_, ": tensor '", tensor_name, "': ", fault.what());
        }
        const dim_t room = static_cast<dim_t>(bytes_.size()) - data;
        const dim_t begin = read_size(tensor_name, value["data_offsets"][0]),
                    end = read_size(tensor_name, value["data_offsets"][1]);
        require<file_error>(begin <= end && end <= room, name_, ": tensor '", tensor_name, "' claims the bytes ", begin,
                            " to ", end, " of ", room, " after offset ", data);
        require<file_error>(end - begin == bytes, name_, ": tensor '", tensor_name, "' of shape ", e.shape,
                            " and type ", e.type.name, " takes ", bytes, " bytes, but its offsets hold ", end - begin);
        e.begin = data + begin;
        e.end = data + end;
        return e;
    }

    /// Tensors in the order of their bytes must follow each other from the end of the header to the end of the file.
    void check_coverage(dim_t data) const {
        std::vector<std::pair<const std::string*, const entry*>> order;
        for (const auto& [key, e] : entries_) order.emplace_back(&key, &e);
        std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
            return std::pair(a.second->begin, a.second->end) < std::pair(b.second->begin, b.second->end);
        });
        dim_t at = data;
        for (const auto& [key, e] : order) {
            require<file_error>(e->begin == at, name_, ": tensor '", *key, "' starts at offset ", e->begin,
                                ", expected ", at, e->begin < at ? ": it overlaps another one" : ": there is a gap");
            at = e->end;
        }
        require<file_error>(at == static_cast<dim_t>(bytes_.size()), name_, ": the last tensor ends at offset ", at,
                            ", the file at ", static_cast<dim_t>(bytes_.size()));
    }

    std::vector<char> bytes_;
    std::string name_;
    std::map<std::string, entry> entries_;
    std::map<std::string, std::string> metadata_;
};

/// Collects tensors and writes them as one file, atomically.
class safetensors_writer {
public:
    /// Copies the values. value_error for a name that is there already, or that the format reserves; shape_error where
    /// sizes differ.
    template <StoredElement T>
    void add(const std::string& tensor_name, const extents& shape, std::span<const T> values) {
        require<value_error>(tensor_name != "__metadata__" && !header_.contains(tensor_name), "safetensors: the name '",
                             tensor_name, "' is taken");
        require(static_cast<dim_t>(values.size()) == shape.size(), "safetensors: '", tensor_name, "' of shape ", shape,
                " but ", values.size(), " values");
        const std::size_t begin = data_.size();
        const auto bytes = std::as_bytes(values);
        data_.resize(begin + bytes.size());
        if (!bytes.empty()) std::memcpy(data_.data() + begin, bytes.data(), bytes.size());
        header_[tensor_name] = {{"dtype", std::string(element_name<T>)},
                                {"shape", std::vector<dim_t>(shape.begin(), shape.end())},
                                {"data_offsets", {begin, data_.size()}}};
    }
    template <StoredElement T>
    void add(const std::string& tensor_name, const tensor<T>& values) {
        add<T>(tensor_name, values.shape(), values.span());
    }
    void set_metadata(const std::string& key, const std::string& value) { header_["__metadata__"][key] = value; }

    /// Bytes of all tensors so far.
    dim_t data_bytes() const { return static_cast<dim_t>(data_.size()); }

    /// Replaces the file atomically; file_error where that fails, and then an older file is still there.
    void write(const std::string& path) const {
        std::string header = header_.dump();
        header.resize((header.size() + 7) / 8 * 8, ' '); // elements start at a multiple of 8 bytes
        const std::uint64_t length = header.size();
        char prefix[8];
        std::memcpy(prefix, &length, 8);
        write_file_atomically(
            path, {std::span<const char>(prefix), std::span<const char>(header), std::span<const char>(data_)});
    }

private:
    nlohmann::json header_ = nlohmann::json::object();
    std::vector<char> data_;
};

} // namespace intaglio::inline INTAGLIO_ABI::io
