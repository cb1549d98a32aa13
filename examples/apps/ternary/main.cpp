// SPDX-License-Identifier: Apache-2.0

// From a trained network to a small one that runs in integers, and what to do with it. Three verbs: ternarize,
// classify, inspect; `ternary VERB --help` says how, docs/ternary.md tells more.
//
// Ends with 0, or with 2 for what can't be: options, files, data.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <thread>

#include <CLI/CLI.hpp>

#include "../train/data_choice.hpp"
#include "../train/network_choice.hpp"
#include "intaglio/core/error.hpp"
#include "verbs.hpp"

namespace {

constexpr const char* examples = R"(
Examples:
  ternarize resnet20.safetensors --network resnet20 --size 2.5x -o small.safetensors
  ternarize resnet50.safetensors --network resnet50-caffe --size 3.5x --levels 4 -o dial.safetensors
  ternarize resnet50.safetensors --network resnet50-caffe --ms 25 --threads 1 -o quick.safetensors
  classify dial.safetensors cat.jpg dog.png
  classify dial.safetensors --data cifar10:DIR --level all
  inspect dial.safetensors
)";

/// "2.5x" or "2.5"; 0 for no text.
double size_of(const std::string& option, std::string text) {
    if (text.empty()) return 0;
    const std::string given = text;
    if (text.back() == 'x' || text.back() == 'X') text.pop_back();
    char* end = nullptr;
    const double size = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != '\0' || !(size >= 0.5 && size <= 16))
        throw CLI::ValidationError(option, "'" + given + "' is no size from 0.5x to 16x");
    return size;
}

