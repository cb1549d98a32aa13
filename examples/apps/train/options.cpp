// SPDX-License-Identifier: Apache-2.0

#include "options.hpp"

#include <algorithm>
#include <thread>

#include <CLI/CLI.hpp>

#include "data_choice.hpp"
#include "network_choice.hpp"

namespace training {
namespace {

constexpr const char* examples = R"(
What it leaves in the folder of --save:
  checkpoint.safetensors  the whole training; its weights have PyTorch's names and layouts
  metrics.jsonl           a line for each report: step, epoch, rate, losses, accuracies, speed
  curves.svg              losses and accuracies over the epochs, as a drawing

Examples:
  train                                          handwritten digits in INT16, some seconds
  train --precision fp32                         the same in FP32, to compare
  train --network resnet20 --data cifar10:DIR    CIFAR-10, the files data_batch_1.bin to 5, or .bin.gz, .bin.xz
  train --network resnet50 --data DIR --epochs 90 --save runs/resnet50
  train --network resnet50 --data DIR --epochs 90 --save runs/resnet50 --resume
  train --network vgg16 --data synthetic --steps 10 --profile        where the time goes
  train --network resnet20 --data cifar10:DIR --evaluate runs/x/checkpoint.safetensors
  train --draw both.svg runs/a runs/b            the curves of two trainings in one drawing

Ctrl-C saves and stops; --resume goes on, with the bits of a training that was never stopped. The same options give the
same bits for any --threads. A rate that is not given is the recipe's, in proportion to --batch.
)";

} // namespace

std::optional<options> read_options(int argc, char** argv, int& status) {
    options o;
    o.threads = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 1024u));
    CLI::App app{"Trains a network in INT16 (DFP16) or FP32, saves it, goes on with it, tests it."};
    app.name("train");
    app.footer(describe_networks() + "\n" + describe_data() + examples);
    app.get_formatter()->column_width(34);

    const auto whole = CLI::Range(dim_t{1}, dim_t{1} << 40).description("");
    const auto share = CLI::Range(0.0, 1.0).description(""), positive = CLI::Range(0.0, 1e9).description("");
    const auto threads = CLI::Range(1, 1024).description("");
    app.add_option("--network", o.network, "which network; the list is below")->capture_default_str();
    app.add_option("--data", o.data, "KIND:PATH, a folder, or synthetic; the list is below");
    app.add_option("--precision", o.precision,
                   "dfp16: activations, gradients and products in INT16; dfp16-paper: but for the first layer and the "
                   "classifier, which are in FP32; fp32")
        ->check(CLI::IsMember({"dfp16", "fp32", "dfp16-paper"}))
        ->capture_default_str();
    app.add_option("--head-room", o.head_room, "bits of DFP16 that products leave unused in what they read; default 2")
        ->check(CLI::Range(0, 8).description(""));
    app.add_option(
           "--bits", o.bits,
           "of what DFP16 products read, sign and head-room included; default 16, fewer have 13 and a sign at most")
        ->check(CLI::Range(4, 16).description(""));
    app.add_option("--gradients", o.gradients,
                   "how DFP16 rounds gradients: dither keeps the mean of what is below a unit; nearest makes it 0; "
                   "default dither")
        ->check(CLI::IsMember({"dither", "nearest"}));
    app.add_option("--in-float", o.in_float, "layers that DFP16 leaves in FP32; ends: the first and the classifiers");
    app.add_option("--image-size", o.image_size, "pixels each way, for networks that take any")->check(whole);
    app.add_option("--resize", o.resize,
                   "shorter side of a folder's images before the crop in the middle of a test; "
                   "default: 8/7 of the image size")
        ->check(whole);
    app.add_option("--classes", o.classes, "of the network, if more than the data have")->check(whole);
    app.add_flag("!--no-augmentation", o.augment, "train on the images as they are tested: no crops, no mirror images");

    const char* const recipe = "Recipe (by default the network's own)";
    app.add_option("--batch", o.batch, "images in a step")->check(whole)->group(recipe);
    app.add_option("--epochs", o.epochs, "passes over the training images")->check(whole)->group(recipe);
    app.add_option("--steps", o.steps, "stop after so many steps, whatever the epochs")->check(whole)->group(recipe);
    app.add_option("--schedule", o.schedule,
                   "of the rate: constant; step: a tenth at each milestone; cosine to zero; poly: a root to zero; "
                   "onecycle: up and down in lines")
        ->check(CLI::IsMember({"constant", "step", "cosine", "poly", "onecycle"}))
        ->group(recipe);
    app.add_option("--milestones", o.milestones, "epochs of --schedule step; default: 1/3, 2/3 and 8/9 of all")
        ->delimiter(',')
        ->check(positive)
        ->group(recipe);
    app.add_option("--lr", o.rate, "the largest rate")->check(positive)->group(recipe);
    app.add_option("--warmup", o.warmup, "epochs in which the rate rises to the schedule's first")
        ->check(positive)
        ->group(recipe);
    app.add_option("--momentum", o.momentum, "of the update, below 1")->check(share)->group(recipe);
    app.add_flag("--nesterov,!--no-nesterov", o.nesterov, "Nesterov's momentum")->group(recipe);
    app.add_option("--weight-decay", o.weight_decay, "on weights of convolutions and linear layers")
        ->check(positive)
        ->group(recipe);
    app.add_flag("--decay-all", o.decay_all, "weight decay on biases and batch norms too")->group(recipe);
    app.add_option("--label-smoothing", o.label_smoothing, "share of the target that all classes have")
        ->check(share)
        ->group(recipe);
    app.add_option("--seed", o.seed, "of first weights, order, augmentation, dropout")
        ->capture_default_str()
        ->group(recipe);

    const char* const running = "Running";
    app.add_option("--threads", o.threads, "of the arithmetic; results do not depend on them")
        ->check(threads)
        ->capture_default_str()
        ->group(running);
    app.add_option("--loader-threads", o.loader_threads, "that prepare images meanwhile")
        ->check(threads)
        ->capture_default_str()
        ->group(running);
    app.add_option("--save", o.save, "the folder; default: runs/NETWORK-DATA-PRECISION-SEED")->group(running);
    app.add_option("--save-minutes", o.save_minutes, "a checkpoint at least so often, and after each test")
        ->check(positive)
        ->capture_default_str()
        ->group(running);
    app.add_option("--report-every", o.report_every, "steps; default: a hundred reports in all")
        ->check(whole)
        ->group(running);
    app.add_option("--test-every", o.test_every, "epochs; 0: no tests")
        ->check(CLI::NonNegativeNumber.description(""))
        ->capture_default_str()
        ->group(running);
    app.add_option("--from", o.from, "begin with the weights of this file, by PyTorch's names, instead of random ones")
        ->group(running);
    app.add_flag("--resume", o.resume, "go on from the checkpoint in the folder")->group(running);
    app.add_option("--evaluate", o.evaluate,
                   "test the weights of this file instead: a checkpoint, or any safetensors file with PyTorch's names")
        ->group(running);
    app.add_option("--draw", o.draw, "draw the curves of the FOLDERS of trainings into this SVG file instead")
        ->group(running);
    app.add_option("folders", o.folders, "of trainings, for --draw")->needs("--draw");
    app.add_flag("--profile", o.profile, "print at the end where the time of the steps went")->group(running);
    for (CLI::Option* option : app.get_options())
        if (option->get_type_name() == "INT" || option->get_type_name() == "UINT") option->type_name("N");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& fault) {
        status = app.exit(fault) == 0 ? 0 : 2;
        return std::nullopt;
    }
    return o;
}

} // namespace training
