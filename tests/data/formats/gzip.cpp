// SPDX-License-Identifier: Apache-2.0
#include "intaglio/data/formats/gzip.hpp"

#include <vector>

#include "data/formats/check_codec.hpp"
#include "support/catch.hpp"

namespace intaglio::data {
namespace {

std::vector<char> gzipped(const std::vector<char>& bytes) {
    z_stream s{};
    REQUIRE(::deflateInit2(&s, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    std::vector<char> out(::deflateBound(&s, bytes.size()));
    s.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    s.avail_in = static_cast<uInt>(bytes.size());
    s.next_out = reinterpret_cast<Bytef*>(out.data());
    s.avail_out = static_cast<uInt>(out.size());
    REQUIRE(::deflate(&s, Z_FINISH) == Z_STREAM_END);
    out.resize(s.total_out);
    ::deflateEnd(&s);
    return out;
}

constexpr checked_codec checked_gzip{gzip, gzipped};

} // namespace

TEST_CASE("gzip streams are unpacked", "[unit]") { checked_gzip.unpacks_streams(); }

TEST_CASE("gzip streams that are cut, damaged or too long are refused with the offset", "[unit]") {
    checked_gzip.refuses_what_is_broken("damaged before offset");
}

} // namespace intaglio::data
