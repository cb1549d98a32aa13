// SPDX-License-Identifier: Apache-2.0
#pragma once

// Writes safetensors files (safetensors.hpp has the format), so that a mapped file can be used in place.
//
// The format allows no gap between tensors and fixes no order, and its own library aligns nothing beyond 8 bytes. Here
//
//   - spaces after the header's text bring the first tensor to a multiple of 64;
//   - tensors of a multiple of 64 bytes come first, which is most of them, the others by the size of their elements,
//     the largest first: so each starts at a multiple of its element's size;
//   - `tensor_alignment::cache_line`, the default, fills up to the next multiple of 64 after each of those others but
//     the last, with tensors of type U8 that are called "__padding__.0" and so on. Every reader of the format accepts
//     them, ours does not list them, others do: where the set of names matters, as for a file that PyTorch loads with
//     `strict=True`, `tensor_alignment::element` leaves them out.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/extents.hpp"
#include "intaglio/io/atomic_file.hpp"
#include "intaglio/io/element_type.hpp"
#include "intaglio/io/safetensors_header.hpp"
#include "intaglio/tensor/tensor.hpp"

namespace intaglio::inline INTAGLIO_ABI::io {

enum class tensor_alignment {
    element,   ///< each tensor at a multiple of its element's size; no names but the given ones
    cache_line ///< each tensor at a multiple of 64 bytes, by tensors that are padding
};

/// Collects tensors and writes them as one file, atomically.
class safetensors_writer {
public:
    /// Copies the values. value_error for a name that is there already, that is reserved, or that is not UTF-8, which
    /// JSON can't hold; shape_error where sizes differ. Then nothing is added.
    template <StoredElement T>
    void add(const std::string& tensor_name, const extents& shape, std::span<const T> values) {
        require<value_error>(tensor_name != "__metadata__" && !tensor_name.starts_with(padding_prefix),
                             "safetensors: the name '", tensor_name, "' is reserved");
        require(static_cast<dim_t>(values.size()) == shape.size(), "safetensors: '", tensor_name, "' of shape ", shape,
                " but ", values.size(), " values");
        item added{quoted(tensor_name), element_name<T>, shape, sizeof(T), {}};
        require<value_error>(!names_.contains(added.name), "safetensors: the name '", tensor_name, "' is taken");
        added.bytes.resize(values.size_bytes());
        if (!values.empty()) std::memcpy(added.bytes.data(), values.data(), values.size_bytes());
        names_.insert(added.name);
        data_bytes_ += static_cast<dim_t>(added.bytes.size());
        items_.push_back(std::move(added));
    }
    template <StoredElement T>
    void add(const std::string& tensor_name, const tensor<T>& values) {
        add<T>(tensor_name, values.shape(), values.span());
    }

    /// Replaces what the key had. value_error unless both are UTF-8.
    void set_metadata(const std::string& key, const std::string& value) { metadata_[quoted(key)] = quoted(value); }

    /// Bytes of all tensors so far, padding not counted.
    dim_t data_bytes() const { return data_bytes_; }

    /// Replaces the file atomically; file_error where that fails, and then an older file is still there. value_error
    /// where the names and the metadata are too long for the format.
    void write(const std::string& path, tensor_alignment alignment = tensor_alignment::cache_line) const {
        static constexpr char zeros[line] = {};
        std::vector<std::span<const char>> parts(2); // length and header, which are known last
        std::string header = "{";
        if (!metadata_.empty()) {
            header += "\"__metadata__\":{";
            for (const auto& [key, value] : metadata_) header += join(key, ':', value, ',');
            header.back() = '}';
            header += ',';
        }
        std::size_t at = 0;
        const auto place = [&](std::string_view name, std::string_view type, std::string_view shape,
                               std::span<const char> bytes) {
            header += join(name, R"(:{"dtype":")", type, R"(","shape":)", shape, R"(,"data_offsets":[)", at, ',',
                           at + bytes.size(), "]},");
            parts.push_back(bytes);
            at += bytes.size();
        };
        dim_t paddings = 0;
        for (const item* tensor : in_file_order()) {
            const std::size_t gap = (line - at % line) % line;
            if (alignment == tensor_alignment::cache_line && gap != 0)
                place(join('"', padding_prefix, '.', paddings++, '"'), "U8", join('[', gap, ']'), {zeros, gap});
            place(tensor->name, tensor->type, sizes(tensor->shape), tensor->bytes);
        }
        if (header.size() > 1) header.pop_back(); // the last comma
        header += '}';
        header.resize(header.size() + (line - (8 + header.size()) % line) % line, ' ');

        require<value_error>(static_cast<dim_t>(header.size()) <= max_safetensors_header, path, ": a header of ",
                             header.size(), " bytes, the format allows ", max_safetensors_header);
        const std::uint64_t length = header.size();
        char prefix[8];
        std::memcpy(prefix, &length, 8);
        parts[0] = prefix;
        parts[1] = header;
        write_file_atomically(path, parts);
    }

private:
    static constexpr std::size_t line = 64; ///< bytes

    struct item {
        std::string name; ///< in quotes, as JSON
        std::string_view type;
        extents shape;
        std::size_t element_bytes;
        std::vector<char> bytes;
    };

    /// JSON text of a string, quotes included.
    static std::string quoted(const std::string& text) {
        try {
            return nlohmann::json(text).dump();
        } catch (const nlohmann::json::exception& fault) {
            const std::string safe = nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
            fail<value_error>("safetensors: names and metadata are UTF-8, but ", detail::shortened(safe),
                              " is not: ", detail::shortened(fault.what()));
        }
    }
    static std::string sizes(const extents& shape) {
        std::string text = "[";
        for (const dim_t size : shape) text += join(text.size() > 1 ? "," : "", size);
        return text + "]";
    }

    std::vector<const item*> in_file_order() const {
        std::vector<const item*> order;
        for (const item& i : items_) order.push_back(&i);
        const auto rank = [](const item* i) { return i->bytes.size() % line == 0 ? line : i->element_bytes; };
        std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return rank(a) > rank(b); });
        return order;
    }

    std::vector<item> items_; ///< in the order of `add`
    std::set<std::string> names_;
    std::map<std::string, std::string> metadata_; ///< in quotes
    dim_t data_bytes_ = 0;
};

} // namespace intaglio::inline INTAGLIO_ABI::io
