// SPDX-License-Identifier: Apache-2.0
#pragma once

// Folders of compressed images, decoded when they are asked for.
//
//   train/n01440764/n01440764_10026.JPEG    a folder for each class, as ImageNet is laid out; classes in the order of
//   train/n01443537/...                     their names
//
// or one folder and a list, a line for each image: its file, a tab, its class's number, and perhaps more fields after
// tabs, of which the last is the class's name; lines that start with # are comments.

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/file.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/data/image.hpp"
#include "intaglio/data/image_format.hpp"

namespace intaglio::inline INTAGLIO_ABI::data {

/// How much of each file `image_folder::check` looks at.
enum class image_check {
    headers, ///< that it is there, of a known format, and has a sane size
    pixels   ///< that it decodes
};

class image_folder {
public:
    struct entry {
        std::string path;
        std::int32_t label;
    };

    std::vector<std::string> classes; ///< their names

    /// All images of the class folders of `folder`; names that start with a dot are passed over. file_error if there is
    /// no class, or one without images.
    static image_folder of_classes(const std::string& folder, std::span<const image_format> formats) {
        image_folder set(formats);
        for (const std::string& name : listed(folder, true)) {
            const std::string inside = (std::filesystem::path(folder) / name).string();
            const auto files = listed(inside, false);
            require<file_error>(!files.empty(), inside, ": has no images");
            for (const std::string& file : files)
                set.entries_.push_back(
                    {(std::filesystem::path(inside) / file).string(), static_cast<std::int32_t>(set.classes.size())});
            set.classes.push_back(name);
        }
        require<file_error>(!set.entries_.empty(), folder, ": has no folders of classes");
        return set;
    }

    /// The images that a list names, in `folder`. file_error, with the number of the line, for one that is malformed.
    static image_folder of_list(const std::string& list, const std::string& folder,
                                std::span<const image_format> formats) {
        image_folder set(formats);
        const file_bytes bytes = read_file(list);
        std::string_view text = bytes.text();
        for (dim_t line = 1; !text.empty(); ++line) {
            std::string_view rest = text.substr(0, text.find('\n'));
            text.remove_prefix(std::min(text.size(), rest.size() + 1));
            if (rest.ends_with('\r')) rest.remove_suffix(1);
            if (rest.empty() || rest.starts_with('#')) continue;
            const auto field = [&] {
                const std::string_view value = rest.substr(0, rest.find('\t'));
                rest.remove_prefix(std::min(rest.size(), value.size() + 1));
                return value;
            };
            const std::string_view file = field(), number = field();
            std::string_view name;
            while (!rest.empty()) name = field(); // the last one
            std::int32_t label = -1;
            const auto [end, fault] = std::from_chars(number.data(), number.data() + number.size(), label);
            require<file_error>(!file.empty() && fault == std::errc{} && end == number.data() + number.size() &&
                                    label >= 0 && label < most_classes,
                                list, ": line ", line, ": expected a file, a tab and a class from 0 to ",
                                most_classes - 1);
            set.entries_.push_back({(std::filesystem::path(folder) / file).string(), label});
            const auto place = static_cast<std::size_t>(label);
            if (set.classes.size() <= place) set.classes.resize(place + 1);
            if (set.classes[place].empty())
                set.classes[place] = name.empty() ? join("class ", label) : std::string(name);
        }
        require<file_error>(!set.entries_.empty(), list, ": names no images");
        return set;
    }

    const std::vector<entry>& entries() const noexcept { return entries_; }
    dim_t size() const noexcept { return static_cast<dim_t>(entries_.size()); }
    std::int32_t label(dim_t i) const noexcept { return entries_[static_cast<std::size_t>(i)].label; }
    const std::string& name(dim_t i) const noexcept { return entries_[static_cast<std::size_t>(i)].path; }

    /// Reads and decodes. file_error, with the file's name, for an image that is missing, cut or damaged.
    image_view image(dim_t i, data::image& memory) const {
        decode_image(read_file(name(i)).span(), formats_, name(i), memory);
        return memory;
    }

    /// Looks at every file, before a training that would meet it after hours. The first fault in the order of the
    /// images is thrown as a file_error that says how many more there are.
    void check(image_check what, executor_ref exec = {}) const {
        std::atomic<dim_t> faults{0};
        std::vector<std::string> texts(entries_.size());
        std::vector<data::image> memory(static_cast<std::size_t>(exec.concurrency()));
        exec.for_each(size(), [&](dim_t i, int worker) {
            try {
                if (what == image_check::pixels) {
                    image(i, memory[static_cast<std::size_t>(worker)]);
                } else {
                    const file_bytes bytes = map_file(name(i));
                    claimed_size(bytes.span(), find_image_format(bytes.span(), formats_, name(i)), name(i));
                }
            } catch (const file_error& fault) {
                texts[static_cast<std::size_t>(i)] = fault.what();
                ++faults;
            }
        });
        if (faults == 0) return;
        const auto first = std::find_if(texts.begin(), texts.end(), [](const std::string& t) { return !t.empty(); });
        fail<file_error>(*first, faults > 1 ? join(" (and ", faults - 1, " more images of ", size(), ")") : "");
    }

private:
    static constexpr std::int32_t most_classes = 1'000'000;

    explicit image_folder(std::span<const image_format> formats) : formats_(formats.begin(), formats.end()) {}

    /// The names in a folder, sorted: of its folders or of its other files.
    static std::vector<std::string> listed(const std::string& folder, bool folders) {
        std::vector<std::string> names;
        std::error_code fault;
        for (auto at = std::filesystem::directory_iterator(folder, fault);
             !fault && at != std::filesystem::directory_iterator(); at.increment(fault)) {
            std::error_code ignored;
            const std::string name = at->path().filename().string();
            if (!name.starts_with('.') && at->is_directory(ignored) == folders) names.push_back(name);
        }
        require<file_error>(!fault, folder, ": can't be listed: ", fault.message());
        std::sort(names.begin(), names.end());
        return names;
    }

    std::vector<image_format> formats_;
    std::vector<entry> entries_;
};

} // namespace intaglio::inline INTAGLIO_ABI::data