/// --memory of classify and inspect.
void add_memory(CLI::App* verb, std::string& memory) {
    verb->add_option("--memory", memory,
                     "weights: fast (in fewer bits than bytes have where that costs at most 2 % of time), small "
                     "(wherever that saves, finer planes on top of coarser ones), bytes; answers are the same")
        ->check(CLI::IsMember({"fast", "small", "bytes"}).description(""))
        ->capture_default_str();
}

} // namespace

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    const int all_threads = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1U, 1024U));
    CLI::App app{"Small integer networks from trained ones, without data."};
    app.name("ternary");
    app.require_subcommand(1);
    const auto threads = CLI::Range(1, 1024).description("");
    const auto whole = CLI::Range(ternary::dim_t{1}, ternary::dim_t{1} << 40).description("");

    ternary::ternarize_options t;
    t.threads = all_threads;
    std::string size, memory_size;
    double error = 0;
    CLI::App* const ternarize = app.add_subcommand("ternarize", "Convert a trained network: no data, no retraining");
    ternarize->footer(training::describe_networks() + examples);
    ternarize->add_option("MODEL", t.model, "safetensors with PyTorch's names")->required()->check(CLI::ExistingFile);
    ternarize->add_option("--network", t.network, "which network it is; the list is below")->required();
    ternarize->add_option("-o,--output", t.output, "the file to write")->required();
    CLI::Option* const by_size = ternarize->add_option(
        "--size", size,
        "how many times smaller than 8-8 the file is, up to the coarsest level of a dial of steps: 2.5x; steps or "
        "planes go where they matter");
    ternarize
        ->add_option("--memory-size", memory_size,
                     "instead: how many times smaller than 8-8 the weights are in memory, at the coarsest level")
        ->excludes(by_size);
    ternarize->add_option("--step", t.step, "instead: one step for all, in root mean squares of a channel's weights")
        ->check(CLI::Range(0.05, 3.0).description(""))
        ->excludes(by_size);
    ternarize
        ->add_option("--error", error,
                     "instead: about how much of the answer may move, in percent; planes or steps go where they matter")
        ->check(CLI::Range(0.01, 100.0).description(""))
        ->excludes(by_size);
    CLI::Option* const by_time =
        ternarize->add_option("--ms", t.ms,
                              "instead: milliseconds that an image takes at most, alone, on --threads of this machine, "
                              "at the coarsest level; layers are timed in every coding, the finest that fit are taken");
    by_time->check(CLI::PositiveNumber.description(""));
    for (const char* const other : {"--size", "--memory-size", "--step", "--error"})
        by_time->excludes(ternarize->get_option(other));
    ternarize
        ->add_option("--coding", t.coding,
                     "of weights: feedback (one step a channel, errors fed back), greedy (ternary planes with a scale "
                     "for each block), locked (digits of one code with a scale for each block), int4 (4-bit blocks), "
                     "8-8; default: feedback where there is a size, step, error, time or dial, otherwise 8-8")
        ->check(CLI::IsMember({"feedback", "greedy", "locked", "int4", "8-8"}).description(""));
    ternarize->add_option("--block", t.block, "weights along a row that share a scale, of greedy, locked and int4")
        ->check(CLI::Range(1, 65535).description(""))
        ->capture_default_str();
    ternarize
        ->add_option(
            "--planes", t.planes,
            "of greedy, up to 8, and locked, up to 3; with --size, --error, --ms or --levels the most that a layer "
            "can have; default: 2, or 3 with those for greedy")
        ->check(CLI::Range(1, 8).description(""));
    ternarize->add_option("--levels", t.levels, "of the dial, from the coarsest to the finest")
        ->check(CLI::Range(1, 16).description(""))
        ->capture_default_str();
    ternarize->add_option("--classes", t.classes, "that the network knows; default 1000, or 10 for small images")
        ->check(whole);
    ternarize->add_option("--noise", t.noise, "images of noise that are measured; default 250, or 40 large ones")
        ->check(whole);
    ternarize->add_option("--calibrate", t.calibrate, "measure these images instead, a folder or KIND:PATH");
    ternarize->add_flag("!--no-feedback", t.feedback, "round each weight by itself");
    ternarize->add_flag("!--no-bias-correction", t.correct_bias, "leave biases as they are");
    ternarize->add_flag("!--ends-too", t.ends_in_bytes, "code the first and the last layer like the others, not 8-8");
    ternarize->add_option("--scale", t.values.scale, "of a byte of an image; default: the network's own");
    ternarize->add_option("--mean", t.values.mean, "of scaled bytes, one or one for each channel")->delimiter(',');
    ternarize->add_option("--deviation", t.values.deviation, "of scaled bytes, likewise")->delimiter(',');
    ternarize->add_option("--json", t.json, "the model's description: takes scale, mean, deviation and class names")
        ->check(CLI::ExistingFile);
    ternarize->add_option("--threads", t.threads)->check(threads)->capture_default_str();

    ternary::classify_options c;
    c.threads = all_threads;
    CLI::App* const classify = app.add_subcommand("classify", "Say what is on images, or how often that is right");
    classify->footer(training::describe_data() + examples);
    classify->add_option("MODEL", c.model, "a file that ternarize wrote")->required()->check(CLI::ExistingFile);
    classify->add_option("IMAGES", c.images, "JPEG or PNG files")->check(CLI::ExistingFile);
    classify->add_option("--data", c.data, "labelled images instead: KIND:PATH or a folder; the list is below");
    classify
        ->add_option("--reference", c.reference,
                     "logits of the data by another program (safetensors): how often the answers agree")
        ->check(CLI::ExistingFile);
    classify
        ->add_option("--fp32", c.fp32,
                     "weights that the file was made from (safetensors): with --data, measures them in FP32 too")
        ->check(CLI::ExistingFile);
    classify
        ->add_option("--beside", c.beside, "another file of the network, measured too, at all its levels; may repeat")
        ->check(CLI::ExistingFile)
        ->allow_extra_args(false);
    classify->add_option("--level", c.level, "a number, a name, last or all")->capture_default_str();
    classify
        ->add_option("--resize", c.resize,
                     "shorter side of large images before the crop in the middle; default: 8/7 of the network's")
        ->check(whole);
    classify->add_option("--limit", c.limit, "at most so many images of the data")->check(whole);
    classify->add_option("--batch", c.batch, "images at once")->check(whole)->capture_default_str();
    classify->add_option("--top", c.top, "classes to print")
        ->check(CLI::Range(1, 1000).description(""))
        ->capture_default_str();
    classify
        ->add_option("--confident", c.confident,
                     "with --data: also run the coarsest level first, and the finest one where the shares of the best "
                     "two classes are less apart than this, 0 to 1")
        ->check(CLI::Range(0.0, 1.0).description(""));
    classify->add_option("--chart", c.chart, "with --data: accuracy against size and against time, as SVG");
    classify->add_flag("--confusion", c.confusion, "print which classes are taken for which");
    add_memory(classify, c.memory);
    classify->add_option("--threads", c.threads)->check(threads)->capture_default_str();

    ternary::inspect_options i;
    CLI::App* const inspect = app.add_subcommand("inspect", "Print what is inside a file");
    inspect->footer(examples);
    add_memory(inspect, i.memory);
    inspect->add_option("MODEL", i.model, "a file that ternarize wrote")->required()->check(CLI::ExistingFile);

    try {
        app.parse(argc, argv);
        t.error = error * error / 1e4; // percent of the answer, as its squared share
        t.size = size_of("--size", size), t.memory_size = size_of("--memory-size", memory_size);
    } catch (const CLI::ParseError& fault) {
        const int status = app.exit(fault);
        return status == 0 ? 0 : 2;
    }
    try {
        return ternarize->parsed()  ? ternary::ternarize(t)
               : classify->parsed() ? ternary::classify(c)
                                    : ternary::inspect(i);
    } catch (const std::exception& fault) {
        std::fprintf(stderr, "ternary: %s\n", fault.what());
        return 2;
    }
}
