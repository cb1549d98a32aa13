// SPDX-License-Identifier: Apache-2.0
#include "intaglio/io/atomic_file.hpp"

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/catch.hpp"
#include "support/message_of.hpp"
#include "support/temporary_folder.hpp"

namespace intaglio::io {
namespace {

void write(const std::string& path, const std::string& text) {
    write_file_atomically(path, {std::span<const char>(text)});
}
std::string text_of(const std::string& path) { return std::string(read_file(path).text()); }

unsigned mode_of(const std::string& path) {
    struct stat status;
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 07777;
}
std::ptrdiff_t files_in(const temporary_folder& folder) {
    return std::distance(std::filesystem::directory_iterator(folder.path), {});
}

} // namespace

TEST_CASE("parts follow each other", "[unit]") {
    const temporary_folder folder;
    write_file_atomically(folder.file("f"), {});
    REQUIRE(text_of(folder.file("f")).empty());
    write_file_atomically(folder.file("f"), {std::span<const char>("ab", 2), std::span<const char>(), {"c", 1}});
    REQUIRE(text_of(folder.file("f")) == "abc");
    const std::string longest(255, 'n'); // the longest name that file systems have
    write(folder.file(longest), "x");
    REQUIRE(text_of(folder.file(longest)) == "x");
    REQUIRE(files_in(folder) == 2);
}

TEST_CASE("threads and processes that save to one path never fail, and nobody sees a torn file", "[unit]") {
    const temporary_folder folder;
    const std::string path = folder.file("checkpoint");
    constexpr int writers = 4, saves = 60;
    const auto text = [](int writer, int save) { // long, and of one letter: a mixture would show
        return std::string(static_cast<std::size_t>(20'000 + 1'000 * writer + save), static_cast<char>('a' + writer));
    };
    write(path, text(0, 0));
    std::atomic<int> failed{0}, torn{0};
    std::atomic<bool> done{false};
    std::thread reader([&] {
        while (!done) {
            try {
                const std::string seen = text_of(path);
                const bool whole = seen.size() >= 20'000 && seen.find_first_not_of(seen[0]) == std::string::npos &&
                                   static_cast<int>(seen.size() - 20'000) / 1'000 == seen[0] - 'a';
                torn += !whole;
            } catch (const error&) {
                ++torn;
            }
        }
    });
    const pid_t child = ::fork(); // only async-signal-safe work is safe in it, but nothing here holds a lock
    if (child == 0) {
        try {
            for (int i = 0; i < saves; ++i) write(path, text(writers, i));
        } catch (...) {
            ::_exit(1);
        }
        ::_exit(0);
    }
    std::vector<std::thread> threads;
    for (int w = 0; w < writers; ++w)
        threads.emplace_back([&, w] {
            for (int i = 0; i < saves; ++i) try {
                    write(path, text(w, i));
                } catch (const error&) {
                    ++failed;
                }
        });
    for (auto& t : threads) t.join();
    int status = -1;
    ::waitpid(child, &status, 0);
    done = true;
    reader.join();
    REQUIRE(failed == 0);
    REQUIRE(torn == 0);
    REQUIRE(status == 0);
    REQUIRE(files_in(folder) == 1);
}

TEST_CASE("links stay and what they name is replaced", "[unit]") {
    const temporary_folder folder;
    namespace fs = std::filesystem;
    fs::create_directory(folder.path / "real");
    write(folder.file("real/f"), "old");
    fs::create_symlink("real/f", folder.path / "near");
    fs::create_symlink(folder.path / "near", folder.path / "far"); // absolute, to a link
    fs::create_directory_symlink("real", folder.path / "folder");
    for (const char* const name : {"near", "far", "folder/f"}) {
        CAPTURE(name);
        write(folder.file(name), name);
        REQUIRE(text_of(folder.file("real/f")) == name);
    }
    REQUIRE(fs::is_symlink(folder.path / "near"));
    REQUIRE(fs::is_symlink(folder.path / "far"));
    fs::create_symlink("real/new", folder.path / "dangling");
    write(folder.file("dangling"), "made");
    REQUIRE(text_of(folder.file("real/new")) == "made");
    REQUIRE(fs::is_symlink(folder.path / "dangling"));
    fs::create_symlink("round", folder.path / "round");
    REQUIRE(mentions<file_error>([&] { write(folder.file("round"), "x"); }, "round", "symbolic links"));
    REQUIRE(files_in(folder) == 6);
    REQUIRE(std::distance(fs::directory_iterator(folder.path / "real"), {}) == 2);
}

TEST_CASE("the mode of the old file is kept, a new one has what the umask leaves", "[unit]") {
    const temporary_folder folder;
    const mode_t before = ::umask(027);
    write(folder.file("new"), "x");
    REQUIRE(mode_of(folder.file("new")) == 0640);
    for (const unsigned mode : {0600u, 0644u, 0666u, 0700u, 0755u, 0620u}) {
        CAPTURE(mode);
        REQUIRE(::chmod(folder.file("new").c_str(), mode) == 0);
        write(folder.file("new"), "y");
        REQUIRE(mode_of(folder.file("new")) == mode);
    }
    ::umask(before);
}

TEST_CASE("a failed write leaves the old file and nothing else, and says why", "[unit]") {
    const temporary_folder folder;
    write(folder.file("f"), "old");
    REQUIRE(mentions<file_error>([&] { write(folder.file("none/f"), "new"); }, folder.file("none/f"), "No such file"));
    REQUIRE(mentions<file_error>([&] { write(folder.file("f/f"), "new"); }, folder.file("f/f"), "Not a directory"));
    REQUIRE(mentions<file_error>([&] { write(folder.path.string(), "new"); }, "is a directory"));
    REQUIRE(mentions<file_error>([&] { write(folder.file("d/"), "new"); }, folder.file("d/")));
    REQUIRE(mentions<file_error>([] { write("", "new"); }, "No such file"));
    REQUIRE(mentions<file_error>([] { write("/dev/null", "new"); }, "/dev/null", "not a regular file"));
    REQUIRE(mentions<file_error>([&] { write(folder.file(std::string(256, 'n')), "new"); }, "too long"));
    if (::geteuid() != 0) { // root may write anyway
        REQUIRE(::chmod(folder.file("f").c_str(), 0444) == 0);
        REQUIRE(mentions<file_error>([&] { write(folder.file("f"), "new"); }, "Permission denied"));
    }
    REQUIRE(text_of(folder.file("f")) == "old");
    REQUIRE(files_in(folder) == 1);
}

TEST_CASE("a disk that is full leaves the old file and nothing else", "[unit]") {
    const temporary_folder folder;
    write(folder.file("f"), "old");
    const pid_t child = ::fork(); // the limit stays in the child
    if (child == 0) {
        ::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{1000, 1000};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        const bool good = mentions<file_error>([&] { write(folder.file("f"), std::string(5'000, 'x')); },
                                               folder.file("f"), "can't be written", "too large");
        ::_exit(good ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    REQUIRE(status == 0);
    REQUIRE(text_of(folder.file("f")) == "old");
    REQUIRE(files_in(folder) == 1);
}

} // namespace intaglio::io
