// SPDX-License-Identifier: Apache-2.0
#include "intaglio/io/safetensors_writer.hpp"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "intaglio/io/safetensors.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/temporary_folder.hpp"

namespace intaglio::io {
namespace {

/// Every tensor as the format's own library sees it, name to first byte: that reader sorts by offsets, and asks that
/// tensors follow each other without a gap from the first byte to the last and that sizes fit.
std::map<std::string, std::size_t> strictly_read(const std::string& path) {
    const auto bytes = read_file(path);
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), 8);
    REQUIRE((length <= bytes.span().size() - 8 && bytes.data()[8] == '{'));
    const auto header = nlohmann::json::parse(bytes.data() + 8, bytes.data() + 8 + length);
    std::map<std::size_t, std::size_t> ranges;
    std::map<std::string, std::size_t> starts;
    for (const auto& [name, value] : header.items()) {
        if (name == "__metadata__") continue;
        REQUIRE(value.size() == 3);
        const std::size_t begin = value.at("data_offsets").at(0), end = value.at("data_offsets").at(1);
        std::size_t size = static_cast<std::size_t>(find_element_type(value.at("dtype").get<std::string>())->bits) / 8;
        for (const std::size_t extent : value.at("shape")) size *= extent;
        REQUIRE(end - begin == size);
        if (end > begin) REQUIRE(ranges.emplace(begin, end).second);
        starts[name] = 8 + length + begin;
    }
    std::size_t at = 0;
    for (const auto& [begin, end] : ranges) {
        REQUIRE(begin == at);
        at = end;
    }
    REQUIRE(8 + length + at == bytes.span().size());
    return starts;
}

/// Sizes that leave every remainder, and every size of element.
safetensors_writer odd_sizes() {
    safetensors_writer writer;
    for (dim_t n = 0; n < 70; ++n) {
        const auto count = static_cast<std::size_t>(n);
        writer.add<std::uint8_t>(join("bytes.", n), {n}, std::vector<std::uint8_t>(count, 1));
        writer.add<double>(join("doubles.", n), {n}, std::vector<double>(count, 0.5));
        writer.add<std::int16_t>(join("shorts.", n), {n, 1}, std::vector<std::int16_t>(count, -1));
        writer.add<float>(join("floats.", n), {n}, std::vector<float>(count, 2));
    }
    return writer;
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
    const std::vector<std::int64_t> i64{INT64_MIN};
    safetensors_writer writer;
    writer.add<float>("layer.f", {2, 2}, f);
    writer.add<std::int8_t>("i8", {3, 1}, i8);
    writer.add<std::uint8_t>("u8", {2}, u8);
    writer.add<std::int16_t>("i16", {1, 1, 2}, i16);
    writer.add<std::int32_t>("i32", {}, i32);
    writer.add<std::int64_t>("i64 \"\\\n\u00e4", {1}, i64);
    writer.add<float>("empty", {0, 7}, {});
    writer.set_metadata("made by", "nobody");
    writer.set_metadata("made by", "a \"test\" \u00e4\n");
    writer.set_metadata("", "");
    REQUIRE(writer.data_bytes() == 16 + 3 + 2 + 4 + 4 + 8);
    for (const auto alignment : {tensor_alignment::element, tensor_alignment::cache_line}) {
        writer.write(path, alignment);
        REQUIRE(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1); // no temporary file
        REQUIRE((strictly_read(path).size() == 7) == (alignment == tensor_alignment::element));

        const auto file = safetensors_file::read(path);
        REQUIRE(file.tensors().size() == 7);
        REQUIRE(file.metadata().size() == 2);
        REQUIRE(file.metadata("made by") == "a \"test\" \u00e4\n");
        REQUIRE(file.metadata("") == "");
        REQUIRE(!file.metadata("made"));
        const auto back = file.get<float>("layer.f", {2, 2});
        REQUIRE(std::memcmp(back.data(), f.data(), 16) == 0);
        REQUIRE(std::equal(i8.begin(), i8.end(), file.get<std::int8_t>("i8").begin()));
        REQUIRE(std::equal(u8.begin(), u8.end(), file.get<std::uint8_t>("u8").begin()));
        REQUIRE(file.get<std::int16_t>("i16").shape() == extents{1, 1, 2});
        REQUIRE(file.get<std::int16_t>("i16")[0] == -32768);
        REQUIRE(file.get<std::int32_t>("i32")[0] == -2147483647 - 1);
        REQUIRE(file.get<std::int64_t>("i64 \"\\\n\u00e4")[0] == INT64_MIN);
        REQUIRE(file.get<float>("empty").shape() == extents{0, 7});
        REQUIRE(mentions<file_error>([&] { file.get<float>("i8"); }, path.c_str(), "'i8'", "I8", "F32"));
        REQUIRE(mentions<file_error>([&] { file.get<float>("layer.f", {4}); }, "2 x 2", "4"));
        REQUIRE(mentions<file_error>([&] { file.get<float>("none"); }, "'none'"));
    }
}

