// SPDX-License-Identifier: Apache-2.0

#include "progress_line.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <unistd.h>

#include "text.hpp"

namespace training {
namespace {

std::string duration(double seconds) {
    if (seconds < 60) return print("%.0f s", seconds);
    if (seconds < 3600) return print("%.0f min %02.0f s", std::floor(seconds / 60), std::fmod(seconds, 60));
    return print("%.0f h %02.0f min", std::floor(seconds / 3600), std::fmod(seconds / 60, 60));
}
} // namespace

progress_line::progress_line(std::string label, dim_t steps, dim_t first, dim_t batch, dim_t per_epoch)
    : label_(std::move(label)), steps_(steps), first_(first), batch_(batch), per_epoch_(per_epoch),
      terminal_(isatty(fileno(stderr)) != 0), done_(first) {}

std::string progress_line::left() const {
    const dim_t here = done_ - first_;
    if (here <= 0) return "";
    return duration(seconds_ / static_cast<double>(here) * static_cast<double>(steps_ - done_)) + " left";
}

void progress_line::step(dim_t done, double seconds, double loss, double accuracy) {
    done_ = done;
    seconds_ += seconds;
    const auto now = std::chrono::steady_clock::now();
    if (!terminal_ || (now - shown_ < std::chrono::milliseconds(100) && done != steps_)) return;
    shown_ = now;
    constexpr int width = 20;
    const auto filled = static_cast<std::size_t>(width * done / std::max<dim_t>(steps_, 1));
    const double speed = static_cast<double>((done - first_) * batch_) / std::max(1e-9, seconds_);
    std::fprintf(stderr, "\r%s [%-*s] epoch %.2f, loss %.3f, %.1f %%%s, %.0f images/s, %s\033[K", label_.c_str(), width,
                 std::string(filled, '#').c_str(), static_cast<double>(done) / static_cast<double>(per_epoch_), loss,
                 100 * accuracy, last_test_ ? print(" (test %.1f %%)", 100 * last_test_->accuracy).c_str() : "", speed,
                 left().c_str());
    std::fflush(stderr);
    open_ = true;
}

void progress_line::show(const report& r) {
    if (r.test) last_test_ = r.test;
    if (terminal_) return;
    std::string text = print("step %lld of %lld, epoch %.2f: loss %.4f, accuracy %.2f %%, rate %.4g, %.0f images/s",
                             static_cast<long long>(r.step), static_cast<long long>(steps_), r.epoch, r.train_loss,
                             100 * r.train_accuracy, r.rate, r.images_per_second);
    if (r.test) text += print("; test: loss %.4f, accuracy %.2f %%", r.test->loss, 100 * r.test->accuracy);
    std::fprintf(stderr, "%s; %s\n", text.c_str(), left().c_str());
}

void progress_line::note(const std::string& text) {
    if (!terminal_) return;
    std::fprintf(stderr, "\r%s: %s\033[K", label_.c_str(), text.c_str());
    std::fflush(stderr);
    open_ = true;
}

void progress_line::finish() {
    if (open_) std::fputc('\n', stderr);
    open_ = false;
}

} // namespace training
