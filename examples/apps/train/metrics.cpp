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

std::vector<report> read_reports(const std::string& path) {
    std::vector<report> reports;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);)
        if (const auto r = report_of(line)) reports.push_back(*r);
    return reports;
}

/// Both panels' series of one training.
void add_course(std::vector<intaglio::io::chart_panel>& panels, const std::string& name,
                const std::vector<report>& reports) {
    intaglio::io::chart_series loss[2], accuracy[2];
    for (const report& r : reports) {
        loss[0].points.emplace_back(r.epoch, r.train_loss);
        accuracy[0].points.emplace_back(r.epoch, 100 * r.train_accuracy);
        if (!r.test) continue;
        loss[1].points.emplace_back(r.epoch, r.test->loss);
        accuracy[1].points.emplace_back(r.epoch, 100 * r.test->accuracy);
    }
    for (const int tests : {0, 1}) {
        loss[tests].name = accuracy[tests].name = name + (tests ? "test" : "training");
        panels[0].series.push_back(loss[tests]);
        panels[1].series.push_back(accuracy[tests]);
    }
}

std::vector<intaglio::io::chart_panel> empty_panels(const std::string& title) {
    return {{title + "loss", "epochs", "cross-entropy (nats)"}, {title + "accuracy", "epochs", "right (%)"}};
}

void write_drawing(const std::string& path, const std::vector<intaglio::io::chart_panel>& panels) {
    const std::string svg = intaglio::io::line_chart(panels);
    intaglio::io::write_file_atomically(path, {std::span<const char>(svg)});
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
    reports_ = read_reports(lines_);
    std::erase_if(reports_, [&](const report& r) { return r.step > step; });
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
    auto panels = empty_panels(title + ": ");
    add_course(panels, "", reports_);
    write_drawing(drawing_, panels);
}

void draw_together(const std::string& path, const std::vector<std::string>& folders) {
    auto panels = empty_panels("");
    for (const std::string& folder : folders) {
        const std::filesystem::path lines = std::filesystem::path(folder) / "metrics.jsonl";
        const auto reports = read_reports(lines.string());
        intaglio::require<intaglio::file_error>(!reports.empty(), lines.string(), ": has no reports of a training");
        add_course(panels, std::filesystem::absolute(lines).parent_path().filename().string() + ", ", reports);
    }
    write_drawing(path, panels);
}

} // namespace training
