// SPDX-License-Identifier: Apache-2.0
#pragma once

// The header of a safetensors file (safetensors.hpp), parsed into a list of tensors and the metadata.
//
// Headers are not trusted, and up to 100 MB of them are legal. So the JSON is parsed as a stream of events (nlohmann's
// SAX interface; Debian: nlohmann-json3-dev) into flat tables: nothing recurses, however deep the brackets, and no tree
// of values is built. What the tables take is bounded by the header's length: 64 bytes for a tensor, whose text is at
// least 48 bytes long, 8 for each of its at most 64 sizes, 32 for an entry of the metadata, and a copy of all names.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/extents.hpp"
#include "intaglio/io/element_type.hpp"

namespace intaglio::inline INTAGLIO_ABI::io {

/// What a header says about one tensor. The views live as long as the file's object.
struct tensor_info {
    std::string_view name;
    std::string_view type;        ///< its name in the file, such as "F32"; may be one that element_types lacks
    std::span<const dim_t> shape; ///< of any number of dimensions
    dim_t begin = 0;              ///< first byte, from the start of the file
    dim_t end = 0;                ///< one past the last byte
};

/// Names that begin so belong to tensors that only fill gaps. They are not listed.
inline constexpr std::string_view padding_prefix = "__padding__";

/// Bytes that a header may have; the limit of the format's own library.
inline constexpr dim_t max_safetensors_header = 100'000'000;

namespace detail {

/// Untrusted text for a message: cut where it is long.
inline std::string shortened(std::string_view text) {
    constexpr std::size_t most = 100;
    return text.size() <= most ? std::string(text) : std::string(text.substr(0, most)) + "...";
}

/// The tables of a header. Movable, since nothing in it moves: the views in `tensors` and `metadata` stay good.
struct safetensors_tables {
    std::deque<tensor_info> tensors;                                    ///< by name
    std::deque<std::pair<std::string_view, std::string_view>> metadata; ///< by key
    std::vector<char> text;                                             ///< all names, keys and values
    std::deque<std::array<dim_t, 1024>> sizes;                          ///< all shapes, each within one array
    std::size_t sizes_used = 0;                                         ///< of the last array
};

/// Receives the events of the JSON parser. Every member but the constructor and `finish` is what that parser asks for;
/// all throw file_error rather than answer false.
class safetensors_header_parser {
public:
    static constexpr dim_t max_rank = 64; ///< PyTorch's and NumPy's own

    /// `length` bytes of header, `room` bytes of tensors after it; `file` stands for the file in messages.
    safetensors_header_parser(const std::string& file, dim_t length, dim_t room)
        : file_(file), data_(8 + length), room_(room) {
        tables_.text.reserve(static_cast<std::size_t>(length)); // no decoded text is longer: views into it stay good
    }

    bool null() {
        // the format's own library takes it for an absent one
        if (place_ != place::header || name_ != metadata_key) scalar("null");
        return true;
    }
    bool boolean(bool value) { return scalar(value ? "true" : "false"); }
    bool number_integer(std::int64_t value) { return number(value); }
    bool number_unsigned(std::uint64_t value) {
        if (value > static_cast<std::uint64_t>(std::numeric_limits<dim_t>::max())) return scalar(join(value));
        return number(static_cast<dim_t>(value));
    }
    bool number_float(double, const std::string& text) { return scalar(text); }
    bool string(std::string& value) {
        if (place_ == place::metadata) {
            tables_.metadata.emplace_back(name_, keep(value));
            return true;
        }
        if (place_ != place::tensor || member_ != member::type) return scalar(value);
        info_.type = keep(value);
        return true;
    }
    template <class Binary>
    bool binary(Binary&) { // JSON text has none
        return scalar("binary");
    }

