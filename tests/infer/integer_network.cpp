// SPDX-License-Identifier: Apache-2.0
#include "intaglio/infer/integer_network.hpp"

#include <cmath>
#include <cstring>
#include <thread>
#include <vector>

#include "infer/odd_graphs.hpp"
#include "intaglio/infer/confident_run.hpp"
#include "intaglio/infer/encode.hpp"
#include "intaglio/infer/reference.hpp"
#include "intaglio/nn/reference/network.hpp"
#include "support/catch.hpp"
#include "support/counted_new.hpp"
#include "support/message_of.hpp"

namespace intaglio::infer {
namespace {

bool same_bits(const tensor<float>& a, const tensor<float>& b) {
    return a.shape() == b.shape() &&
           std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(float)) == 0;
}

calibration measure(const folded_network& folded, dim_t images = 8) {
    calibrator c(folded, 16);
    const extents shape = nn::image_shape(folded.net, images);
    c.add(random_images(shape));
    return std::move(c).finish();
}

/// Three levels: products take one to three planes, each another number.
coded_network code(const nn::network& net) {
    const folded_network folded = infer::fold(net, random_parameters(net));
    coded_network coded = encode(folded, measure(folded), [](std::size_t node) {
        const weight_coding codings[] = {{},
                                         {.step = 0.9, .divisors = {3, 2}},
                                         {.family = coding_family::greedy, .planes = 3},
                                         {.family = coding_family::locked, .planes = 3, .block = 17},
                                         {.family = coding_family::greedy, .planes = 5, .block = 5},
                                         {.family = coding_family::int4, .block = 32}};
        return codings[node % 6];
    });
    const std::vector<int> all = coded.levels.front();
    for (const int most : {2, 1}) {
        coded.levels.insert(coded.levels.begin(), all);
        for (std::size_t i = 0; i < all.size(); ++i)
            coded.levels.front()[i] = std::min(all[i], i % 2 == 0 ? most : most - 1 + static_cast<int>(all[i] > 0));
        for (std::size_t i = 0; i < all.size(); ++i)
            coded.levels.front()[i] = std::max(coded.levels.front()[i], all[i] > 0 ? 1 : 0);
    }
    return coded;
}

double distance(const tensor<float>& result, const tensor<float>& expected) {
    double error = 0, power = 0;
    for (dim_t i = 0; i < expected.size(); ++i) {
        const double e = static_cast<double>(expected[i]), d = static_cast<double>(result[i]) - e;
        error += d * d, power += e * e;
    }
    return std::sqrt(error / power);
}

} // namespace

TEST_CASE("a folded network computes what the network does", "[unit]") {
    for (const auto& [name, net] : odd::all()) {
        CAPTURE(name);
        const nn::parameters weights = random_parameters(net);
        const folded_network folded = infer::fold(net, weights);
        const auto images = random_images(nn::image_shape(net, 3));
        const tensor<float> expected =
            nn::reference::forward(nn::evaluation_part(net), nn::select_parameters(nn::evaluation_part(net), weights),
                                   images)
                .values.back();
        const tensor<float> got = nn::reference::forward(folded.net, folded.weights, images).values.back();
        REQUIRE(distance(got, expected) < 1e-5);
        for (const nn::node& n : folded.net.nodes) REQUIRE(nn::kind_of(n.op) != "batch_norm");
    }
}

TEST_CASE("the engine equals the scalar meaning bit for bit", "[exact]") {
    thread_pool two(2), three(3);
    for (const auto& [name, net] : odd::all()) {
        CAPTURE(name);
        const coded_network coded = code(net);
        const integer_network engine(coded), small(coded, {}, weight_memory::small),
            bytes(coded, {}, weight_memory::bytes);
        REQUIRE(engine.level_count() == 3);
        REQUIRE(small.weight_bytes() < bytes.weight_bytes());
        integer_network::workspace memory = engine.make_workspace(2);
        for (const dim_t batch : {dim_t{1}, dim_t{3}})
            for (int level = 1; level <= 3; ++level) {
                CAPTURE(batch, level);
                const auto images = random_images(nn::image_shape(net, batch), 77);
                const tensor<float> expected = reference_logits(coded, images, level);
                REQUIRE(same_bits(engine.run(images, level, memory), expected));
                REQUIRE(same_bits(engine.run(images, level, memory, two), expected));
                REQUIRE(same_bits(engine.run(images, level, memory, three), expected));
                REQUIRE(same_bits(small.run(images, level, memory), expected));
                REQUIRE(same_bits(small.run(images, level, memory, two), expected));
                REQUIRE(same_bits(bytes.run(images, level, memory), expected));
            }
    }
}

