// SPDX-License-Identifier: Apache-2.0

// The whole of Intaglio in one program, on real data: trains a small convolutional network on handwritten digits twice
// from the same seeds, in FP32 and in INT16 dynamic fixed point; turns the INT16 one into 8-bit activations and ternary
// weights without data; and shows what each level of the dial costs and keeps. It ends with the speed of the kernels
// behind it on each instruction set of this CPU.
//
//   quickstart [--data FILE] [--report FILE] [--epochs N] [--threads N] [--seed N]
//
// The report is JSON; accuracies are shares, 0 .. 1, of the test images, none of which was ever trained on.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "intaglio/io/atomic_file.hpp"
#include "layer_speed.hpp"
#include "quickstart_dial.hpp"
#include "quickstart_training.hpp"

namespace quickstart {
namespace {

struct options {
    std::string data = "examples/data/digits/digits.csv";
    std::string report = "report.json";
    recipe how;
    int threads = 1;
};

void print_losses(const losses& l) {
    const auto share = [&](std::int64_t n) {
        return 100.0 * static_cast<double>(n) / static_cast<double>(std::max<std::int64_t>(l.values, 1));
    };
    std::printf("INT16: overflow count %lld in %lld sums of products that were checked against 64 bits. Of %lld values "
                "stored %.2g %% were clipped and %.2g %% flushed to zero.\n",
                static_cast<long long>(l.overflows), static_cast<long long>(l.chains), static_cast<long long>(l.values),
                share(l.clipped), share(l.flushed_to_zero));
}

/// A row without a dial: training's numbers, whose weights are stored as FP32 or INT16.
void print_trained(const char* name, const trained& t, double bits, double bits_8_8) {
    std::printf("  %-10s %7s %9.2f %8.2fx %11.1fx %9.2f %% %10.4f\n", name, "-", bits, bits_8_8 / bits, 1.0,
                100 * t.test_accuracy, t.ms_per_image);
}

void print_dial(const std::vector<level>& levels) {
    for (const level& l : levels)
        std::printf("  %-10s %7.2f %9.2f %8.2fx %11.1fx %9.2f %% %10.4f\n", l.name.c_str(), l.planes, l.bits_per_weight,
                    l.size_vs_8_8, l.multiplications_vs_8_8, 100 * l.test_accuracy, l.ms_per_image);
}

void write_report(const std::string& path, const trained& fp32, const trained& dfp16,
                  const std::vector<level>& levels) {
    nlohmann::ordered_json report;
    report["fp32"] = {{"test_accuracy", fp32.test_accuracy}, {"seconds", fp32.seconds}};
    report["dfp16"] = {{"test_accuracy", dfp16.test_accuracy}, {"seconds", dfp16.seconds}};
    report["levels"] = nlohmann::ordered_json::array();
    for (const level& l : levels)
        report["levels"].push_back({{"name", l.name},
                                    {"planes", l.planes},
                                    {"bits_per_weight", l.bits_per_weight},
                                    {"size_vs_8_8", l.size_vs_8_8},
                                    {"multiplications_vs_8_8", l.multiplications_vs_8_8},
                                    {"test_accuracy", l.test_accuracy},
                                    {"ms_per_image", l.ms_per_image}});
    const std::string text = report.dump(2) + "\n";
    intaglio::io::write_file_atomically(path, {std::span<const char>(text)});
}

void run(const options& o) {
    const auto digits = intaglio::data::split_digits(intaglio::data::read_digits(o.data));
    std::printf("%d handwritten digits of 8 x 8 pixels to train on, %d others to test on; %d threads\n",
                static_cast<int>(digits.train.size()), static_cast<int>(digits.test.size()), o.threads);
    intaglio::thread_pool pool(o.threads);

    const auto directory = std::filesystem::absolute(o.report).parent_path();
    std::filesystem::create_directories(directory);
    const trained fp32 = train_fp32(digits, o.how, pool);
    std::printf("FP32:  %.2f %% of the test images right after %.1f s\n", 100 * fp32.test_accuracy, fp32.seconds);
    const trained dfp16 = train_dfp16(digits, o.how, pool);
    std::printf("DFP16: %.2f %% of the test images right after %.1f s\n", 100 * dfp16.test_accuracy, dfp16.seconds);
    print_losses(dfp16.lost);

    std::printf(
        "\nThe DFP16 network with 8-bit activations and coded weights, no data used, saved, loaded and run:\n\n");
    const auto levels = measure_dial(dfp16.parameters, digits.test, (directory / "digits-").string(), pool);
    std::printf("  %-10s %7s %9s %9s %12s %11s %10s\n", "level", "trits", "bits per", "smaller", "fewer multi-",
                "right", "ms per");
    std::printf("  %-10s %7s %9s %9s %12s %11s %10s\n", "", "", "weight", "than 8-8", "plications", "", "image");
    print_trained("FP32", fp32, 32, 8);
    print_trained("DFP16", dfp16, 16, 8);
    print_dial(levels);
    write_report(o.report, fp32, dfp16, levels);
    std::printf("\nThe same figures: %s\n\n", o.report.c_str());
    print_layer_speeds();
}

} // namespace
} // namespace quickstart

int main(int argc, char** argv) {
    // so that it keeps its place between the progress bars when both go into one log
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    quickstart::options o;
    o.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    CLI::App app{"Trains a network on handwritten digits in FP32 and INT16, then runs it with ternary weights."};
    app.add_option("--data", o.data, "the digits, as comma-separated numbers")->capture_default_str();
    app.add_option("--report", o.report, "where the figures go; models are written beside it")->capture_default_str();
    app.add_option("--epochs", o.how.epochs, "passes over the training images")
        ->check(CLI::Range(1, 10'000))
        ->capture_default_str();
    app.add_option("--threads", o.threads, "threads; results do not depend on them")
        ->check(CLI::Range(1, 1024))
        ->capture_default_str();
    app.add_option("--seed", o.how.seed, "of weights, order and deformations")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        quickstart::run(o);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "quickstart: %s\n", e.what());
        return 1;
    }
}
