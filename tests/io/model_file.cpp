// SPDX-License-Identifier: Apache-2.0
#include "intaglio/io/model_file.hpp"

#include <cstring>
#include <string>
#include <vector>

#include "infer/odd_graphs.hpp"
#include "intaglio/infer/encode.hpp"
#include "intaglio/infer/reference.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/mutate.hpp"
#include "support/temporary_folder.hpp"

namespace intaglio::io {
namespace {

integer_model model_of(const nn::network& net) {
    const infer::folded_network folded = infer::fold(net, random_parameters(net));
    infer::calibrator measuring(folded, 8);
    measuring.add(random_images(nn::image_shape(net, 4)));
    const infer::calibration measured = std::move(measuring).finish();
    integer_model model;
    model.network = infer::encode(folded, measured, [](std::size_t node) {
        using infer::coding_family;
        const infer::weight_coding codings[] = {{},
                                                {.step = 0.9, .divisors = {3}},
                                                {.family = coding_family::greedy, .planes = 2, .block = 7},
                                                {.family = coding_family::locked, .planes = 2},
                                                {.family = coding_family::int4, .block = 32}};
        return codings[node % 5];
    });
    std::vector<int> coarse = model.network.levels[0];
    for (std::size_t i = 0; i < coarse.size(); ++i) coarse[i] = std::min(coarse[i], 1);
    model.network.levels.insert(model.network.levels.begin(), coarse);
    model.description = {.name = "odd",
                         .coding = "step 0.9",
                         .levels = {"coarse", "all"},
                         .scale = 1,
                         .mean = {1, 2, 3},
                         .deviation = {0.5F},
                         .classes = {"cat", "d\"og"}};
    return model;
}

std::vector<char> bytes_of(const std::string& path) {
    const file_bytes file = read_file(path);
    return {file.span().begin(), file.span().end()};
}

bool equal(const infer::coded_network& a, const infer::coded_network& b) {
    if (!(a.net == b.net) || a.formats != b.formats || a.levels != b.levels) return false;
    for (std::size_t i = 0; i < a.products.size(); ++i) {
        if (a.products[i].has_value() != b.products[i].has_value()) return false;
        if (!a.products[i]) continue;
        const infer::coded_product &p = *a.products[i], &q = *b.products[i];
        if (!(p.steps == q.steps) || p.planes.size() != q.planes.size()) return false;
        for (std::size_t k = 0; k < p.planes.size(); ++k)
            if (!(p.planes[k].bias == q.planes[k].bias) || p.planes[k].divisor != q.planes[k].divisor ||
                p.planes[k].block != q.planes[k].block || p.planes[k].scales != q.planes[k].scales ||
                !std::equal(p.planes[k].codes.begin(), p.planes[k].codes.end(), q.planes[k].codes.begin()))
                return false;
    }
    return true;
}

} // namespace

TEST_CASE("the checksum is CRC-32", "[unit]") {
    const std::string digits = "123456789";
    REQUIRE(crc32(std::as_bytes(std::span(digits))) == 0xCBF43926U);
    REQUIRE(crc32({}) == 0);
}

TEST_CASE("a model is loaded as it was saved", "[exact]") {
    const temporary_folder folder;
    for (const auto& [name, net] : odd::all()) {
        CAPTURE(name);
        const integer_model saved = model_of(net);
        const std::string path = folder.file(name);
        save_model(path, saved);
        const loaded_model loaded = load_model(path);
        nn::network expected = saved.network.net;
        REQUIRE(equal(loaded.model.network, saved.network));
        REQUIRE(loaded.model.description == saved.description);
        REQUIRE(loaded.file_bytes == static_cast<dim_t>(bytes_of(path).size()));
        REQUIRE(loaded.level_bytes.size() == 2);
        const auto images = random_images(nn::image_shape(net, 1));
        for (int level = 1; level <= 2; ++level) {
            const auto a = infer::reference_logits(saved.network, images, level),
                       b = infer::reference_logits(loaded.model.network, images, level);
            REQUIRE(std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(float)) == 0);
        }
    }
}

TEST_CASE("a file that is cut behind a level is a model with fewer levels", "[exact]") {
    const temporary_folder folder;
    const integer_model saved = model_of(odd::residual());
    const std::string path = folder.file("model");
    save_model(path, saved);
    std::vector<char> bytes = bytes_of(path);
    const loaded_model whole = load_model(path);
    std::vector<char> cut(bytes.begin(), bytes.end() - whole.level_bytes[1]);
    const loaded_model lower = parse_model(cut, "cut");
    REQUIRE(lower.model.network.level_count() == 1);
    REQUIRE(lower.file_bytes == static_cast<dim_t>(cut.size()));
    const auto images = random_images(nn::image_shape(saved.network.net, 1));
    const auto a = infer::reference_logits(saved.network, images, 1),
               b = infer::reference_logits(lower.model.network, images, 1);
    REQUIRE(std::equal(a.begin(), a.end(), b.begin()));
    // anywhere inside the second level gives the first; inside the first, nothing
    cut.assign(bytes.begin(), bytes.end() - 70);
    REQUIRE(parse_model(cut, "cut").model.network.level_count() == 1);
    cut.assign(bytes.begin(), bytes.end() - whole.level_bytes[1] - 1);
    REQUIRE(mentions<file_error>([&] { parse_model(cut, "a file"); }, "a file", "first level"));
}

TEST_CASE("damaged model files are refused with the place", "[unit]") {
    const temporary_folder folder;
    const std::string path = folder.file("model");
    save_model(path, model_of(odd::branches()));
    const std::vector<char> good = bytes_of(path);
    std::vector<char> bad = good;
    bad[good.size() - 200] = static_cast<char>(bad[good.size() - 200] ^ 1);
    REQUIRE(mentions<file_error>([&] { parse_model(bad, "a file"); }, "a file", "level 2", "checksum"));
    REQUIRE(mentions<file_error>([&] { parse_model(std::span(good).first(5), "a file"); }, "a file"));
}

namespace {

/// What changes a name, or cuts the second level, is still a model.
void read_damaged(std::uint64_t count) {
    const temporary_folder folder;
    const std::string path = folder.file("model");
    save_model(path, model_of(odd::branches()));
    const std::vector<char> good = bytes_of(path);
    std::uint64_t header = 0;
    std::memcpy(&header, good.data(), 8);
    const std::size_t accepted =
        read_mutations(good, static_cast<std::size_t>(header) + 8, count, [](std::span<const char> bytes) {
            const loaded_model m = parse_model(bytes, "mutation");
            infer::check(m.model.network);
        });
    REQUIRE(accepted < count / 2);
}

} // namespace

TEST_CASE("a sample of mutated model files is read or refused", "[unit]") { read_damaged(3'000); }
TEST_CASE("a million mutated model files are read or refused", "[slow]") { read_damaged(1'000'000); }

} // namespace intaglio::io