TEST_CASE("a request allocates nothing once its workspace is there", "[unit]") {
    thread_pool two(2);
    for (const auto& [name, net] : odd::all()) {
        CAPTURE(name);
        const integer_network engine(code(net));
        const auto images = random_images(engine.image_shape(2), 77);
        std::vector<float> logits(static_cast<std::size_t>(2 * engine.classes()));
        integer_network::workspace memory = engine.make_workspace(2);
        const auto allocations_of = [&](executor_ref exec) {
            const std::size_t before = counted_new::calls;
            for (int level = 1; level <= engine.level_count(); ++level)
                engine.run(images.span(), 2, level, memory, logits, exec);
            return counted_new::calls - before;
        };
        allocations_of({}); // what threads keep
        REQUIRE(allocations_of({}) == 0);
        bool none = false; // threads share the work differently each time, so what each of them keeps grows for a while
        for (int i = 0; i < 100 && !none; ++i) none = allocations_of(two) == 0;
        REQUIRE(none);
    }
}

TEST_CASE("layers wide enough for Winograd's products equal the scalar meaning bit for bit", "[exact]") {
    nn::network_builder b;
    auto x = b.input(10, 14, 3);
    x = b.convolution("signed", x, {.out_channels = 32, .kernel = 3, .padding = 1});
    x = b.batch_norm("bn1", b.convolution("conv1", x, {.out_channels = 64, .kernel = 3, .padding = 1}));
    x = b.relu(x);
    const auto y = b.convolution("groups", x, {.out_channels = 64, .kernel = 3, .padding = 1, .groups = 2});
    x = b.relu(b.add(x, y));
    x = b.max_pool(b.concatenate({b.relu(b.convolution("conv2", x, {.out_channels = 33, .kernel = 3})), // 8 x 12
                                  b.relu(b.convolution("conv3", x, {.out_channels = 7, .kernel = 3}))}),
                   {.kernel = 2, .stride = 2});
    const nn::network net = b.finish(b.linear("fc", b.flatten(b.global_average_pool(x)), {.out_features = 5}));
    const folded_network folded = infer::fold(net, random_parameters(net));
    const calibration measured = measure(folded);
    using kernels = product_kernels<>;
    const std::size_t wide = nn::find_node(folded.net, "conv2");
    thread_pool two(2), three(3);
    // bytes, and codes of about 13, 3 and 1 in magnitude
    for (const double step : {0.0, 0.06, 0.3, 0.7}) {
        CAPTURE(step);
        const coded_network coded =
            encode(folded, measured, [&](std::size_t) { return weight_coding{.step = step, .feedback = false}; });
        const integer_network engine(coded), small(coded, {}, weight_memory::small);
        const stored_weights& how = engine.stored(wide).front();
        const bool pairs = kernels::has_pairs && step == 0.7;
        if (kernels::takes_winograd({.batch = 1,
                                     .height = 10,
                                     .width = 14,
                                     .in_channels = 64,
                                     .out_channels = 33,
                                     .kernel_h = 3,
                                     .kernel_w = 3},
                                    false)) {
            REQUIRE(engine.weight_bytes() > small.weight_bytes());
            REQUIRE(how.winograd == !pairs);
        }
        REQUIRE(how.pairs == pairs);
        REQUIRE(engine.stored(nn::find_node(folded.net, "fc")).front().pairs == (kernels::has_pairs && step > 0.1));
        integer_network::workspace memory = engine.make_workspace(3);
        for (const dim_t batch : {dim_t{1}, dim_t{3}}) {
            CAPTURE(batch);
            const auto images = random_images(nn::image_shape(net, batch), 77);
            const tensor<float> expected = reference_logits(coded, images, 1);
            for (const executor_ref exec : {executor_ref{}, executor_ref(two), executor_ref(three)})
                REQUIRE(same_bits(engine.run(images, 1, memory, exec), expected));
            REQUIRE(same_bits(small.run(images, 1, memory), expected));
        }
    }
}

TEST_CASE("integers follow the network, closer at each level", "[unit]") {
    for (const auto& [name, net] : odd::all()) {
        CAPTURE(name);
        const nn::parameters weights = random_parameters(net);
        const folded_network folded = infer::fold(net, weights);
        const auto images = random_images(nn::image_shape(net, 32), 78);
        const tensor<float> expected = nn::reference::forward(folded.net, folded.weights, images).values.back();
        const calibration measured = measure(folded);
        const auto error = [&](const weight_coding& coding) {
            const integer_network engine(encode(folded, measured, [&](std::size_t) { return coding; }));
            integer_network::workspace memory;
            tensor<float> logits = engine.run(images, 1, memory);
            logits.reshape(expected.shape());
            return distance(logits, expected);
        };
        const double bytes = error({}), coarse = error({.step = 0.9}), two = error({.step = 0.9, .divisors = {3}});
        CAPTURE(bytes, coarse, two);
        REQUIRE(bytes < 0.08);
        REQUIRE(two < 0.3);
        REQUIRE(two < coarse);
    }
}

TEST_CASE("concurrent requests at different levels don't disturb each other", "[exact]") {
    const coded_network coded = code(odd::residual());
    const integer_network engine(coded);
    const auto images = random_images(nn::image_shape(coded.net, 2), 79);
    std::vector<tensor<float>> expected;
    for (int level = 1; level <= 3; ++level) expected.push_back(reference_logits(coded, images, level));
    std::vector<int> wrong(6, 0);
    std::vector<std::thread> threads;
    for (int t = 0; t < 6; ++t)
        threads.emplace_back([&, t] {
            integer_network::workspace memory;
            for (int i = 0; i < 20; ++i)
                if (!same_bits(engine.run(images, t % 3 + 1, memory), expected[static_cast<std::size_t>(t % 3)]))
                    ++wrong[static_cast<std::size_t>(t)];
        });
    for (std::thread& t : threads) t.join();
    REQUIRE(wrong == std::vector<int>(6, 0));
}

