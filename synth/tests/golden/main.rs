//! Timelines in, span trees out. See `drawing` for how to draw.

mod crossing;
mod density;
mod devices;
mod drawing;
mod endings;
mod engine;
mod folding;
mod imports;
mod inferred;
mod limits;
mod nested;
mod nesting;
mod parents;
mod parts;
mod phases;
mod resources;
mod roots;
mod servers;
mod shared;
mod tree;
mod waits;
mod workers;

use hotspan_synth::{
    Inference, Limits, Settings, Synth,
    event::Event,
    ids::RegionId,
    region::{AttributeRule, Condition, FailureRule, Meaning, Region, Role, Stage, ValueRule},
};

use crate::drawing::MS;

/// Letters, names and roles of the regions in the drawings.
const REGIONS: &[(char, &str, Role)] = &[
    ('S', "cpsat.solve", Role::Span),
    ('P', "cpsat.presolve", Role::Span),
    ('L', "cpsat.search", Role::Span),
    ('W', "cpsat.worker", Role::Worker),
    ('E', "cpsat.solution", Role::SpanEvent),
    ('F', "cpsat.found", Role::SpanEvent),
    ('H', "highs.run", Role::Span),
    ('Q', "engine.request", Role::Span),
    ('D', "engine.forward", Role::Span),
    ('V', "engine.pass", Role::Worker),
];

fn region(&(letter, name, role): &(char, &str, Role)) -> Event {
    let function = format!("ns::{letter}()");
    let meaning = Meaning {
        numbered: matches!(letter, 'S' | 'H'),
        stage: match letter {
            'Q' => Some(Stage::Request),
            'D' | 'V' => Some(Stage::Forward),
            _ => None,
        },
        attributes: vec![AttributeRule {
            key: "test.id".to_owned(),
            value: ValueRule::Int { slot: 0 },
        }],
        // An event that starts at column 8 in the second row is none.
        only_if: (letter == 'E').then(|| Condition {
            slot: 0,
            mask: u64::MAX,
            values: vec![8_002],
            among: false,
        }),
        // Found solutions belong to the solve, whatever is between.
        event_of: (letter == 'F').then(|| "cpsat.solve".to_owned()),
        // The second crossing fails if it starts at column 13.
        failure: (letter == 'H').then(|| FailureRule {
            slot: 0,
            errors: [(13_002, "highs.error".to_owned())].into(),
        }),
        ..Meaning::default()
    };
    Event::Region(Region {
        role,
        meaning,
        ..Region::span(RegionId(u32::from(letter)), name, &function, "libtest.so")
    })
}

/// What a drawing gives, with limits and with attributes shown.
struct Case<'a> {
    limits: Limits,
    inference: Inference,
    shown: &'a [&'a str],
}

impl Default for Case<'_> {
    fn default() -> Self {
        Self {
            limits: Limits {
                child_wait_ns: 100 * MS,
                ..Limits::default()
            },
            // Drawings are narrow: a column is a millisecond.
            inference: Inference {
                min_span_ns: 3 * MS,
                hole_ns: 3 * MS,
                ..Inference::default()
            },
            shown: &[],
        }
    }
}

impl<'a> Case<'a> {
    /// One that shows these attributes.
    fn showing(shown: &'a [&'a str]) -> Self {
        Self {
            shown,
            ..Self::default()
        }
    }

    #[track_caller]
    fn check(&self, drawing: &str, expected: &str) {
        let settings = Settings {
            seed: 1,
            settle_ns: 20 * MS,
            limits: self.limits.clone(),
            inference: Some(self.inference.clone()),
        };
        let mut synth = Synth::new(settings);
        let mut spans = Vec::new();
        let (events, end) = drawing::events(drawing);
        for event in REGIONS.iter().map(region).chain(events) {
            synth.handle(event, &mut spans);
        }
        synth.finish(end, &mut spans);
        let found = tree::render(&spans, &synth.summary(), self.shown);
        let expected = unindented(expected);
        assert!(
            found == expected,
            "\nexpected:\n{expected}\nfound:\n{found}"
        );
    }
}

#[track_caller]
fn check(drawing: &str, expected: &str) {
    Case::default().check(drawing, expected);
}

fn unindented(text: &str) -> String {
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let indent = lines()
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    let lines: Vec<&str> = lines().map(|line| line[indent..].trim_end()).collect();
    lines.join("\n") + "\n"
}
