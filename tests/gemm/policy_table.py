# SPDX-License-Identifier: Apache-2.0
"""A table of policies: what gemm/policy.hpp accepts compiles and is exact on every instruction set.

    policy_table.py rows KINDS UNIT UNITS   a C++ file with every UNITS-th row of the table, for policy_table.hpp;
                                            KINDS: all, or bytes for those of BYTE_KINDS
    policy_table.py products KINDS          a C++ file with one product of each row, to see that it compiles
    policy_table.py laws                    a C++ file that asks the library for its verdict on combinations of the
                                            answers below, for policy_laws.cpp
    policy_table.py list                    the rows, for people

A policy is a choice for each of seven questions (QUESTIONS). The laws are stated here a second time, in LAWS;
policy_laws.cpp compares both statements.

Not every legal combination can be compiled, so the table covers COVERED: for each of these groups of questions,
answers that occur together in a legal policy occur together in some row. What a kernel is made of is the kind of its
digits, where blocks of scales end and the total, so all threes of those are covered; formats, chains and accumulators
are covered with each kind, and in pairs where they meet elsewhere.
"""

import itertools
import random
import sys

# format: C++, kind, largest magnitude of a digit, of an element, planes
FORMATS = {
    "u8": ("unsigned_fixed<8>", "byte", 255, 255, 1),
    "s8": ("fixed<8>", "signed byte", 127, 127, 1),
    "s4": ("fixed<4>", "signed byte", 7, 7, 1),
    "trits": ("trits<2>", "signed byte", 1, 1, 2),
    "locked2": ("locked_trits<2>", "signed byte", 4, 4, 1),
    "locked3": ("locked_trits<3>", "signed byte", 13, 13, 1),
    "s16": ("fixed<16>", "word", 32767, 32767, 1),
    "u16": ("unsigned_fixed<16>", "wide", 65535, 65535, 1),
    "s28": ("fixed<28>", "wide", 2**27 - 1, 2**27 - 1, 1),
    "bytes": ("byte_planes", "planes", 255, 32768, 1),
    "planar": ("planar_bytes", "planes", 255, 32768, 1),
    "float": ("float32", "float", 0, 0, 1),
}
# sharing: C++, elements of a block
SHARING = {"tensor": ("per_tensor", 0), "row": ("per_row", 0), "block64": ("per_block<64>", 64),
           "block6": ("per_block<6>", 6)}
SUMS = {"i16": ("std::int16_t", 2**15 - 1, 2), "i32": ("std::int32_t", 2**31 - 1, 4),
        "i64": ("std::int64_t", 2**63 - 1, 8), "float": ("float", 0, 4)}
CHAINS = ["one", "three", "long", "proven", "whole"]

QUESTIONS = {
    "lhs": ["u8", "s8", "s16", "u16", "s28", "bytes", "planar", "float", "trits"],
    "rhs": ["s8", "s4", "trits", "locked2", "locked3", "u8", "s16", "s28", "bytes", "planar", "float"],
    "lhs_scales": ["tensor", "row", "block64"],
    "rhs_scales": ["tensor", "row", "block64", "block6"],
    "accumulator": ["i16", "i32", "i64", "float"],
    "total": ["i32", "i64", "float"],
    "chain": CHAINS,
}
COVERED = [("kind", "ends", "total"), ("kind", "lhs"), ("kind", "rhs"), ("kind", "chain"), ("kind", "accumulator"),
           ("code", "ends"), ("code", "total"), ("lhs_scales", "rhs_scales"), ("lhs_scales", "total"),
           ("chain", "total"), ("accumulator", "total")]

# Where digits are chosen by the instruction set; the others are multiplied by the same steps everywhere.
BYTE_KINDS = ["codes", "codes in 16 bits", "signed bytes", "planes", "sixteen bits"]


