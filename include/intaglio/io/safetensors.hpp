// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reads safetensors files: named tensors and a few strings. safetensors_writer.hpp writes them.
//
//   8 bytes    length n of the header, little-endian
//   n bytes    JSON: {"name": {"dtype": "F32", "shape": [64, 3, 3, 32], "data_offsets": [begin, end]}, ...,
//                     "__metadata__": {"key": "value"}}
//   the rest   the elements, row-major, at offsets that count from here; tensors follow each other without gaps
//
// Files are not trusted. Every number of the header is checked against the file's real size, offsets may neither
// overlap nor leave gaps, and the first fault is a file_error that names the file, the tensor and the offset. The
// memory that a header takes is bounded by its length (safetensors_header.hpp), tensors take what they have in the
// file.
//
// Tensors of any type and rank are listed and can be had as raw bytes. As numbers one gets those of a type that C++
// has, and floats also from F16, BF16 and F64.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/file.hpp"
#include "intaglio/io/element_type.hpp"
#include "intaglio/io/safetensors_header.hpp"
#include "intaglio/tensor/tensor.hpp"

namespace intaglio::inline INTAGLIO_ABI::io {

/// A file in memory, checked. Moves, and its views stay good; does not copy.
class safetensors_file {
public:
    /// Reads the whole file into memory.
    static safetensors_file read(const std::string& path) { return {read_file(path), path}; }
    /// Maps the file: bytes come from the disk when they are used. core/file.hpp says what may happen to such a file.
    static safetensors_file map(const std::string& path) { return {map_file(path), path}; }
    /// A file that is in memory already; `name` stands for it in messages.
    static safetensors_file parse(std::span<const char> bytes, std::string name) {
        return {file_bytes(bytes), std::move(name)};
    }
    /// The same without a copy: the bytes must outlive this object.
    static safetensors_file view(std::span<const char> bytes, std::string name) {
        return {file_bytes::view(bytes), std::move(name)};
    }

    const std::string& name() const { return name_; }
    /// What the file holds, by name, padding left out.
    const std::deque<tensor_info>& tensors() const { return tables_.tensors; }
    /// All keys and values, by key.
    const std::deque<std::pair<std::string_view, std::string_view>>& metadata() const { return tables_.metadata; }
    std::optional<std::string_view> metadata(std::string_view key) const {
        const auto found = std::lower_bound(tables_.metadata.begin(), tables_.metadata.end(), key,
                                            [](const auto& entry, std::string_view k) { return entry.first < k; });
        if (found == tables_.metadata.end() || found->first != key) return std::nullopt;
        return found->second;
    }

    /// The tensor of that name, or nullptr.
    const tensor_info* find(std::string_view tensor_name) const {
        const auto found = std::lower_bound(tables_.tensors.begin(), tables_.tensors.end(), tensor_name,
                                            [](const tensor_info& t, std::string_view n) { return t.name < n; });
        return found == tables_.tensors.end() || found->name != tensor_name ? nullptr : &*found;
    }
    bool contains(std::string_view tensor_name) const { return find(tensor_name) != nullptr; }
    /// The tensor of that name. file_error if it isn't there.
    const tensor_info& at(std::string_view tensor_name) const {
        const tensor_info* const found = find(tensor_name);
        require<file_error>(found != nullptr, name_, ": has no tensor '", tensor_name, "'");
        return *found;
    }

    /// Its elements as they lie in the file, at whatever alignment the file has. They live as long as this object.
    std::span<const std::byte> bytes(std::string_view tensor_name) const { return bytes_of(at(tensor_name)); }

    /// A copy as numbers. As float one also gets F16 and BF16, exactly, and F64, rounded to the nearest float (to an
    /// infinity beyond the largest one). file_error if there is no such tensor, of such a type, or it has more
    /// dimensions than extents.
    template <StoredElement T>
    tensor<T> get(std::string_view tensor_name) const {
        const tensor_info& info = at(tensor_name);
        const bool same = info.type == element_name<T>, converts = std::is_same_v<T, float> && is_float(info.type);
        require<file_error>(same || converts, name_, ": tensor '", tensor_name, "' at offset ", info.begin, " holds ",
                            info.type, ", expected ", element_name<T>);
        tensor<T> values(shape_of(info), uninitialized); // the file has as many bytes: the header was checked
        if (same)
            std::copy_n(bytes_of(info).data(), info.end - info.begin, reinterpret_cast<std::byte*>(values.data()));
        else
            convert(info, values);
        return values;
    }

    /// The same, of a shape that must be the given one.
    template <StoredElement T>
    tensor<T> get(std::string_view tensor_name, const extents& shape) const {
        const extents stored = shape_of(at(tensor_name));
        require<file_error>(stored == shape, name_, ": tensor '", tensor_name, "' is ", stored, ", expected ", shape);
        return get<T>(tensor_name);
    }

private:
    safetensors_file(file_bytes bytes, std::string name)
        : bytes_(std::move(bytes)), name_(std::move(name)),
          tables_(detail::parse_safetensors_header(bytes_.span(), name_)) {}

    extents shape_of(const tensor_info& info) const {
        try {
            return extents(info.shape);
        } catch (const shape_error& fault) {
            fail<file_error>(name_, ": tensor '", info.name, "': ", fault.what());
        }
    }
    std::span<const std::byte> bytes_of(const tensor_info& info) const {
        return std::as_bytes(bytes_.span().subspan(static_cast<std::size_t>(info.begin),
                                                   static_cast<std::size_t>(info.end - info.begin)));
    }

    static bool is_float(std::string_view type) { return type == "F16" || type == "BF16" || type == "F64"; }

    template <class T>
    void convert(const tensor_info& info, tensor<T>& values) const {
        const auto from = [&]<class Stored>(Stored, auto to_float) {
            const std::byte* at = bytes_of(info).data();
            for (T& value : values) {
                Stored stored;
                std::memcpy(&stored, at, sizeof stored);
                at += sizeof stored;
                value = static_cast<T>(to_float(stored));
            }
        };
        if (info.type == "F16")
            from(std::uint16_t{}, float_from_half);
        else if (info.type == "BF16")
            from(std::uint16_t{}, float_from_bfloat);
        else
            from(double{}, [](double v) { return static_cast<float>(v); });
    }

    file_bytes bytes_;
    std::string name_;
    detail::safetensors_tables tables_;
};

} // namespace intaglio::inline INTAGLIO_ABI::io
