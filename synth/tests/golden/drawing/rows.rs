//! Rows of a drawing: labels, and runs of letters.

use hotspan_synth::event::Ending;

pub struct Row<'a> {
    pub target: u32,
    pub thread: u32,
    pub creator: Option<u32>,
    pub parent: Option<&'a str>,
    pub delivery: Delivery,
    pub cells: &'a str,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Delivery {
    AtEnd,
    Late(u64),
    Lost,
}

/// Whether a row's label ends in a word for samples or waits.
pub fn has_evidence(label: &str) -> bool {
    let word = label.split_whitespace().nth(1);
    word.is_some_and(|word| word != "lost" && !word.starts_with("late="))
}

pub fn row<'a>(label: &'a str, cells: &'a str) -> Row<'a> {
    let (label, delivery) = match label.split_once(' ') {
        None => (label, Delivery::AtEnd),
        Some((label, "lost")) => (label, Delivery::Lost),
        Some((label, rest)) => {
            let column = rest
                .trim()
                .strip_prefix("late=")
                .expect("`late=COLUMN` or `lost`");
            (label, Delivery::Late(column.parse().expect("a column")))
        }
    };
    let number = |text: &str| text.parse::<u32>().expect("a number in the label");
    let (target, label) = label
        .split_once(':')
        .map_or((1, label), |(id, rest)| (number(id), rest));
    let (label, parent) = label
        .split_once('/')
        .map_or((label, None), |(l, p)| (l, Some(p)));
    let (thread, creator) = label
        .split_once('<')
        .map_or((label, None), |(l, c)| (l, Some(c)));
    let (thread, creator) = (number(thread), creator.map(number));
    Row {
        target,
        thread,
        creator,
        parent,
        delivery,
        cells,
    }
}

pub struct Run {
    pub start: u64,
    pub proven: u64,
    pub end: u64,
    pub ending: Ending,
    pub is_endless: bool,
}

/// Runs of equal characters, each with its character.
pub fn runs(cells: &str) -> Vec<(Run, char)> {
    let mut runs: Vec<(Run, char)> = Vec::new();
    for (column, letter) in (0..).zip(cells.chars()) {
        match runs.last_mut() {
            Some((run, last)) if *last == letter && run.end == column && letter.is_alphabetic() => {
                (run.end, run.proven) = (column + 1, column + 1);
            }
            _ if letter == ' ' => {}
            _ => {
                let (proven, end) = (column + 1, column + 1);
                let ending = Ending::Returned;
                runs.push((
                    Run {
                        start: column,
                        proven,
                        end,
                        ending,
                        is_endless: false,
                    },
                    letter,
                ));
            }
        }
    }
    runs
}

/// Crossings: runs of letters, with the marks behind them.
pub fn tokens(cells: &str) -> Vec<(Run, char)> {
    let mut tokens: Vec<(Run, char)> = Vec::new();
    for (run, letter) in runs(cells) {
        let ending = match letter {
            '!' => Ending::Caught,
            '~' => Ending::Unwound,
            '}' => Ending::Detached,
            '>' => Ending::Returned,
            _ => {
                tokens.push((run, letter));
                continue;
            }
        };
        let (before, _) = tokens.last_mut().expect("a mark stands behind a run");
        (before.end, before.ending) = (run.end, ending);
        before.is_endless |= letter == '>';
        if letter == '!' {
            before.proven = run.end;
        }
    }
    tokens
}
