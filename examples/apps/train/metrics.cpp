// SPDX-License-Identifier: Apache-2.0

#include "metrics.hpp"

#include <filesystem>
#include <fstream>
#include <span>
#include <utility>

#include <nlohmann/json.hpp>

#include "intaglio/core/error.hpp"
#include "intaglio/io/atomic_file.hpp"
#include "intaglio/io/line_chart.hpp"

namespace training {
namespace {

using json = nlohmann::ordered_json;

std::string line_of(const report& r) {
    json line{{"step", r.step},
              {"epoch", r.epoch},
              {"rate", r.rate},
              {"train_loss", r.train_loss},
              {"train_accuracy", r.train_accuracy},
              {"images_per_second", r.images_per_second},
              {"seconds", r.seconds}};
    if (r.test) {
        line["test_loss"] = r.test->loss;
        line["test_accuracy"] = r.test->accuracy;
        line["test_accuracy_in_five"] = r.test->accuracy_in_five;
    }
    return line.dump() + "\n";
}

/// None for a line that was cut off by the end of the program, or that is something else.
std::optional<report> report_of(const std::string& line) {
    const json j = json::parse(line, nullptr, false);
    if (!j.is_object()) return std::nullopt;
    try {
        report r{.step = j.at("step").get<dim_t>(),
                 .epoch = j.at("epoch").get<double>(),
                 .rate = j.at("rate").get<double>(),
                 .train_loss = j.at("train_loss").get<double>(),
                 .train_accuracy = j.at("train_accuracy").get<double>(),
                 .images_per_second = j.at("images_per_second").get<double>(),
                 .seconds = j.at("seconds").get<double>()};
        if (j.contains("test_loss"))
            r.test = tested{j.at("test_loss").get<double>(), j.at("test_accuracy").get<double>(),
                            j.at("test_accuracy_in_five").get<double>()};
        return r;
    } catch (const json::exception&) {
        return std::nullopt;
    }
}

} // namespace

metrics::metrics(std::string folder)
    : lines_((std::filesystem::path(folder) / "metrics.jsonl").string()),
      drawing_((std::filesystem::path(folder) / "curves.svg").string()) {}

void metrics::write_all() const {
    std::string text;
    for (const report& r : reports_) text += line_of(r);
    intaglio::io::write_file_atomically(lines_, {std::span<const char>(text)});
}

void metrics::resume(dim_t step) {
    reports_.clear();
    std::ifstream file(lines_);
    for (std::string line; std::getline(file, line);)
        if (const auto r = report_of(line); r && r->step <= step) reports_.push_back(*r);
    file.close();
    write_all();
}

void metrics::add(const report& r) {
    if (reports_.empty()) {
        reports_.push_back(r);
        write_all(); // replaces what another training left
        return;
    }
    reports_.push_back(r);
    std::ofstream file(lines_, std::ios::app);
    file << line_of(r) << std::flush;
    intaglio::require<intaglio::file_error>(file.good(), lines_, ": can't be written");
}

void metrics::draw(const std::string& title) const {
    using intaglio::io::chart_panel;
    chart_panel loss{title + ": loss", "epochs", "cross-entropy (nats)", {{"training", {}}, {"test", {}}}};
    chart_panel accuracy{title + ": accuracy", "epochs", "right (%)", {{"training", {}}, {"test", {}}}};
    for (const report& r : reports_) {
        loss.series[0].points.emplace_back(r.epoch, r.train_loss);
        accuracy.series[0].points.emplace_back(r.epoch, 100 * r.train_accuracy);
        if (!r.test) continue;
        loss.series[1].points.emplace_back(r.epoch, r.test->loss);
        accuracy.series[1].points.emplace_back(r.epoch, 100 * r.test->accuracy);
    }
    const std::string svg = intaglio::io::line_chart({loss, accuracy});
    intaglio::io::write_file_atomically(drawing_, {std::span<const char>(svg)});
}

} // namespace training