TEST_CASE("where the coarse level is not sure the fine one answers", "[exact]") {
    const coded_network coded = code(odd::residual());
    const integer_network engine(coded);
    constexpr dim_t batch = 12;
    const auto images = random_images(nn::image_shape(coded.net, batch), 81);
    const tensor<float> coarse = reference_logits(coded, images, 1), fine = reference_logits(coded, images, 3);
    const auto classes = static_cast<std::size_t>(engine.classes());
    for (const double margin : {0.0, 0.05, 0.2, 1.0}) {
        confident_run run(engine, 1, 3, margin);
        tensor<float> logits({batch, engine.classes()});
        const dim_t again = run.run(images.span(), batch, logits.span());
        dim_t unsure = 0;
        for (std::size_t i = 0; i < batch; ++i) {
            const auto row = [&](const tensor<float>& t) { return t.span().subspan(i * classes, classes); };
            const bool sure = share_margin(row(coarse)) >= margin;
            unsure += sure ? 0 : 1;
            const auto expected = row(sure ? coarse : fine), got = row(logits);
            REQUIRE(std::equal(got.begin(), got.end(), expected.begin()));
        }
        REQUIRE(again == unsure);
        if (margin == 0) REQUIRE(again == 0);
        if (margin == 1) REQUIRE(again == batch);
    }
    REQUIRE(share_margin(std::vector<float>{0, 0, -100}) < 1e-9);
    REQUIRE(share_margin(std::vector<float>{50, 0, -100}) > 0.999);
    REQUIRE(mentions<value_error>([&] { confident_run(engine, 2, 2, 0.5); }, "levels 2 and 2"));
    REQUIRE(mentions<value_error>([&] { confident_run(engine, 1, 3, 1.5); }, "1.5"));
}

TEST_CASE("sums of four products that saturate elsewhere are exact", "[exact]") {
    // 255 x 127 twice is beyond int16: instructions that add pairs in int16 give 32767 instead of 64770
    nn::network_builder b;
    const auto x = b.input(1, 1, 4);
    const nn::network net = b.finish(b.linear("fc", x, {.out_features = 1}));
    coded_network coded{net,
                        {{1.0F, false}, {}},
                        {std::nullopt, coded_product{{1.0F, {0}}, {{tensor<std::int8_t>({1, 4}), 1, {0.0F, {0}}}}}},
                        {{0, 1}}};
    for (std::int8_t& c : coded.products[1]->planes[0].codes) c = 127;
    tensor<float> images({1, 1, 1, 4});
    for (float& v : images) v = 255;
    integer_network::workspace memory;
    REQUIRE(integer_network(coded).run(images, 1, memory)[0] == 4 * 255 * 127);
}

TEST_CASE("what does not fit is refused with its name", "[unit]") {
    const coded_network good = code(odd::residual());
    const integer_network engine(good);
    integer_network::workspace memory;
    auto images = random_images(nn::image_shape(good.net, 1));
    REQUIRE(mentions<value_error>([&] { engine.run(images, 4, memory); }, "level 4", "3"));
    REQUIRE(mentions<value_error>([&] { engine.run(images, 0, memory); }, "level 0"));
    REQUIRE(mentions<shape_error>([&] { engine.run(random_images({1, 9, 11, 3}), 1, memory); }, "1 x 9 x 11 x 3"));
    images[5] = std::nanf("");
    REQUIRE(mentions<value_error>([&] { engine.run(images, 1, memory); }, "element 5"));

    const auto broken = [&](auto change) {
        coded_network bad = good;
        change(bad);
        return bad;
    };
    const std::size_t conv = nn::find_node(good.net, "a.conv1");
    REQUIRE(mentions<value_error>([&] { check(broken([&](auto& c) { c.products[conv].reset(); })); }, "a.conv1", "no"));
    REQUIRE(mentions<value_error>([&] { check(broken([&](auto& c) { c.products[conv]->steps.largest = -1; })); },
                                  "a.conv1"));
    REQUIRE(mentions<shape_error>([&] { check(broken([&](auto& c) { c.products[conv]->steps.falls.pop_back(); })); },
                                  "a.conv1", "7 steps", "8"));
    REQUIRE(mentions<value_error>([&] { check(broken([&](auto& c) { c.levels[1][conv] = 9; })); }, "a.conv1", "9"));
    REQUIRE(mentions<value_error>([&] { check(broken([&](auto& c) { c.formats[0].step = 0; })); }, "input"));
    REQUIRE(mentions<value_error>([&] { check(broken([&](auto& c) { c.products[conv]->planes[0].codes[0] = -128; })); },
                                  "a.conv1"));
    REQUIRE(mentions<value_error>([&] { infer::fold(odd::residual(), nn::parameters(odd::branches())); }, "conv1"));
}

} // namespace intaglio::infer
