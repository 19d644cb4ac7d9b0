//! Conditions on values and crossings, and offsets taken from a library's own getters.

use hotspan_synth::region::{Condition, ValueRule};

use super::{SHOP, analyse, catalogue, source};
use crate::catalogue::{Analysis, Catalogue};

/// A region on `pay` with the slots `status` (i32) and `total`, `rate` (f64), and these lines.
fn paying(lines: &str) -> String {
    let read = |slot: &str, kind: &str| {
        format!("  {{ slot = \"{slot}\", from = \"arg0\", offsets = [8], type = \"{kind}\" }},\n")
    };
    format!(
        "library = \"shop\"\n[[region]]\nname = \"shop.pay\"\nsymbols = [\"pay\"]\nread = [\n{}{}{}]\n{lines}\n",
        read("status", "i32"),
        read("total", "f64"),
        read("rate", "f64"),
    )
}

fn value(rule: &str) -> String {
    paying(&format!(
        "[[region.attribute]]\nkey = \"k\"\nvalue = {rule}"
    ))
}

#[test]
fn a_value_can_depend_on_another_slot() {
    let text = value(
        "{ given = { if = { of = \"status\", mask = 8, is_not = [0] }, value = { scaled = { of = \"status\", offset = \"total\", factor = \"rate\" } } } }",
    );
    let analysis = analyse(&catalogue(&text), "c++", SHOP);
    let expected = ValueRule::Given {
        when: Condition {
            slot: 0,
            mask: 8,
            values: vec![0],
            among: false,
        },
        value: Box::new(ValueRule::Scaled {
            slot: 0,
            offset: 1,
            factor: 2,
        }),
    };
    assert_eq!(analysis.regions[0].meaning.attributes[0].value, expected);
}

#[test]
fn a_crossing_can_depend_on_a_slot() {
    let text = paying("only_if = { of = \"status\", is = [1, 2] }");
    let analysis = analyse(&catalogue(&text), "c++", SHOP);
    let expected = Condition {
        slot: 0,
        mask: u64::MAX,
        values: vec![1, 2],
        among: true,
    };
    assert_eq!(analysis.regions[0].meaning.only_if, Some(expected));
}

#[test]
fn a_condition_that_makes_no_sense_is_refused() {
    let given = |condition: &str| {
        value(&format!(
            "{{ given = {{ if = {condition}, value = {{ int = \"status\" }} }} }}"
        ))
    };
    let cases = [
        (
            given("{ of = \"status\" }"),
            "t:11: one of `is` and `is_not`",
        ),
        (
            given("{ of = \"status\", is = [1], is_not = [2] }"),
            "t:11: one of `is` and `is_not`",
        ),
        (
            given("{ of = \"total\", is = [1] }"),
            "t:11: slot `total` holds an f64",
        ),
        (
            paying("only_if = { of = \"nothing\", is = [1] }"),
            "t:10: no read fills slot `nothing`",
        ),
        (
            value("{ scaled = { of = \"status\", offset = \"status\", factor = \"rate\" } }"),
            "t:11: slot `status` holds an integer",
        ),
    ];
    for (text, expected) in cases {
        let error = Catalogue::from_sources(&[source("t", &text)]).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}

const GETTERS: &str = r"
struct Till { long pad[40]; int status; long count; double total; unsigned char open; };
int till_status(struct Till *t) { return t->status; }
long till_count(struct Till *t) { return t->count; }
double till_total(struct Till *t) { return t->total; }
int till_open(struct Till *t) { return t->open; }
int till_first(struct Till **t) { return (*t)->status; }
int till_other(int n, struct Till *t) { return t->status; }
int till_sum(struct Till *t) { return t->status + t->open; }
int pay(struct Till *t) { return ++t->status; }
";

/// The offsets that a read of `pay`'s argument gets from this getter; `None`: no read.
fn offsets_from(getter: &str, offsets: &str) -> Option<Vec<i32>> {
    let text = format!(
        "library = \"shop\"\n[[region]]\nname = \"shop.pay\"\nsymbols = [\"pay\"]\nread = [{{ slot = \"a\", from = \"arg0\", offsets = {offsets}, offset_of = \"{getter}\", type = \"i32\" }}]"
    );
    let analysis: Analysis = analyse(&catalogue(&text), "c", GETTERS);
    let found = &analysis.regions[0];
    assert_eq!(found.reads.is_empty(), found.unread == ["a"]);
    let read = found.reads.first()?;
    Some(read.offsets[..usize::from(read.hops)].to_vec())
}

#[test]
fn getters_say_where_a_field_is() {
    let cases = [
        ("till_status", "[]", Some(vec![320])),
        ("till_count", "[16]", Some(vec![16, 328])),
        ("till_total", "[]", Some(vec![336])),
        ("till_open", "[]", Some(vec![344])),
        ("till_first", "[]", None),
        ("till_other", "[]", None),
        ("till_sum", "[]", None),
        ("absent", "[]", None),
    ];
    for (getter, offsets, expected) in cases {
        assert_eq!(offsets_from(getter, offsets), expected, "{getter}");
    }
}