    bool start_object(std::size_t) {
        switch (place_) {
        case place::start:
            place_ = place::header;
            break;
        case place::header:
            info_ = {};
            seen_ = 0;
            place_ = name_ == metadata_key ? place::metadata : place::tensor;
            break;
        default:
            nested("an object");
        }
        return true;
    }
    bool start_array(std::size_t) {
        if (place_ == place::tensor && member_ != member::other && member_ != member::type) {
            place_ = place::sizes;
            count_ = 0;
        } else {
            nested("an array");
        }
        return true;
    }
    bool key(std::string& name) {
        switch (place_) {
        case place::header:
            if (name == metadata_key) {
                require<file_error>(!std::exchange(has_metadata_, true), file_, ": the header names '", metadata_key,
                                    "' twice");
                name_ = metadata_key;
            } else {
                name_ = keep(name);
            }
            break;
        case place::metadata:
            name_ = keep(name);
            break;
        case place::tensor: {
            member_ = name == "dtype"          ? member::type
                      : name == "shape"        ? member::shape
                      : name == "data_offsets" ? member::offsets
                                               : member::other;
            const unsigned bit = 1u << static_cast<int>(member_);
            require<file_error>(member_ == member::other || !(seen_ & bit), file_, ": tensor '", shortened(name_),
                                "' has two members '", name, "'");
            seen_ |= bit;
            break;
        }
        default:
            break; // of a member that is skipped
        }
        return true;
    }
    bool end_object() {
        switch (place_) {
        case place::skipped:
            leave();
            break;
        case place::tensor:
            add();
            [[fallthrough]];
        case place::metadata:
            place_ = place::header;
            break;
        default:
            place_ = place::end;
        }
        return true;
    }
    bool end_array() {
        if (place_ == place::skipped) {
            leave();
            return true;
        }
        if (member_ == member::offsets && count_ != 2) incomplete();
        if (member_ == member::shape) keep_shape();
        place_ = place::tensor;
        return true;
    }
    template <class Fault>
    bool parse_error(std::size_t position, const std::string&, const Fault& fault) {
        fail<file_error>(file_, ": the header is not JSON at offset ", 8 + position, ": ", shortened(fault.what()));
    }

    /// The tables, after the last event: sorted, checked as a whole, and without padding.
    safetensors_tables finish() {
        const auto by_name = [](const tensor_info& t) { return t.name; };
        sort_unique(tables_.tensors, by_name, "");
        sort_unique(
            tables_.metadata, [](const auto& entry) { return entry.first; }, "metadata ");
        check_coverage(); // which sorts by place
        std::erase_if(tables_.tensors, [](const tensor_info& t) { return t.name.starts_with(padding_prefix); });
        sort_unique(tables_.tensors, by_name, "");
        return std::move(tables_);
    }

private:
    static constexpr std::string_view metadata_key = "__metadata__";

    /// Where the next event belongs. `sizes`: in an array of numbers; `skipped`: in a member that the format does not
    /// know, however deep.
    enum class place { start, header, metadata, tensor, sizes, skipped, end };
    enum class member { other, type, shape, offsets };

    std::string_view keep(std::string_view text) {
        const std::size_t at = tables_.text.size();
        tables_.text.insert(tables_.text.end(), text.begin(), text.end());
        return {tables_.text.data() + at, text.size()};
    }

    [[noreturn]] void incomplete() const {
        fail<file_error>(file_, ": tensor '", shortened(name_), "' lacks a dtype, a shape or two data_offsets");
    }
    bool scalar(std::string_view text) const {
        switch (place_) {
        case place::start:
            fail<file_error>(file_, ": the header at offset 8 is not a JSON object");
        case place::header:
            require<file_error>(name_ != metadata_key, file_, ": ", metadata_key, " is not an object");
            incomplete();
        case place::metadata:
            fail<file_error>(file_, ": metadata '", shortened(name_), "' is not a string");
        case place::tensor:
            if (member_ != member::other) incomplete();
            break;
        case place::sizes:
            fail<file_error>(file_, ": tensor '", shortened(name_),
                             "' has a size or offset that is not a whole number in range: ", shortened(text));
        default:
            break;
        }
        return true;
    }
    bool number(dim_t value) {
        if (place_ != place::sizes || value < 0) return scalar(join(value));
        require<file_error>(count_ < max_rank, file_, ": tensor '", shortened(name_), "' has more than ", max_rank,
                            " sizes");
        numbers_[static_cast<std::size_t>(count_++)] = value;
        if (member_ == member::offsets && count_ <= 2) (count_ == 1 ? info_.begin : info_.end) = value;
        return true;
    }
    /// An object or array where none belongs: skipped in a member that the format does not know.
    void nested(std::string_view what) {
        if (place_ != place::skipped) {
            scalar(what); // throws in every other place
            place_ = place::skipped;
            depth_ = 0;
        }
        ++depth_;
    }
    void leave() {
        if (--depth_ == 0) place_ = place::tensor;
    }

    void keep_shape() {
        const auto count = static_cast<std::size_t>(count_);
        auto& used = tables_.sizes_used;
        if (tables_.sizes.empty() || used + count > tables_.sizes.back().size()) {
            tables_.sizes.emplace_back();
            used = 0;
        }
        dim_t* const at = tables_.sizes.back().data() + used;
        std::copy_n(numbers_.begin(), count, at);
        used += count;
        info_.shape = {at, count};
    }