class Policy(dict):
    """Answers, by question."""

    def __getattr__(self, name):
        return self[name]

    @property
    def block(self):
        return SHARING[self.lhs_scales][1] or SHARING[self.rhs_scales][1]

    @property
    def kind(self):
        """Of the digits that are multiplied, but for what an instruction set chooses."""
        lhs, rhs = FORMATS[self.lhs][1], FORMATS[self.rhs][1]
        if self.lhs in ("s16", "u16") and self.rhs == "s16":
            return "sixteen bits"
        for kind in ("wide", "planes", "float"):
            if kind in (lhs, rhs):
                return kind
        if rhs == "signed byte" and lhs != "word":
            return ("codes in 16 bits" if self.accumulator == "i16" else "codes") if lhs == "byte" else "signed bytes"
        return "words"

    @property
    def ends(self):
        """Whether blocks of scales end within a step of the atom: steps are four bytes, two words, one wide integer."""
        if not self.block:
            return "no blocks"
        return "within steps" if self.block == 6 and ("codes" in self.kind or "bytes" in self.kind) else "at steps"

    @property
    def code(self):
        """What rhs is where its bytes may be narrow or folded."""
        return self.rhs if "codes" in self.kind else ""

    def largest_product(self):
        """Of elements, all planes of rhs together; lhs of a proven policy may be any int16."""
        lhs = 32768 if self.chain == "proven" and self.lhs in ("s16", "bytes") else FORMATS[self.lhs][3]
        return lhs * FORMATS[self.rhs][3] * FORMATS[self.rhs][4]

    def longest_chain(self):
        digits = FORMATS[self.lhs][2] * FORMATS[self.rhs][2]
        return SUMS[self.accumulator][1] // digits if digits else 0

    def chain_length(self):
        """Of a fixed chain; `long`: all that is safe, or the most of a block."""
        if self.chain != "long":
            return {"one": 1, "three": 3}[self.chain]
        safe = max(1, min(self.longest_chain(), 65536))
        return max(n for n in range(1, self.block + 1) if self.block % n == 0 and n <= safe) if self.block else safe

    def chain_cpp(self):
        names = {"proven": "proven_chain", "whole": "whole_chain"}
        return names.get(self.chain) or f"fixed_chain<{self.chain_length()}>"

    def cpp(self, name):
        return (f"struct {name} {{\n"
                f"    using lhs = operand<{FORMATS[self.lhs][0]}, {SHARING[self.lhs_scales][0]}>;\n"
                f"    using rhs = operand<{FORMATS[self.rhs][0]}, {SHARING[self.rhs_scales][0]}>;\n"
                f"    using accumulator = {SUMS[self.accumulator][0]};\n"
                f"    using total = {SUMS[self.total][0]};\n"
                f"    using chain = {self.chain_cpp()};\n"
                f"}};\n")

    def text(self):
        return (f"{self.lhs} by {self.lhs_scales} x {self.rhs} by {self.rhs_scales}, "
                f"{self.accumulator} into {self.total}, chain {self.chain}")


def floats(p):
    return p.lhs == "float"


def planes(p):
    return FORMATS[p.lhs][1] == "planes" or FORMATS[p.rhs][1] == "planes"


# The laws, in the library's order: the first that says yes refuses.
LAWS = {
    "one_kind_of_operands": lambda p: (p.lhs == "float") != (p.rhs == "float"),
    "lhs_planes": lambda p: FORMATS[p.lhs][4] > 1,
    "float_sums": lambda p: floats(p) and (p.accumulator, p.total) != ("float", "float"),
    "float_chain": lambda p: floats(p) and p.chain != "whole",
    "float_scales": lambda p: floats(p) and p.block > 0,
    "integer_accumulator": lambda p: not floats(p) and p.accumulator == "float",
    "integer_chain": lambda p: not floats(p) and p.chain == "whole",
    "equal_byte_planes": lambda p: planes(p) and p.lhs != p.rhs,
    "byte_planes_total": lambda p: planes(p) and (p.total != "i64" or p.block > 0),
    "block_lengths": lambda p: (SHARING[p.lhs_scales][1] > 0 and SHARING[p.rhs_scales][1] > 0 and
                                p.lhs_scales != p.rhs_scales),
    "lhs_blocks_total": lambda p: SHARING[p.lhs_scales][1] > 0 and p.total != "float",
    "proven_total": lambda p: p.chain == "proven" and p.total != "i64",
    "proven_blocks": lambda p: p.chain == "proven" and p.block > 0,
    "safe_chain": lambda p: p.chain in ("one", "three", "long") and p.chain_length() > p.longest_chain(),
    "chain_in_block": lambda p: p.chain in ("one", "three", "long") and p.block % p.chain_length() != 0,
    "wide_total": lambda p: p.total != "float" and SUMS[p.total][2] < SUMS[p.accumulator][2],
    "total_holds_a_product": lambda p: not floats(p) and p.total != "float" and
    (2**31 - 1 if p.total == "i32" else 2**51) < p.largest_product(),
}


