// SPDX-License-Identifier: Apache-2.0
#include "intaglio/io/safetensors.hpp"

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/message_of.hpp"
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

TEST_CASE("what is written is read", "[exact]") {
    const temporary_folder folder;
    const std::string path = folder.file("a.safetensors");
    const std::vector<float> f{1.5f, -0.0f, INFINITY, 1e-45f};
    const std::vector<std::int8_t> i8{-128, 127, 0};
    const std::vector<std::uint8_t> u8{0, 255};
    const std::vector<std::int16_t> i16{-32768, 32767};
    const std::vector<std::int32_t> i32{-2147483647 - 1};
    safetensors_writer writer;
    writer.add<float>("layer.f", {2, 2}, f);
    writer.add<std::int8_t>("i8", {3, 1}, i8);
    writer.add<std::uint8_t>("u8", {2}, u8);
    writer.add<std::int16_t>("i16", {1, 1, 2}, i16);
    writer.add<std::int32_t>("i32", {}, i32);
    writer.add<float>("empty", {0, 7}, {});
    writer.set_metadata("made by", "a \"test\"");
    writer.write(path);
    REQUIRE(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1); // the temporary file is gone

    const auto file = safetensors_file::read(path);
    REQUIRE(file.entries().size() == 6);
    REQUIRE(file.metadata().at("made by") == "a \"test\"");
    const auto back = file.get<float>("layer.f", {2, 2});
    REQUIRE(std::memcmp(back.data(), f.data(), 16) == 0);
    REQUIRE(std::equal(i8.begin(), i8.end(), file.get<std::int8_t>("i8").begin()));
    REQUIRE(std::equal(u8.begin(), u8.end(), file.get<std::uint8_t>("u8").begin()));
    REQUIRE(file.get<std::int16_t>("i16").shape() == extents{1, 1, 2});
    REQUIRE(file.get<std::int16_t>("i16")[0] == -32768);
    REQUIRE(file.get<std::int32_t>("i32")[0] == -2147483647 - 1);
    REQUIRE(file.get<float>("empty").shape() == extents{0, 7});
    REQUIRE(mentions<file_error>([&] { file.get<float>("i8"); }, path.c_str(), "'i8'", "I8", "F32"));
    REQUIRE(mentions<file_error>([&] { file.get<float>("layer.f", {4}); }, "2 x 2", "4"));
    REQUIRE(mentions<file_error>([&] { file.get<float>("none"); }, "'none'"));
}

TEST_CASE("half precision is read as float", "[exact]") {
    auto bytes = file_of("{" + entry("h", "F16", "[6]", "[0,12]") + "}", 12);
    const std::uint16_t halves[] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x8000};
    std::memcpy(bytes.data() + bytes.size() - 12, halves, 12);
    const auto values = safetensors_file::parse(std::move(bytes), "f").get<float>("h");
    const float expected[] = {1, -2, 0x1p-24f, 65504, INFINITY, -0.0f};
    for (dim_t i = 0; i < 6; ++i) REQUIRE(values[i] == expected[i]);
    REQUIRE(std::signbit(values[5]));
    REQUIRE(std::isnan(float_from_half(0x7e00)));
    REQUIRE(float_from_half(0x03ff) == 1023 * 0x1p-24f);
}

TEST_CASE("a file cut at any byte is refused, and so is one with a byte too many", "[exact]") {
    const temporary_folder folder;
    safetensors_writer writer;
    writer.add<float>("a", {2}, std::vector<float>{1, 2});
    writer.add<std::uint8_t>("b", {3}, std::vector<std::uint8_t>{1, 2, 3});
    writer.write(folder.file("whole"));
    const std::vector<char> whole = read_file(folder.file("whole"));
    REQUIRE_NOTHROW(safetensors_file::parse(whole, "cut"));
    for (std::size_t n = 0; n < whole.size(); ++n) {
        CAPTURE(n);
        REQUIRE(mentions<file_error>(
            [&] {
                safetensors_file::parse({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)}, "cut");
            },
            "cut"));
    }
    std::vector<char> longer = whole;
    longer.push_back('\0');
    REQUIRE(mentions<file_error>([&] { safetensors_file::parse(longer, "cut"); }, "cut"));
}

TEST_CASE("any byte of the header changed gives a file or a file_error, nothing else", "[unit]") {
    const auto good =
        file_of("{" + entry("a", "F32", "[2]", "[0,8]") + "," + entry("b", "U8", "[3]", "[8,11]") + "}", 11);
    for (std::size_t at = 0; at < good.size(); ++at)
        for (int change = 1; change < 256; ++change) {
            std::vector<char> bad = good;
            bad[at] = static_cast<char>(bad[at] ^ change);
            try {
                safetensors_file::parse(std::move(bad), "changed");
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
    // more dimensions than extents has
    require_refused(one("F32", "[1,1,1,1,1,1]", "[0,4]"), 4, "'t'");
    require_refused(one("F33", "[1]", "[0,4]"), 4, "F33");
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
    require_refused("{\"a\":" + std::string(100'000, '[') + "}", 0);
}

TEST_CASE("types that have no C++ type here are listed and not read", "[unit]") {
    const auto file = safetensors_file::parse(file_of("{" + entry("steps", "I64", "[]", "[0,8]") + "}", 8), "f");
    REQUIRE(file.contains("steps"));
    REQUIRE(mentions<file_error>([&] { file.get<std::int32_t>("steps"); }, "I64"));
}

TEST_CASE("a writer refuses names that are taken and sizes that differ", "[unit]") {
    safetensors_writer writer;
    const std::vector<float> two{1, 2};
    writer.add<float>("a", {2}, two);
    REQUIRE_THROWS_AS(writer.add<float>("a", {2}, two), value_error);
    REQUIRE_THROWS_AS(writer.add<float>("__metadata__", {2}, two), value_error);
    REQUIRE_THROWS_AS(writer.add<float>("b", {3}, two), shape_error);
    REQUIRE(writer.data_bytes() == 8);
}

TEST_CASE("a failed write leaves the old file", "[unit]") {
    const temporary_folder folder;
    write_file_atomically(folder.file("f"), {std::span<const char>("old", 3)});
    REQUIRE(mentions<file_error>(
        [&] { write_file_atomically(folder.file("none/f"), {std::span<const char>("new", 3)}); }, "none/f"));
    std::filesystem::create_directory(folder.file("directory"));
    REQUIRE(mentions<file_error>(
        [&] { write_file_atomically(folder.file("directory"), {std::span<const char>("new", 3)}); }, "directory"));
    REQUIRE(read_file(folder.file("f")) == std::vector<char>{'o', 'l', 'd'});
    REQUIRE(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 2);
    REQUIRE(mentions<file_error>([&] { read_file(folder.file("missing")); }, "missing"));
    REQUIRE(mentions<file_error>([&] { read_file(folder.file("directory")); }, "directory"));
}

} // namespace intaglio::io