    void add() {
        constexpr unsigned all = 1u << static_cast<int>(member::type) | 1u << static_cast<int>(member::shape) |
                                 1u << static_cast<int>(member::offsets);
        if ((seen_ & all) != all) incomplete();
        info_.name = name_;
        require<file_error>(info_.begin <= info_.end && info_.end <= room_, file_, ": tensor '", shortened(name_),
                            "' claims the bytes ", info_.begin, " to ", info_.end, " of ", room_, " after offset ",
                            data_);
        if (const element_type* const type = find_element_type(info_.type)) check_size(type->bits);
        info_.begin += data_;
        info_.end += data_;
        tables_.tensors.push_back(info_);
    }
    void check_size(dim_t bits) const {
        dim_t all_bits = 0;
        try {
            all_bits = checked_product({checked_product(info_.shape), bits});
        } catch (const shape_error& fault) {
            fail<file_error>(file_, ": tensor '", shortened(name_), "': ", fault.what());
        }
        require<file_error>(all_bits % 8 == 0 && info_.end - info_.begin == all_bits / 8, file_, ": tensor '",
                            shortened(name_), "' of ", checked_product(info_.shape), " elements of type ", info_.type,
                            " takes ", all_bits / 8, " bytes", all_bits % 8 == 0 ? "" : " and a part of one",
                            ", but its offsets hold ", info_.end - info_.begin);
    }

    /// Tensors in the order of their bytes must follow each other from the end of the header to the end of the file.
    void check_coverage() {
        auto& tensors = tables_.tensors;
        std::sort(tensors.begin(), tensors.end(), [](const tensor_info& a, const tensor_info& b) {
            return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
        });
        dim_t at = data_;
        for (const tensor_info& t : tensors) {
            require<file_error>(t.begin == at, file_, ": tensor '", shortened(t.name), "' starts at offset ", t.begin,
                                ", expected ", at, t.begin < at ? ": it overlaps another one" : ": there is a gap");
            at = t.end;
        }
        require<file_error>(at == data_ + room_, file_, ": the last tensor ends at offset ", at, ", the file at ",
                            data_ + room_);
    }
    template <class Entries, class Name>
    void sort_unique(Entries& entries, Name name, const char* what) const {
        std::sort(entries.begin(), entries.end(), [&](const auto& a, const auto& b) { return name(a) < name(b); });
        const auto twin = std::adjacent_find(entries.begin(), entries.end(),
                                             [&](const auto& a, const auto& b) { return name(a) == name(b); });
        require<file_error>(twin == entries.end(), file_, ": the header names ", what, "'",
                            twin == entries.end() ? "" : shortened(name(*twin)), "' twice");
    }

    const std::string& file_;
    dim_t data_; ///< offset of the first tensor's bytes
    dim_t room_;
    safetensors_tables tables_;
    place place_ = place::start;
    std::string_view name_; ///< of the tensor or the metadata
    bool has_metadata_ = false;
    member member_ = member::other;
    unsigned seen_ = 0; ///< members of this tensor so far, a bit for each
    tensor_info info_;
    std::array<dim_t, max_rank> numbers_{}; ///< of the array
    dim_t count_ = 0;
    dim_t depth_ = 0; ///< of brackets, inside a member that is skipped
};

/// Parses and checks the header at the start of `bytes`, the whole file.
inline safetensors_tables parse_safetensors_header(std::span<const char> bytes, const std::string& file) {
    const auto size = static_cast<dim_t>(bytes.size());
    require<file_error>(size >= 8, file, ": ends at offset ", size, ", inside the 8 bytes of the header's length");
    std::uint64_t claimed = 0;
    std::memcpy(&claimed, bytes.data(), 8);
    require<file_error>(claimed <= static_cast<std::uint64_t>(std::min(max_safetensors_header, size - 8)), file,
                        ": the header claims ", claimed, " bytes from offset 8, the file has ", size, " bytes");
    const auto length = static_cast<dim_t>(claimed);
    safetensors_header_parser parser(file, length, size - 8 - length);
    nlohmann::json::sax_parse(bytes.data() + 8, bytes.data() + 8 + length, &parser);
    return parser.finish();
}

} // namespace detail

} // namespace intaglio::inline INTAGLIO_ABI::io
