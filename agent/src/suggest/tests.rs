use hotspan_synth::{
    event::{Event, Frame, Function, Language, ParentRead, Sample, SampleReason},
    ids::{FunctionId, TargetId},
    time::KernelTime,
};

use super::{Candidate, Suggestion, Tally, choose};
use crate::catalogue::{Catalogue, Source};

/// Numbers, languages, names, objects.
const FUNCTIONS: &[(u32, Language, &str, &str)] = &[
    (1, Language::Python, "handler", "app.py"),
    (2, Language::Native, "shop::Cart::price", "libshop.so.1"),
    (3, Language::Native, "shop::Cart::total", "libshop.so.1"),
    (4, Language::Native, "memcpy", "libc.so.6"),
    (5, Language::Native, "main", "server"),
    (6, Language::Native, "serve", "server"),
    (7, Language::Native, "hash", "server"),
    (8, Language::Unnamed, "libshop.so.1+0x10", "libshop.so.1"),
];

fn tally(stacks: &[(&[u32], u64)]) -> Tally {
    let mut tally = Tally::default();
    for &(id, language, name, object) in FUNCTIONS {
        tally.hear(&Event::Function(Function {
            id: FunctionId(id),
            language,
            name: name.to_owned(),
            qualified: name.to_owned(),
            file: String::new(),
            object: object.to_owned(),
        }));
    }
    for (stack, times) in stacks {
        for _ in 0..*times {
            let frame = |id: &u32| Frame {
                function: FunctionId(*id),
                line: 0,
            };
            tally.hear(&Event::Sample(Sample {
                target: TargetId(1),
                thread: 1,
                time: KernelTime(1),
                reason: SampleReason::Timer(1),
                next_ns: 0,
                queued_ns: 0,
                idle_until: None,
                change: None,
                enclosing: None,
                parent: ParentRead::None("no_active_span".to_owned()),
                context: 0,
                stack: stack.iter().map(frame).collect(),
                is_complete: true,
            }));
        }
    }
    tally
}

fn names(tally: &Tally) -> Vec<String> {
    let chosen = choose(tally).into_iter();
    chosen
        .map(|it| format!("{} {} {}", it.function, it.within, it.itself))
        .collect()
}

#[test]
fn of_a_chain_under_python_the_outermost_stays() {
    let tally = tally(&[(&[1, 2, 3], 45), (&[1, 2, 3, 4], 50), (&[1], 5)]);
    assert_eq!(names(&tally), ["shop::Cart::price 950 0"]);
}

#[test]
fn of_a_native_thread_the_innermost_stays() {
    let tally = tally(&[(&[5, 6, 7], 95), (&[5, 6], 5)]);
    assert_eq!(names(&tally), ["hash 950 950"]);
}

#[test]
fn functions_that_differ_stay_and_rare_and_nameless_ones_go() {
    let tally = tally(&[(&[1, 2, 3], 30), (&[1, 2], 40), (&[1, 7], 1), (&[1, 8], 29)]);
    assert_eq!(
        names(&tally),
        ["shop::Cart::price 700 400", "shop::Cart::total 300 300"]
    );
}

#[test]
fn a_recursive_function_is_in_a_stack_once() {
    let tally = tally(&[(&[1, 2, 2, 2], 10)]);
    assert_eq!(names(&tally), ["shop::Cart::price 1000 1000"]);
}

#[test]
fn what_is_written_can_be_read() {
    let candidate = |function: &str, object: &str| Candidate {
        function: function.to_owned(),
        object: object.to_owned(),
        within: 123,
        itself: 4,
    };
    let mut suggestion = Suggestion::new(
        "Of a test.".to_owned(),
        vec![
            candidate("shop::Cart::BuildPrice", "libshop.so.1"),
            candidate("other::buildPrice", "libshop-2.so"),
            candidate("ns::sort<std::less<int> >", "Ünder score"),
            candidate("<impl \"quoted\">", "\nlibrary = 1"),
            candidate("FAST_Sum", "libshop.so.1"),
            candidate("gone", "libshop.so.1"),
        ],
    );
    suggestion.keep(|name| name != "shop.gone");
    let text = suggestion.to_string();
    assert!(text.contains("can't be probed by its name: gone"), "{text}");
    let source = Source {
        name: "suggested".to_owned(),
        text: text.clone(),
        is_shipped: false,
    };
    let catalogue = Catalogue::from_sources(&[source]).unwrap_or_else(|error| {
        panic!("{error}\n{text}");
    });
    assert_eq!(
        catalogue.region_names(),
        [
            "shop.build_price",
            "shop.build_price_2",
            "nder_score.sort",
            "library_1.impl_quoted",
            "shop.fast_sum"
        ]
    );
}
