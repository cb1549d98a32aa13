// SPDX-License-Identifier: Apache-2.0
#pragma once

// Images of nothing, with the statistics of photographs: noise whose amplitude falls as 1 / f^1.2 with the frequency f,
// most of it shared by the colour channels, each image with a brightness of its own. They stand in for data when
// activations are measured (calibration.hpp): nothing else is known of what the network will see.
//
//   z_s, z_c   fields of random phases, amplitude 1 / f^1.2 (1 at f = 0 too), variance 1 over the image
//   v(p, c)  = mean_c + deviation_c (0.9 z_s(p) + 0.35 z_c(p) + 0.5 n),   n normal, one for each image
//
// clamped to what the input can be. Random numbers are counter-based: image i of a seed is the same however many there
// are.

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <numbers>
#include <vector>

#include "intaglio/core/config.hpp"
#include "intaglio/core/error.hpp"
#include "intaglio/core/float_environment.hpp"
#include "intaglio/core/parallel.hpp"
#include "intaglio/numeric/random.hpp"
#include "intaglio/tensor/tensor.hpp"

namespace intaglio::inline INTAGLIO_ABI::infer {

/// What the values of one channel of the input are like.
struct channel_values {
    float mean = 0, deviation = 1;
    float low = 0, high = 1; ///< all there can be
};

namespace detail {

/// The transform sum over k of x_k e^(2 pi i j k / n), in place; n a power of two, elements `stride` apart.
inline void fourier_transform(std::complex<double>* x, std::size_t n, std::size_t stride) {
    for (std::size_t i = 1, j = 0; i < n; ++i) { // bit-reversed order
        std::size_t bit = n >> 1;
        for (; j & bit; bit >>= 1) j ^= bit;
        j ^= bit;
        if (i < j) std::swap(x[i * stride], x[j * stride]);
    }
    for (std::size_t half = 1; half < n; half *= 2) {
        const double angle = std::numbers::pi / static_cast<double>(half);
        std::vector<std::complex<double>> turns(half);
        for (std::size_t k = 0; k < half; ++k) turns[k] = std::polar(1.0, angle * static_cast<double>(k));
        for (std::size_t i = 0; i < n; i += 2 * half)
            for (std::size_t k = 0; k < half; ++k) {
                std::complex<double>&a = x[(i + k) * stride], &b = x[(i + k + half) * stride];
                const double re = b.real() * turns[k].real() - b.imag() * turns[k].imag(),
                             im = b.real() * turns[k].imag() + b.imag() * turns[k].real();
                b = {a.real() - re, a.imag() - im};
                a = {a.real() + re, a.imag() + im};
            }
    }
}

/// A standard normal number (Box and Muller).
inline double random_normal(std::uint64_t seed, std::uint64_t stream, std::uint64_t i) {
    const double u = 1 - static_cast<double>(random_uniform(seed, stream, 2 * i)),
                 v = static_cast<double>(random_uniform(seed, stream, 2 * i + 1));
    return std::sqrt(-2 * std::log(std::max(u, 1e-12))) * std::cos(2 * std::numbers::pi * v);
}

/// Two independent fields of height x width pixels, variance 1: the real and the imaginary part of the
/// transform of complex noise.
inline std::vector<std::complex<double>> noise_fields(dim_t height, dim_t width, double falling, std::uint64_t seed,
                                                      std::uint64_t stream) {
    std::size_t n = 1;
    while (static_cast<dim_t>(n) < std::max(height, width)) n *= 2;
    std::vector<std::complex<double>> x(n * n);
    for (std::size_t u = 0; u < n; ++u)
        for (std::size_t v = 0; v < n; ++v) {
            const auto away = [n](std::size_t k) { return static_cast<double>(std::min(k, n - k)); };
            const double f = std::max(1.0, std::hypot(away(u), away(v)));
            const std::uint64_t i = u * n + v;
            x[i] = {random_normal(seed, stream, 2 * i), random_normal(seed, stream, 2 * i + 1)};
            x[i] *= std::pow(f, -falling);
        }
    for (std::size_t u = 0; u < n; ++u) fourier_transform(x.data() + u * n, n, 1);
    for (std::size_t v = 0; v < n; ++v) fourier_transform(x.data() + v, n, n);
    std::vector<std::complex<double>> cut;
    for (dim_t y = 0; y < height; ++y)
        cut.insert(cut.end(), x.begin() + y * static_cast<dim_t>(n), x.begin() + y * static_cast<dim_t>(n) + width);
    // the lowest frequency of all is kept: an image, and each of its channels, has a brightness of its own
    std::complex<double> mean = 0;
    for (const auto& c : cut) mean += c;
    mean /= static_cast<double>(cut.size());
    double real = 0, imaginary = 0;
    for (const auto& c : cut) {
        const std::complex<double> d = c - mean;
        real += d.real() * d.real(), imaginary += d.imag() * d.imag();
    }
    const auto scale = [&](double power) { return power > 0 ? std::sqrt(static_cast<double>(cut.size()) / power) : 0; };
    for (auto& c : cut) c = {c.real() * scale(real), c.imag() * scale(imaginary)};
    return cut;
}

} // namespace detail

/// Images first .. first + count - 1, count x height x width x channels. shape_error for sizes below 1 or above 4,096
/// pixels a side.
inline tensor<float> noise_images(dim_t first, dim_t count, dim_t height, dim_t width,
                                  const std::vector<channel_values>& channels, std::uint64_t seed = 1,
                                  executor_ref exec = {}) {
    const float_environment scope;
    require(first >= 0 && count >= 0 && height >= 1 && width >= 1 && std::max(height, width) <= 4096,
            "noise_images: ", count, " images of ", height, " x ", width, " pixels");
    constexpr double falling = 1.2, shared = 0.9, own = 0.35, brightness = 0.5;
    const auto depth = static_cast<dim_t>(channels.size());
    tensor<float> images({count, height, width, depth});
    exec.for_each(count, [&](dim_t b, int) {
        const auto image = static_cast<std::uint64_t>(first + b);
        std::vector<std::vector<std::complex<double>>> fields; // two in each: the shared one, then the channels'
        for (std::uint64_t f = 0; f < static_cast<std::uint64_t>(depth) / 2 + 1; ++f)
            fields.push_back(detail::noise_fields(height, width, falling, seed, image << 16 | f));
        const auto field = [&](dim_t i, dim_t p) {
            const std::complex<double> both = fields[static_cast<std::size_t>(i / 2)][static_cast<std::size_t>(p)];
            return i % 2 == 0 ? both.real() : both.imag();
        };
        const double light = brightness * detail::random_normal(seed, image << 16 | 0xFFFF, 0);
        for (dim_t p = 0; p < height * width; ++p)
            for (dim_t c = 0; c < depth; ++c) {
                const channel_values& values = channels[static_cast<std::size_t>(c)];
                const double v = shared * field(0, p) + own * field(c + 1, p) + light;
                images[(b * height * width + p) * depth + c] = std::clamp(
                    static_cast<float>(static_cast<double>(values.mean) + static_cast<double>(values.deviation) * v),
                    values.low, values.high);
            }
    });
    return images;
}

} // namespace intaglio::inline INTAGLIO_ABI::infer
