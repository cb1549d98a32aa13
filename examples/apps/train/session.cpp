// SPDX-License-Identifier: Apache-2.0

#include "session.hpp"

#include <algorithm>
#include <utility>

#include "intaglio/core/error.hpp"
#include "intaglio/io/parameters_file.hpp"
#include "intaglio/nn/shapes.hpp"

namespace training {
namespace {

namespace nn = intaglio::nn;
using intaglio::join;
using intaglio::require;
using intaglio::value_error;

/// The images that the network gets, from its own wish, the data's and the user's.
image_size images_of(const network_choice& choice, const data_request& request, const options& o) {
    require<value_error>(!o.image_size || choice.any_size, "--image-size: ", choice.name,
                         choice.takes.height == 0 ? " takes the data's images" : " takes images of one size",
                         "; leave it out");
    image_size wanted = choice.takes;
    if (o.image_size) wanted.height = wanted.width = *o.image_size;
    const image_size given = size_of(request);
    if (wanted.height == 0) wanted = given.height != 0 ? given : image_size{28, 28, 1};
    require<value_error>(given.height == 0 || given == wanted, choice.name, " takes images of ", wanted, ", ",
                         request.kind, " has ", given, "; choose another --network or other --data\n\n",
                         describe_networks());
    require<value_error>(request.kind != "images" || wanted.channels == 3, choice.name, " takes images of ", wanted,
                         "; a folder of images has three channels");
    return wanted;
}

nn::network built(const network_choice& choice, const image_size& images, dim_t classes) {
    try {
        nn::network net = choice.build(images, classes);
        nn::infer_shapes(net, 1);
        return net;
    } catch (const intaglio::shape_error& fault) {
        intaglio::fail<value_error>(choice.name, " can't take images of ", images, ": ", fault.what());
    }
}

/// How DFP16 stores, and which layers stay in FP32.
intaglio::train::plan_options numerics(const options& asked, const nn::network& net) {
    intaglio::train::plan_options plan;
    if (asked.precision == "dfp16-paper") plan = intaglio::train::paper_options(net);
    const bool changed = asked.bits || asked.head_room || asked.gradients || !asked.in_float.empty();
    require<value_error>(!changed || asked.precision != "fp32",
                         "--bits, --head-room, --gradients, --in-float: of DFP16, but --precision is fp32; leave them "
                         "out");
    for (intaglio::dfp_spec* const spec : {&plan.storage.operands, &plan.storage.weights}) {
        if (asked.bits) *spec = {.bits = *asked.bits, .head_room = std::max(0, *asked.bits - 14)};
        if (asked.head_room) spec->head_room = *asked.head_room;
        spec->check();
    }
    if (asked.gradients) plan.storage.dither_gradients = *asked.gradients == "dither";
    for (const std::string& name : asked.in_float)
        for (const std::string& layer :
             name == "ends" ? intaglio::train::first_and_classifiers(net) : std::vector{name})
            plan.in_float.push_back(layer);
    return plan;
}

std::unique_ptr<model> made(const session& s, model_setup setup) {
    setup.plan = numerics(s.asked, setup.network);
    setup.plan.seed = s.asked.seed;
    return s.asked.precision == "fp32" ? make_fp32_model(std::move(setup)) : make_dfp16_model(std::move(setup));
}

} // namespace

session open_session(const options& asked, intaglio::executor_ref exec) {
    session s;
    s.asked = asked;
    s.choice = &find_network(asked.network);
    const std::string data = asked.data.empty() ? s.choice->usual_data : asked.data;
    require<value_error>(!data.empty(), "--data: what should ", s.choice->name, " be trained on?\n\n", describe_data());
    const data_request request = parse_data(data);
    s.images = images_of(*s.choice, request, asked);
    s.how = changed(s.choice->how, asked);
    const dim_t usual_classes = s.images.height >= 64 ? 1000 : 10;
    require<value_error>(!asked.resize || request.kind == "images", "--resize: ", request.kind,
                         " has images of one size; leave it out");
    const dim_t shorter = asked.resize.value_or(s.images.height * 256 / 224);
    require<value_error>(request.kind != "images" || shorter >= s.images.height, "--resize ", shorter, ": ",
                         s.choice->name, " takes images of ", s.images, "; give as much at least");
    s.data = open_data(request, s.images, asked.classes.value_or(usual_classes), shorter, exec);
    if (s.choice->values && request.kind == "images") s.data.plain.values = s.data.augmented.values = *s.choice->values;
    if (!asked.augment) s.data.augmented = s.data.plain;

    const auto found = static_cast<dim_t>(s.data.train->classes().size());
    const dim_t classes = asked.classes.value_or(found);
    require<value_error>(classes >= found, "--classes ", classes, ": the data have ", found);
    s.network = built(*s.choice, s.images, classes);
    const auto& output = s.network.nodes[s.network.outputs.front().node].op;
    if (const auto* const last = std::get_if<nn::op::linear>(&output))
        require<value_error>(last->out_features >= found, s.choice->name, " knows ", last->out_features,
                             " classes, the data have ", found);
    s.network.loss.label_smoothing = s.how.label_smoothing;
    if (asked.evaluate.empty()) s.rates = course_of(s.how, asked, s.data.train->size());
    s.folder = !asked.save.empty()
                   ? asked.save
                   : join("runs/", s.choice->name, '-', s.data.kind, '-', asked.precision, '-', asked.seed);
    return s;
}

intaglio::io::training_settings settings_of(const session& s) {
    const auto yes = [](bool b) { return std::string(b ? "yes" : "no"); };
    intaglio::io::training_settings all{
        {"--network", s.choice->name},
        {"--precision", s.asked.precision},
        {"--data",
         join(s.data.kind, " of ", s.data.train->size(), " images in ", s.data.train->classes().size(), " classes")},
        {"images of", s.images.to_string()},
        {"classes", join(nn::infer_shapes(s.network, 1)[s.network.outputs.front().node][3])},
        {"augmentation", yes(s.asked.augment)},
        {"--batch", join(s.how.batch)},
        {"--schedule", name_of(s.how.schedule)},
        {"--lr", join(s.how.rate)},
        {"warm-up steps", join(s.rates.rate.warmup)},
        {"--momentum", join(s.how.momentum)},
        {"--nesterov", yes(s.how.nesterov)},
        {"--weight-decay", join(s.how.weight_decay)},
        {"--decay-all", yes(s.asked.decay_all)},
        {"--label-smoothing", join(s.how.label_smoothing)},
        {"--seed", join(s.asked.seed)},
    };
    if (s.asked.precision != "fp32") {
        const auto plan = numerics(s.asked, s.network);
        std::string text = join(plan.storage.operands.bits, " bits, head-room ", plan.storage.operands.head_room,
                                ", gradients ", plan.storage.dither_gradients ? "with dither" : "to nearest");
        for (const std::string& name : plan.in_float)
            text += (&name == &plan.in_float.front() ? "; in FP32: " : ", ") + name;
        all["numerics"] = text;
    }
    using intaglio::train::schedule_kind;
    if (s.how.schedule == schedule_kind::step) {
        std::string steps;
        for (const dim_t m : s.rates.rate.milestones) steps += (steps.empty() ? "" : ", ") + join(m);
        all["milestones at steps"] = steps;
    } else if (s.how.schedule != schedule_kind::constant) {
        all["steps in all"] = join(s.rates.steps);
    }
    return all;
}

std::unique_ptr<model> make_model(const session& s, intaglio::executor_ref exec) {
    model_setup setup{.network = s.network, .batch = s.how.batch, .first = {}};
    if (s.asked.from.empty())
        nn::he_initialize(s.network, setup.first, s.asked.seed, s.choice->first_weights, exec);
    else
        setup.first = intaglio::io::load_parameters(s.asked.from, s.network, {.allow_more = true});
    setup.update = {.momentum = static_cast<float>(s.how.momentum),
                    .weight_decay = static_cast<float>(s.how.weight_decay),
                    .nesterov = s.how.nesterov,
                    .decay_all = s.asked.decay_all};
    setup.exec = exec;
    return made(s, std::move(setup));
}

std::unique_ptr<model> make_tester(const session& s, const std::string& weights, intaglio::executor_ref exec) {
    model_setup setup{.network = nn::evaluation_part(s.network), .batch = s.how.batch, .first = {}};
    setup.first = intaglio::io::load_parameters(weights, setup.network, {.allow_more = true});
    setup.exec = exec;
    return made(s, std::move(setup));
}

} // namespace training
