// SPDX-License-Identifier: Apache-2.0
#pragma once

// The figures of `bench kernels`: rows, their tables on the terminal, and build/bench/kernels.json with a summary of
// geometric means.

#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include <nlohmann/json.hpp>

namespace report {

struct row {
    std::string
        operation; ///< "gemm", "gemv", "conv_forward", "conv_input_gradient", "conv_weight_gradient", "quantize"
    std::string policy, layer;
    std::ptrdiff_t batch = 1;
    int threads = 1;
    std::string arch;
    double gmacs = 0, median_gmacs = 0; ///< 10^9 multiply-adds a second: of the best and of the median time
    double peak_gmacs = 0;              ///< of all threads' cores together; 0 where the arch has no such peak
    double fma_gmacs = 0;               ///< the FP32 peak of the same cores
    std::string peer;
    double peer_gmacs = 0;
    bool wide_3x3 = false; ///< a 3 x 3 layer with 64 input channels or more

    double of_peak() const { return peak_gmacs > 0 ? gmacs / peak_gmacs : 0; }
    double ratio() const { return peer_gmacs > 0 ? gmacs / peer_gmacs : 0; }
};

inline nlohmann::json to_json(const row& r) {
    return {{"case", r.operation},
            {"policy", r.policy},
            {"layer", r.layer},
            {"batch", r.batch},
            {"threads", r.threads},
            {"arch", r.arch},
            {"gmacs", r.gmacs},
            {"median_gmacs", r.median_gmacs},
            {"peak_gmacs", r.peak_gmacs},
            {"of_peak", r.of_peak()},
            {"fp32_peak_gmacs", r.fma_gmacs},
            {"peer", r.peer},
            {"peer_gmacs", r.peer_gmacs},
            {"ratio", r.ratio()},
            {"wide_3x3", r.wide_3x3}};
}

inline row from_json(const nlohmann::json& j) {
    row r;
    r.operation = j.at("case");
    r.policy = j.at("policy");
    r.layer = j.at("layer");
    r.batch = j.at("batch");
    r.threads = j.at("threads");
    r.arch = j.at("arch");
    r.gmacs = j.at("gmacs");
    r.median_gmacs = j.at("median_gmacs");
    r.peak_gmacs = j.at("peak_gmacs");
    r.fma_gmacs = j.at("fp32_peak_gmacs");
    r.peer = j.at("peer");
    r.peer_gmacs = j.at("peer_gmacs");
    r.wide_3x3 = j.at("wide_3x3");
    return r;
}

/// Geometric mean of the numbers above zero.
class geometric_mean {
public:
    void add(double v) {
        if (!(v > 0)) return;
        logs_ += std::log(v);
        ++count_;
    }
    double value() const { return count_ ? std::exp(logs_ / count_) : 0; }

private:
    double logs_ = 0;
    int count_ = 0;
};

struct summary {
    std::string operation, policy, arch;
    int threads = 1;
    std::string peer;
    geometric_mean gmacs, of_peak, of_peak_3x3, of_fma, ratio;
};

/// One entry for each (case, policy, arch, threads), in the order of their first rows.
inline std::vector<summary> summarize(const std::vector<row>& rows) {
    std::vector<summary> all;
    std::map<std::tuple<std::string, std::string, std::string, int>, std::size_t> known;
    for (const row& r : rows) {
        const auto [at, fresh] = known.try_emplace({r.operation, r.policy, r.arch, r.threads}, all.size());
        if (fresh) all.push_back({r.operation, r.policy, r.arch, r.threads, r.peer, {}, {}, {}, {}, {}});
        summary& s = all[at->second];
        if (s.peer.empty()) s.peer = r.peer;
        s.gmacs.add(r.gmacs);
        s.of_peak.add(r.of_peak());
        if (r.wide_3x3) s.of_peak_3x3.add(r.of_peak());
        s.of_fma.add(r.fma_gmacs > 0 ? r.gmacs / r.fma_gmacs : 0);
        s.ratio.add(r.ratio());
    }
    return all;
}

inline void print_summary(const std::vector<summary>& all) {
    std::printf("\nGeometric means over the layers\n%-22s %-22s %-12s %7s %9s %8s %8s %9s  %s\n", "case", "policy",
                "arch", "threads", "GMAC/s", "of peak", "3x3", "x FP32 pk", "peer");
    for (const summary& s : all) {
        std::printf("%-22s %-22s %-12s %7d %9.1f", s.operation.c_str(), s.policy.c_str(), s.arch.c_str(), s.threads,
                    s.gmacs.value());
        for (const double share : {s.of_peak.value(), s.of_peak_3x3.value()})
            share > 0 ? static_cast<void>(std::printf(" %7.1f%%", 100 * share))
                      : static_cast<void>(std::printf(" %8s", "-"));
        s.of_fma.value() > 0 ? static_cast<void>(std::printf(" %9.2f", s.of_fma.value()))
                             : static_cast<void>(std::printf(" %9s", "-"));
        if (s.ratio.value() > 0) std::printf("  %.2f x %s", s.ratio.value(), s.peer.c_str());
        std::printf("\n");
    }
}

/// How many times as fast one way to compute a layer is as another, and as the fastest peer: geometric means over 3 x 3
/// layers of 64 channels and more, beside the goals.
inline void print_forms(const std::vector<row>& rows, const std::string& usual, const std::string& other) {
    struct means {
        geometric_mean all, small, peer;
    };
    std::map<std::tuple<std::string, std::string, int>, means> by_case;
    std::map<std::tuple<std::string, std::string, int, std::string, std::ptrdiff_t>, double> usual_gmacs;
    for (const row& r : rows)
        if (r.policy == usual) usual_gmacs[{r.arch, r.operation, r.threads, r.layer, r.batch}] = r.gmacs;
    for (const row& r : rows) {
        const auto before = usual_gmacs.find({r.arch, r.operation, r.threads, r.layer, r.batch});
        if (r.policy != other || !r.wide_3x3 || before == usual_gmacs.end()) continue;
        means& m = by_case[{r.arch, r.operation, r.threads}];
        m.all.add(r.gmacs / before->second);
        if (r.layer == "resnet50/conv5_b") m.small.add(r.gmacs / before->second); // 7 x 7
        m.peer.add(r.ratio());
    }
    if (by_case.empty()) return;
    std::printf("\n%s, times as fast, 3 x 3 with 64 channels and more (goal)\n%-12s %-22s %7s %18s %14s %18s\n",
                other.c_str(), "arch", "case", "threads", "as direct", "7 x 7", "as oneDNN f32");
    for (const auto& [key, m] : by_case) {
        const auto& [arch, operation, threads] = key;
        const bool wide = arch.starts_with("avx512_vnni");
        const double direct = !wide ? 1.7 : operation == "conv_weight_gradient" ? 1.75 : 1.8;
        std::printf("%-12s %-22s %7d %10.2f (%.2f) %6.2f (1.50) %11.2f (%.1f)\n", arch.c_str(), operation.c_str(),
                    threads, m.all.value(), direct, m.small.value(), m.peer.value(), wide ? 3.0 : 2.4);
    }
}

/// Writes rows and summary. Returns false where the file can't be written.
inline bool write(const std::string& path, const std::vector<row>& rows, const nlohmann::json& run) {
    nlohmann::json out{{"rows", nlohmann::json::array()}, {"summary", nlohmann::json::array()}, {"run", run}};
    for (const row& r : rows) out["rows"].push_back(to_json(r));
    for (const summary& s : summarize(rows))
        out["summary"].push_back({{"case", s.operation},
                                  {"policy", s.policy},
                                  {"arch", s.arch},
                                  {"threads", s.threads},
                                  {"gmacs", s.gmacs.value()},
                                  {"of_peak", s.of_peak.value()},
                                  {"of_peak_3x3", s.of_peak_3x3.value()},
                                  {"of_fp32_peak", s.of_fma.value()},
                                  {"peer", s.peer},
                                  {"ratio", s.ratio.value()}});
    std::ofstream file(path);
    file << out.dump(1) << '\n';
    return static_cast<bool>(file);
}

} // namespace report
