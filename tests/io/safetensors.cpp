// SPDX-License-Identifier: Apache-2.0
#include "intaglio/io/safetensors.hpp"

#include <cmath>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "intaglio/io/atomic_file.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/mutate.hpp"
#include "support/temporary_folder.hpp"

namespace intaglio::io {
namespace {

/// A file around any header text and so many bytes of data; the claimed length may lie.
std::vector<char> file_of(const std::string& header, std::size_t data_bytes, std::int64_t length = -1) {
    std::vector<char> bytes(8 + header.size() + data_bytes, '\1');
    const std::uint64_t claimed = length < 0 ? header.size() : static_cast<std::uint64_t>(length);
    std::memcpy(bytes.data(), &claimed, 8);
    std::memcpy(bytes.data() + 8, header.data(), header.size());
    return bytes;
}

std::string entry(const char* name, const char* type, const char* shape, const char* offsets) {
    return join('"', name, "\":{\"dtype\":\"", type, "\",\"shape\":", shape, ",\"data_offsets\":", offsets, '}');
}

void require_refused(const std::string& header, std::size_t data_bytes, const char* word = "some file") {
    CAPTURE(header, data_bytes);
    REQUIRE(mentions<file_error>([&] { safetensors_file::parse(file_of(header, data_bytes), "some file"); },
                                 "some file", word));
}

} // namespace

TEST_CASE("bfloat16 and double are read as float", "[exact]") {
    auto bytes = file_of("{" + entry("b", "BF16", "[4]", "[0,8]") + "," + entry("d", "F64", "[4]", "[8,40]") + "}", 40);
    const std::uint16_t halves[] = {0x3f80, 0xc040, 0x0001, 0xff80};
    const double doubles[] = {0.1, -1e-60, 1e40, 16777217.0};
    std::memcpy(bytes.data() + bytes.size() - 40, halves, 8);
    std::memcpy(bytes.data() + bytes.size() - 32, doubles, 32);
    const auto file = safetensors_file::parse(bytes, "f");
    const auto b = file.get<float>("b", {4}), d = file.get<float>("d", {4});
    const float expected_b[] = {1, -3, 0x1p-133f, -INFINITY}, expected_d[] = {0.1f, -0.0f, INFINITY, 16777216};
    for (dim_t i = 0; i < 4; ++i) REQUIRE((b[i] == expected_b[i] && d[i] == expected_d[i]));
    REQUIRE(std::signbit(d[1]));
    REQUIRE(file.get<double>("d")[0] == 0.1);
    REQUIRE(std::isnan(float_from_bfloat(0x7fc0)));
}

TEST_CASE("half precision is read as float", "[exact]") {
    auto bytes = file_of("{" + entry("h", "F16", "[6]", "[0,12]") + "}", 12);
    const std::uint16_t halves[] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x8000};
    std::memcpy(bytes.data() + bytes.size() - 12, halves, 12);
    const auto values = safetensors_file::parse(bytes, "f").get<float>("h");
    const float expected[] = {1, -2, 0x1p-24f, 65504, INFINITY, -0.0f};
    for (dim_t i = 0; i < 6; ++i) REQUIRE(values[i] == expected[i]);
    REQUIRE(std::signbit(values[5]));
    REQUIRE(std::isnan(float_from_half(0x7e00)));
    REQUIRE(float_from_half(0x03ff) == 1023 * 0x1p-24f);
}

TEST_CASE("any byte of the header changed gives a file or a file_error, nothing else", "[unit]") {
    const auto good =
        file_of("{" + entry("a", "F32", "[2]", "[0,8]") + "," + entry("b", "U8", "[3]", "[8,11]") + "}", 11);
    for (std::size_t at = 0; at < good.size(); ++at)
        for (int change = 1; change < 256; ++change) {
            std::vector<char> bad = good;
            bad[at] = static_cast<char>(bad[at] ^ change);
            try {
                safetensors_file::parse(bad, "changed");
            } catch (const file_error&) {
            }
        }
    SUCCEED();
}

