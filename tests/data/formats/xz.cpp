// SPDX-License-Identifier: Apache-2.0
#include "intaglio/data/formats/xz.hpp"

#include <vector>

#include "data/formats/check_codec.hpp"
#include "support/catch.hpp"

namespace intaglio::data {
namespace {

std::vector<char> xz_packed(const std::vector<char>& bytes) {
    std::vector<char> out(::lzma_stream_buffer_bound(bytes.size()));
    std::size_t size = 0;
    REQUIRE(::lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, nullptr, reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                      bytes.size(), reinterpret_cast<std::uint8_t*>(out.data()), &size,
                                      out.size()) == LZMA_OK);
    out.resize(size);
    return out;
}

constexpr checked_codec checked_xz{xz, xz_packed};

} // namespace

TEST_CASE("xz streams are unpacked", "[unit]") { checked_xz.unpacks_streams(); }

TEST_CASE("xz streams that are cut, damaged or too long are refused with the offset", "[unit]") {
    checked_xz.refuses_what_is_broken("not a");
}

} // namespace intaglio::data