def broken_law(p):
    for name, breaks in LAWS.items():
        if breaks(p):
            return name
    return "kept"


def combinations():
    for answers in itertools.product(*QUESTIONS.values()):
        yield Policy(zip(QUESTIONS, answers))


def answers_of(p):
    """The answers that a row covers together."""
    return frozenset((group, tuple(getattr(p, question) for question in group)) for group in COVERED)


def table():
    """Legal policies that cover COVERED, greedily: the next row is the one that covers most of what is left."""
    legal = [p for p in combinations() if broken_law(p) == "kept"]
    random.Random(0).shuffle(legal)
    covers = [answers_of(p) for p in legal]
    left = set().union(*covers)
    rows = []
    while left:
        best = max(range(len(legal)), key=lambda i: len(covers[i] & left))
        rows.append(legal[best])
        left -= covers[best]
    return rows


def rows_of(kinds):
    return [(number, row) for number, row in enumerate(table()) if kinds == "all" or row.kind in BYTE_KINDS]


def products(kinds):
    print('#include "intaglio/gemm/gemm.hpp"\n\nusing namespace intaglio;\n')
    for number, row in rows_of(kinds):
        print(row.cpp(f"row_{number}"))
        print(f"void product_{number}(const lhs_view<row_{number}>& lhs, const rhs_view<row_{number}>& rhs,\n"
              f"    matrix_view<{SUMS[row.total][0]}> out) {{\n    gemm<row_{number}>(lhs, rhs, out);\n}}\n")


def unit(kinds, index, count):
    print('#include "gemm/policy_table.hpp"\n\nnamespace {\n\nusing namespace intaglio;\n')
    rows = rows_of(kinds)[index::count]
    for number, row in rows:
        print(row.cpp(f"row_{number}"))
    print("} // namespace\n")
    for number, row in rows:
        print(f'TEST_CASE("policy {number}: {row.text()}", "[exact]") {{ policy_table::check_row<row_{number}>(); }}')


def asked():
    """Of the combinations that every law refuses, and of the legal ones, as many as tell a difference."""
    by_verdict = {}
    for p in combinations():
        by_verdict.setdefault(broken_law(p), []).append(p)
    for verdict, policies in by_verdict.items():
        most = 1000 if verdict == "kept" else 100
        yield from ((p, verdict) for p in random.Random(1).sample(policies, min(len(policies), most)))


def laws():
    print('#include "gemm/policy_laws.hpp"\n\nusing namespace intaglio;\nusing policy_laws::policy;\n')
    print('const std::vector<policy_laws::verdict> policy_laws::verdicts = {')
    for p, verdict in asked():
        answers = (FORMATS[p.lhs][0], SHARING[p.lhs_scales][0], FORMATS[p.rhs][0], SHARING[p.rhs_scales][0],
                   SUMS[p.accumulator][0], SUMS[p.total][0], p.chain_cpp())
        print(f'    {{broken_law<policy<{", ".join(answers)}>>(), policy_law::{verdict}, "{p.text()}"}},')
    print("};")


if __name__ == "__main__":
    if sys.argv[1] == "rows":
        unit(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[1] == "products":
        products(sys.argv[2])
    elif sys.argv[1] == "laws":
        laws()
    else:
        for number, row in enumerate(table()):
            print(number, row.text())
