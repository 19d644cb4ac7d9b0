//! Regions of devices: memory, launches, and calls that are part of others.

use hotspan_common::{Base, RegionFlags};
use hotspan_synth::region::MemoryEffect;

use super::{Catalogue, analyse, catalogue, source};

const SHOP: &str = "int take(void **to, int n) { static int sum; *to = &sum; return sum += n; }";

const HEAD: &str = "library = \"shop\"\n[[region]]\nname = \"shop.take\"\nsymbols = [\"take\"]\n";
const READ: &str = "read = [{ slot = \"n\", from = \"arg1\", type = \"i32\" }, { slot = \"at\", when = \"exit\", from = \"arg0\", offsets = [0], type = \"u64\" }, { slot = \"result\", from = \"result\", type = \"i32\" }]\n";

#[test]
fn memory_is_sent_whatever_its_parent() {
    let text = format!(
        "{HEAD}{READ}memory = {{ effect = \"allocates\", result = \"result\", address = \"at\", bytes = \"n\" }}\nmin_duration = \"2ms\""
    );
    let analysis = analyse(&catalogue(&text), "c", SHOP);
    let found = &analysis.regions[0];
    let memory = found.meaning.memory.as_ref().unwrap();
    let expected = MemoryEffect::Allocates {
        address: 1,
        bytes: 0,
    };
    assert_eq!((memory.effect, memory.result), (expected, 2));
    assert_eq!(memory.min_ns, 2_000_000);
    assert_eq!(
        found.capture.flags & RegionFlags::LEDGER,
        RegionFlags::LEDGER
    );
}

#[test]
fn bursts_of_one_name_are_one() {
    let text = "library = \"shop\"\n[[region]]\nname = \"shop.take\"\nrole = \"tally\"\nsymbols = [\"take\"]\ncount_by = { from = \"arg1\", key = \"shop.taken\" }\n[[region]]\nname = \"shop.take\"\nrole = \"tally\"\ngroup = \"shop\"\noutermost = true\nsymbols = [\"give\"]\n[[region]]\nname = \"shop.lend\"\nrole = \"tally\"\nsymbols = [\"lend\"]";
    let code =
        format!("{SHOP} int give(int n) {{ return n + 1; }} int lend(int n) {{ return n + 2; }}");
    let analysis = analyse(&catalogue(text), "c", &code);
    let of = |symbol: &str| (analysis.regions.iter()).find(|found| found.symbol == symbol);
    let (take, give, lend) = (
        of("take").unwrap(),
        of("give").unwrap(),
        of("lend").unwrap(),
    );
    assert_eq!(take.spec().burst, give.spec().burst);
    assert_ne!(take.spec().burst, lend.spec().burst);
    assert_eq!(take.spec().count_by, 1 + u32::from(Base::Arg1.wire()));
    assert_eq!(
        give.capture.flags & RegionFlags::OUTERMOST,
        RegionFlags::OUTERMOST
    );
    // Both lie in the one segment of code.
    let around = |spec: hotspan_common::RegionSpec| spec.code_before + spec.code_after;
    assert_eq!(around(take.spec()), around(give.spec()));
    assert!(take.spec().code_after > 0);
}

#[test]
fn mistakes_are_named() {
    let cases = [
        (
            "memory = { effect = \"frees\", result = \"result\" }",
            "t:3: memory: `address` is needed here",
        ),
        (
            "memory = { effect = \"frees\", result = \"x\", address = \"at\" }",
            "t:6: no read fills slot `x`",
        ),
        (
            "count_by = { from = \"arg0\", key = \"k\" }",
            "t:6: count_by: only entries that are counted",
        ),
        (
            "role = \"tally\"\ncount_by = { from = \"stack\", key = \"k\" }",
            "t:7: count_by: `from` is arg0 or arg1",
        ),
        ("outermost = true", "t:3: outermost: within which `group`?"),
        (
            "engine = \"n\"",
            "t:6: engine: only what holds a `sequence` has it",
        ),
    ];
    for (line, expected) in cases {
        let text = format!("{HEAD}{READ}{line}");
        let error = Catalogue::from_sources(&[source("t", &text)]).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with(expected), "{line}\n{error}");
    }
}
