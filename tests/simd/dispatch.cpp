// SPDX-License-Identifier: Apache-2.0

#include <cstdlib>
#include <string>
#include <type_traits>
#include <vector>

#include "intaglio/simd/arch.hpp"
#include "intaglio/simd/dispatch.hpp"
#include "support/catch.hpp"

using namespace intaglio;

namespace {

/// Sets INTAGLIO_ARCH_LIMIT for a scope, null to remove it.
class arch_limit {
public:
    explicit arch_limit(const char* arch) {
        if (const char* before = std::getenv(name)) before_ = before;
        set(arch);
    }
    ~arch_limit() { set(before_.empty() ? nullptr : before_.c_str()); }

private:
    static constexpr const char* name = "INTAGLIO_ARCH_LIMIT";
    static void set(const char* value) { value ? setenv(name, value, 1) : unsetenv(name); }
    std::string before_;
};

const int one = 1, two = 2, three = 3;
using entry = simd::arch_table<int>;

} // namespace

TEST_CASE("every machine supports portable, and this one what the test is compiled for", "[unit][simd]") {
    CHECK(simd::cpu_supports("portable"));
    CHECK(simd::cpu_supports(simd::native_arch::name));
    // one of the two kinds of machine that the library knows
    CHECK(simd::cpu_supports("neon") != simd::cpu_supports("sse41"));
}

TEST_CASE("an arch implies those that it extends", "[unit][simd]") {
    const auto implies = [](const char* arch, const char* ancestor) {
        return !simd::cpu_supports(arch) || simd::cpu_supports(ancestor);
    };
    CHECK(implies("avx2", "sse41"));
    CHECK(implies("avx_vnni", "avx2"));
    CHECK(implies("avx512bw", "avx2"));
    CHECK(implies("avx512_vnni", "avx512bw"));
    CHECK(implies("amx", "avx512_vnni"));
    CHECK(implies("neon_dot", "neon"));
}

TEST_CASE("what is missing is said in words, unknown names are value errors", "[unit][simd]") {
    for (const auto arch : simd::arch_order) CHECK(simd::cpu_supports(arch) == simd::cpu_lacks(arch).empty());
    CHECK_FALSE(simd::cpu_lacks(simd::cpu_supports("neon") ? "avx2" : "neon").empty());
    CHECK_THROWS_AS(simd::cpu_supports("sse9"), value_error);
    CHECK_THROWS_WITH(simd::cpu_supports("sse9"), Catch::Contains("'sse9'") && Catch::Contains("avx512_vnni"));
}

TEST_CASE("the best table is the most preferred that the CPU supports", "[unit][simd]") {
    const arch_limit none(nullptr);
    const std::vector<entry> portable_last{{"amx", &three}, {"portable", &one}};
    CHECK(simd::best<int>(portable_last) == (simd::cpu_supports("amx") ? three : one));
    const std::string native = simd::native_arch::name;
    const std::vector<entry> two_entries{{native, &two}, {"portable", &one}};
    CHECK(simd::best_entry<int>(two_entries).arch == native);
}

TEST_CASE("INTAGLIO_ARCH_LIMIT holds a program to a lower arch", "[unit][simd]") {
    const std::string native = simd::native_arch::name;
    const std::vector<entry> both{{native, &two}, {"portable", &one}};
    {
        const arch_limit portable("portable");
        CHECK(simd::best_entry<int>(both).arch == "portable");
        CHECK(simd::arch_allowed("portable"));
        CHECK_FALSE(simd::arch_allowed("avx2"));
    }
    {
        const arch_limit empty("");
        CHECK(simd::best_entry<int>(both).arch == native);
    }
    {
        const arch_limit unknown("sse9");
        CHECK_THROWS_AS(simd::best<int>(both), value_error);
    }
}

TEST_CASE("no usable table is a value error that names what was offered", "[unit][simd]") {
    const arch_limit none(nullptr);
    const char* foreign = simd::cpu_supports("neon") ? "avx2" : "neon";
    const std::vector<entry> offered{{foreign, &one}};
    CHECK_THROWS_AS(simd::best<int>(offered), value_error);
    CHECK_THROWS_WITH(simd::best<int>(offered), Catch::Contains(foreign));
    CHECK_THROWS_AS(simd::best<int>(std::vector<entry>{}), value_error);
}
