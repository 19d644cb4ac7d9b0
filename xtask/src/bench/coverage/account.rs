//! What the requests of a run come to.

use hotspan_tests::{
    coverage::{Request, Sides},
    load::quantile,
};

use super::{Kind, explain::explain};

/// Names and sides of all requests.
#[derive(Default)]
pub struct Account {
    sides: Sides,
    of_all: Named,
    of_promised: Named,
}

impl Account {
    /// Adds the requests of a kind and shows how far they are covered; `alone`: those with nobody attached.
    pub fn add(
        &mut self,
        kind: &Kind,
        requests: &[Request<'_>],
        alone: &[Request<'_>],
        explains: bool,
    ) {
        show(kind, requests, alone);
        for request in requests {
            self.sides.add(&request.sides());
            let misnamed = request.misnamed();
            self.of_all.add(request, misnamed.len());
            if kind.promised.is_some() {
                self.of_promised.add(request, misnamed.len());
            }
            if explains {
                explain(request, &misnamed, kind.promised);
            }
        }
    }

    /// Shows what they come to.
    pub fn conclude(&self) {
        let (all, promised, sides) = (&self.of_all, &self.of_promised, &self.sides);
        println!(
            "  {} of {} phases named right, {} of {} where coverage is promised; {} of {} sides within the stated error",
            all.right, all.all, promised.right, promised.all, sides.within, sides.all
        );
        println!(
            "  {} of these sides are of waits; {} lie further inside of their call, by less than a millisecond",
            sides.of_waits, sides.excused
        );
    }
}

fn show(kind: &Kind, requests: &[Request<'_>], alone: &[Request<'_>]) {
    let covered = sorted(requests, Request::coverage);
    let by_hand = sorted(requests, Request::by_hand);
    let by_hand_alone = sorted(alone, Request::by_hand);
    let at = |of: &[f64], q| quantile(of, q).unwrap_or_default();
    let promised = kind
        .promised
        .map_or(String::new(), |share| format!(", promised {share:.2}"));
    println!(
        "  {:<28} median {:.3}, least {:.3}{promised}; by hand {:.3}, with nobody attached {:.3}",
        kind.path,
        at(&covered, 0.5),
        at(&covered, 0.0),
        at(&by_hand, 0.5),
        at(&by_hand_alone, 0.5),
    );
}

/// Phases, and how many of them are named right.
#[derive(Default)]
struct Named {
    right: usize,
    all: usize,
}

impl Named {
    fn add(&mut self, request: &Request<'_>, misnamed: usize) {
        self.right += request.phases.len() - misnamed;
        self.all += request.phases.len();
    }
}

/// A figure of each request, the least first.
fn sorted<'a>(requests: &[Request<'a>], of: fn(&Request<'a>) -> f64) -> Vec<f64> {
    let mut figures: Vec<f64> = requests.iter().map(of).collect();
    figures.sort_by(f64::total_cmp);
    figures
}
