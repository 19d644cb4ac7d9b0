//! Regions whose crossings are joined, or only counted.

use hotspan_common::{RegionFlags, TALLY_SLOT};
use hotspan_synth::region::{Stage, ValueRule};

use super::{Catalogue, RegionRole, analyse, catalogue, source};

const SHOP: &str = "int step(void *engine, int n) { static int sum; return sum += n; }";

const HEAD: &str = "library = \"shop\"\n[[region]]\nname = \"shop.step\"\nsymbols = [\"step\"]\nread = [{ slot = \"n\", from = \"arg1\", type = \"i32\" }, { slot = \"engine\", from = \"arg0\", type = \"u64\" }]\n";

#[test]
fn a_rule_names_its_slots() {
    let text = format!(
        "{HEAD}[region.fold]\nby = \"engine\"\nidle = \"250ms\"\nsum = [\"n\"]\nrate = {{ of = \"n\", key = \"shop.rate\" }}\nopening = {{ name = \"shop.first\", until = \"shop.other\", length = \"n\" }}"
    );
    let analysis = analyse(&catalogue(&text), "c", SHOP);
    let found = &analysis.regions[0];
    let fold = found.meaning.fold.as_ref().unwrap();
    assert_eq!((fold.by, fold.idle_ns), (Some(1), 250_000_000));
    assert_eq!(fold.sum, [0]);
    assert_eq!(fold.rate.as_ref().unwrap().slot, 0);
    let opening = fold.opening.as_ref().unwrap();
    assert_eq!((opening.name.as_str(), opening.length), ("shop.first", 0));
    assert_eq!(
        found.capture.flags & RegionFlags::KEEP_ALL,
        RegionFlags::KEEP_ALL
    );
}

#[test]
fn a_stage_is_kept_however_brief() {
    let text = format!("{HEAD}stage = \"forward\"\nnumbered = true");
    let analysis = analyse(&catalogue(&text), "c", SHOP);
    let found = &analysis.regions[0];
    assert_eq!(
        (found.meaning.stage, found.meaning.numbered),
        (Some(Stage::Forward), true)
    );
    assert_eq!(
        found.capture.flags & RegionFlags::KEEP_ALL,
        RegionFlags::KEEP_ALL
    );
}

#[test]
fn a_tally_has_no_exits_and_a_count() {
    let text = "library = \"shop\"\n[[region]]\nname = \"shop.step\"\nrole = \"tally\"\nsymbols = [\"step\"]";
    let analysis = analyse(&catalogue(text), "c", SHOP);
    let found = &analysis.regions[0];
    assert_eq!(found.capture.role, RegionRole::Tally);
    assert!(found.exits.is_empty());
    assert_eq!(found.capture.flags & RegionFlags::TALLY, RegionFlags::TALLY);
    let count = &found.meaning.attributes[0];
    assert_eq!(count.key, "hotspan.count");
    assert_eq!(count.value, ValueRule::Int { slot: TALLY_SLOT });
}

#[test]
fn mistakes_are_named() {
    let cases = [
        ("fold = { by = \"x\" }", "t:6: no read fills slot `x`"),
        ("fold = { idle = \"soon\" }", "t:6: idle: "),
        (
            "fold = { rate = { of = \"n\", key = \"k\" } }",
            "t:6: rate: `n` is not among `sum`",
        ),
        (
            "fold = {}\nrole = \"span_event\"",
            "t:3: fold: only spans can be joined",
        ),
        (
            "fold = { opening = { name = \"First\", until = \"a.b\", length = \"n\" } }",
            "t:6: `First` is no region name",
        ),
        ("fold = { unknown = 1 }", "t:6: unknown field `unknown`"),
        (
            "fold = {}\nnumbered = true",
            "t:3: numbered: only whole calls can be",
        ),
        (
            "fold = {}\nstage = \"request\"",
            "t:3: stage: only spans have one, and a request is no repetition",
        ),
        (
            "role = \"tally\"\nstage = \"forward\"",
            "t:3: stage: only spans have one",
        ),
        ("stage = \"later\"", "t:6: unknown variant `later`"),
    ];
    for (rule, expected) in cases {
        let text = format!("{HEAD}{rule}");
        let error = Catalogue::from_sources(&[source("t", &text)]).unwrap_err();
        assert!(
            error.to_string().starts_with(expected),
            "{error}\nfor\n{text}"
        );
    }
}