TEST_CASE("lying headers are refused", "[unit]") {
    REQUIRE(mentions<file_error>([] { safetensors_file::parse(file_of("{}", 0, 3), "f"); }, "f", "3"));
    REQUIRE(mentions<file_error>([] { safetensors_file::parse(file_of("{}", 0, INT64_MAX), "f"); }, "f"));
    require_refused("", 0);
    require_refused("[]", 0);
    require_refused("{", 0);
    require_refused("\xff\xfe", 0);
    const auto one = [](const char* type, const char* shape, const char* offsets) {
        return "{" + entry("t", type, shape, offsets) + "}";
    };
    // shape and offsets disagree
    require_refused(one("F32", "[2]", "[0,4]"), 4, "8");
    require_refused(one("F32", "[2]", "[0,8]"), 4, "'t'");  // beyond the end
    require_refused(one("F32", "[1]", "[4,0]"), 4, "'t'");  // backwards
    require_refused(one("F32", "[1]", "[-4,0]"), 4, "'t'"); // negative
    require_refused(one("F32", "[-1]", "[0,4]"), 4, "'t'");
    require_refused(one("F32", "[1.0]", "[0,4]"), 4, "'t'");
    require_refused(one("F32", "[18446744073709551615]", "[0,4]"), 4, "'t'");
    // the product of sizes is 2^64
    require_refused(one("F32", "[4611686018427387904,4]", "[0,0]"), 0, "overflow");
    // the bytes are 2^64
    require_refused(one("F32", "[4611686018427387904]", "[0,0]"), 0, "overflow");
    require_refused("{\"t\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "'t'");
    require_refused("{\"t\":7}", 4, "'t'");
    require_refused("{\"__metadata__\":{\"a\":1}}", 0, "'a'");
    require_refused("{\"__metadata__\":[]}", 0);
    require_refused("{" + entry("a", "U8", "[2]", "[0,2]") + "," + entry("b", "U8", "[2]", "[1,3]") + "}", 3,
                    "overlaps");
    require_refused("{" + entry("a", "U8", "[2]", "[0,2]") + "," + entry("b", "U8", "[2]", "[0,2]") + "}", 2,
                    "overlaps");
    require_refused("{" + entry("a", "U8", "[1]", "[0,1]") + "," + entry("b", "U8", "[1]", "[2,3]") + "}", 3, "gap");
    require_refused("{" + entry("a", "U8", "[1]", "[1,2]") + "}", 2, "gap");
    require_refused("{" + entry("a", "U8", "[1]", "[0,1]") + "}", 2); // bytes of nobody
    require_refused("{" + entry("a", "U8", "[1]", "[0,1]") + "," + entry("a", "U8", "[1]", "[0,1]") + "}", 1, "twice");
    require_refused("{\"__metadata__\":{\"k\":\"1\",\"k\":\"1\"}}", 0, "twice");
    require_refused("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "twice");
    require_refused("{\"t\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "dtype");
    require_refused(one("U8", "[1]", "[0,1,1]"), 1, "'t'");
    require_refused(one("U8", "[1]", "[0]"), 1, "'t'");
    require_refused("{\"\xff\":1}", 0);
    std::string ones = "[1";
    for (int i = 0; i < 64; ++i) ones += ",1";
    require_refused(one("U8", (ones + "]").c_str(), "[0,1]"), 1, "64 sizes");
}

TEST_CASE("brackets may nest as deep as the file is long", "[unit]") {
    constexpr std::size_t deep = 100'000;
    const std::string open(deep, '['), close(deep, ']');
    require_refused("{\"a\":" + open + "}", 0);
    require_refused("{\"a\":" + open + close + "}", 0);
    require_refused(open + close, 0);
    require_refused("{\"__metadata__\":{\"a\":" + open + close + "}}", 0, "'a'");
    require_refused("{\"a\":{\"dtype\":" + open + close + "}}", 0, "'a'");
    require_refused("{\"a\":{\"shape\":" + open + close + "}}", 0, "'a'");
    require_refused("{\"a\":{\"data_offsets\":" + open + close + "}}", 0, "'a'");
    std::string objects;
    for (std::size_t i = 0; i < deep; ++i) objects += "{\"a\":";
    require_refused(objects, 0);
    require_refused(objects + "1" + std::string(deep, '}'), 0);

    // a member that a later version of the format may have
    const std::string later = "{\"a\":{\"order\":" + open + close + ",\"more\":{\"x\":[{}, \"y\", 1.5, null, true]}," +
                              entry("a", "U8", "[1]", "[0,1]").substr(5) + "}";
    const auto file = safetensors_file::parse(file_of(later, 1), "f");
    REQUIRE(file.get<std::uint8_t>("a", {1})[0] == 1);
}

TEST_CASE("every tensor is listed, and one that can't be read leaves the others readable", "[unit]") {
    const auto bytes =
        file_of("{" + entry("c", "C64", "[1]", "[0,8]") + "," + entry("f8", "F8_E4M3", "[3]", "[8,11]") + "," +
                    entry("later", "F5_E1M3", "[2,3]", "[11,18]") + "," + entry("nibbles", "F4", "[3,2]", "[18,21]") +
                    "," + entry("six", "U8", "[1,1,2,1,1,1]", "[21,23]") + "," +
                    entry("steps", "I64", "[]", "[23,31]") + "," + entry("x", "F32", "[1]", "[31,35]") + "," +
                    entry("huge", "F5_E1M3", "[4611686018427387904,4]", "[35,36]") + "}",
                36);
    const auto file = safetensors_file::parse(bytes, "f");
    REQUIRE(file.tensors().size() == 8);
    for (std::size_t i = 1; i < 8; ++i) REQUIRE(file.tensors()[i - 1].name < file.tensors()[i].name);
    REQUIRE(file.at("six").shape.size() == 6);
    REQUIRE(file.at("six").shape[2] == 2);
    REQUIRE(file.at("later").type == "F5_E1M3");
    REQUIRE(file.bytes("later").size() == 7);
    REQUIRE(file.at("later").end - file.at("later").begin == 7);
    REQUIRE(file.bytes("six")[1] == std::byte{1});
    REQUIRE(file.get<float>("x").shape() == extents{1});
    REQUIRE(file.get<std::int64_t>("steps")[0] == 0x0101010101010101);
    REQUIRE(mentions<file_error>([&] { file.get<float>("c"); }, "'c'", "C64", "F32"));
    REQUIRE(mentions<file_error>([&] { file.get<std::uint8_t>("f8"); }, "F8_E4M3"));
    REQUIRE(mentions<file_error>([&] { file.get<float>("huge"); }, "'huge'", "F5_E1M3"));
    REQUIRE(mentions<file_error>([&] { file.get<std::uint8_t>("six"); }, "f", "'six'", "6 dimensions"));
    REQUIRE(mentions<file_error>([&] { file.get<std::int32_t>("steps"); }, "I64"));
    REQUIRE(mentions<file_error>([&] { file.bytes("none"); }, "'none'"));
    require_refused("{" + entry("n", "F4", "[3]", "[0,1]") + "}", 1, "part of one");
    require_refused("{" + entry("n", "F6_E2M3", "[4]", "[0,4]") + "}", 4, "3 bytes");
    REQUIRE(file.find("none") == nullptr);
    REQUIRE(safetensors_file::parse(file_of("{\"__metadata__\":null}", 0), "f").metadata().empty());
}

TEST_CASE("a file is read or mapped, and survives a move", "[unit]") {
    const temporary_folder folder;
    write_file_atomically(folder.file("f"), {file_of("{" + entry("a", "I16", "[2]", "[0,4]") + "}", 4)});
    auto first = safetensors_file::map(folder.file("f"));
    const std::string_view name = first.tensors().front().name;
    const safetensors_file file = std::move(first);
    REQUIRE(name == "a");
    REQUIRE(file.name() == folder.file("f"));
    REQUIRE(file.get<std::int16_t>("a")[1] == 257);
    REQUIRE(safetensors_file::read(folder.file("f")).get<std::int16_t>("a")[1] == 257);
    // replaced while it is mapped: the old bytes stay
    write_file_atomically(folder.file("f"), {std::span<const char>("x", 1)});
    REQUIRE(file.get<std::int16_t>("a")[0] == 257);
    REQUIRE(mentions<file_error>([&] { safetensors_file::map(folder.file("f")); }, folder.file("f"), "offset 1"));
}

TEST_CASE("a file in memory is copied, or viewed where it lies", "[unit]") {
    auto bytes = file_of("{" + entry("a", "I16", "[2]", "[0,4]") + "}", 4);
    const auto* const last = reinterpret_cast<const std::byte*>(&bytes.back());
    const auto copied = safetensors_file::parse(bytes, "f"), viewed = safetensors_file::view(bytes, "f");
    REQUIRE(&copied.bytes("a").back() != last);
    REQUIRE(&viewed.bytes("a").back() == last);
    bytes.pop_back();
    REQUIRE(mentions<file_error>([&] { safetensors_file::view(bytes, "f"); }, "f"));
}

TEST_CASE("damaged files are read or refused", "[unit]") {
    const auto good =
        file_of("{\"__metadata__\":{\"a\":\"\\u00e4\\ud83d\\ude00\",\"b\":\"\"}," + entry("a", "F32", "[2]", "[0,8]") +
                    "," + entry("b", "BF16", "[3,1]", "[8,14]") + "," + entry("c", "F64", "[1,1]", "[14,22]") + "," +
                    entry("d", "F4", "[6]", "[22,25]") + "}",
                25);
    const auto read = [](std::span<const char> bytes) {
        const auto file = safetensors_file::parse(bytes, "damaged");
        for (const tensor_info& t : file.tensors()) {
            REQUIRE(static_cast<dim_t>(file.bytes(t.name).size()) == t.end - t.begin);
            if (t.type == "F32" || t.type == "F64" || t.type == "BF16") file.get<float>(t.name);
        }
    };
    REQUIRE(read_mutations(good, good.size() - 25, 20'000, read) > 100); // the others would tell little
}

TEST_CASE("many damaged files are read or refused", "[unit][slow]") {
    const auto good = file_of("{\"__metadata__\":{\"a\":\"b\"}," + entry("a", "F16", "[2,1,3]", "[0,12]") + "}", 12);
    const auto read = [](std::span<const char> bytes) {
        const auto file = safetensors_file::parse(bytes, "damaged");
        for (const tensor_info& t : file.tensors()) file.get<float>(t.name);
    };
    read_mutations(good, good.size() - 12, 2'000'000, read);
    SUCCEED();
}

} // namespace intaglio::io
