//! Where a region's function is probed: exits before the `ret`, last calls that are left out, moments.

use super::{analyse, catalogue, source};
use crate::{
    catalogue::{Analysis, Catalogue},
    object::exits::{Execution, shadow_stacks},
};

/// The exits of the only region that are stepped.
fn stepped(analysis: &Analysis) -> usize {
    let [pay] = &analysis.regions[..] else {
        panic!("{analysis:?}");
    };
    let stepped = (pay.exits.iter()).filter(|exit| exit.execution == Execution::Stepped);
    let stepped = stepped.count();
    assert_eq!(pay.kept.is_empty(), stepped == 0, "{:?}", pay.kept);
    stepped
}

/// Before the `ret`, where probing is cheap, the result must be in a register already.
#[test]
fn a_result_that_is_computed_last_keeps_the_exits_at_the_return() {
    let stepped = |from: &str, result: &str| {
        let text = format!(
            "library = \"shop\"\n[[region]]\nname = \"shop.pay\"\nsymbols = [\"pay\"]\nread = [{{ slot = \"x\", from = \"{from}\", offsets = [0], when = \"exit\", type = \"i32\" }}]"
        );
        let code = format!(
            "__attribute__((noinline, noclone)) int work(int n) {{ asm volatile(\"\" ::: \"memory\"); return n; }}
             extern \"C\" int pay(int n) {{ while (work(n) > 0) {{}} return {result}; }}"
        );
        stepped(&analyse(&catalogue(&text), "c++", &code))
    };
    assert_eq!(stepped("arg0", "n + 1"), 0);
    assert_eq!(stepped("result", "n + 1"), 1);
    assert_eq!(stepped("result", "n"), 0);
}

#[test]
fn a_region_can_end_before_a_last_call() {
    let code = r#"
__attribute__((noinline, noclone)) int work(int n) { asm volatile("" ::: "memory"); return n; }
extern "C" __attribute__((noinline, noclone)) void report(int n) { asm volatile("" ::: "memory"); }
extern "C" int pay(int n) { int left = work(n); if (left < 0) report(left); return left; }
"#;
    let text = |more: &str| {
        format!("library = \"shop\"\n[[region]]\nname = \"shop.pay\"\nsymbols = [\"pay\"]\n{more}")
    };
    let stepped = |more: &str| stepped(&analyse(&catalogue(&text(more)), "c++", code));
    assert_eq!(stepped("ends_before = [\"absent\"]"), 1);
    assert_eq!(stepped("ends_before = [\"report\"]"), 0);
    let tally = text("role = \"tally\"\nends_before = [\"report\"]");
    let error = Catalogue::from_sources(&[source("t", &tally)]).unwrap_err();
    assert!(error.to_string().contains("ends_before"), "{error}");
}

/// Where a function makes the call in one place, that is probed: calls by others are none of its business.
#[test]
fn a_moment_is_taken_at_the_only_call() {
    let code = r#"
extern "C" __attribute__((noinline, noclone)) void tell(int n) { asm volatile("" ::: "memory"); }
extern "C" int pay(int n) { tell(n); asm volatile("" ::: "memory"); return n + 1; }
extern "C" int owe(int n) { tell(-n); asm volatile("" ::: "memory"); return n - 1; }
"#;
    let text = "library = \"shop\"\n[[region]]\nname = \"shop.paid\"\nsymbols = [\"pay\"]\nat_call = \"tell\"\nrole = \"span_event\"\n[[region]]\nname = \"shop.pay\"\nsymbols = [\"pay\"]\n[[region]]\nname = \"shop.tell\"\nsymbols = [\"tell\"]";
    let analysis = analyse(&catalogue(text), "c++", code);
    let entry = |name: &str| {
        let mut regions = analysis.regions.iter();
        let region = regions.find(|region| region.name == name);
        region.map(|region| (region.entry, region.spec().caller, region.exits.len()))
    };
    let (Some((paid, caller, 0)), Some((pay, ..))) = (entry("shop.paid"), entry("shop.pay")) else {
        panic!("{analysis:?}");
    };
    if shadow_stacks::are_possible() {
        assert_ne!(caller, [0, 0]);
        assert_eq!(entry("shop.tell"), None, "armed on the same function");
    } else {
        assert_eq!(caller, [0, 0]);
        assert!(pay < paid && entry("shop.tell").is_some());
    }
}

/// Who calls is told by the return address, which lies in the caller's code.
#[test]
fn a_moment_is_taken_where_one_function_calls_another() {
    let code = r#"
extern "C" __attribute__((noinline, noclone)) void tell(int n) { asm volatile("" ::: "memory"); }
extern "C" int pay(int n) { tell(n); asm volatile("" ::: "memory"); tell(n + 1); asm volatile("" ::: "memory"); return n + 1; }
extern "C" int owe(int n) { tell(-n); asm volatile("" ::: "memory"); return n - 1; }
"#;
    let text = |callee: &str, more: &str| {
        format!(
            "library = \"shop\"\n[[region]]\nname = \"shop.paid\"\nsymbols = [\"pay\"]\nat_call = \"{callee}\"\n{more}"
        )
    };
    let event = "role = \"span_event\"\nread = [{ slot = \"n\", from = \"arg0\", type = \"i32\" }]";
    let both = format!(
        "{}\n[[region]]\nname = \"shop.pay\"\nsymbols = [\"pay\", \"tell\"]",
        text("tell", event)
    );
    let analysis = analyse(&catalogue(&both), "c++", code);
    let by_name = |name: &str| {
        (analysis.regions.iter())
            .find(|region| region.name == name)
            .unwrap()
    };
    let (paid, pay) = (by_name("shop.paid"), by_name("shop.pay"));
    assert!(paid.exits.is_empty() && !pay.exits.is_empty());
    let [from, to] = paid.spec().caller.map(i64::from);
    // From the probe to the caller: all of that function, and not the other one that calls.
    let probe = paid.entry.cast_signed();
    assert_eq!((probe + from, from < to), (pay.entry.cast_signed(), true));
    assert!(
        pay.exits
            .iter()
            .all(|exit| (probe + from..probe + to).contains(&exit.file_offset.cast_signed()))
    );
    let reasons: Vec<String> = analysis
        .refused
        .iter()
        .map(|refused| refused.reason.to_string())
        .collect();
    assert_eq!(
        reasons,
        ["shop.paid is armed on the same function"],
        "shop.pay on tell"
    );
    let absent = analyse(&catalogue(&text("absent", event)), "c++", code);
    assert_eq!(absent.regions.len(), 0);
    assert!(absent.refused[0].reason.to_string().contains("absent"));
    let at_exit = event.replace("arg0", "result");
    for wrong in ["", &at_exit] {
        let error = Catalogue::from_sources(&[source("t", &text("tell", wrong))]).unwrap_err();
        assert!(error.to_string().contains("at_call"), "{error}");
    }
}
