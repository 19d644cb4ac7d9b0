//! Names of every kind of symbol that the catalogue's libraries have.

use super::{function_name, short_name};

/// Symbol, function, short name.
const CASES: &[(&str, &str, &str)] = &[
    ("_ZN5Highs3runEv", "Highs::run", "Highs::run"),
    ("cblas_dgemm", "cblas_dgemm", "cblas_dgemm"),
    (
        "_ZN19operations_research3sat12SolveCpModelERKNS0_12CpModelProtoEPNS0_5ModelE",
        "operations_research::sat::SolveCpModel",
        "SolveCpModel",
    ),
    (
        "_ZN19operations_research3sat12SolveCpModelERKNS0_12CpModelProtoEPNS0_5ModelE.cold",
        "operations_research::sat::SolveCpModel",
        "SolveCpModel",
    ),
    (
        "_ZZN19operations_research3sat12_GLOBAL__N_19LnsSolver12GenerateTaskElENKUlvE_clEv",
        "operations_research::sat::(anonymous namespace)::LnsSolver::GenerateTask(long)::{lambda()#1}::operator()",
        "LnsSolver::GenerateTask",
    ),
    (
        "_ZNSt6vectorIiSaIiEE9push_backEOi",
        "std::vector<int, std::allocator<int> >::push_back",
        "push_back",
    ),
    (
        "_ZN4core3fmt9Formatter9write_str17h0123456789abcdefE",
        "core::fmt::Formatter::write_str",
        "Formatter::write_str",
    ),
    (
        "_ZN52_$LT$shop..Cart$u20$as$u20$core..ops..drop..Drop$GT$4drop17h0123456789abcdefE",
        "<shop::Cart as core::ops::drop::Drop>::drop",
        "Cart::drop",
    ),
    ("_Z", "_Z", "_Z"),
    ("", "", ""),
];

#[test]
fn names_functions() {
    for (symbol, function, short) in CASES {
        assert_eq!(function_name(symbol), *function, "{symbol}");
        assert_eq!(short_name(symbol), *short, "{symbol}");
    }
}