TEST_CASE("every tensor is aligned, and the format's own rules are kept", "[exact]") {
    const temporary_folder folder;
    const std::string path = folder.file("f");
    const safetensors_writer writer = odd_sizes();
    writer.write(path);
    for (const auto& [name, begin] : strictly_read(path)) {
        CAPTURE(name);
        const bool padding = name.starts_with("__padding__.");
        REQUIRE((padding || begin % 64 == 0));
    }
    const auto file = safetensors_file::map(path);
    REQUIRE(file.tensors().size() == 280);
    REQUIRE(file.get<double>("doubles.9", {9})[8] == 0.5);
    REQUIRE(reinterpret_cast<std::uintptr_t>(file.bytes("floats.3").data()) % 64 == 0);

    writer.write(path, tensor_alignment::element);
    const auto starts = strictly_read(path);
    REQUIRE(starts.size() == 280);
    const auto plain = safetensors_file::read(path);
    for (const tensor_info& t : plain.tensors()) {
        CAPTURE(t.name);
        REQUIRE(t.begin % (find_element_type(t.type)->bits / 8) == 0);
        if ((t.end - t.begin) % 64 == 0) REQUIRE(t.begin % 64 == 0);
    }
    safetensors_writer{}.write(path);
    REQUIRE(strictly_read(path).empty());
    REQUIRE(safetensors_file::read(path).tensors().empty());
}

TEST_CASE("one odd tensor needs no padding: it is the last", "[unit]") {
    const temporary_folder folder;
    safetensors_writer writer;
    writer.add<float>("fc.bias", {10}, std::vector<float>(10));
    writer.add<float>("conv1.weight", {16, 3, 3, 3}, std::vector<float>(432));
    writer.add<float>("fc.weight", {10, 64}, std::vector<float>(640));
    writer.write(folder.file("f"));
    REQUIRE(strictly_read(folder.file("f")).size() == 3);
}

TEST_CASE("a writer refuses names that are taken or not text, and sizes that differ", "[unit]") {
    const temporary_folder folder;
    safetensors_writer writer;
    const std::vector<float> two{1, 2};
    writer.add<float>("a", {2}, two);
    REQUIRE_THROWS_AS(writer.add<float>("a", {2}, two), value_error);
    REQUIRE_THROWS_AS(writer.add<float>("__metadata__", {2}, two), value_error);
    REQUIRE_THROWS_AS(writer.add<float>("__padding__.0", {2}, two), value_error);
    REQUIRE_THROWS_AS(writer.add<float>("b", {3}, two), shape_error);
    for (const char* const bad : {"\xff", "a\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80"}) {
        CAPTURE(bad);
        REQUIRE(mentions<value_error>([&] { writer.add<float>(bad, {2}, two); }, "UTF-8"));
        REQUIRE(mentions<value_error>([&] { writer.set_metadata(bad, "x"); }, "UTF-8"));
        REQUIRE(mentions<value_error>([&] { writer.set_metadata("x", bad); }, "UTF-8"));
    }
    REQUIRE(writer.data_bytes() == 8);
    writer.write(folder.file("f"));
    const auto file = safetensors_file::read(folder.file("f"));
    REQUIRE(file.tensors().size() == 1);
    REQUIRE(file.metadata().empty());
    writer.set_metadata("long", std::string(100'000'000, 'x'));
    REQUIRE(mentions<value_error>([&] { writer.write(folder.file("f")); }, folder.file("f"), "100000000"));
    REQUIRE(safetensors_file::read(folder.file("f")).tensors().size() == 1);
}

TEST_CASE("a file cut at any byte is refused, and so is one with a byte too many", "[exact]") {
    const temporary_folder folder;
    safetensors_writer writer;
    writer.add<float>("a", {2}, std::vector<float>{1, 2});
    writer.add<std::uint8_t>("b", {3}, std::vector<std::uint8_t>{1, 2, 3});
    writer.write(folder.file("whole"));
    const file_bytes file = read_file(folder.file("whole"));
    const std::vector<char> whole(file.span().begin(), file.span().end());
    REQUIRE_NOTHROW(safetensors_file::parse(whole, "cut"));
    for (std::size_t n = 0; n < whole.size(); ++n) {
        CAPTURE(n);
        REQUIRE(mentions<file_error>([&] { safetensors_file::parse(std::span(whole).first(n), "cut"); }, "cut"));
    }
    std::vector<char> longer = whole;
    longer.push_back('\0');
    REQUIRE(mentions<file_error>([&] { safetensors_file::parse(longer, "cut"); }, "cut"));
}

} // namespace intaglio::io
