// SPDX-License-Identifier: Apache-2.0

// What a hostile header can make the reader allocate, counted by this program's own operator new: a program of its own,
// since that replaces the allocator of everything it is linked with.

#include <cstddef>
#include <string>
#include <vector>

#include "intaglio/io/safetensors.hpp"
#include "support/catch.hpp"
#include "support/counted_new.hpp"

namespace intaglio::io {
namespace {

constexpr std::size_t header_bytes = std::size_t{16} << 20;

/// Text that repeats until the header is full, `#` standing for a number that is another one each time.
std::string repeated(std::string text, const std::string& unit, const std::string& end) {
    for (std::size_t i = 0; text.size() < header_bytes; ++i)
        for (const char c : unit) c == '#' ? text += std::to_string(i) : text += c;
    if (text.back() == ',') text.pop_back();
    return text + end;
}

/// Peak of all that is allocated while the header is parsed, without the file itself, by the header's length.
double peak_ratio(const std::string& header) {
    std::vector<char> bytes(8 + header.size());
    const std::uint64_t length = header.size();
    std::memcpy(bytes.data(), &length, 8);
    std::memcpy(bytes.data() + 8, header.data(), header.size());
    const std::size_t before = counted_new::live;
    counted_new::peak = before;
    try {
        detail::parse_safetensors_header(bytes, "hostile");
    } catch (const file_error&) {
    }
    return static_cast<double>(counted_new::peak - before) / static_cast<double>(header.size());
}

} // namespace

TEST_CASE("a header takes memory in proportion to its length, whatever it says", "[unit]") {
    const std::string entry = R"("#":{"dtype":"","shape":[],"data_offsets":[0,0]},)";
    std::string sizes = "1";
    for (int i = 1; i < 64; ++i) sizes += ",1";
    const struct {
        const char* what;
        std::string header;
        double most = 6;
    } cases[] = {
        {"numbers where a tensor belongs", repeated(R"({"a":[)", "1,", "]}")},
        {"sizes", repeated(R"({"a":{"shape":[)", "1,", "]}}")},
        {"numbers in a member to skip", repeated(R"({"a":{"x":[)", "1,", "]}}")},
        {"objects in a member to skip", repeated(R"({"a":{"x":[)", "{},", "]}}")},
        {"brackets", repeated(R"({"a":{"x":)", "[", "}}")},
        {"members to skip", repeated(R"({"a":{)", R"("#":0,)", "}}")},
        {"tensors", repeated("{", entry, "}")},
        {"tensors of many sizes",
         repeated("{", R"("#":{"dtype":"","shape":[)" + sizes + R"(],"data_offsets":[0,0]},)", "}")},
        {"metadata", repeated(R"({"__metadata__":{)", R"("#":"",)", "}}")},
        {"a long key", repeated("{\"", "a", "\":1}")},
        {"a long string", repeated("{\"a\":{\"dtype\":\"", "a", "\"}}")},
        // refused by the JSON library, which copies what it refuses into its message
        {"a string without end", repeated("{\"", "a", ""), 12},
        {"a long number", repeated("{\"a\":", "1", "}"), 12},
        {"bytes that are no text", repeated("{\"", "\xff", "\"}")},
        {"nothing", repeated("{", " ", "}")},
    };
    for (const auto& c : cases) {
        const double ratio = peak_ratio(c.header);
        std::printf("%-32s %5.2f\n", c.what, ratio);
        CHECK(ratio < c.most);
    }
}

} // namespace intaglio::io
