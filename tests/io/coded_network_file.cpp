// SPDX-License-Identifier: Apache-2.0
#include "intaglio/io/coded_network_file.hpp"

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "intaglio/models/digits_cnn.hpp"
#include "intaglio/nn/encode.hpp"
#include "intaglio/nn/he_initialize.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/mutate.hpp"
#include "support/temporary_folder.hpp"

namespace intaglio::io {
namespace {

using coding = nn::weight_coding;
using family = coding::family;

nn::folded_network folded_network() {
    const nn::network net = models::digits_cnn();
    nn::parameters weights;
    nn::he_initialize(net, weights, 3);
    return nn::fold(net, weights);
}

nn::coded_network mixed_network() {
    const std::vector<coding> codings{
        {family::int8, 1}, {family::greedy, 2}, {family::locked, 1}, {family::locked, 3}, {family::greedy, 3}};
    return nn::encode(folded_network(), codings, 255.0f / 16);
}

template <class T>
bool same(const T* a, const T* b, dim_t size) {
    return std::equal(a, a + size, b);
}

std::vector<char> bytes_of(const std::string& path) {
    const file_bytes file = read_file(path);
    return {file.span().begin(), file.span().end()};
}

/// Replaces the first `from` in a file by `to`, of the same length.
void patch(const std::string& path, const std::string& from, const std::string& to) {
    REQUIRE(from.size() == to.size());
    std::vector<char> bytes = bytes_of(path);
    const auto at = std::search(bytes.begin(), bytes.end(), from.begin(), from.end());
    REQUIRE(at != bytes.end());
    std::copy(to.begin(), to.end(), at);
    write_file_atomically(path, {std::span<const char>(bytes)});
}

} // namespace

TEST_CASE("a network of every coding is loaded as it was saved", "[exact]") {
    const temporary_folder folder;
    const nn::coded_network saved = mixed_network();
    save_coded_network(saved, folder.file("net"));
    const nn::coded_network loaded = load_coded_network(folder.file("net"));
    REQUIRE(loaded.stages.size() == saved.stages.size());
    REQUIRE(loaded.levels() == 3);
    for (std::size_t i = 0; i < saved.stages.size(); ++i) {
        REQUIRE(loaded.stages[i].index() == saved.stages[i].index());
        const auto* a = std::get_if<nn::coded_conv>(&saved.stages[i]);
        const auto* b = std::get_if<nn::coded_conv>(&loaded.stages[i]);
        if (!a) continue;
        CAPTURE(a->name);
        REQUIRE(b->name == a->name);
        REQUIRE((b->scale == a->scale && b->shift == a->shift && b->in_scale == a->in_scale &&
                 b->out_scale == a->out_scale));
        REQUIRE(b->shape.padding == a->shape.padding);
        REQUIRE(b->weights.index() == a->weights.index());
        if (const auto* x = std::get_if<ternary_tensor>(&a->weights)) {
            const auto& y = std::get<ternary_tensor>(b->weights);
            REQUIRE((y.planes() == x->planes() && y.factor() == x->factor()));
            REQUIRE(same(x->trits(), y.trits(), x->planes() * x->plane_stride()));
            REQUIRE(same(x->scales(), y.scales(), x->planes() * x->rows() * x->blocks()));
        } else if (const auto* l = std::get_if<locked_tensor>(&a->weights)) {
            const auto& y = std::get<locked_tensor>(b->weights);
            REQUIRE((y.digits() == l->digits() && y.factor() == l->factor()));
            REQUIRE(same(l->codes(), y.codes(), l->rows() * l->cols()));
            REQUIRE(same(l->scales(), y.scales(), l->rows() * l->blocks()));
        } else {
            const auto &e = std::get<block_tensor<fixed<8>>>(a->weights),
                       &y = std::get<block_tensor<fixed<8>>>(b->weights);
            REQUIRE(same(e.values(), y.values(), e.rows() * e.cols()));
            REQUIRE(same(e.scales(), y.scales(), e.rows()));
        }
    }
}

TEST_CASE("files that lie about the network are refused by name", "[unit]") {
    const temporary_folder folder;
    const std::string path = folder.file("net");
    const auto require_refused = [&](const std::string& from, const std::string& to) {
        CAPTURE(from, to);
        save_coded_network(mixed_network(), path);
        patch(path, from, to);
        REQUIRE(mentions<file_error>([&] { load_coded_network(path); }, path.c_str()));
    };
    // inside the metadata quotes are escaped
    require_refused("out_channels\\\":64", "out_channels\\\":65");
    require_refused("out_channels\\\":64", "out_channels\\\":-4");
    require_refused("in_channels\\\":64", "in_channels\\\":99");
    require_refused("kernel\\\":3", "kernel\\\":5");
    require_refused("planes\\\":2", "planes\\\":3");
    require_refused("planes\\\":2", "planes\\\":9");
    require_refused("\\\"greedy\\\"", "\\\"locked\\\"");
    require_refused("\\\"greedy\\\"", "\\\"gready\\\"");
    require_refused("\\\"max_pool\\\"", "\\\"min_pool\\\"");
    require_refused("\\\"version\\\":1", "\\\"version\\\":2");
    require_refused("conv2.weights", "conv9.weights");
    require_refused("intaglio.network", "intaglio.networg");
}

TEST_CASE("trits, weights and scales out of range are refused", "[unit]") {
    const temporary_folder folder;
    const std::string path = folder.file("net");
    const auto with_byte = [&](const std::string& name, dim_t at, int byte) {
        save_coded_network(mixed_network(), path);
        const auto begin = safetensors_file::read(path).at(name).begin;
        std::vector<char> bytes = bytes_of(path);
        bytes[static_cast<std::size_t>(begin + at)] = static_cast<char>(byte);
        write_file_atomically(path, {std::span<const char>(bytes)});
    };
    with_byte("conv2.weights", 17, 243);
    REQUIRE(mentions<file_error>([&] { load_coded_network(path); }, "conv2.weights", "242"));
    with_byte("conv1.weights", 5, -128);
    REQUIRE(mentions<file_error>([&] { load_coded_network(path); }, "conv1.weights", "-128"));
    save_coded_network(mixed_network(), path);
    std::vector<char> bytes = bytes_of(path);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::memcpy(bytes.data() + safetensors_file::read(path).at("conv3.shift").begin, &nan, 4);
    write_file_atomically(path, {std::span<const char>(bytes)});
    REQUIRE(mentions<file_error>([&] { load_coded_network(path); }, "conv3.shift", "element 0"));
}

TEST_CASE("a structure nests as deep as its writer likes and is refused", "[unit]") {
    const temporary_folder folder;
    constexpr std::size_t deep = 100'000;
    const std::string open(deep, '['), close(deep, ']');
    const std::string stage = R"({"kind":"max_pool","window":2,"stride":2})";
    const auto require_refused = [&](const std::string& structure, const char* word) {
        CAPTURE(structure.substr(0, 200));
        safetensors_writer writer;
        writer.set_metadata("intaglio.network", structure);
        writer.write(folder.file("net"));
        REQUIRE(mentions<file_error>([&] { load_coded_network(folder.file("net")); }, folder.file("net"), word));
    };
    require_refused(open, "an array");
    require_refused(open + close, "an array");
    require_refused("", "not JSON");
    require_refused("1", "not the structure");
    require_refused("{}", "not the structure");
    require_refused(R"({"version":1,"stages":1})", "not the structure");
    require_refused(R"({"version":1,"stages":[1]})", "not the structure");
    require_refused(R"({"version":1,"stages":[],"stages":[[]]})", "an array");
    require_refused(R"({"version":[1],"stages":[]})", "an array");
    require_refused(R"({"stages":[]})", "'version'");
    require_refused(R"({"version":1.0,"stages":[]})", "'version'");
    require_refused(R"({"version":1,"more":1,"stages":[]})", "'more'");
    require_refused(R"({"version":1,"stages":[{"kind":"average_pool","more":1}]})", "'more'");
    require_refused(R"({"version":1,"stages":[{"kind":"max_pool","window":)" + open + close + ",\"stride\":2}]}",
                    "an array");
    require_refused(R"({"version":1,"stages":[{"kind":"max_pool","window":"2","stride":2}]})", "string");
    require_refused(R"({"version":1,"stages":[{"kind":")" + std::string(2'000, 'x') + "\"}]}", "'kind'");
    std::string many = R"({"version":1,"stages":[)";
    for (int i = 0; i < 70'000; ++i) many += R"({"kind":"average_pool"},)";
    many.back() = ']';
    require_refused(many + "}", "65536");

    safetensors_writer writer;
    writer.set_metadata("intaglio.network", R"({"stages":[)" + stage + "," + stage + R"(],"version":1})");
    writer.write(folder.file("net"));
    REQUIRE(load_coded_network(folder.file("net")).stages.size() == 2);
}

TEST_CASE("damaged networks are loaded or refused", "[unit]") {
    const temporary_folder folder;
    save_coded_network(mixed_network(), folder.file("net"));
    const std::vector<char> good = bytes_of(folder.file("net"));
    std::uint64_t header = 0;
    std::memcpy(&header, good.data(), 8);
    read_mutations(good, static_cast<std::size_t>(header), 2'000, [](std::span<const char> bytes) {
        const auto file = safetensors_file::parse(bytes, "damaged");
        detail::coded_network_loader(file).load();
    });
    SUCCEED();
}

} // namespace intaglio::io
