// SPDX-License-Identifier: Apache-2.0
#include "intaglio/io/training_checkpoint.hpp"

#include <cstring>
#include <limits>

#include "intaglio/core/file.hpp"
#include "intaglio/models/small_cnn.hpp"
#include "intaglio/nn/he_initialize.hpp"
#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/temporary_folder.hpp"

namespace intaglio::io {
namespace {

const nn::network net = models::small_cnn({.classes = 3});

training_checkpoint some_training() {
    training_checkpoint c{.state = {}, .settings = {{"--lr", "0.1"}, {"--seed", "7"}}, .sums = {0.1, -2}};
    nn::he_initialize(net, c.state.parameters, 1);
    for (const nn::parameter_spec& spec : c.state.parameters.specs()) {
        c.state.velocities.emplace_back(spec.trained ? spec.shape : extents{0});
        for (float& v : c.state.velocities.back()) v = 0.5F - static_cast<float>(c.state.velocities.size());
    }
    c.state.exponents = {3, -14, std::numeric_limits<std::int32_t>::min()};
    c.state.step = 12345678901;
    return c;
}

std::string bytes_of(const std::string& path) { return std::string(read_file(path).text()); }

void write(const std::string& path, const std::string& bytes) {
    write_file_atomically(path, {std::span<const char>(bytes)});
}

} // namespace

TEST_CASE("a training survives a file", "[exact]") {
    const temporary_folder folder;
    const training_checkpoint saved = some_training();
    save_training(folder.file("c"), net, saved);
    const training_checkpoint loaded = load_training(folder.file("c"), net);
    REQUIRE(loaded.state.step == saved.state.step);
    REQUIRE(loaded.state.exponents == saved.state.exponents);
    REQUIRE(loaded.settings == saved.settings);
    REQUIRE(loaded.sums == saved.sums);
    for (std::size_t i = 0; i < saved.state.parameters.count(); ++i) {
        const auto &p = saved.state.parameters[i], &q = loaded.state.parameters[i];
        REQUIRE(std::equal(p.begin(), p.end(), q.begin(), q.end()));
        const auto &v = saved.state.velocities[i], &w = loaded.state.velocities[i];
        REQUIRE(v.shape() == w.shape());
        REQUIRE(std::equal(v.begin(), v.end(), w.begin(), w.end()));
    }
    // who wants the weights alone finds them under their names
    REQUIRE(load_parameters(folder.file("c"), net, {.allow_more = true}).count() == saved.state.parameters.count());
}

TEST_CASE("a file that is no training of the network, or was changed, is refused", "[unit]") {
    const temporary_folder folder;
    const std::string path = folder.file("c");
    const training_checkpoint saved = some_training();
    save_training(path, net, saved);
    const std::string good = bytes_of(path);

    const nn::network other = models::small_cnn({.classes = 4});
    REQUIRE(mentions<file_error>([&] { load_training(path, other); }, path, "fc.weight"));
    save_parameters(folder.file("w"), net, saved.state.parameters);
    REQUIRE(mentions<file_error>([&] { load_training(folder.file("w"), net); }, "is no checkpoint of a training"));

    for (const std::size_t cut : {std::size_t{0}, std::size_t{7}, good.size() / 3, good.size() - 1}) {
        write(path, good.substr(0, cut));
        REQUIRE(mentions<file_error>([&] { load_training(path, net); }, path));
    }
    const auto with = [&](const std::string& what, const std::string& instead) {
        std::string text = good;
        const std::size_t at = text.find(what);
        REQUIRE(at != text.npos);
        write(path, text.replace(at, what.size(), instead));
    };
    with("12345678901", "12345678902");
    REQUIRE(mentions<file_error>([&] { load_training(path, net); }, "damaged"));
    with("12345678901", "x2345678901");
    REQUIRE(mentions<file_error>([&] { load_training(path, net); }, "x2345678901"));
    with(R"("training.format":"1")", R"("training.format":"2")");
    REQUIRE(mentions<file_error>([&] { load_training(path, net); }, "format '2'"));
    with(R"("setting.--lr":"0.1")", R"("setting.--lr":"0.2")");
    REQUIRE(mentions<file_error>([&] { load_training(path, net); }, "damaged"));
    for (std::size_t at = good.size() - 1; at > good.size() - 100'000; at -= 777) {
        std::string text = good;
        text[at] = static_cast<char>(text[at] ^ 4);
        write(path, text);
        REQUIRE(mentions<file_error>([&] { load_training(path, net); }, "damaged"));
    }
}

TEST_CASE("a training that is spoilt does not replace a good one", "[unit]") {
    const temporary_folder folder;
    training_checkpoint c = some_training();
    save_training(folder.file("c"), net, c);
    const std::string good = bytes_of(folder.file("c"));
    c.state.parameters.at("norm2.running_var")[0] = std::numeric_limits<float>::quiet_NaN();
    REQUIRE(mentions<value_error>([&] { save_training(folder.file("c"), net, c); }, "norm2.running_var", "finite"));
    c = some_training();
    c.state.velocities.pop_back();
    REQUIRE_THROWS_AS(save_training(folder.file("c"), net, c), value_error);
    REQUIRE(bytes_of(folder.file("c")) == good);
}

TEST_CASE("settings that differ are told with both sides", "[unit]") {
    const training_settings saved{{"--lr", "0.1"}, {"--seed", "7"}};
    REQUIRE_NOTHROW(require_same_settings("c", saved, saved));
    REQUIRE(mentions<file_error>(
        [&] {
            require_same_settings("c", saved, {{"--lr", "0.2"}, {"--seed", "7"}});
        },
        "--lr 0.1", "--lr 0.2"));
    REQUIRE(mentions<file_error>([&] { require_same_settings("c", saved, {{"--lr", "0.1"}}); }, "--seed 7"));
    REQUIRE(mentions<file_error>(
        [&] {
            require_same_settings("c", saved, {{"--lr", "0.1"}, {"--seed", "7"}, {"--warmup", "2"}});
        },
        "--warmup 2"));
}

} // namespace intaglio::io
